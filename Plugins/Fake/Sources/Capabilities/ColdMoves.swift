import ComputeModel
import DriverAPI
import FoundationEssentials

/// What goes along with a guest that moves while it is off.
struct ColdPackage: Codable, Sendable {
    /// Tells this move from all others.
    var token: String
    var source: String
    /// As it was before it left.
    var guest: FakeGuest
    /// `nil` for a guest that boots from a volume.
    var disk: FakeDisk?

    var packed: MovePackage {
        get throws(DriverError) { MovePackage(version: 1, data: try packJSON(self)) }
    }

    init(token: String, source: String, guest: FakeGuest, disk: FakeDisk?) {
        (self.token, self.source, self.guest, self.disk) = (token, source, guest, disk)
    }

    init(_ package: MovePackage) throws(DriverError) { self = try unpackJSON(package) }
}

/// Moves guests that are off. The root disk's content goes in the package; the source keeps a departure with the guest
/// as it was until that is confirmed.
struct ColdMoves: ResizingGuests {
    let hypervisor: Hypervisor

    var canStayOnNode: Bool { true }

    func depart(_ guest: GuestID, _ move: ColdMove, _ call: DriverCall) async throws(DriverError) -> MovePackage {
        let hypervisor = hypervisor
        _ = try await hypervisor.carryOut(.depart, guest, call) { (known) throws(DriverError) in
            let known = try hypervisor.own(known, guest)
            let disk = known.hasRootDisk ? try hypervisor.disk(known.root) : nil
            if let disk, move.flavor.rootGiB < disk.sizeGiB {
                throw .refused(
                    "the root disk of guest \(guest) has \(disk.sizeGiB) GiB: it cannot shrink to "
                        + "\(move.flavor.rootGiB)")
            }
            hypervisor.host.report(DriverProgress(guest: guest, phase: "shutting down"))
            try await hypervisor.pressPowerButton(known, within: move.grace)
            hypervisor.host.report(DriverProgress(guest: guest, phase: "setting disks aside", percent: 0))
            try await hypervisor.rehearse(.depart, "guest \(guest)", known.metadata)
            try hypervisor.checkCancellation()
            try self.leave(known, disk, move, call)
            hypervisor.host.report(DriverProgress(guest: guest, phase: "setting disks aside", percent: 100))
            return ""
        }
        guard let departure = hypervisor.world.read({ $0.departures[guest] }) else {
            throw .refused("guest \(guest) has left by operation \(call.operation), and that is over")
        }
        return MovePackage(version: 1, data: departure.package)
    }

    private func leave(
        _ known: FakeGuest, _ disk: FakeDisk?, _ move: ColdMove, _ call: DriverCall
    ) throws(DriverError) {
        let package = ColdPackage(
            token: UUIDValue.random().compact, source: hypervisor.host.nodeName, guest: known, disk: disk)
        let data = try packJSON(package)
        try hypervisor.world.change { state, change throws(DriverError) in
            guard var guest = state.guests[known.id] else { throw hypervisor.absent(known.id) }
            change.departure = Departure(
                kind: .cold, guest: guest, disk: disk, operation: call.operation, package: data)
            if hypervisor.mutation != .departLeavesRunning { guest.stop() }
            if hypervisor.mutation == .revertKeepsNewFlavor { guest.flavor = move.flavor }
            guest.isSetAside = true
            guest.note(Call.depart.rawValue, call.operation)
            change.put = guest
        }
        hypervisor.told(known.id, .shutdown)
    }

    func arrive(_ spec: GuestSpec, with package: MovePackage, _ call: DriverCall)
        async throws(DriverError) -> GuestHandle
    {
        let hypervisor = hypervisor
        let cargo = try ColdPackage(package)
        _ = try await hypervisor.carryOut(.arrive, spec.id, call) { (known) throws(DriverError) in
            if let known {
                guard known.isOurs else { throw hypervisor.foreign(spec.id) }
                guard known.isSetAside, cargo.source == hypervisor.host.nodeName else {
                    throw .refused("guest \(spec.id) is here already")
                }
            }
            try await hypervisor.rehearse(.arrive, "guest \(spec.id)", spec.metadata)
            try await self.land(spec, cargo, call)
            return ""
        }
        return FakeDriver.handle(of: spec.id)
    }

    private func land(_ spec: GuestSpec, _ cargo: ColdPackage, _ call: DriverCall) async throws(DriverError) {
        let rules = hypervisor.rules
        try hypervisor.world.check { (state) throws(DriverError) in try rules.check(spec, state) }
        if let image = spec.image { try await hypervisor.provide(image, for: spec.id) }
        try hypervisor.checkCancellation()
        var disk = cargo.disk
        if let sizeGiB = disk?.sizeGiB { disk?.sizeGiB = max(sizeGiB, spec.flavor.rootGiB) }
        if hypervisor.mutation == .resizeForgetsDisk { disk?.marker = UUIDValue.random().compact }
        var guest = FakeGuest(spec, operation: call.operation)
        (guest.boots, guest.console, guest.image) = (cargo.guest.boots, cargo.guest.console, cargo.guest.image)
        guest.arrivedBy = cargo.token
        if spec.isRunning { guest.boot(at: hypervisor.now()) }
        guest.note(Call.arrive.rawValue, call.operation)
        let (arrived, moved) = (guest, disk)
        try hypervisor.world.change { state, change throws(DriverError) in
            // Another guest may have taken the last device meanwhile.
            try rules.check(spec, state)
            change.put = arrived
            if let moved { change.disks = [moved] }
        }
        hypervisor.told(spec.id, arrived.power)
    }

