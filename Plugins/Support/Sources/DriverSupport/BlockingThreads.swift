import DriverAPI
import Glibc

/// A fixed number of threads for calls that block, so that none ever blocks a thread of Swift's cooperative pool.
///
/// Work is done in the order in which it was given. The threads end when this object goes away; work that was
/// accepted is still done.
package final class BlockingThreads: Sendable {
    private let queue: WorkQueue

    /// Starts `count` threads.
    package init(count: Int) {
        queue = WorkQueue()
        for _ in 0..<count { queue.startThread() }
    }

    deinit { queue.close() }

    /// Runs `body` on one of the threads and waits for it, also when the calling task is cancelled.
    package func run<Value: Sendable, Failure: Error>(
        _ body: @escaping @Sendable () throws(Failure) -> Value
    ) async throws(Failure) -> Value {
        let result: Result<Value, Failure> = await withCheckedContinuation { continuation in
            queue.add { continuation.resume(returning: Result { () throws(Failure) in try body() }) }
        }
        return try result.get()
    }

    /// Runs `body` on one of the threads; when the calling task is cancelled, returns `nil` at once and lets the
    /// thread finish alone. Only for work whose result may be dropped.
    package func runUnlessCancelled<Value: Sendable, Failure: Error>(
        _ body: @escaping @Sendable () throws(Failure) -> Value
    ) async throws(Failure) -> Value? {
        let answer = OneAnswer<Result<Value?, Failure>>()
        let result = await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                guard answer.wait(continuation) else { return }
                queue.add { answer.give(Result { () throws(Failure) in try body() }) }
            }
        } onCancel: {
            answer.give(.success(nil))
        }
        return try result.get()
    }

    /// Runs `body` on one of the threads without waiting for it.
    package func start(_ body: @escaping @Sendable () -> Void) { queue.add(body) }
}

/// Resumes one continuation with whichever answer comes first.
package final class OneAnswer<Value: Sendable>: Sendable {
    private enum State: Sendable {
        case empty
        case waiting(CheckedContinuation<Value, Never>)
        case early(Value)
        case done
    }
    private let state = Locked(State.empty)

    /// Takes the continuation; `false` when an answer was already there, which has then been given to it.
    package func wait(_ continuation: CheckedContinuation<Value, Never>) -> Bool {
        let early: Value? = state.with { state in
            if case .early(let value) = state {
                state = .done
                return value
            }
            state = .waiting(continuation)
            return nil
        }
        guard let early else { return true }
        continuation.resume(returning: early)
        return false
    }

    /// Answers, unless there was an answer before. Returns whether this one counted.
    @discardableResult
    package func give(_ value: Value) -> Bool {
        let (waiting, counted): (CheckedContinuation<Value, Never>?, Bool) = state.with { state in
            switch state {
            case .empty:
                state = .early(value)
                return (nil, true)
            case .waiting(let continuation):
                state = .done
                return (continuation, true)
            case .early, .done:
                return (nil, false)
            }
        }
        waiting?.resume(returning: value)
        return counted
    }
}

/// First in, first out, with a condition variable on which idle threads sleep.
///
/// `@unchecked Sendable`: `jobs` and `closed` are read and written only between locking and unlocking `mutex`.
private final class WorkQueue: @unchecked Sendable {
    private let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
    private let condition = UnsafeMutablePointer<pthread_cond_t>.allocate(capacity: 1)
    private var jobs: [@Sendable () -> Void] = []
    private var closed = false

    init() {
        pthread_mutex_init(mutex, nil)
        pthread_cond_init(condition, nil)
    }

    deinit {
        pthread_cond_destroy(condition)
        pthread_mutex_destroy(mutex)
        condition.deallocate()
        mutex.deallocate()
    }

    func add(_ job: @escaping @Sendable () -> Void) {
        pthread_mutex_lock(mutex)
        jobs.append(job)
        pthread_cond_signal(condition)
        pthread_mutex_unlock(mutex)
    }

    func close() {
        pthread_mutex_lock(mutex)
        closed = true
        pthread_cond_broadcast(condition)
        pthread_mutex_unlock(mutex)
    }

    /// The next job; `nil` when the queue is closed and empty.
    private func next() -> (@Sendable () -> Void)? {
        pthread_mutex_lock(mutex)
        defer { pthread_mutex_unlock(mutex) }
        while jobs.isEmpty {
            if closed { return nil }
            pthread_cond_wait(condition, mutex)
        }
        return jobs.removeFirst()
    }

    func startThread() { startDetachedThread { [self] in while let job = next() { job() } } }
}

/// Starts a thread that runs `body` and ends with it.
package func startDetachedThread(_ body: @escaping @Sendable () -> Void) {
    final class Body: Sendable {
        let run: @Sendable () -> Void
        init(_ run: @escaping @Sendable () -> Void) { self.run = run }
    }
    var thread = pthread_t()
    let started = pthread_create(
        &thread, nil,
        { argument in
            guard let argument else { return nil }
            // Libraries of hypervisors write to sockets and pipes whose other end may just have gone; that must be an
            // error and not the end of the host process.
            var signals = sigset_t()
            sigemptyset(&signals)
            sigaddset(&signals, SIGPIPE)
            pthread_sigmask(SIG_BLOCK, &signals, nil)
            Unmanaged<Body>.fromOpaque(argument).takeRetainedValue().run()
            return nil
        }, Unmanaged.passRetained(Body(body)).toOpaque())
    precondition(started == 0, "the system refuses a thread: error \(started)")
    pthread_detach(thread)
}
