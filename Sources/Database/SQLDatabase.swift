import Logging

/// When a transaction is safe.
package enum Durability: Sendable, Hashable {
    /// On disk when the call returns. What was told to anybody, and what cannot be repeated, needs this.
    case onDisk
    /// Kept when the process dies at once after the call; a power failure can lose it, but only together with
    /// everything that was committed after it. The next ``onDisk`` transaction puts it on disk. For facts that are
    /// renewed (heartbeats, leases) or found again by repeating idempotent work. Saves a flush, some milliseconds on
    /// a disk without a protected cache. Engines that cannot do less than ``onDisk`` do that.
    case deferred
}

/// Commits by what they waited for. Each of ``onDisk`` costs a flush.
package struct CommitCounts: Sendable, Hashable {
    package var onDisk = 0
    package var deferred = 0

    package init() {}

    mutating func add(_ durability: Durability) {
        switch durability {
        case .onDisk: onDisk += 1
        case .deferred: deferred += 1
        }
    }
}

/// An open database.
///
/// The closures given to ``read(_:)`` and ``transaction(_:)`` are synchronous and run on threads that belong to the
/// database, so that no thread of the cooperative pool ever waits for a disk:
/// ```swift
/// let hosts = try await database.read { try $0.map("SELECT host FROM services") { try $0.string(0) } }
/// try await database.transaction { connection in
///     try connection.execute("UPDATE services SET host = \(new) WHERE host = \(old)")
/// }
/// ```
/// Decision records: docs/decisions/0008-synchronous-database-closures-and-group-commit.md and
/// 0030-server-databases.md.
package final class SQLDatabase: Sendable {
    /// The family of engine.
    package let dialect: SQLDialect
    /// The database in messages: its file, `in memory`, or its name and server.
    package let name: String
    private let writer: any JobTaking
    /// Nil where reads share the writer's connections.
    private let readers: (any JobTaking)?
    private let threads: ThreadGroup
    private let counted: Locked<CommitCounts>
    private let lastTrouble = Locked<String?>(nil)

    let options: DatabaseOptions

    private init(
        _ engine: any SQLEngine, writer: any JobTaking, readers: (any JobTaking)?, _ threads: ThreadGroup,
        _ counted: Locked<CommitCounts>, _ options: DatabaseOptions
    ) {
        (dialect, name) = (engine.dialect, engine.name)
        (self.counted, self.options) = (counted, options)
        (self.writer, self.readers, self.threads) = (writer, readers, threads)
    }

    deinit {
        writer.close()
        readers?.close()
    }

    /// Opens the database: a file, which is created where there is none (its directory must exist), or one of a server.
    ///
    /// - Parameter url: see ``DatabaseAddress``.
    /// - Throws: ``DatabaseError`` with the place and the remedy in its text.
    package static func open(url: String, options: DatabaseOptions = DatabaseOptions()) async throws -> SQLDatabase {
        switch try DatabaseAddress(url: url) {
        case .server(let server):
            let engine: any SQLEngine =
                switch server.dialect {
                case .postgresql: PostgreSQLEngine(address: server, options: options)
                case .mariadb, .sqlite: MariaDBEngine(address: server, options: options)
                }
            return try await open(engine, options)
        case let address: return try await open(SQLiteEngine(address: address, options: options), options)
        }
    }

    private static func open(_ engine: any SQLEngine, _ options: DatabaseOptions) async throws -> SQLDatabase {
        let threads = ThreadGroup()
        let counted = Locked(CommitCounts())
        let pool = ServerPool(engine: engine, options: options, threads: threads, counted: counted)
        do {
            try await pool.open()
        } catch {
            pool.close()
            await threads.finished()
            throw error
        }
        return SQLDatabase(engine, writer: pool, readers: nil, threads, counted, options)
    }

    private static func open(_ engine: SQLiteEngine, _ options: DatabaseOptions) async throws -> SQLDatabase {
        let threads = ThreadGroup()
        let counted = Locked(CommitCounts())
        let writer = JobQueue(closedMessage: "the database \(engine.name) is closed")
        do {
            try await threads.start { ready in
                let connection = try SQLConnection(engine: engine.connect(for: .writing))
                ready()
                WriterLoop(connection: connection, options: options, counted: counted).run(writer)
            }
            guard engine.allowsReaders else {
                return SQLDatabase(engine, writer: writer, readers: nil, threads, counted, options)
            }
            let readers = JobQueue(closedMessage: "the database \(engine.name) is closed")
            do {
                for _ in 0..<max(1, options.readersMax) {
                    try await threads.start { ready in
                        let connection = try SQLConnection(engine: engine.connect(for: .reading))
                        ready()
                        ReaderLoop(connection: connection, options: options).run(readers)
                    }
                }
            } catch {
                readers.close()
                throw error
            }
            return SQLDatabase(engine, writer: writer, readers: readers, threads, counted, options)
        } catch {
            writer.close()
            await threads.finished()
            throw error
        }
    }

    /// Runs `body` against one consistent snapshot that holds everything committed before the call.
    ///
    /// Writing in it is refused with ``DatabaseError/readOnly(_:)``. When the calling task is cancelled before the
    /// body has begun, the body does not run and `CancellationError` is thrown.
    package func read<T: Sendable>(_ body: @escaping @Sendable (SQLConnection) throws -> T) async throws -> T {
        try await perform(Job(nil, body), on: readers ?? writer)
    }

    /// Runs `body` in a transaction of its own, which is on disk when this returns unless `durability` says less;
    /// when `body` throws, nothing of it remains.
    ///
    /// On SQLite, transactions that are waiting at the same time share one commit and run one after another. On a
    /// server they run at the same time, at READ COMMITTED: see ``SQLConnection/takeTurn(_:)``. The body may be run
    /// again (after a deadlock, a lost connection, a busy database, or when a shared commit failed), so it must have no
    /// effect outside the database.
    /// When the calling task is cancelled before the body has begun, the body does not run.
    @discardableResult
    package func transaction<T: Sendable>(
        durability: Durability = .onDisk, _ body: @escaping @Sendable (SQLConnection) throws -> T
    ) async throws -> T {
        do {
            let value = try await perform(Job(durability, body), on: writer)
            lastTrouble.withLock { $0 = nil }
            return value
        } catch let error as DatabaseError where error.outage != nil {
            lastTrouble.withLock { $0 = "\(error)" }
            throw error
        }
    }

    /// Why the last transaction could not be served, for operators; `nil` once one was served again.
    package var trouble: String? { lastTrouble.withLock { $0 } }

    /// How many commits there were since the database was opened.
    package var commitCounts: CommitCounts { counted.withLock { $0 } }

    /// Refuses new work, finishes what was accepted, and closes the connections. May be called again.
    package func close() async {
        writer.close()
        readers?.close()
        await threads.finished()
    }

    private func perform<T: Sendable>(_ job: Job<T>, on queue: any JobTaking) async throws -> T {
        try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { continuation in
                guard job.install(continuation) else { return }
                if !queue.push(job) { job.answer(failure: DatabaseError.unavailable(queue.closedMessage)) }
            }
        } onCancel: {
            job.cancel()
        }
    }
}