    func confirmDeparture(of guest: GuestID, _ package: MovePackage, _ call: DriverCall) async throws(DriverError) {
        let hypervisor = hypervisor
        let cargo = try ColdPackage(package)
        _ = try await hypervisor.carryOut(.confirmDeparture, guest, call) { (known) throws(DriverError) in
            if let known, !known.isOurs { throw hypervisor.foreign(guest) }
            try await hypervisor.rehearse(.confirmDeparture, "guest \(guest)", cargo.guest.metadata)
            try hypervisor.checkCancellation()
            try hypervisor.world.change { state, change throws(DriverError) in
                if state.departures[guest]?.package == package.data { change.departureEnded = guest }
                guard var known = state.guests[guest] else { return }
                if known.isSetAside || hypervisor.mutation == .confirmKillsArrived {
                    change.removed = guest
                    change.operation = call.operation
                    // A disk that several nodes see is the one that the guest has at its destination.
                    if hypervisor.world.sharedFolder == nil { change.disksRemoved = [known.root] }
                } else {
                    known.note(Call.confirmDeparture.rawValue, call.operation)
                    change.put = known
                }
            }
            return ""
        }
    }

    func abandonArrival(of guest: GuestID, _ package: MovePackage, _ call: DriverCall) async throws(DriverError) {
        let hypervisor = hypervisor
        let cargo = try ColdPackage(package)
        _ = try await hypervisor.carryOut(.abandonArrival, guest, call) { (known) throws(DriverError) in
            // Only the guest that came by this very move is in question.
            guard let known, known.arrivedBy == cargo.token else { return "" }
            try await hypervisor.rehearse(.abandonArrival, "guest \(guest)", known.metadata)
            try hypervisor.checkCancellation()
            if hypervisor.mutation == .abandonLeavesGuest { return "" }
            hypervisor.consoles.close(guest)
            try hypervisor.world.change { state, change throws(DriverError) in
                if let departure = state.departures[guest] {
                    var old = departure.guest
                    old.stop()
                    old.isSetAside = true
                    old.note(Call.abandonArrival.rawValue, call.operation)
                    change.put = old
                    if let disk = departure.disk { change.disks = [disk] }
                } else {
                    change.removed = guest
                    change.operation = call.operation
                    if let folder = hypervisor.world.sharedFolder {
                        // The source's again, and as it was.
                        if let disk = cargo.disk { try folder.write(disk, for: cargo.source) }
                    } else {
                        change.disksRemoved = [known.root]
                    }
                }
            }
            hypervisor.told(guest, .shutdown)
            return ""
        }
    }

    func takeBack(_ spec: GuestSpec, _ package: MovePackage, _ call: DriverCall)
        async throws(DriverError) -> GuestHandle
    {
        let hypervisor = hypervisor
        let cargo = try ColdPackage(package)
        _ = try await hypervisor.carryOut(.takeBack, spec.id, call) { (known) throws(DriverError) in
            guard let known else { throw hypervisor.absent(spec.id) }
            guard known.isOurs else { throw hypervisor.foreign(spec.id) }
            guard known.isSetAside || known.arrivedBy == cargo.token else {
                throw .refused("guest \(spec.id) did not leave by this move, or that is over")
            }
            try await hypervisor.rehearse(.takeBack, "guest \(spec.id)", known.metadata)
            try hypervisor.checkCancellation()
            try self.restore(spec, known, cargo, call)
            return ""
        }
        return FakeDriver.handle(of: spec.id)
    }

    private func restore(
        _ spec: GuestSpec, _ known: FakeGuest, _ cargo: ColdPackage, _ call: DriverCall
    ) throws(DriverError) {
        let power = try hypervisor.world.change { state, change throws(DriverError) in
            let departure = state.departures[spec.id]
            let before = departure?.guest ?? cargo.guest
            var guest = FakeGuest(spec, operation: call.operation)
            (guest.boots, guest.console) = (before.boots, before.console)
            (guest.image, guest.arrivedBy) = (before.image, before.arrivedBy)
            if hypervisor.mutation == .revertKeepsNewFlavor { guest.flavor = known.flavor }
            if spec.isRunning { guest.boot(at: hypervisor.now()) }
            guest.note(Call.takeBack.rawValue, call.operation)
            change.put = guest
            if let disk = departure?.disk ?? cargo.disk { change.disks = [disk] }
            change.departureEnded = spec.id
            return guest.power
        }
        hypervisor.told(spec.id, power)
    }
}

extension FakeGuest {
    /// Whether it boots from a disk of the node's own.
    var hasRootDisk: Bool { !volumes.contains { $0.bootIndex == 0 } }
}

/// A package's content.
func packJSON(_ value: some Encodable) throws(DriverError) -> [UInt8] {
    let encoder = JSONEncoder()
    // A repeated call answers with the same bytes.
    encoder.outputFormatting = .sortedKeys
    do {
        return Array(try encoder.encode(value))
    } catch {
        throw .failed("a package cannot be written as JSON: \(error)")
    }
}

/// What a package contains.
///
/// - Throws: ``DriverError/refused(_:)`` for one that another driver or version has packed.
func unpackJSON<Value: Decodable>(_ package: MovePackage) throws(DriverError) -> Value {
    guard package.version == 1 else { throw .refused("a package of version \(package.version) is not known here") }
    do {
        return try JSONDecoder().decode(Value.self, from: Data(package.data))
    } catch {
        throw .refused("the package was not packed by the fake driver: \(error)")
    }
}
