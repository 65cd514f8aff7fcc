import ComputeModel
import DriverAPI

/// Moves guests while they run. The guest goes from driver to driver over TCP; the source keeps a departure until it is
/// told to remove what is left.
///
/// A server's metadata rehearse: `fake:migrate:duration` = seconds that its memory takes, `fake:migrate:stuck` =
/// `true` for a guest that changes its memory faster than it is copied.
struct LiveMoves: LiveMigratingGuests {
    let hypervisor: Hypervisor

    // MARK: - On the destination, before

    func offer(for spec: GuestSpec, _ move: LiveMove) async throws(DriverError) -> MovePackage {
        try await hypervisor.power.pass()
        try await hypervisor.rehearse(.offer, "guest \(spec.id)", spec.metadata)
        try admit(spec)
        return try package(token: UUIDValue.random().compact).packed
    }

    private func admit(_ spec: GuestSpec) throws(DriverError) {
        let rules = hypervisor.rules
        do throws(DriverError) {
            try hypervisor.world.check { (state) throws(DriverError) in
                if state.guests[spec.id] != nil { throw .refused("guest \(spec.id) is here already") }
                try rules.check(spec, state)
            }
        } catch {
            throw .refused("node \(hypervisor.host.nodeName) cannot take the guest: \(error.message)")
        }
    }

    private func package(token: String) throws(DriverError) -> LivePackage {
        let hypervisor = hypervisor
        let port = try hypervisor.moves.open { hypervisor.land($0) }
        return LivePackage(
            token: token, destination: hypervisor.host.nodeName, host: port.host, port: port.port,
            cpuModel: hypervisor.options.cpuModel, sharedStorage: hypervisor.options.sharedStorage)
    }

    func prepareArrival(of spec: GuestSpec, _ move: LiveMove, _ package: MovePackage, _ call: DriverCall)
        async throws(DriverError) -> MovePackage
    {
        let hypervisor = hypervisor
        let cargo = try LivePackage(package)
        guard let coming = cargo.guest else {
            throw .refused("the package has not been to the source: it does not say what comes")
        }
        _ = try await hypervisor.carryOut(.prepareArrival, spec.id, call) { (known) throws(DriverError) in
            let earlier = hypervisor.world.read { $0.arrivals[spec.id] }
            if earlier?.token == cargo.token { return "" }
            if let known, !known.isOurs { throw hypervisor.foreign(spec.id) }
            try await hypervisor.rehearse(.prepareArrival, "guest \(spec.id)", spec.metadata)
            try self.admit(spec)
            if let image = spec.image { try await hypervisor.provide(image, for: spec.id) }
            try hypervisor.checkCancellation()
            try hypervisor.world.change { _, change throws(DriverError) in
                change.arrival = Arrival(guest: coming, operation: call.operation, token: cargo.token)
                if let disk = cargo.disk { change.disks = [disk] }
            }
            return ""
        }
        // The port is another one after a restart of the driver.
        var prepared = try self.package(token: cargo.token)
        (prepared.guest, prepared.disk) = (cargo.guest, cargo.disk)
        return try prepared.packed
    }

    // MARK: - On the source

    func check(_ guest: GuestID, _ move: LiveMove, _ offer: MovePackage) async throws(DriverError) -> MovePackage {
        let hypervisor = hypervisor
        var cargo = try LivePackage(offer)
        let known = try await hypervisor.look(.check, guest) { (guest) throws(DriverError) in
            let guest = try hypervisor.own(guest, guest.id)
            guard guest.isUp else { throw .refused("guest \(guest.id) does not run: it cannot migrate live") }
            guard guest.pciDevices.isEmpty else {
                throw .refused("guest \(guest.id) has devices of this node passed through")
            }
            return guest
        }
        guard cargo.cpuModel == hypervisor.options.cpuModel else {
            throw .refused(
                "node \(cargo.destination) has a processor \(cargo.cpuModel), the guest was started on "
                    + hypervisor.options.cpuModel)
        }
        let sees = hypervisor.options.sharedStorage != nil && cargo.sharedStorage == hypervisor.options.sharedStorage
        let disk = known.hasRootDisk ? try hypervisor.disk(known.root) : nil
        if disk != nil, let copies = move.copiesDisks, copies == sees {
            throw .refused(
                sees
                    ? "both nodes see the disks of guest \(guest): they need not be copied"
                    : "node \(cargo.destination) does not see the disks of guest \(guest): they must be copied")
        }
        cargo.guest = known
        cargo.disk = sees ? nil : disk
        return try cargo.packed
    }

