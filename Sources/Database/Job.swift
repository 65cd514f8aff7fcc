
/// A closure on its way to a database thread, and its caller's way back.
protocol DatabaseJob: AnyObject, Sendable {
    /// Nil for a read.
    var durability: Durability? { get }
    /// Takes the job for running. False when its caller has given up; then nothing more is to be done.
    func claim() -> Bool
    /// Runs the closure and keeps its result for ``answer()``. Returns the error that it threw.
    func run(on connection: SQLConnection) -> (any Error)?
    /// Tells the caller what the last run gave.
    func answer()
    /// Tells the caller why the last run does not count.
    func answer(failure: any Error)
}

/// The one implementation; generic in what the closure returns.
final class Job<Value: Sendable>: DatabaseJob {
    private struct State {
        var continuation: CheckedContinuation<Value, any Error>?
        var isClaimed = false
        var isCancelled = false
        var result: Result<Value, any Error>?
    }

    let durability: Durability?
    private let body: @Sendable (SQLConnection) throws -> Value
    private let state = Locked(State())

    init(_ durability: Durability?, _ body: @escaping @Sendable (SQLConnection) throws -> Value) {
        self.durability = durability
        self.body = body
    }

    /// Keeps the caller's continuation. False when the caller was cancelled before and is answered already.
    func install(_ continuation: CheckedContinuation<Value, any Error>) -> Bool {
        let isCancelled = state.withLock { state in
            if !state.isCancelled { state.continuation = continuation }
            return state.isCancelled
        }
        if isCancelled { continuation.resume(throwing: CancellationError()) }
        return !isCancelled
    }

    /// Answers the caller at once unless the job has begun; then it is too late and the job ends as it ends.
    func cancel() {
        let continuation = state.withLock { state -> CheckedContinuation<Value, any Error>? in
            guard !state.isClaimed else { return nil }
            state.isCancelled = true
            return state.continuation.take()
        }
        continuation?.resume(throwing: CancellationError())
    }

    func claim() -> Bool {
        state.withLock { state in
            guard !state.isCancelled else { return false }
            state.isClaimed = true
            return true
        }
    }

    func run(on connection: SQLConnection) -> (any Error)? {
        let result = Result { try body(connection) }
        state.withLock { $0.result = result }
        if case .failure(let error) = result { return error }
        return nil
    }

    func answer() {
        let (continuation, result) = state.withLock { ($0.continuation.take(), $0.result.take()) }
        if let continuation, let result { continuation.resume(with: result) }
    }

    func answer(failure: any Error) {
        state.withLock { $0.continuation.take() }?.resume(throwing: failure)
    }
}
