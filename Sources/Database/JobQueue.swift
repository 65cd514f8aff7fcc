import Glibc

/// Takes jobs to the threads of a database.
protocol JobTaking: AnyObject, Sendable {
    /// What callers are told after ``close()``.
    var closedMessage: String { get }
    /// False when it is closed; the job was not taken.
    func push(_ job: any DatabaseJob) -> Bool
    /// Refuses new jobs; those that were taken are finished.
    func close()
}

/// The jobs that wait for a thread, first in first out.
///
/// `@unchecked Sendable`: everything mutable is touched only while `mutex` is held. A condition variable is needed
/// because threads sleep here, which `Synchronization.Mutex` cannot offer.
final class JobQueue: JobTaking, @unchecked Sendable {
    let closedMessage: String
    private let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
    private let condition = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)
    private var jobs: [any DatabaseJob] = []
    /// Index of the first job that waits.
    private var head = 0
    private var isClosed = false

    init(closedMessage: String) {
        self.closedMessage = closedMessage
        pthread_mutex_init(mutex, nil)
        pthread_cond_init(condition, nil)
    }

    deinit {
        pthread_cond_destroy(condition)
        pthread_mutex_destroy(mutex)
        condition.deallocate()
        mutex.deallocate()
    }

    func push(_ job: any DatabaseJob) -> Bool {
        pthread_mutex_lock(mutex)
        defer { pthread_mutex_unlock(mutex) }
        guard !isClosed else { return false }
        jobs.append(job)
        pthread_cond_signal(condition)
        return true
    }

    /// Takes up to `limit` jobs, waiting for the first. Nil when the queue is closed and empty.
    func pop(max limit: Int) -> [any DatabaseJob]? {
        pthread_mutex_lock(mutex)
        defer { pthread_mutex_unlock(mutex) }
        while head == jobs.count {
            if isClosed { return nil }
            pthread_cond_wait(condition, mutex)
        }
        let end = min(jobs.count, head + limit)
        let taken = Array(jobs[head..<end])
        head = end
        if head == jobs.count {
            jobs.removeAll(keepingCapacity: true)
            head = 0
        } else if head >= 1024 {
            jobs.removeSubrange(..<head)
            head = 0
        }
        return taken
    }

    /// Refuses new jobs and lets the threads end after those that wait.
    func close() {
        pthread_mutex_lock(mutex)
        isClosed = true
        pthread_cond_broadcast(condition)
        pthread_mutex_unlock(mutex)
    }
}