    func migrate(_ guest: GuestID, _ move: LiveMove, _ package: MovePackage, _ call: DriverCall)
        async throws(DriverError) -> LiveMoveEnd
    {
        let hypervisor = hypervisor
        let cargo = try LivePackage(package)
        let end = try await hypervisor.carryOut(.migrate, guest, call) { (known) throws(DriverError) in
            let departure = hypervisor.world.read { $0.departures[guest] }
            if let departure, departure.kind == .live, departure.operation == call.operation {
                return LiveMoveEnd.moved.rawValue
            }
            let known = try hypervisor.own(known, guest)
            if let reason = try await self.transfer(known, move, cargo, call) {
                hypervisor.host.log(
                    .warning, "live migration ended where it began",
                    ["guest": guest.description, "destination": cargo.destination, "reason": reason])
                try hypervisor.commit(.migrate, guest, call, answer: LiveMoveEnd.stayed.rawValue) { _, _ in }
                return LiveMoveEnd.stayed.rawValue
            }
            return LiveMoveEnd.moved.rawValue
        }
        return LiveMoveEnd(rawValue: end) ?? .stayed
    }

    /// Moves the guest. Returns why it stayed, `nil` when it has moved.
    private func transfer(
        _ guest: FakeGuest, _ move: LiveMove, _ cargo: LivePackage, _ call: DriverCall
    ) async throws(DriverError) -> String? {
        guard guest.isUp else { return "the guest does not run" }
        let run = hypervisor.moves.begin(guest.id)
        defer { hypervisor.moves.end(guest.id) }
        do throws(DriverError) {
            try await hypervisor.rehearse(.migrate, "guest \(guest.id)", guest.metadata)
        } catch {
            switch error {
            case .unreachable, .cancelled, .noSuchGuest: throw error
            default: return error.message
            }
        }
        if try await isHeldBack(guest, move, run) { return "it was aborted" }
        guard var last = hypervisor.world[guest.id], last.isUp else { return "the guest does not run any more" }
        (last.done, last.arrivedBy) = ([], cargo.token)
        if hypervisor.mutation == .liveStopsGuest { last.stop() }
        let landing = Landing(token: cargo.token, guest: last)
        let refusal = try await OwnThread.run { () throws(DriverError) in
            try LiveMoveDesk.hand(landing, to: cargo.host, cargo.port)
        }
        if let refusal { return refusal }
        try leave(last, cargo, call)
        return nil
    }

    /// Copies memory until it is over. Returns whether the move was aborted.
    private func isHeldBack(_ guest: FakeGuest, _ move: LiveMove, _ run: LiveMoveDesk.Run) async throws(DriverError)
        -> Bool
    {
        let asked = guest.metadata["fake:migrate:duration"].flatMap { Double($0) }
        let duration = Duration.seconds(max(0, asked ?? hypervisor.options.liveMigrationSeconds))
        // A guest that may be slowed down is caught up with.
        let isStuck = guest.metadata["fake:migrate:stuck"] == "true" && !move.mayThrottle
        let begin = ContinuousClock.now
        var told = -1
        while true {
            let elapsed = ContinuousClock.now - begin
            var percent = duration > .zero ? min(100, Int(elapsed / duration * 100)) : 100
            if isStuck { percent = min(percent, 90) }
            if percent != told {
                hypervisor.host.report(
                    DriverProgress(guest: guest.id, phase: "migrating memory and disks", percent: percent))
                told = percent
            }
            let isOver = percent == 100
            let mayNotAbort = hypervisor.mutation == .liveAbortMoves
            let end: Bool? = run.wishes.with { wishes in
                if wishes.abort { return !mayNotAbort }
                guard wishes.forceComplete || isOver else { return nil }
                wishes.isBeyondReturn = true
                return false
            }
            if let end { return end }
            try await hypervisor.power.sleep(for: min(.milliseconds(20), max(.milliseconds(1), duration - elapsed)))
            try await hypervisor.power.pass()
        }
    }

    private func leave(_ guest: FakeGuest, _ cargo: LivePackage, _ call: DriverCall) throws(DriverError) {
        let data = try packJSON(cargo)
        try hypervisor.world.change { _, change throws(DriverError) in
            change.departure = Departure(
                kind: .live, guest: guest, disk: cargo.disk, operation: call.operation, package: data)
            guard hypervisor.mutation != .liveLeavesSource else { return }
            change.removed = guest.id
            change.operation = call.operation
        }
        hypervisor.consoles.close(guest.id)
    }

