import Glibc

/// Threads of the system, so that what blocks does not block the cooperative pool.
final class ThreadGroup: Sendable {
    private struct State {
        var running = 0
        var waiters: [CheckedContinuation<Void, Never>] = []
    }
    private let state = Locked(State())

    /// Starts a thread and returns once `body` has called its argument, or throws what `body` threw before.
    func start(_ body: @escaping @Sendable (_ ready: () -> Void) throws -> Void) async throws {
        try await withCheckedThrowingContinuation { (continuation: CheckedContinuation<Void, any Error>) in
            let failure = spawn {
                var isReady = false
                do {
                    try body {
                        isReady = true
                        continuation.resume()
                    }
                    if !isReady { continuation.resume() }
                } catch {
                    if !isReady { continuation.resume(throwing: error) }
                }
            }
            if let failure { continuation.resume(throwing: failure) }
        }
    }

    /// Starts a thread. Returns at once; with an error when the system has no thread to give.
    func spawn(_ body: @escaping @Sendable () -> Void) -> DatabaseError? {
        state.withLock { $0.running += 1 }
        let work = Work { [self] in
            body()
            ended()
        }
        var thread = pthread_t()
        let code = pthread_create(&thread, nil, { pointer in
            guard let pointer else { return nil }
            Unmanaged<Work>.fromOpaque(pointer).takeRetainedValue().run()
            return nil
        }, Unmanaged.passRetained(work).toOpaque())
        guard code == 0 else {
            Unmanaged.passUnretained(work).release()
            ended()
            return .unavailable("no thread can be started for the database: \(String(cString: strerror(code)))")
        }
        pthread_detach(thread)
        return nil
    }

    /// Returns when every thread has ended.
    func finished() async {
        await withCheckedContinuation { continuation in
            let isDone = state.withLock { state in
                if state.running > 0 { state.waiters.append(continuation) }
                return state.running == 0
            }
            if isDone { continuation.resume() }
        }
    }

    private func ended() {
        let waiters = state.withLock { state -> [CheckedContinuation<Void, Never>] in
            state.running -= 1
            guard state.running == 0 else { return [] }
            defer { state.waiters = [] }
            return state.waiters
        }
        for waiter in waiters { waiter.resume() }
    }

    private final class Work: Sendable {
        let run: @Sendable () -> Void
        init(run: @escaping @Sendable () -> Void) { self.run = run }
    }
}
