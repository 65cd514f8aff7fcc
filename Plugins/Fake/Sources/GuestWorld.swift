import ComputeModel
import DriverAPI
import FoundationEssentials
import Glibc

/// A guest that is not there.
struct FakeGuest: Codable, Hashable, Sendable {
    let id: GuestID
    var name: String
    var power: PowerState
    /// The last operation carried out on it.
    var operation: Int64
    /// The server's metadata at spawn: rehearsals of later calls stand in it.
    var metadata: [String: String]
    /// How often it was started.
    var boots: Int

    var handle: GuestHandle { GuestHandle(version: 1, data: Array(id.description.utf8)) }
}

/// All guests of a fake node. Changes are appended to a journal before they are seen; the journal is read, and
/// rewritten without what is gone, at start. It is not forced to disk: guests must outlive the process, and a fake
/// host that loses power loses its guests like a real one.
final class GuestWorld: Sendable {
    private struct Line: Codable {
        var put: FakeGuest?
        var removed: GuestID?
        var operation: Int64?
    }
    private struct State {
        var guests: [GuestID: FakeGuest] = [:]
        var removals = Removals()
        var journal: Int32?
        /// Bytes in the journal.
        var length = 0
    }
    private let state: Locked<State>
    private let path: String?

    init(journal path: String?) throws(DriverError) {
        self.path = path
        var state = State()
        if let path {
            Self.read(path, into: &state)
            try Self.rewrite(path, &state)
        }
        self.state = Locked(state)
    }

    var guests: [GuestID: FakeGuest] { state.with { $0.guests } }

    subscript(guest: GuestID) -> FakeGuest? { state.with { $0.guests[guest] } }

    /// Refuses a late message, also one for a guest that was removed since.
    func check(_ guest: GuestID, _ operation: Int64) throws(DriverError) {
        let seen = state.with { $0.guests[guest]?.operation ?? $0.removals[guest] ?? 0 }
        guard operation < seen else { return }
        throw .stale("guest \(guest) has seen operation \(seen); \(operation) is refused")
    }

    func put(_ guest: FakeGuest) throws(DriverError) {
        try append(Line(put: guest)) { $0.guests[guest.id] = guest }
    }

    func remove(_ guest: GuestID, operation: Int64) throws(DriverError) {
        try append(Line(removed: guest, operation: operation)) { state in
            state.guests[guest] = nil
            state.removals.add(guest, operation)
        }
    }

    func close() {
        state.with { state in
            if let journal = state.journal { _ = Glibc.close(journal) }
            state.journal = nil
        }
    }

    private func append(_ line: Line, _ change: (inout State) -> Void) throws(DriverError) {
        let text = Self.encode(line)
        let failure: String? = state.with { state in
            if let journal = state.journal {
                let written = text.withUnsafeBytes { write(journal, $0.baseAddress, $0.count) }
                guard written == text.count else {
                    let reason = written < 0 ? String(cString: strerror(errno)) : "no space left on device"
                    // Half a line would swallow the next one.
                    if written > 0 { _ = ftruncate(journal, off_t(state.length)) }
                    return reason
                }
                state.length += text.count
            }
            change(&state)
            return nil
        }
        if let failure {
            throw .insufficientResources("the fake driver's journal \(path ?? "") cannot be written: \(failure)")
        }
    }

    private static func encode(_ line: Line) -> [UInt8] {
        guard let data = try? JSONEncoder().encode(line) else { return [] }
        return Array(data) + [UInt8(ascii: "\n")]
    }

    private static func read(_ path: String, into state: inout State) {
        guard let data = try? Data(contentsOf: URL(filePath: path)) else { return }
        let decoder = JSONDecoder()
        // A last line that was cut short by a kill is not a change that anybody was told of.
        for line in data.split(separator: UInt8(ascii: "\n")) {
            guard let entry = try? decoder.decode(Line.self, from: Data(line)) else { continue }
            if let guest = entry.put { state.guests[guest.id] = guest }
            if let removed = entry.removed {
                state.guests[removed] = nil
                state.removals.add(removed, entry.operation ?? 0)
            }
        }
    }

    private static func rewrite(_ path: String, _ state: inout State) throws(DriverError) {
        var bytes: [UInt8] = []
        for (guest, operation) in state.removals.all { bytes += encode(Line(removed: guest, operation: operation)) }
        for guest in state.guests.values.sorted(by: { $0.id < $1.id }) { bytes += encode(Line(put: guest)) }
        do {
            try Data(bytes).write(to: URL(filePath: path), options: .atomic)
        } catch {
            throw .badConfiguration("the fake driver cannot write its journal \(path): \(error)")
        }
        let journal = open(path, O_WRONLY | O_APPEND | O_CLOEXEC)
        guard journal >= 0 else {
            let reason = String(cString: strerror(errno))
            throw .badConfiguration("the fake driver cannot open its journal \(path): \(reason)")
        }
        state.journal = journal
        state.length = bytes.count
    }
}

/// Which operation removed a guest, for the last ones removed: a message that comes later than that is refused.
private struct Removals {
    private static let countMax = 10_000
    private var operations: [GuestID: Int64] = [:]
    private var order: [GuestID] = []

    subscript(guest: GuestID) -> Int64? { operations[guest] }

    /// Oldest first.
    var all: [(GuestID, Int64)] { order.compactMap { guest in operations[guest].map { (guest, $0) } } }

    mutating func add(_ guest: GuestID, _ operation: Int64) {
        if operations.updateValue(operation, forKey: guest) == nil { order.append(guest) }
        guard order.count > Self.countMax * 2 else { return }
        for old in order.prefix(Self.countMax) { operations[old] = nil }
        order.removeFirst(Self.countMax)
    }
}
