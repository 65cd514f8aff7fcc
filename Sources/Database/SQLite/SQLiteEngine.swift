import CSQLite
import Glibc

/// Opens SQLite databases.
///
/// Files are in WAL mode: one writer and any number of readers at a time, and `synchronous = FULL` flushes every
/// commit, so that an acknowledged transaction survives a power failure.
struct SQLiteEngine: SQLEngine {
    let address: DatabaseAddress
    let options: DatabaseOptions

    var dialect: SQLDialect { .sqlite }

    /// A memory database exists in one connection only.
    var allowsReaders: Bool { address != .sqliteMemory }

    /// The database in messages.
    var name: String {
        switch address {
        case .sqliteFile(let path): path
        case .sqliteMemory, .server: "in memory"
        }
    }

    func connect(for purpose: ConnectionPurpose) throws(DatabaseError) -> any EngineConnection {
        var flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE
        var path = ":memory:"
        if case .sqliteFile(let file) = address {
            path = file
            if purpose == .writing { try prepareFile(file) }
        } else {
            flags |= SQLITE_OPEN_CREATE | SQLITE_OPEN_MEMORY
        }
        var handle: OpaquePointer?
        let code = sqlite3_open_v2(path, &handle, flags, nil)
        guard code == SQLITE_OK, let handle else {
            defer { sqlite3_close_v2(handle) }
            throw SQLiteErrors(name: name, handle: handle).error(code)
        }
        let connection = SQLiteConnection(handle: handle, name: name, statementsMax: options.statementsMax)
        do {
            try configure(connection, for: purpose)
        } catch {
            connection.close()
            throw error
        }
        return connection
    }

    private func configure(_ connection: SQLiteConnection, for purpose: ConnectionPurpose) throws(DatabaseError) {
        sqlite3_busy_timeout(connection.handle, options.busyTimeout.milliseconds)
        try connection.script("PRAGMA foreign_keys = ON")
        try connection.script("PRAGMA temp_store = MEMORY")
        guard case .sqliteFile = address else { return }
        switch purpose {
        case .writing:
            try connection.script("PRAGMA journal_mode = WAL")
            try connection.script("PRAGMA synchronous = FULL")
            try connection.script("PRAGMA journal_size_limit = 67108864")
            // Fails here, not at the first request, when the file is no database or may not be written.
            try connection.begin(.writing(.onDisk))
            connection.rollBack()
        case .reading:
            try connection.script("PRAGMA query_only = ON")
        }
    }

    /// Creates the file where there is none, readable by its owner only, because it can hold secrets.
    ///
    /// A file that exists is not opened here: closing it would drop the locks that this process holds on it.
    private func prepareFile(_ path: String) throws(DatabaseError) {
        var status = stat()
        if stat(path, &status) == 0 {
            if status.st_mode & S_IFMT == S_IFDIR {
                throw .cannotOpen("\(path) is a directory; [database] connection must name a file in it")
            }
            if access(path, R_OK | W_OK) != 0 {
                throw .readOnly("\(path) cannot be read and written by user \(geteuid()); change its owner or mode")
            }
            let directory = SQLiteErrors.directory(of: path)
            if access(directory, W_OK | X_OK) != 0 {
                throw .readOnly("the directory \(directory) cannot be written by user \(geteuid()), "
                    + "and the database keeps files beside \(path); change its owner or mode")
            }
            return
        }
        let descriptor = open(path, O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC, 0o600)
        let code = errno
        if descriptor >= 0 {
            close(descriptor)
        } else if code != EEXIST {
            throw SQLiteErrors.cannotCreate(path, code)
        }
    }
}
