/// A new driver's sources.
extension DriverScaffold {
    static let entry = ##"""
        public import CDriverABI
        import DriverAPI

        /// The door through which the host enters this library.
        @c(kilonova_driver_plugin_v1)
        public func driverPlugin() -> UnsafePointer<kn_driver_descriptor>? {
            kn_describe_driver("@NAME@", "0.1.0") {
                DriverFactory(optionGroup: "@NAME@", options: @TYPE@.options) {
                    configuration, host throws(DriverError) in @TYPE@(configuration, host)
                }.retainedForEntry()
            }
        }

        """##

    static let driver = ##"""
        import ComputeModel
        import DriverAPI

        /// Runs guests on paper. What a hypervisor would do is done by `GuestFiles`.
        final class @TYPE@: ComputeDriver {
            static let options = [
                DriverOption("vcpus", .integer(min: 1, max: nil), default: "8", help: "Processors that it offers.")
            ]

            let capabilities = Capabilities(imageFormats: ["raw"])
            private let host: any DriverHost
            private let files: GuestFiles
            private let healthBroadcast = NewestValueBroadcast<DriverHealth>(.healthy)
            private let inventoryBroadcast: NewestValueBroadcast<NodeInventory>
            private let eventBroadcast = GuestEventBroadcast()

            init(_ configuration: DriverConfiguration, _ host: any DriverHost) {
                self.host = host
                files = GuestFiles(directory: host.stateDirectory)
                inventoryBroadcast = NewestValueBroadcast(
                    NodeInventory(
                        hypervisorType: "@NAME@", hypervisorVersion: 1_000_000, hypervisorHostname: host.nodeName,
                        cpu: CPUDescription(arch: "x86_64", vendor: "none", model: "paper"),
                        supportedGuests: [
                            SupportedGuest(architecture: "x86_64", hypervisorType: "@NAME@", machineMode: "hvm")
                        ],
                        resources: [
                            .vcpu: ResourceInventory(total: configuration.integer("vcpus") ?? 8),
                            .memoryMiB: ResourceInventory(total: 16384), .diskGiB: ResourceInventory(total: 100),
                        ], traits: [], diskFreeGiB: 100))
            }

            func health() -> AsyncStream<DriverHealth> { healthBroadcast.stream() }
            func inventory() -> AsyncStream<NodeInventory> { inventoryBroadcast.stream() }
            func events() -> AsyncStream<GuestEvent> { eventBroadcast.stream() }

            func recover(_ handles: [GuestID: GuestHandle]) async throws(DriverError) -> [GuestID: GuestHandle] {
                files.removeUnfinished()
                return handles.filter { files[$0.key] != nil }
            }

            func guests() async throws(DriverError) -> [GuestSummary] {
                files.all.map { GuestSummary(id: $0.key, name: $0.value.name, power: $0.value.power, isOurs: true) }
            }

            func powerState(of guest: GuestID) async throws(DriverError) -> PowerState {
                guard let found = files[guest] else { throw .noSuchGuest(guest) }
                return found.power
            }

            func spawn(_ spec: GuestSpec, _ call: DriverCall) async throws(DriverError) -> GuestHandle {
                let handle = GuestHandle(version: 1, data: [])
                try files.refuseStale(spec.id, call)
                if let known = files[spec.id] {
                    guard known.operation == call.operation else { throw .refused("guest \(spec.id) exists already") }
                    return handle
                }
                let image = try acceptableImage(spec)
                guard !Task.isCancelled else { throw .cancelled }
                // Nothing of a guest remains when a step throws, and none is seen before it is whole.
                try await withRollback { (rollback: inout Rollback) async throws(DriverError) in
                    let folder = try files.begin(spec.id)
                    rollback.onFailure { [files] in files.removeUnfinished(spec.id) }
                    try await host.fetchImage(image, to: folder + "/disk")
                    let power = spec.isRunning ? PowerState.running : .shutdown
                    try files.finish(spec.id, Guest(name: spec.name, power: power, operation: call.operation))
                }
                eventBroadcast.send(.power(spec.id, spec.isRunning ? .running : .shutdown))
                return handle
            }

            func destroy(_ guest: GuestID, _ call: DriverCall) async throws(DriverError) {
                try files.refuseStale(guest, call)
                try files.remove(guest, operation: call.operation)
            }

            func powerOn(_ guest: GuestID, _ call: DriverCall) async throws(DriverError) {
                try change(guest, call, to: .running)
            }

            func powerOff(_ guest: GuestID, within grace: Duration, _ call: DriverCall) async throws(DriverError) {
                try change(guest, call, to: .shutdown)
            }

            func reboot(_ guest: GuestID, _ kind: RebootKind, within grace: Duration, _ call: DriverCall)
                async throws(DriverError)
            {
                try change(guest, call, to: .running)
            }

            func shutDown() async {
                healthBroadcast.finish()
                inventoryBroadcast.finish()
                eventBroadcast.finish()
            }

            private func change(_ guest: GuestID, _ call: DriverCall, to power: PowerState) throws(DriverError) {
                try files.refuseStale(guest, call)
                guard var found = files[guest] else { throw .noSuchGuest(guest) }
                // A repeat ends as the first call did, whatever happened to the guest since.
                if found.operation == call.operation { return }
                (found.power, found.operation) = (power, call.operation)
                try files.write(guest, found)
                eventBroadcast.send(.power(guest, power))
            }

