import CSQLite
import Glibc

/// Turns SQLite's result codes into ``DatabaseError``. https://www.sqlite.org/rescode.html
struct SQLiteErrors {
    /// The file, for messages.
    let name: String
    /// The connection that failed, for its message and the system's error.
    let handle: OpaquePointer?

    /// The error of that extended result code, which the connection has just reported.
    func error(_ code: Int32, sql: String = "") -> DatabaseError {
        let message = handle.map { String(cString: sqlite3_errmsg($0)) } ?? String(cString: sqlite3_errstr(code))
        let systemCode = handle.map { sqlite3_system_errno($0) } ?? 0
        switch code & 0xff {
        case SQLITE_CONSTRAINT:
            return .constraint(Self.failure(code, message))
        case SQLITE_BUSY, SQLITE_LOCKED:
            return .busy("the database \(name) is locked by another process or connection (\(message)); "
                + "check that only one kilonovad uses it")
        case SQLITE_FULL:
            return Self.full(name, message)
        case SQLITE_READONLY:
            return .readOnly("the database \(name) cannot be written here (\(message)); use a transaction to write, "
                + "and check the owner and mode of the file and its directory")
        case SQLITE_CORRUPT, SQLITE_NOTADB:
            return .corrupt("\(name) is damaged or no database (\(message)); restore a copy of it, or move it away")
        case SQLITE_CANTOPEN:
            return Self.cannotOpen(name, message, systemCode)
        case SQLITE_PERM, SQLITE_AUTH:
            return .readOnly("the database \(name) refuses access (\(message)); check its owner and mode")
        case SQLITE_IOERR:
            return Self.inputOutput(name, message, systemCode)
        case SQLITE_NOMEM, SQLITE_INTERRUPT, SQLITE_PROTOCOL:
            return .unavailable("the database \(name) gave up: \(message)")
        default:
            return .statement(message: message, sql: sql)
        }
    }

    /// The file could not be created, with the system's error number.
    static func cannotCreate(_ path: String, _ code: Int32) -> DatabaseError {
        let directory = directory(of: path)
        let reason = String(cString: strerror(code))
        switch code {
        case ENOENT: return .cannotOpen("the directory \(directory) for the database does not exist; create it")
        case ENOSPC, EDQUOT: return full(path, reason)
        case EROFS: return .readOnly("\(path) is on a file system that is mounted read-only; choose another directory")
        case EACCES, EPERM:
            return .readOnly("user \(geteuid()) may not create \(path) (\(reason)); "
                + "change the owner or mode of \(directory), or choose another directory")
        default: return .cannotOpen("the database \(path) cannot be created: \(reason)")
        }
    }

    static func directory(of path: String) -> String {
        guard let slash = path.lastIndex(of: "/"), slash > path.startIndex else { return "/" }
        return String(path[..<slash])
    }

    private static func full(_ name: String, _ message: String) -> DatabaseError {
        .full("no space is left for the database \(name) (\(message)); free space on its file system")
    }

    private static func cannotOpen(_ name: String, _ message: String, _ systemCode: Int32) -> DatabaseError {
        if systemCode == ENOSPC || systemCode == EDQUOT { return full(name, message) }
        let reason = systemCode == 0 ? message : String(cString: strerror(systemCode))
        return .cannotOpen("the database \(name) or a file beside it cannot be opened (\(reason)); "
            + "check that the directory exists and its owner and mode")
    }

    private static func inputOutput(_ name: String, _ message: String, _ systemCode: Int32) -> DatabaseError {
        switch systemCode {
        case ENOSPC, EDQUOT: return full(name, message)
        case EROFS: return .readOnly("the file system of \(name) has become read-only; see the kernel's log")
        default:
            let reason = systemCode == 0 ? message : "\(message): \(String(cString: strerror(systemCode)))"
            return .unavailable("reading or writing \(name) failed (\(reason)); check the disk and the kernel's log")
        }
    }

    private static func failure(_ code: Int32, _ message: String) -> DatabaseError.ConstraintFailure {
        // The high byte of the extended code tells the kind; SQLite's macros for it are not imported.
        let kind: DatabaseError.ConstraintFailure.Kind =
            switch code >> 8 {
            case 1: .check
            case 3: .foreignKey
            case 5: .notNull
            case 6, 8, 10: .unique  // primary key, unique, rowid
            default: .other
            }
        var columns: [String] = []
        if kind != .other, let colon = message.firstRange(of: "failed: ") {
            columns = message[colon.upperBound...].split(separator: ",").map { String($0.drop { $0 == " " }) }
        }
        return DatabaseError.ConstraintFailure(kind: kind, columns: columns, message: message)
    }
}
