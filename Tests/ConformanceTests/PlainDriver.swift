import ComputeModel
import DriverAPI
import DriverConformance
import Foundation

/// The least that is a driver: guests in memory that outlive it. It misbehaves on request.
final class PlainDriver: ComputeDriver {
    /// What a driver may do wrong to the suite itself.
    enum Fault: Sendable { case none, hangsForEver, leaks, throwsAtStart }

    /// The guests, which a restart of the driver leaves alone.
    final class World: Sendable {
        struct Guest: Sendable {
            var power: PowerState
            var operation: Int64
        }
        struct State: Sendable {
            var guests: [GuestID: Guest] = [:]
            var removed: [GuestID: Int64] = [:]
            var debris = 0
            /// Calls that hang, until they are let go.
            var hanging: [CheckedContinuation<Void, Never>] = []
        }
        let state = Locked(State())

        /// How many calls hang.
        var hangingCount: Int { state.with { $0.hanging.count } }

        /// Comes back when it is let go; deaf to cancellation, as a driver that blocks in its hypervisor's library.
        func hang() async {
            await withCheckedContinuation { continuation in state.with { $0.hanging.append(continuation) } }
        }

        /// Lets go what hangs.
        func letGo() {
            let hanging = state.with { state in
                defer { state.hanging = [] }
                return state.hanging
            }
            for continuation in hanging { continuation.resume() }
        }

        var lines: [String] {
            state.with { state in
                state.guests.keys.map { "guest \($0)" } + (0..<state.debris).map { "debris \($0)" }
            }
        }
    }

    let capabilities = Capabilities(bindings: [.unbound], imageFormats: ["raw"])
    private let world: World
    private let fault: Fault
    private let healthBroadcast = NewestValueBroadcast<DriverHealth>(.healthy)
    private let inventoryBroadcast: NewestValueBroadcast<NodeInventory>
    private let eventBroadcast = GuestEventBroadcast()

    init(_ world: World, _ fault: Fault) throws(DriverError) {
        if fault == .throwsAtStart { throw .unreachable("there is no hypervisor") }
        self.world = world
        self.fault = fault
        inventoryBroadcast = NewestValueBroadcast(
            NodeInventory(
                hypervisorType: "plain", hypervisorVersion: 1, hypervisorHostname: "plain",
                cpu: CPUDescription(arch: "x86_64", vendor: "Plain", model: "plain"),
                supportedGuests: [SupportedGuest(architecture: "x86_64", hypervisorType: "plain", machineMode: "hvm")],
                resources: [.vcpu: ResourceInventory(total: 64), .memoryMiB: ResourceInventory(total: 65536)],
                traits: [], diskFreeGiB: 100))
    }

    func health() -> AsyncStream<DriverHealth> { healthBroadcast.stream() }
    func inventory() -> AsyncStream<NodeInventory> { inventoryBroadcast.stream() }
    func events() -> AsyncStream<GuestEvent> { eventBroadcast.stream() }

    func recover(_ handles: [GuestID: GuestHandle]) async throws(DriverError) -> [GuestID: GuestHandle] {
        let known = world.state.with { Set($0.guests.keys) }
        return handles.filter { known.contains($0.key) }
    }

    func guests() async throws(DriverError) -> [GuestSummary] {
        world.state.with { state in
            state.guests.map { GuestSummary(id: $0.key, name: "plain", power: $0.value.power, isOurs: true) }
        }
    }

    func powerState(of guest: GuestID) async throws(DriverError) -> PowerState {
        guard let found = world.state.with({ $0.guests[guest] }) else { throw .noSuchGuest(guest) }
        return found.power
    }

    func spawn(_ spec: GuestSpec, _ call: DriverCall) async throws(DriverError) -> GuestHandle {
        if fault == .hangsForEver { await world.hang() }
        guard capabilities.imageFormats.contains(spec.image?.diskFormat ?? "raw") else {
            throw .imageUnacceptable("unknown format")
        }
        if Task.isCancelled { throw .cancelled }
        let fault = fault
        let result: Result<Void, DriverError> = world.state.with { state in
            let seen = state.guests[spec.id]?.operation ?? state.removed[spec.id] ?? 0
            if call.operation < seen { return .failure(.stale("seen \(seen)")) }
            if let known = state.guests[spec.id] {
                return known.operation == call.operation ? .success(()) : .failure(.refused("it exists"))
            }
            state.guests[spec.id] = .init(power: spec.isRunning ? .running : .shutdown, operation: call.operation)
            if fault == .leaks { state.debris += 1 }
            return .success(())
        }
        try result.get()
        return GuestHandle(version: 1, data: [1])
    }

    func destroy(_ guest: GuestID, _ call: DriverCall) async throws(DriverError) {
        let result: Result<Void, DriverError> = world.state.with { state in
            let seen = state.guests[guest]?.operation ?? state.removed[guest] ?? 0
            if call.operation < seen { return .failure(.stale("seen \(seen)")) }
            state.guests[guest] = nil
            state.removed[guest] = call.operation
            return .success(())
        }
        try result.get()
    }

    func powerOn(_ guest: GuestID, _ call: DriverCall) async throws(DriverError) { try set(guest, .running, call) }
    func powerOff(_ guest: GuestID, within grace: Duration, _ call: DriverCall) async throws(DriverError) {
        try set(guest, .shutdown, call)
    }
    func reboot(_ guest: GuestID, _ kind: RebootKind, within grace: Duration, _ call: DriverCall)
        async throws(DriverError)
    { try set(guest, .running, call) }

    private func set(_ guest: GuestID, _ power: PowerState, _ call: DriverCall) throws(DriverError) {
        let result: Result<Void, DriverError> = world.state.with { state in
            guard let known = state.guests[guest] else { return .failure(.noSuchGuest(guest)) }
            if call.operation < known.operation { return .failure(.stale("seen \(known.operation)")) }
            state.guests[guest] = .init(power: power, operation: call.operation)
            return .success(())
        }
        try result.get()
        eventBroadcast.send(.power(guest, power))
    }

    func shutDown() async {
        healthBroadcast.finish()
        inventoryBroadcast.finish()
        eventBroadcast.finish()
    }
}

/// The least that is a subject.
final class PlainSubject: ConformanceSubject {
    let name = "plain"
    let host: ScratchHost
    let images: ConformanceImages
    let limits: ConformanceLimits
    let world = PlainDriver.World()
    private let fault: PlainDriver.Fault
    private let root: String

    init(_ fault: PlainDriver.Fault = .none, timeScale: Double = 0.4, guestsMax: Int = 32) throws {
        root = FileManager.default.temporaryDirectory.path + "/plain-" + UUIDValue.random().compact
        host = ScratchHost(stateDirectory: root + "/state")
        let image = root + "/image.raw"
        try Data("PLAIN".utf8).write(to: URL(filePath: image))
        images = ConformanceImages(boot: host.offer(image: image))
        limits = ConformanceLimits(timeScale: timeScale, guestsMax: guestsMax)
        self.fault = fault
    }

    func start() async throws(DriverError) -> any ComputeDriver { try PlainDriver(world, fault) }
    func world() async throws -> [String]? { world.lines }
    func close() async { try? FileManager.default.removeItem(atPath: root) }
}