            /// What a user asks for and cannot have is refused before anything is made.
            private func acceptableImage(_ spec: GuestSpec) throws(DriverError) -> ImageSpec {
                guard let image = spec.image, spec.volumes.isEmpty else {
                    throw .notSupported("This hypervisor has no volumes.")
                }
                guard spec.configDrive == nil else {
                    throw .notSupported("This hypervisor has no configuration drives.")
                }
                guard spec.interfaces.allSatisfy({ $0.binding.kind == .unbound }) else {
                    throw .notSupported("This hypervisor wires no interfaces.")
                }
                guard image.diskFormat == "raw" else {
                    throw .imageUnacceptable("The image's format is \(image.diskFormat); this hypervisor takes raw.")
                }
                guard spec.flavor.rootGiB == 0 || image.sizeBytes <= Int64(spec.flavor.rootGiB) << 30 else {
                    throw .imageUnacceptable("The image is larger than the flavor's disk.")
                }
                return image
            }
        }

        """##

    static let guestFiles = ##"""
        import ComputeModel
        import DriverAPI
        import FoundationEssentials

        /// A guest as its file has it.
        struct Guest: Codable, Sendable {
            var name: String
            var power: PowerState
            /// The last operation carried out on it.
            var operation: Int64
        }

        /// The hypervisor: a folder for each guest, below the state directory, so that guests outlive the process as
        /// real ones do. One that is being made has a name of its own until it is whole.
        final class GuestFiles: Sendable {
            private let root: String
            private let removalsPath: String
            /// The operation that removed a guest, so that a late message does not bring it back.
            private let removals: Locked<[GuestID: Int64]>

            init(directory: String) {
                root = directory + "/guests"
                removalsPath = directory + "/removed.json"
                try? FileManager.default.createDirectory(atPath: root, withIntermediateDirectories: true)
                let known = try? Data(contentsOf: URL(filePath: removalsPath))
                let entries = known.flatMap { try? JSONDecoder().decode([String: Int64].self, from: $0) } ?? [:]
                removals = Locked(
                    Dictionary(entries.compactMap { key, value in GuestID(key).map { ($0, value) } }) { $1 })
            }

            subscript(guest: GuestID) -> Guest? {
                guard let data = try? Data(contentsOf: URL(filePath: sheet(guest))) else { return nil }
                return try? JSONDecoder().decode(Guest.self, from: data)
            }

            var all: [GuestID: Guest] {
                let names = (try? FileManager.default.contentsOfDirectory(atPath: root)) ?? []
                let found = names.compactMap { GuestID($0) }.compactMap { id in self[id].map { (id, $0) } }
                return Dictionary(found) { $1 }
            }

            /// Refuses a message that comes later than a newer one, also one for a guest that was removed since.
            func refuseStale(_ guest: GuestID, _ call: DriverCall) throws(DriverError) {
                let seen = self[guest]?.operation ?? removals.with { $0[guest] } ?? 0
                guard call.operation < seen else { return }
                throw .stale("guest \(guest) has seen operation \(seen); \(call.operation) is refused")
            }

            /// Begins a guest and returns the folder for its parts.
            func begin(_ guest: GuestID) throws(DriverError) -> String {
                removeUnfinished(guest)
                do {
                    try FileManager.default.createDirectory(
                        atPath: unfinished(guest), withIntermediateDirectories: true)
                } catch {
                    throw .insufficientResources("the folder of guest \(guest) cannot be made: \(error)")
                }
                return unfinished(guest)
            }

            /// Makes a guest whole.
            func finish(_ guest: GuestID, _ content: Guest) throws(DriverError) {
                do {
                    try JSONEncoder().encode(content).write(to: URL(filePath: unfinished(guest) + "/guest.json"))
                    try FileManager.default.moveItem(atPath: unfinished(guest), toPath: folder(guest))
                } catch {
                    throw .insufficientResources("guest \(guest) cannot be written: \(error)")
                }
            }

            func write(_ guest: GuestID, _ content: Guest) throws(DriverError) {
                do {
                    try JSONEncoder().encode(content).write(to: URL(filePath: sheet(guest)), options: .atomic)
                } catch {
                    throw .insufficientResources("guest \(guest) cannot be written: \(error)")
                }
            }

            /// Removes a guest and what is left of one that was not finished.
            func remove(_ guest: GuestID, operation: Int64) throws(DriverError) {
                removeUnfinished(guest)
                if FileManager.default.fileExists(atPath: folder(guest)) {
                    do {
                        try FileManager.default.removeItem(atPath: folder(guest))
                    } catch {
                        throw .failed("guest \(guest) cannot be removed: \(error)")
                    }
                }
                let known = removals.with { removals in
                    // The oldest are not known apart; a bound is what matters.
                    if removals.count >= 10_000, let any = removals.keys.first { removals[any] = nil }
                    removals[guest] = operation
                    return removals
                }
                let texts = Dictionary(known.map { ($0.key.description, $0.value) }) { $1 }
                try? JSONEncoder().encode(texts).write(to: URL(filePath: removalsPath), options: .atomic)
            }

            /// Removes what a spawn left that did not end.
            func removeUnfinished(_ guest: GuestID) { try? FileManager.default.removeItem(atPath: unfinished(guest)) }

            /// Removes what killed processes left.
            func removeUnfinished() {
                let names = (try? FileManager.default.contentsOfDirectory(atPath: root)) ?? []
                for name in names where name.hasSuffix(".new") {
                    try? FileManager.default.removeItem(atPath: root + "/" + name)
                }
            }

            private func folder(_ guest: GuestID) -> String { root + "/" + guest.description }
            private func unfinished(_ guest: GuestID) -> String { folder(guest) + ".new" }
            private func sheet(_ guest: GuestID) -> String { folder(guest) + "/guest.json" }
        }

        """##
}
