import ComputeModel
import DriverAPI

/// A hypervisor that is not there: guests are rows in memory, kept in a journal so that they survive the host process
/// as real guests do. Delays and failures are rehearsed by options and by server metadata; see ``Rehearsal``.
final class FakeDriver: ComputeDriver, ConsoleLogReading {
    let capabilities: Capabilities
    let hypervisor: Hypervisor
    private let inventorySource: InventorySource

    init(options: FakeOptions, host: any DriverHost) throws(DriverError) {
        hypervisor = try Hypervisor(options: options, host: host)
        inventorySource = InventorySource(options.inventory(nodeName: host.nodeName), now: hypervisor.now)
        if options.mutation != .inventoryStreamSilent { inventorySource.start() }
        capabilities = Self.capabilities(of: hypervisor)
    }

    private static func capabilities(of hypervisor: Hypervisor) -> Capabilities {
        var facts = Set(CapabilityFact.allCases)
        if hypervisor.options.topology?.cells.isEmpty != false { facts.remove(.topology) }
        if hypervisor.options.topology?.pciDevices.isEmpty != false { facts.remove(.pciPassthrough) }
        var all = Capabilities(
            consoleLog: ConsoleLogs(hypervisor: hypervisor), bindings: [.unbound],
            imageFormats: GuestRules.imageFormats, facts: facts)
        all.consoles = Consoles(hypervisor: hypervisor)
        all.pausing = Pausing(hypervisor: hypervisor)
        all.suspending = Suspending(hypervisor: hypervisor)
        all.snapshots = Snapshots(hypervisor: hypervisor)
        all.rescue = Rescuing(hypervisor: hypervisor)
        all.volumes = Volumes(hypervisor: hypervisor)
        all.volumeExtending = VolumeExtending(hypervisor: hypervisor)
        all.volumeSwapping = VolumeSwapping(hypervisor: hypervisor)
        all.interfaces = Interfaces(hypervisor: hypervisor)
        all.resizing = ColdMoves(hypervisor: hypervisor)
        all.evacuation = Evacuation(hypervisor: hypervisor)
        all.liveMigration = LiveMoves(hypervisor: hypervisor)
        all.passwords = Passwords(hypervisor: hypervisor)
        all.quiescing = Quiescing(hypervisor: hypervisor)
        all.clocks = Clocks(hypervisor: hypervisor)
        all.diagnostics = Diagnostics(hypervisor: hypervisor)
        all.crashDumps = CrashDumps(hypervisor: hypervisor)
        all.imageCache = ImageCache(hypervisor: hypervisor)
        all.hostPower = HostPower(hypervisor: hypervisor)
        all.hostMaintenance = Maintenance(hypervisor: hypervisor)
        return all
    }

    func health() -> AsyncStream<DriverHealth> { hypervisor.power.health.stream() }
    func inventory() -> AsyncStream<NodeInventory> { inventorySource.broadcast.stream() }
    func events() -> AsyncStream<GuestEvent> { hypervisor.events.stream() }

    func recover(_ handles: [GuestID: GuestHandle]) async throws(DriverError) -> [GuestID: GuestHandle] {
        try await hypervisor.enter(.recover)
        let mutation = hypervisor.mutation
        let held = hypervisor.world.read { state in
            Set(handles.keys.filter { state.guests[$0]?.isOurs == true })
        }
        var found: [GuestID: GuestHandle] = [:]
        for (guest, handle) in handles {
            // A handle of another form is of another driver, or of a later version of this one.
            let isTheirs = handle == Self.handle(of: guest)
            guard held.contains(guest) && isTheirs || mutation == .recoverInvents else { continue }
            found[guest] = mutation == .handleIgnored ? GuestHandle(version: 1, data: []) : Self.handle(of: guest)
        }
        if mutation == .recoverForgets, let first = found.keys.min() { found[first] = nil }
        return found
    }

    func guests() async throws(DriverError) -> [GuestSummary] {
        try await hypervisor.enter(.guests)
        var all = hypervisor.world.read { Array($0.summaries.values) }
        if hypervisor.mutation == .guestsHidesOne, all.count > 1 { all.removeLast() }
        if hypervisor.mutation == .foreignClaimed {
            all = all.map { GuestSummary(id: $0.id, name: $0.name, power: $0.power, isOurs: true) }
        }
        return all
    }

    func powerState(of guest: GuestID) async throws(DriverError) -> PowerState {
        try await hypervisor.look(.powerState, guest) { $0.power }
    }

    func consoleLog(of guest: GuestID, bytesMax: Int) async throws(DriverError) -> [UInt8] {
        try await ConsoleLogs(hypervisor: hypervisor).consoleLog(of: guest, bytesMax: bytesMax)
    }

    func shutDown() async {
        hypervisor.shutDown()
        inventorySource.stop()
    }

    /// What the host keeps of a guest.
    static func handle(of guest: GuestID) -> GuestHandle {
        GuestHandle(version: 1, data: Array(guest.description.utf8))
    }
}
