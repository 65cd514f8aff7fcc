
/// What the executor tells a running saga.
final class RunControl: Sendable {
    private struct State {
        var isStopping = false
        var isInterrupted = false
        var isLost = false
        var ownership: SagaOwnership?
        var run: Task<Void, Never>?
        var sleeper: Task<Void, any Error>?
    }
    private let state = Locked(State())

    /// Finish the current step, then stop.
    var isStopping: Bool { state.withLock { $0.isStopping } }
    /// The current step was told to end; what it throws is no failure of it.
    var isInterrupted: Bool { state.withLock { $0.isInterrupted } }
    /// Somebody else owns the saga.
    var isLost: Bool { state.withLock { $0.isLost } }

    var ownership: SagaOwnership? {
        get { state.withLock { $0.ownership } }
        set { state.withLock { $0.ownership = newValue } }
    }

    /// The task to cancel on ``interrupt()``.
    func attach(_ run: Task<Void, Never>) {
        let isDue = state.withLock { state in
            state.run = run
            return state.isInterrupted || state.isLost
        }
        if isDue { run.cancel() }
    }

    func stop() {
        state.withLock { state -> Task<Void, any Error>? in
            state.isStopping = true
            return state.sleeper
        }?.cancel()
    }

    func interrupt() {
        state.withLock { state -> Task<Void, Never>? in
            (state.isStopping, state.isInterrupted) = (true, true)
            return state.run
        }?.cancel()
    }

    func lose() {
        let (run, sleeper) = state.withLock { state in
            (state.isStopping, state.isLost) = (true, true)
            return (state.run, state.sleeper)
        }
        sleeper?.cancel()
        run?.cancel()
    }

    /// Sleeps between two tries; returns early when the saga is to stop.
    func sleep(_ pause: Duration, _ clock: SagaClock) async {
        let sleeper = Task { try await clock.sleep(pause) }
        let isDue = state.withLock { state in
            state.sleeper = sleeper
            return state.isStopping
        }
        if isDue { sleeper.cancel() }
        _ = await sleeper.result
        state.withLock { $0.sleeper = nil }
    }
}
