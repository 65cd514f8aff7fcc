import Glibc
import Logging

/// The work of the one thread that writes: group commit.
///
/// Everything that waits when the thread becomes free runs inside one transaction, each job in a savepoint, so that
/// many callers share one flush to disk and a failing job takes no other with it. Callers are answered after the
/// commit. When the engine gives the common transaction up, its jobs are run again one by one.
struct WriterLoop {
    let connection: SQLConnection
    let options: DatabaseOptions
    let counted: Locked<CommitCounts>
    private var engine: any EngineConnection { connection.engine }

    init(connection: SQLConnection, options: DatabaseOptions, counted: Locked<CommitCounts>) {
        self.connection = connection
        self.options = options
        self.counted = counted
    }

    /// Works until the queue is closed and empty, then closes the connection.
    func run(_ queue: JobQueue) {
        while let jobs = queue.pop(max: max(1, options.groupMax)) {
            var group: [any DatabaseJob] = []
            for job in jobs where job.claim() {
                if job.durability != nil {
                    group.append(job)
                } else {
                    // Only where reads share this connection; they must not see what may yet be rolled back.
                    commit(group)
                    group = []
                    ReaderLoop(connection: connection, options: options).serve(job)
                }
            }
            commit(group)
        }
        engine.close()
    }

    private func commit(_ group: [any DatabaseJob]) {
        guard group.count > 1 else {
            if let job = group.first { commitAlone(job) }
            return
        }
        guard begin(answering: group) else { return }
        var toRepeat: [any DatabaseJob] = []
        for job in group {
            do {
                try engine.setSavepoint("job")
                let error = job.run(on: connection)
                guard engine.isInTransaction else { return fallApart(group, because: error) }
                if let error {
                    try engine.rollBack(toSavepoint: "job")
                    if isTransient(error) { toRepeat.append(job) }
                } else {
                    try engine.releaseSavepoint("job")
                }
            } catch {
                return fallApart(group, because: error)
            }
        }
        do {
            try engine.commit()
        } catch {
            return fallApart(group, because: error)
        }
        counted.withLock { $0.add(durability(of: group)) }
        for job in group where !toRepeat.contains(where: { $0 === job }) { job.answer() }
        for job in toRepeat { commitAlone(job) }
    }

    /// The common transaction is lost; whose fault it was shows when each runs alone.
    private func fallApart(_ group: [any DatabaseJob], because error: (any Error)?) {
        engine.rollBack()
        options.logger.notice("a group of transactions is repeated one by one", metadata: [
            "transactions": "\(group.count)", "reason": "\(error.map { "\($0)" } ?? "transaction ended by the engine")",
        ])
        for job in group { commitAlone(job) }
    }

    private func commitAlone(_ job: any DatabaseJob) {
        var attempt = 1
        while true {
            guard let error = runOnce(job) else { return job.answer() }
            guard isTransient(error), attempt < options.attemptsMax else { return job.answer(failure: error) }
            options.logger.debug("a transaction is repeated", metadata: ["attempt": "\(attempt)", "reason": "\(error)"])
            pause(beforeAttempt: attempt + 1)
            attempt += 1
        }
    }

    /// Runs a job in a transaction of its own. Returns why it does not count.
    func runOnce(_ job: any DatabaseJob) -> (any Error)? {
        do {
            try engine.begin(.writing(durability(of: [job])))
        } catch {
            return error
        }
        if let error = job.run(on: connection) {
            engine.rollBack()
            return error
        }
        guard engine.isInTransaction else {
            return DatabaseError.unavailable("the database ended the transaction after an error that was ignored")
        }
        do {
            try engine.commit()
            counted.withLock { $0.add(durability(of: [job])) }
            return nil
        } catch {
            engine.rollBack()
            return error
        }
    }

    /// One member that must be on disk takes the others along.
    private func durability(of group: [any DatabaseJob]) -> Durability {
        group.allSatisfy { $0.durability == .deferred } ? .deferred : .onDisk
    }

    private func begin(answering group: [any DatabaseJob]) -> Bool {
        var attempt = 1
        while true {
            do {
                try engine.begin(.writing(durability(of: group)))
                return true
            } catch {
                guard error.isTransient, attempt < options.attemptsMax else {
                    for job in group { job.answer(failure: error) }
                    return false
                }
                pause(beforeAttempt: attempt + 1)
                attempt += 1
            }
        }
    }
}

/// The work of a thread that reads.
struct ReaderLoop {
    let connection: SQLConnection
    let options: DatabaseOptions

    /// Works until the queue is closed and empty, then closes the connection.
    func run(_ queue: JobQueue) {
        while let jobs = queue.pop(max: 1) {
            for job in jobs where job.claim() { serve(job) }
        }
        connection.engine.close()
    }

    /// Runs a job that was claimed, in a read transaction of its own.
    func serve(_ job: any DatabaseJob) {
        var attempt = 1
        while true {
            guard let error = runOnce(job) else { return job.answer() }
            guard isTransient(error), attempt < options.attemptsMax else { return job.answer(failure: error) }
            pause(beforeAttempt: attempt + 1)
            attempt += 1
        }
    }

    /// Returns why the run does not count.
    func runOnce(_ job: any DatabaseJob) -> (any Error)? {
        do {
            try connection.engine.begin(.reading)
        } catch {
            return error
        }
        let error = job.run(on: connection)
        connection.engine.rollBack()
        return error
    }
}

private func isTransient(_ error: any Error) -> Bool {
    if case .busy = error as? DatabaseError { true } else { false }
}

/// Sleeps on the database's own thread: 1 ms doubling per attempt up to 128 ms, between half and all of it.
func pause(beforeAttempt attempt: Int) {
    let milliseconds = 1 << min(attempt - 2, 7)
    let microseconds = milliseconds * 1000
    usleep(UInt32(Int.random(in: microseconds / 2...microseconds)))
}
