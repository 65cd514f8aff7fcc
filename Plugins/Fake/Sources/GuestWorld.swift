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
        var journal: Int32?
    }
    private let state: Locked<State>
    private let path: String?

    init(journal path: String?) throws(DriverError) {
        self.path = path
        var state = State()
        if let path {
            state.guests = Self.read(path)
            state.journal = try Self.rewrite(path, state.guests)
        }
        self.state = Locked(state)
    }

    var guests: [GuestID: FakeGuest] { state.with { $0.guests } }

    /// Refuses a late or repeated message.
    func check(_ guest: GuestID, _ operation: Int64) throws(DriverError) {
        guard let known = guests[guest], operation < known.operation else { return }
        throw .stale("guest \(guest) has seen operation \(known.operation); \(operation) is refused")
    }

    func put(_ guest: FakeGuest) throws(DriverError) {
        try append(Line(put: guest)) { $0[guest.id] = guest }
    }

    func remove(_ guest: GuestID) throws(DriverError) {
        try append(Line(removed: guest)) { $0[guest] = nil }
    }

    func close() {
        state.with { state in
            if let journal = state.journal { _ = Glibc.close(journal) }
            state.journal = nil
        }
    }

    private func append(_ line: Line, _ change: (inout [GuestID: FakeGuest]) -> Void) throws(DriverError) {
        let text = Self.encode(line)
        let failure: String? = state.with { state in
            if let journal = state.journal {
                let written = text.withUnsafeBytes { write(journal, $0.baseAddress, $0.count) }
                if written != text.count { return String(cString: strerror(errno)) }
            }
            change(&state.guests)
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

    private static func read(_ path: String) -> [GuestID: FakeGuest] {
        guard let data = try? Data(contentsOf: URL(filePath: path)) else { return [:] }
        var guests: [GuestID: FakeGuest] = [:]
        let decoder = JSONDecoder()
        // A last line that was cut short by a kill is not a change that anybody was told of.
        for line in data.split(separator: UInt8(ascii: "\n")) {
            guard let entry = try? decoder.decode(Line.self, from: Data(line)) else { continue }
            if let guest = entry.put { guests[guest.id] = guest }
            if let removed = entry.removed { guests[removed] = nil }
        }
        return guests
    }

    private static func rewrite(_ path: String, _ guests: [GuestID: FakeGuest]) throws(DriverError) -> Int32 {
        var bytes: [UInt8] = []
        for guest in guests.values.sorted(by: { $0.id < $1.id }) { bytes += encode(Line(put: guest)) }
        do {
            try Data(bytes).write(to: URL(filePath: path), options: .atomic)
        } catch {
            throw .badConfiguration("the fake driver cannot write its journal \(path): \(error)")
        }
        let journal = open(path, O_WRONLY | O_APPEND | O_CLOEXEC)
        guard journal >= 0 else {
            throw .badConfiguration("the fake driver cannot open its journal \(path): \(String(cString: strerror(errno)))")
        }
        return journal
    }
}
