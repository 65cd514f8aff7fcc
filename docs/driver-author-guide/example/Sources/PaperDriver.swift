public import CDriverABI
import ComputeModel
import DriverAPI
import FoundationEssentials

/// The door through which the host enters this library.
@c(kilonova_driver_plugin_v1)
public func driverPlugin() -> UnsafePointer<kn_driver_descriptor>? {
    kn_describe_driver("paper", "1.0") {
        DriverFactory(optionGroup: "paper", options: PaperDriver.options) {
            configuration, host throws(DriverError) in PaperDriver(configuration, host)
        }.retainedForEntry()
    }
}

/// A guest is a file in the state directory, so it outlives the process as real guests do.
final class PaperDriver: ComputeDriver {
    struct Sheet: Codable {
        var name: String
        var power: PowerState
        var operation: Int64
    }

    static let options = [
        DriverOption("vcpus", .integer(min: 1, max: nil), default: "8", help: "Processors that the node offers.")
    ]

    let capabilities = Capabilities(imageFormats: ["raw"])
    private let folder: String
    private let healthBroadcast = NewestValueBroadcast<DriverHealth>(.healthy)
    private let inventoryBroadcast: NewestValueBroadcast<NodeInventory>
    private let eventBroadcast = GuestEventBroadcast()

    init(_ configuration: DriverConfiguration, _ host: any DriverHost) {
        folder = host.stateDirectory
        inventoryBroadcast = NewestValueBroadcast(
            NodeInventory(
                hypervisorType: "paper", hypervisorVersion: 1_000_000, hypervisorHostname: host.nodeName,
                cpu: CPUDescription(arch: "x86_64", vendor: "none", model: "paper"),
                supportedGuests: [SupportedGuest(architecture: "x86_64", hypervisorType: "paper", machineMode: "hvm")],
                resources: [
                    .vcpu: ResourceInventory(total: configuration.integer("vcpus") ?? 8),
                    .memoryMiB: ResourceInventory(total: 16384), .diskGiB: ResourceInventory(total: 100),
                ], traits: [], diskFreeGiB: 100))
    }

    func health() -> AsyncStream<DriverHealth> { healthBroadcast.stream() }
    func inventory() -> AsyncStream<NodeInventory> { inventoryBroadcast.stream() }
    func events() -> AsyncStream<GuestEvent> { eventBroadcast.stream() }

    func recover(_ handles: [GuestID: GuestHandle]) async throws(DriverError) -> [GuestID: GuestHandle] {
        handles.filter { read($0.key) != nil }
    }

    func guests() async throws(DriverError) -> [GuestSummary] {
        let names = (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []
        return names.compactMap { GuestID($0) }.compactMap { id in
            read(id).map { GuestSummary(id: id, name: $0.name, power: $0.power, isOurs: true) }
        }
    }

    func powerState(of guest: GuestID) async throws(DriverError) -> PowerState {
        guard let sheet = read(guest) else { throw .noSuchGuest(guest) }
        return sheet.power
    }

    func spawn(_ spec: GuestSpec, _ call: DriverCall) async throws(DriverError) -> GuestHandle {
        try refuseStale(spec.id, call)
        try write(Sheet(name: spec.name, power: .running, operation: call.operation), spec.id)
        return GuestHandle(version: 1, data: [])
    }

    func destroy(_ guest: GuestID, _ call: DriverCall) async throws(DriverError) {
        try refuseStale(guest, call)
        guard read(guest) != nil else { return }
        do {
            try FileManager.default.removeItem(atPath: path(guest))
        } catch {
            throw .failed("the file of guest \(guest) cannot be removed: \(error)")
        }
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
        guard var sheet = read(guest) else { throw .noSuchGuest(guest) }
        try refuseStale(guest, call)
        (sheet.power, sheet.operation) = (power, call.operation)
        try write(sheet, guest)
        eventBroadcast.send(.power(guest, power))
    }

    private func refuseStale(_ guest: GuestID, _ call: DriverCall) throws(DriverError) {
        guard let seen = read(guest)?.operation, call.operation < seen else { return }
        throw .stale("guest \(guest) has seen operation \(seen); \(call.operation) is refused")
    }

    private func path(_ guest: GuestID) -> String { folder + "/" + guest.description }

    private func read(_ guest: GuestID) -> Sheet? {
        guard let data = try? Data(contentsOf: URL(filePath: path(guest))) else { return nil }
        return try? JSONDecoder().decode(Sheet.self, from: data)
    }

    private func write(_ sheet: Sheet, _ guest: GuestID) throws(DriverError) {
        do {
            try JSONEncoder().encode(sheet).write(to: URL(filePath: path(guest)), options: .atomic)
        } catch {
            throw .insufficientResources("the file of guest \(guest) cannot be written: \(error)")
        }
    }
}
