import ComputeModel
import FoundationEssentials
import Glibc
import ServiceInterfaces
import Synchronization

/// What an agent remembers of its guests' operations across restarts, so that a repeated message is answered and a
/// late one refused. A file of lines; the last line of a guest counts.
///
/// It is not forced to disk: an operation repeated after a loss of power meets a driver whose calls are idempotent
/// by the same number.
final class OperationJournal: Sendable {
    /// The last operation that ended on one guest.
    struct Entry: Codable, Hashable {
        var instance: InstanceID
        var operation: Int64
        var outcome: OperationOutcome
        /// When it ended; entries of guests that are gone are dropped after a day.
        var at: Timestamp
        var guestIsGone: Bool
    }

    private struct State: ~Copyable {
        var entries: [InstanceID: Entry]
        let file: Int32
    }
    private let state: Mutex<State>
    private let path: String

    /// Reads the file at `path`, if there is one, and begins it anew without what is out of date.
    ///
    /// - Throws: ``AgentError/stateDirectory(_:)``.
    init(path: String, now: Timestamp) throws(AgentError) {
        self.path = path
        let entries = Self.read(path).filter { _, entry in !entry.guestIsGone || now - entry.at < .seconds(86400) }
        let lines = entries.values.sorted { $0.instance < $1.instance }.flatMap { Self.line($0) }
        do {
            try Data(lines).write(to: URL(filePath: path), options: .atomic)
        } catch {
            throw .stateDirectory("the agent's journal \(path) cannot be written: \(error); is the directory writable?")
        }
        let file = open(path, O_WRONLY | O_APPEND | O_CLOEXEC)
        guard file >= 0 else {
            throw .stateDirectory("the agent's journal \(path) cannot be opened: \(String(cString: strerror(errno)))")
        }
        state = Mutex(State(entries: entries, file: file))
    }

    deinit { state.withLock { _ = close($0.file) } }

    subscript(instance: InstanceID) -> Entry? { state.withLock { $0.entries[instance] } }

    /// Remembers how an operation ended.
    func record(_ entry: Entry) throws(AgentError) {
        let line = Self.line(entry)
        let failure: String? = state.withLock { state in
            let written = line.withUnsafeBytes { write(state.file, $0.baseAddress, $0.count) }
            guard written == line.count else { return String(cString: strerror(errno)) }
            state.entries[entry.instance] = entry
            return nil
        }
        if let failure { throw .stateDirectory("the agent's journal \(path) cannot be written: \(failure)") }
    }

    private static func line(_ entry: Entry) -> [UInt8] {
        guard let data = try? JSONEncoder().encode(entry) else { return [] }
        return Array(data) + [UInt8(ascii: "\n")]
    }

    private static func read(_ path: String) -> [InstanceID: Entry] {
        guard let data = try? Data(contentsOf: URL(filePath: path)) else { return [:] }
        let decoder = JSONDecoder()
        var entries: [InstanceID: Entry] = [:]
        // A last line cut short by a kill belongs to an operation that nobody was told of.
        for line in data.split(separator: UInt8(ascii: "\n")) {
            guard let entry = try? decoder.decode(Entry.self, from: Data(line)) else { continue }
            entries[entry.instance] = entry
        }
        return entries
    }
}
