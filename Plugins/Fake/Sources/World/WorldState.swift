import ComputeModel
import DriverAPI

/// A guest that has left and whose source keeps what it needs to take it back, or to tell how it ended.
struct Departure: Codable, Hashable, Sendable {
    /// How it left.
    enum Kind: String, Codable, Sendable {
        case cold
        case live
    }
    var kind: Kind
    /// As it was before.
    var guest: FakeGuest
    var disk: FakeDisk?
    /// The operation by which it left.
    var operation: Int64
    /// What the destination was given.
    var package: [UInt8]
}

/// A guest that is awaited.
struct Arrival: Codable, Hashable, Sendable {
    /// As it will be.
    var guest: FakeGuest
    var operation: Int64
    /// What the source must present.
    var token: String
    /// Whether it has come.
    var hasCome = false
}

/// The node itself.
struct NodeState: Codable, Hashable, Sendable {
    var isOff = false
    var isInMaintenance = false
}

/// Everything that the hypervisor holds.
struct WorldState: Sendable {
    private(set) var guests: [GuestID: FakeGuest] = [:]
    /// The same guests as they are listed: a list of thousands is a copy and nothing more.
    private(set) var summaries: [GuestID: GuestSummary] = [:]
    private(set) var disks: [DiskName: FakeDisk] = [:]
    private(set) var departures: [GuestID: Departure] = [:]
    private(set) var arrivals: [GuestID: Arrival] = [:]
    private(set) var removals = Removals()
    private(set) var node = NodeState()

    /// The last operation seen on a guest, also when it is not here any more; 0 for none.
    func operation(_ guest: GuestID) -> Int64 {
        max(
            guests[guest]?.operation ?? 0, removals[guest] ?? 0, departures[guest]?.operation ?? 0,
            arrivals[guest]?.operation ?? 0)
    }

    mutating func apply(_ change: WorldChange) {
        if let guest = change.put {
            guests[guest.id] = guest
            summaries[guest.id] = guest.summary
        }
        if let removed = change.removed {
            guests[removed] = nil
            summaries[removed] = nil
            removals.add(removed, change.operation ?? 0)
        }
        for disk in change.disks ?? [] { disks[disk.name] = disk }
        for name in change.disksRemoved ?? [] { disks[name] = nil }
        if let departure = change.departure { departures[departure.guest.id] = departure }
        if let ended = change.departureEnded { departures[ended] = nil }
        if let arrival = change.arrival { arrivals[arrival.guest.id] = arrival }
        if let ended = change.arrivalEnded { arrivals[ended] = nil }
        if let node = change.node { self.node = node }
    }

    /// The changes that lead from nothing to here, oldest removals first.
    var changes: [WorldChange] {
        var all: [WorldChange] = []
        if node != NodeState() { all.append(WorldChange(node: node)) }
        for (guest, operation) in removals.all { all.append(WorldChange(removed: guest, operation: operation)) }
        for guest in guests.values.sorted(by: { $0.id < $1.id }) {
            let disk = disks[guest.root]
            all.append(WorldChange(put: guest, disks: disk.map { [$0] }))
        }
        for disk in disks.values where guests[disk.name.guest] == nil || disk.name.role != .root {
            all.append(WorldChange(disks: [disk]))
        }
        all += departures.values.map { WorldChange(departure: $0) }
        all += arrivals.values.map { WorldChange(arrival: $0) }
        return all
    }

    /// How many things there are, as a measure of what the journal must hold.
    var count: Int { guests.count + disks.count + departures.count + arrivals.count + removals.count + 1 }
}

/// One change of the world, whole or not at all: one line of the journal.
struct WorldChange: Codable, Hashable, Sendable {
    var put: FakeGuest?
    var removed: GuestID?
    /// The operation that removed the guest.
    var operation: Int64?
    var disks: [FakeDisk]?
    var disksRemoved: [DiskName]?
    var departure: Departure?
    var departureEnded: GuestID?
    var arrival: Arrival?
    var arrivalEnded: GuestID?
    var node: NodeState?
}

/// Which operation removed a guest, for the last ones removed: a message that comes later than that is refused.
struct Removals: Sendable {
    private static let countMax = 10_000
    private var operations: [GuestID: Int64] = [:]
    private var order: [GuestID] = []

    subscript(guest: GuestID) -> Int64? { operations[guest] }
    var count: Int { operations.count }

    /// Oldest first.
    var all: [(GuestID, Int64)] { order.compactMap { guest in operations[guest].map { (guest, $0) } } }

    mutating func add(_ guest: GuestID, _ operation: Int64) {
        if operations[guest] == nil { order.append(guest) }
        operations[guest] = max(operations[guest] ?? 0, operation)
        guard order.count > Self.countMax * 2 else { return }
        for old in order.prefix(Self.countMax) { operations[old] = nil }
        order.removeFirst(Self.countMax)
    }
}