    func forceComplete(_ guest: GuestID) async throws(DriverError) {
        try await hypervisor.enter(.forceComplete, "guest \(guest)")
        guard let run = hypervisor.moves[guest] else { throw .refused("guest \(guest) does not migrate") }
        run.wishes.with { $0.forceComplete = true }
        hypervisor.host.log(.info, "live migration is forced to its end", ["guest": guest.description])
    }

    func abort(_ guest: GuestID) async throws(DriverError) {
        try await hypervisor.enter(.abort, "guest \(guest)")
        guard let run = hypervisor.moves[guest] else { throw .refused("guest \(guest) does not migrate") }
        let isHeld = run.wishes.with { wishes in
            guard !wishes.isBeyondReturn else { return false }
            wishes.abort = true
            return true
        }
        guard isHeld else { throw .refused("guest \(guest) is about to arrive: it can no longer be held") }
    }

    func finishDeparture(of guest: GuestID, _ package: MovePackage, _ call: DriverCall) async throws(DriverError) {
        let hypervisor = hypervisor
        _ = try await hypervisor.carryOut(.finishDeparture, guest, call) { (known) throws(DriverError) in
            try await hypervisor.rehearse(.finishDeparture, "guest \(guest)", known?.metadata ?? [:])
            try hypervisor.checkCancellation()
            try hypervisor.world.change { state, change throws(DriverError) in
                guard let departure = state.departures[guest], departure.kind == .live else { return }
                change.departureEnded = guest
                // The guest may have come back by another move since.
                guard state.guests[guest] == nil else { return }
                change.removed = guest
                change.operation = call.operation
                if departure.disk != nil { change.disksRemoved = [departure.guest.root] }
            }
            return ""
        }
    }

    // MARK: - On the destination, after

    func finishArrival(of spec: GuestSpec, _ package: MovePackage, _ call: DriverCall)
        async throws(DriverError) -> GuestHandle
    {
        let hypervisor = hypervisor
        let cargo = try LivePackage(package)
        _ = try await hypervisor.carryOut(.finishArrival, spec.id, call) { (known) throws(DriverError) in
            guard let known, known.arrivedBy == cargo.token else { throw hypervisor.absent(spec.id) }
            try await hypervisor.rehearse(.finishArrival, "guest \(spec.id)", known.metadata)
            try hypervisor.world.change { state, change throws(DriverError) in
                guard var guest = state.guests[spec.id] else { throw hypervisor.absent(spec.id) }
                (guest.name, guest.metadata) = (spec.name, spec.metadata)
                guest.note(Call.finishArrival.rawValue, call.operation)
                change.put = guest
                change.arrivalEnded = spec.id
            }
            return ""
        }
        return FakeDriver.handle(of: spec.id)
    }

    func abandonArrival(of guest: GuestID, _ package: MovePackage, _ call: DriverCall) async throws(DriverError) {
        let hypervisor = hypervisor
        let cargo = try LivePackage(package)
        _ = try await hypervisor.carryOut(.abandonLiveArrival, guest, call) { (_) throws(DriverError) in
            try await hypervisor.rehearse(.abandonLiveArrival, "guest \(guest)", cargo.guest?.metadata ?? [:])
            try hypervisor.checkCancellation()
            try hypervisor.world.change { state, change throws(DriverError) in
                guard let arrival = state.arrivals[guest], arrival.token == cargo.token else { return }
                guard !arrival.hasCome else { throw .refused("guest \(guest) has come: it is not abandoned") }
                change.arrivalEnded = guest
                if hypervisor.mutation == .abandonLeavesGuest { return }
                if cargo.disk != nil { change.disksRemoved = [DiskName(guest: guest, role: .root)] }
            }
            return ""
        }
    }
}

extension Hypervisor {
    /// Takes a guest that comes over. Returns why not; `nil` for welcome.
    func land(_ landing: Landing) -> String? {
        guard power.condition == .up else { return "the destination's hypervisor does not work" }
        let id = landing.guest.id
        do throws(DriverError) {
            let power: PowerState? = try world.change { state, change throws(DriverError) in
                // Told twice, because the first answer was lost.
                if state.guests[id]?.arrivedBy == landing.token { return nil }
                guard var arrival = state.arrivals[id], arrival.token == landing.token else {
                    throw .refused("guest \(id) is not awaited")
                }
                arrival.hasCome = true
                // A disk that both nodes see is this one's from now on.
                if let disk = try world.sharedFolder?.read(landing.guest.root) { change.disks = [disk] }
                var guest = landing.guest
                guest.see(arrival.operation)
                change.arrival = arrival
                change.put = guest
                return guest.power
            }
            if let power { told(id, power) }
            return nil
        } catch {
            return error.message
        }
    }
}
