import Glibc
import Logging

/// The connections to a server: a thread each, up to a limit, and one line of jobs before them.
///
/// A thread is started when a job finds all others busy; those beyond the kept size end when there is nothing to do.
/// What waits too long for a connection is refused by a thread that only watches the time.
///
/// `@unchecked Sendable`: everything mutable is touched only while `mutex` is held.
final class ServerPool: JobTaking, @unchecked Sendable {
    private struct Waiting {
        let job: any DatabaseJob
        /// Of the monotonic clock, in nanoseconds.
        let deadline: Int64
    }

    let closedMessage: String
    let engine: any SQLEngine
    let options: DatabaseOptions
    let counted: Locked<CommitCounts>
    private let threads: ThreadGroup
    private let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
    private let hasWork = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)
    private let mayExpire = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)
    private var line: [Waiting] = []
    /// Index of the first job that waits.
    private var head = 0
    private var workers = 0
    private var idle = 0
    private var closed = false

    init(engine: any SQLEngine, options: DatabaseOptions, threads: ThreadGroup, counted: Locked<CommitCounts>) {
        (self.engine, self.options, self.threads, self.counted) = (engine, options, threads, counted)
        closedMessage = "the database \(engine.name) is closed"
        pthread_mutex_init(mutex, nil)
        pthread_cond_init(hasWork, nil)
        var attributes = pthread_condattr_t()
        pthread_condattr_init(&attributes)
        pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC)
        pthread_cond_init(mayExpire, &attributes)
        pthread_condattr_destroy(&attributes)
    }

    deinit {
        pthread_cond_destroy(hasWork)
        pthread_cond_destroy(mayExpire)
        pthread_mutex_destroy(mutex)
        hasWork.deallocate()
        mayExpire.deallocate()
        mutex.deallocate()
    }

    private func locked<T>(_ body: () -> T) -> T {
        pthread_mutex_lock(mutex)
        defer { pthread_mutex_unlock(mutex) }
        return body()
    }

    /// Connects for the first time and starts the watch. Retries a server that does not answer as often as the options
    /// say; refuses at once what no repeating helps.
    func open() async throws {
        try await threads.start { [self] ready in
            var attempt = 0
            while true {
                do {
                    let first = try SQLConnection(engine: engine.connect(for: .writing))
                    ready()
                    locked { workers += 1 }
                    return ServerWorker(pool: self, connection: first).run()
                } catch let error as DatabaseError {
                    guard case .connectionLost(let text) = error, !isClosed,
                        options.openRetriesMax < 0 || attempt < options.openRetriesMax
                    else { throw error }
                    attempt += 1
                    options.logger.warning("the database cannot be reached yet", metadata: [
                        "attempt": "\(attempt)", "reason": "\(text)",
                    ])
                    sleepUnlessClosed(options.openRetryInterval.nanoseconds)
                }
            }
        }
        if let failure = threads.spawn({ [self] in watch() }) { throw failure }
    }

    var isClosed: Bool { locked { closed } }

    func push(_ job: any DatabaseJob) -> Bool {
        locked {
            guard !closed else { return false }
            line.append(Waiting(job: job, deadline: Self.now() &+ min(options.poolTimeout.nanoseconds, .max / 2)))
            let waiting = line.count - head
            if waiting == 1 { pthread_cond_signal(mayExpire) }
            if waiting <= idle {
                pthread_cond_signal(hasWork)
            } else if workers < options.poolSize + options.overflowMax {
                addWorker()
            }
            return true
        }
    }

    /// Under the lock.
    private func addWorker() {
        workers += 1
        let failure = threads.spawn { [self] in ServerWorker(pool: self, connection: nil).run() }
        guard let failure else { return }
        workers -= 1
        options.logger.warning("the pool of connections cannot grow", metadata: ["reason": "\(failure)"])
    }

    /// The next job for a worker, waiting for it. Nil when the worker is to end.
    func next() -> (any DatabaseJob)? {
        locked {
            idle += 1
            defer { idle -= 1 }
            while head == line.count {
                if closed || workers > options.poolSize {
                    workers -= 1
                    return nil
                }
                pthread_cond_wait(hasWork, mutex)
            }
            return takeFirst()
        }
    }

    /// Under the lock.
    private func takeFirst() -> any DatabaseJob {
        let job = line[head].job
        head += 1
        if head == line.count {
            line.removeAll(keepingCapacity: true)
            head = 0
        } else if head >= 1024 {
            line.removeSubrange(..<head)
            head = 0
        }
        if closed { pthread_cond_signal(mayExpire) }
        return job
    }

    /// Refuses what has waited too long, until the pool is closed and empty.
    private func watch() {
        let size = options.poolSize + options.overflowMax
        let refusal = DatabaseError.busy(
            "no connection to the database \(engine.name) became free within \(options.poolTimeout): all \(size) are "
                + "in use; raise max_pool_size or max_overflow, or find out what keeps the database so long")
        while true {
            let expired: (any DatabaseJob)?? = locked {
                while head < line.count {
                    let deadline = line[head].deadline
                    if deadline <= Self.now() { return .some(takeFirst()) }
                    var moment = timespec(
                        tv_sec: Int(deadline / 1_000_000_000), tv_nsec: Int(deadline % 1_000_000_000))
                    pthread_cond_timedwait(mayExpire, mutex, &moment)
                }
                if closed { return nil }
                pthread_cond_wait(mayExpire, mutex)
                return .some(nil)
            }
            guard let expired else { return }
            if let job = expired, job.claim() { job.answer(failure: refusal) }
        }
    }

    func close() {
        locked {
            closed = true
            pthread_cond_broadcast(hasWork)
            pthread_cond_broadcast(mayExpire)
        }
    }

    /// Sleeps on a thread of the pool, in pieces, so that closing does not wait for it.
    func sleepUnlessClosed(_ nanoseconds: Int64) {
        let end = Self.now() &+ min(nanoseconds, .max / 2)
        while !isClosed {
            let rest = end - Self.now()
            if rest <= 0 { return }
            usleep(UInt32(min(rest / 1000 + 1, 50_000)))
        }
    }

    /// Nanoseconds of the monotonic clock.
    static func now() -> Int64 {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec)
    }
}
