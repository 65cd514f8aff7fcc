import Glibc

/// Threads of their own for the code of one driver, so that a driver that blocks stops its own node and nothing else.
///
/// Threads are made when work waits and none is idle, and end after a while without work. A call that never comes back
/// keeps its thread; when all are kept, this driver's further calls wait and are given up at their deadlines.
// Sendable: everything mutable is reached only between lock and unlock, and the pointers never change.
final class DriverThreads: TaskExecutor, @unchecked Sendable {
    private let mutex: UnsafeMutablePointer<pthread_mutex_t>
    private let condition: UnsafeMutablePointer<pthread_cond_t>
    private let threadsMax: Int
    private let idleSeconds: Int
    private var jobs: [UnownedJob] = []
    private var threads = 0
    private var idle = 0

    init(threadsMax: Int = 8, idleSeconds: Int = 5) {
        self.threadsMax = threadsMax
        self.idleSeconds = idleSeconds
        mutex = .allocate(capacity: 1)
        condition = .allocate(capacity: 1)
        pthread_mutex_init(mutex, nil)
        pthread_cond_init(condition, nil)
    }

    // A thread holds this object as long as it runs, so none runs any more.
    deinit {
        pthread_cond_destroy(condition)
        pthread_mutex_destroy(mutex)
        condition.deallocate()
        mutex.deallocate()
    }

    func enqueue(_ job: consuming ExecutorJob) {
        let job = UnownedJob(job)
        pthread_mutex_lock(mutex)
        jobs.append(job)
        let needsThread = jobs.count > idle && threads < threadsMax
        if needsThread { threads += 1 } else { pthread_cond_signal(condition) }
        pthread_mutex_unlock(mutex)
        if needsThread, !start() { startFailed() }
    }

    private func start() -> Bool {
        var thread = pthread_t()
        let held = Unmanaged.passRetained(self)
        let status = pthread_create(&thread, nil, { pointer in
            guard let pointer else { return nil }
            Unmanaged<DriverThreads>.fromOpaque(pointer).takeRetainedValue().work()
            return nil
        }, held.toOpaque())
        guard status == 0 else {
            held.release()
            return false
        }
        pthread_detach(thread)
        return true
    }

    /// Without any thread the job runs here: late and in the way is better than never.
    private func startFailed() {
        pthread_mutex_lock(mutex)
        threads -= 1
        let orphan = threads == 0 && !jobs.isEmpty ? jobs.removeFirst() : nil
        pthread_mutex_unlock(mutex)
        orphan?.runSynchronously(on: asUnownedTaskExecutor())
    }

    private func work() {
        while let job = next() { job.runSynchronously(on: asUnownedTaskExecutor()) }
    }

    /// The next job; `nil` when none came for a while and this thread is to end.
    private func next() -> UnownedJob? {
        pthread_mutex_lock(mutex)
        defer { pthread_mutex_unlock(mutex) }
        if jobs.isEmpty {
            var end = timespec()
            clock_gettime(CLOCK_REALTIME, &end)
            end.tv_sec += idleSeconds
            idle += 1
            while jobs.isEmpty {
                if pthread_cond_timedwait(condition, mutex, &end) == ETIMEDOUT { break }
            }
            idle -= 1
        }
        guard !jobs.isEmpty else {
            threads -= 1
            return nil
        }
        return jobs.removeFirst()
    }
}
