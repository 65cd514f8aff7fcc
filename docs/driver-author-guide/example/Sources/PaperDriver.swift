import ComputeModel
import DriverAPI

/// Runs guests on paper. What a hypervisor would do is done by `GuestFiles`.
final class PaperDriver: ComputeDriver {
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
                hypervisorType: "paper", hypervisorVersion: 1_000_000, hypervisorHostname: host.nodeName,
                cpu: CPUDescription(arch: "x86_64", vendor: "none", model: "paper"),
                supportedGuests: [
                    SupportedGuest(architecture: "x86_64", hypervisorType: "paper", machineMode: "hvm")
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
