import ComputeModel
import DriverAPI

/// A hypervisor that is not there: guests are rows in memory, kept in a journal so that they survive the host
/// process as real guests do. Delays and failures are rehearsed by options and by server metadata; see ``Rehearsal``.
final class FakeDriver: ComputeDriver, ConsoleLogReading {
    let capabilities: Capabilities
    private let host: any DriverHost
    private let options: FakeOptions
    private let world: GuestWorld
    private let healthBroadcast = NewestValueBroadcast<DriverHealth>(.healthy)
    private let inventoryBroadcast: NewestValueBroadcast<NodeInventory>
    private let eventBroadcast = GuestEventBroadcast()
    private let rehearsal: Rehearsal

    init(options: FakeOptions, host: any DriverHost) throws(DriverError) {
        self.options = options
        self.host = host
        rehearsal = Rehearsal(options: options)
        world = try GuestWorld(journal: options.persistent ? host.stateDirectory + "/guests.jsonl" : nil)
        inventoryBroadcast = NewestValueBroadcast(options.inventory(nodeName: host.nodeName))
        let reader = ConsoleReader(world: world)
        capabilities = Capabilities(
            consoleLog: reader, bindings: [.unbound],
            imageFormats: ["raw", "qcow2", "vmdk", "vdi", "vhd", "vhdx", "iso", "ami", "aki", "ari", "ploop"],
            facts: [.configDrive])
    }

    func health() -> AsyncStream<DriverHealth> { healthBroadcast.stream() }
    func inventory() -> AsyncStream<NodeInventory> { inventoryBroadcast.stream() }
    func events() -> AsyncStream<GuestEvent> { eventBroadcast.stream() }

    func recover(_ handles: [GuestID: GuestHandle]) async throws(DriverError) -> [GuestID: GuestHandle] {
        let held = world.guests
        return handles.filter { held[$0.key] != nil }
    }

    func guests() async throws(DriverError) -> [GuestSummary] {
        world.guests.values.map {
            GuestSummary(id: $0.id, name: $0.name, power: $0.power, isOurs: true)
        }
    }

    func powerState(of guest: GuestID) async throws(DriverError) -> PowerState {
        guard let found = world[guest] else { throw .noSuchGuest(guest) }
        return found.power
    }

    func spawn(_ spec: GuestSpec, _ call: DriverCall) async throws(DriverError) -> GuestHandle {
        if let known = world[spec.id], known.operation == call.operation {
            return known.handle
        }
        try world.check(spec.id, call.operation)
        try await rehearsal.perform(.spawn, of: spec.id, metadata: spec.metadata)
        let guest = FakeGuest(
            id: spec.id, name: spec.name, power: .running, operation: call.operation, metadata: spec.metadata,
            boots: 1)
        try world.put(guest)
        host.log(.debug, "guest spawned", ["guest": spec.id.description])
        return guest.handle
    }

    func destroy(_ guest: GuestID, _ call: DriverCall) async throws(DriverError) {
        try world.check(guest, call.operation)
        if let known = world[guest] {
            try await rehearsal.perform(.destroy, of: guest, metadata: known.metadata)
        }
        try world.remove(guest, operation: call.operation)
    }

    func powerOn(_ guest: GuestID, _ call: DriverCall) async throws(DriverError) {
        try await change(guest, call, .powerOn) { guest in
            if guest.power != .running { guest.boots += 1 }
            guest.power = .running
        }
    }

    func powerOff(_ guest: GuestID, within grace: Duration, _ call: DriverCall) async throws(DriverError) {
        try await change(guest, call, .powerOff) { $0.power = .shutdown }
    }

    func reboot(_ guest: GuestID, _ kind: RebootKind, within grace: Duration, _ call: DriverCall)
        async throws(DriverError)
    {
        try await change(guest, call, .reboot) { guest in
            guest.boots += 1
            guest.power = .running
        }
    }

    private func change(
        _ id: GuestID, _ call: DriverCall, _ operation: Rehearsal.Operation, _ change: (inout FakeGuest) -> Void
    ) async throws(DriverError) {
        guard let known = world[id] else { throw .noSuchGuest(id) }
        if known.operation == call.operation { return }
        try world.check(id, call.operation)
        try await rehearsal.perform(operation, of: id, metadata: known.metadata)
        guard var guest = world[id] else { throw .noSuchGuest(id) }
        change(&guest)
        guest.operation = call.operation
        try world.put(guest)
        eventBroadcast.send(.power(id, guest.power))
    }

    func consoleLog(of guest: GuestID, bytesMax: Int) async throws(DriverError) -> [UInt8] {
        try await ConsoleReader(world: world).consoleLog(of: guest, bytesMax: bytesMax)
    }

    func shutDown() async {
        healthBroadcast.finish()
        inventoryBroadcast.finish()
        eventBroadcast.finish()
        world.close()
    }
}

/// Writes what a guest of that history would have written.
struct ConsoleReader: ConsoleLogReading {
    let world: GuestWorld

    func consoleLog(of guest: GuestID, bytesMax: Int) async throws(DriverError) -> [UInt8] {
        guard let found = world[guest] else { throw .noSuchGuest(guest) }
        var text = ""
        for boot in 1...max(1, found.boots) {
            text += "FAKE-GUEST boot \(boot) of \(found.name) (\(guest))\n"
        }
        text += found.power == .running ? "\(found.name) login: " : "FAKE-GUEST powered off\n"
        return Array(text.utf8.suffix(max(0, bytesMax)))
    }
}
