import ComputeModel
import DriverAPI
import FoundationEssentials
import Glibc
import ServiceInterfaces

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

    private struct State {
        var entries: [InstanceID: Entry]
        var file: Int32
        /// Bytes in the file.
        var length: Int
        /// The length at which the file is written anew without what is out of date.
        var compactAt: Int
    }
    private let state: Locked<State>
    private let path: String
    private let compactionFloor: Int

    /// Reads the file at `path`, if there is one, and begins it anew without what is out of date.
    ///
    /// - Parameter compactionFloor: the file is begun anew when it has grown to four times what it began with, and
    ///   at least to this many bytes.
    /// - Throws: ``AgentError/stateDirectory(_:)``.
    init(path: String, now: Timestamp, compactionFloor: Int = 4 << 20) throws(AgentError) {
        self.path = path
        self.compactionFloor = compactionFloor
        switch Self.rewritten(path, Self.read(path), now: now, floor: compactionFloor) {
        case .success(let state): self.state = Locked(state)
        case .failure(let error): throw error
        }
    }

    deinit { state.with { _ = close($0.file) } }

    subscript(instance: InstanceID) -> Entry? { state.with { $0.entries[instance] } }

    /// The number of the last operation that ended, of every guest remembered.
    var operations: [InstanceID: Int64] { state.with { $0.entries.mapValues(\.operation) } }

    /// Remembers how an operation ended.
    ///
    /// - Throws: ``AgentError/stateDirectory(_:)``; then nothing was remembered.
    func record(_ entry: Entry) throws(AgentError) {
        let line = Self.line(entry)
        let failure: String? = state.with { state in
            let written = line.withUnsafeBytes { write(state.file, $0.baseAddress, $0.count) }
            guard written == line.count else {
                let reason = written < 0 ? String(cString: strerror(errno)) : "no space left on device"
                // Half a line would swallow the next one.
                if written > 0 { _ = ftruncate(state.file, off_t(state.length)) }
                return reason
            }
            state.length += line.count
            state.entries[entry.instance] = entry
            if state.length >= state.compactAt { compact(&state, now: entry.at) }
            return nil
        }
        if let failure { throw .stateDirectory("the agent's journal \(path) cannot be written: \(failure)") }
    }

    private func compact(_ state: inout State, now: Timestamp) {
        guard case .success(let fresh) = Self.rewritten(path, state.entries, now: now, floor: compactionFloor) else {
            // The old file is whole; the next attempt is made when it has grown as much again.
            state.compactAt = state.length * 2
            return
        }
        _ = close(state.file)
        state = fresh
    }

    private static func rewritten(
        _ path: String, _ known: [InstanceID: Entry], now: Timestamp, floor: Int
    ) -> Result<State, AgentError> {
        let entries = known.filter { _, entry in !entry.guestIsGone || now - entry.at < .seconds(86400) }
        let lines = entries.values.sorted { $0.instance < $1.instance }.flatMap { Self.line($0) }
        do {
            try Data(lines).write(to: URL(filePath: path), options: .atomic)
        } catch {
            return .failure(
                .stateDirectory(
                    "the agent's journal \(path) cannot be written: \(error); is the directory writable?"))
        }
        let file = open(path, O_WRONLY | O_APPEND | O_CLOEXEC)
        guard file >= 0 else {
            return .failure(
                .stateDirectory("the agent's journal \(path) cannot be opened: \(String(cString: strerror(errno)))"))
        }
        return .success(
            State(entries: entries, file: file, length: lines.count, compactAt: max(floor, lines.count * 4)))
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
