import DriverAPI
import FoundationEssentials
import Glibc

/// The file that the world is written to, a line for each change.
///
/// It is not forced to disk: guests must outlive the process, and a fake host that loses power loses its guests like a
/// real one. Only its owner can read it, because servers' metadata stand in it.
struct Journal: Sendable {
    let path: String
    private var file: Int32
    /// Bytes in the file.
    private(set) var length: Int

    /// Writes a new file with the given changes and opens it.
    init(rewriting path: String, _ changes: [WorldChange]) throws(DriverError) {
        self.path = path
        var bytes: [UInt8] = []
        for change in changes { bytes += try Self.encode(change) }
        let fresh = path + ".new"
        let file = open(fresh, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0o600)
        guard file >= 0 else { throw Self.failure("open", fresh) }
        self.file = file
        length = 0
        do throws(DriverError) {
            try append(bytes)
            guard rename(fresh, path) == 0 else { throw Self.failure("rename", fresh) }
        } catch {
            close()
            _ = unlink(fresh)
            throw error
        }
    }

    /// Goes on with the file of an earlier run.
    init(continuing path: String) throws(DriverError) {
        self.path = path
        file = open(path, O_WRONLY | O_APPEND | O_CLOEXEC)
        guard file >= 0 else { throw Self.failure("open", path) }
        length = Int(lseek(file, 0, SEEK_END))
    }

    /// Writes one change.
    mutating func append(_ change: WorldChange) throws(DriverError) { try append(Self.encode(change)) }

    private mutating func append(_ bytes: [UInt8]) throws(DriverError) {
        guard file >= 0 else { throw .unreachable("the fake driver has been shut down") }
        var done = 0
        while done < bytes.count {
            let written = bytes[done...].withUnsafeBytes { write(file, $0.baseAddress, $0.count) }
            if written < 0, errno == EINTR { continue }
            guard written > 0 else {
                let failure = Self.failure("write", path)
                // Half a line would swallow the next one.
                _ = ftruncate(file, off_t(length))
                throw failure
            }
            done += written
        }
        length += bytes.count
    }

    mutating func close() {
        if file >= 0 { _ = Glibc.close(file) }
        file = -1
    }

    /// What a file holds; whether it must be written anew before it is continued.
    static func read(_ path: String) -> (state: WorldState, needsRewriting: Bool) {
        var state = WorldState()
        guard let data = try? Data(contentsOf: URL(filePath: path)) else { return (state, true) }
        let decoder = JSONDecoder()
        var lines = 0
        var isWhole = data.isEmpty || data.last == UInt8(ascii: "\n")
        // A last line that was cut short by a kill is not a change that anybody was told of.
        for line in data.split(separator: UInt8(ascii: "\n")) {
            lines += 1
            guard let change = try? decoder.decode(WorldChange.self, from: Data(line)) else {
                isWhole = false
                continue
            }
            state.apply(change)
        }
        return (state, !isWhole || lines > state.count * 2 + 100)
    }

    private static func encode(_ change: WorldChange) throws(DriverError) -> [UInt8] {
        do {
            return Array(try JSONEncoder().encode(change)) + [UInt8(ascii: "\n")]
        } catch {
            throw .failed("a change of the fake hypervisor cannot be written as JSON: \(error)")
        }
    }

    private static func failure(_ what: String, _ path: String) -> DriverError {
        let reason = String(cString: strerror(errno))
        return .insufficientResources("the fake driver cannot \(what) its journal \(path): \(reason)")
    }
}
