import ComputeModel
import DriverAPI

/// The fake hypervisor: the world, and the way by which every call reaches it.
final class Hypervisor: Sendable {
    let options: FakeOptions
    let host: any DriverHost
    let world: GuestWorld
    let rehearsal: Rehearsal
    let power: HypervisorSwitch
    let events: GuestEventBroadcast
    let images: ImageStore
    let consoles: ConsoleDesk
    let moves: LiveMoveDesk
    let mutation: Mutation?
    let now: @Sendable () -> Timestamp
    let turns = KeyedLocks<GuestID>()

    /// Finds what an earlier run left in the host's state directory, and begins to watch the control file.
    init(
        options: FakeOptions, host: any DriverHost, now: @escaping @Sendable () -> Timestamp = WallClock.now
    ) throws(DriverError) {
        self.options = options
        self.host = host
        self.now = now
        mutation = options.mutation
        rehearsal = Rehearsal(plans: options.plans)
        events = GuestEventBroadcast()
        world = try GuestWorld(
            journal: options.persistent ? host.stateDirectory + "/guests.jsonl" : nil,
            sharedFolder: options.sharedStorage.map { path throws(DriverError) in
                try SharedFolder(path, node: host.nodeName)
            })
        power = HypervisorSwitch(
            file: ControlFile(stateDirectory: host.stateDirectory), isOff: world.read { $0.node.isOff },
            events: events, mutation: options.mutation)
        images = ImageStore(folder: host.stateDirectory + "/images", host: host, mutation: options.mutation, now: now)
        consoles = ConsoleDesk(address: options.consoleAddress)
        moves = LiveMoveDesk(address: options.consoleAddress)
        try addForeignGuests()
        if mutation == .restartStopsGuests {
            for guest in world.read({ $0.guests.values.filter(\.isUp) }) {
                try world.change { _, change throws(DriverError) in
                    var stopped = guest
                    stopped.stop()
                    change.put = stopped
                }
            }
        }
        power.start { [weak self] order in self?.carryOut(order) }
    }

    func shutDown() {
        power.stop()
        events.finish()
        consoles.close()
        moves.close()
        world.close()
    }

    private func addForeignGuests() throws(DriverError) {
        for id in options.foreignGuests where world[id] == nil {
            var guest = FakeGuest(id: id, name: "foreign", power: .shutdown, operation: 0, metadata: [:], boots: 0)
            guest.isOurs = false
            guest.boot(at: now())
            try world.change { _, change throws(DriverError) in change.put = guest }
        }
    }

    /// What befalls a guest without anybody's call.
    private func carryOut(_ order: ControlFile.Order) {
        defer { power.file.remove() }
        let (id, isCrash): (GuestID, Bool)
        switch order {
        case .crash(let guest): (id, isCrash) = (guest, true)
        case .stop(let guest): (id, isCrash) = (guest, false)
        case .work, .down, .hang, .unknown: return
        }
        do throws(DriverError) {
            try world.change { state, change throws(DriverError) in
                guard var guest = state.guests[id] else { throw .noSuchGuest(id) }
                guest.stop()
                if isCrash { guest.power = .crashed }
                change.put = guest
            }
            told(id, isCrash ? .crashed : .shutdown)
        } catch {
            host.log(.warning, "an order of the control file was not carried out", ["error": error.message])
        }
    }

    /// Tells readers of events, and closes what a guest that is off cannot have.
    func told(_ guest: GuestID, _ power: PowerState) {
        if power != .running, power != .paused { consoles.close(guest) }
        if mutation != .eventsMissing { events.send(.power(guest, power)) }
    }
}
