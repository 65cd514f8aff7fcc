import Glibc
import Logging

/// One thread of a ``ServerPool`` with its connection.
///
/// Decides what is repeated: a transaction that met a deadlock or a lock, as often as the options say; one whose
/// connection was lost before its end, on a new connection, as long as work may wait for the pool; one that was refused
/// for a key that somebody else has just taken, once, so that its own look at the table decides. A transaction whose
/// connection was lost while it was being committed is never repeated.
struct ServerWorker {
    let pool: ServerPool
    private var connection: SQLConnection?
    private var connectedAt = ServerPool.now()
    private var options: DatabaseOptions { pool.options }

    init(pool: ServerPool, connection: SQLConnection?) {
        (self.pool, self.connection) = (pool, connection)
    }

    /// Works until the pool has no use for it.
    consuming func run() {
        var worker = self
        while let job = worker.pool.next() {
            if job.claim() { worker.serve(job) }
        }
        worker.drop()
    }

    private mutating func drop() {
        connection?.engine.close()
        connection = nil
    }

    private mutating func serve(_ job: any DatabaseJob) {
        let giveUpAt = ServerPool.now() &+ min(options.poolTimeout.nanoseconds, .max / 2)
        var attempt = 1
        var losses = 0
        var hasMetTakenKey = false
        while true {
            guard let error = runOnce(job) else {
                if losses > 0 { options.logger.notice("the database \(pool.engine.name) answers again") }
                return job.answer()
            }
            switch error as? DatabaseError {
            case .busy where attempt < options.attemptsMax:
                log("a transaction is repeated", attempt, error)
                attempt += 1
                pause(beforeAttempt: attempt)
            case .connectionLost where ServerPool.now() < giveUpAt && !pool.isClosed:
                losses += 1
                log("the database is lost; trying again", losses, error)
                // The first attempt at once: most lost connections are old ones. Then from 25 ms to half a second.
                if losses > 1 { pool.sleepUnlessClosed(25_000_000 << min(losses - 2, 4)) }
            case .constraint(let failure) where failure.mayBeAnothersDoing && !hasMetTakenKey && job.durability != nil:
                log("a transaction is repeated", attempt, error)
                hasMetTakenKey = true
            default: return job.answer(failure: error)
            }
        }
    }

    private func log(_ what: Logger.Message, _ attempt: Int, _ reason: any Error) {
        options.logger.debug(what, metadata: ["attempt": "\(attempt)", "reason": "\(reason)"])
    }

    private mutating func runOnce(_ job: any DatabaseJob) -> (any Error)? {
        let connection: SQLConnection
        do {
            connection = try current()
        } catch {
            return error
        }
        defer { if !connection.engine.isAlive { drop() } }
        if job.durability == nil { return ReaderLoop(connection: connection, options: options).runOnce(job) }
        return WriterLoop(connection: connection, options: options, counted: pool.counted).runOnce(job)
    }

    private mutating func current() throws(DatabaseError) -> SQLConnection {
        if let connection, ServerPool.now() - connectedAt < options.recycleTime.nanoseconds { return connection }
        drop()
        let new = SQLConnection(engine: try pool.engine.connect(for: .writing))
        connection = new
        connectedAt = ServerPool.now()
        return new
    }
}

extension DatabaseError.ConstraintFailure {
    /// Whether a transaction that ran at the same time can be the reason.
    var mayBeAnothersDoing: Bool {
        switch kind {
        case .unique, .foreignKey: true
        case .check, .notNull, .other: false
        }
    }
}
