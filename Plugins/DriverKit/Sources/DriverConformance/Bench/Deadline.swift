import DriverAPI

/// How work with a deadline ended.
enum Bounded<Value: Sendable>: Sendable {
    case value(Value)
    case failure(any Error)
    /// It had not ended in time; it was cancelled and nobody waits for it any more.
    case late
}

/// Waits for `body` at most so long. A driver that answers no cancellation must not stop the suite, so the work runs
/// in a task of its own that is left behind when it is late.
func bounded<Value: Sendable>(
    _ limit: Duration, _ body: @escaping @Sendable () async throws -> Value
) async -> Bounded<Value> {
    let outcome = OneShot<Bounded<Value>>()
    let work = Task {
        do { outcome.set(.value(try await body())) } catch { outcome.set(.failure(error)) }
    }
    let timer = Task {
        do { try await Task.sleep(for: limit) } catch { return }
        work.cancel()
        outcome.set(.late)
    }
    let result = await withTaskCancellationHandler {
        await outcome.value
    } onCancel: {
        work.cancel()
    }
    timer.cancel()
    return result
}

/// A value that is set once and waited for by one.
final class OneShot<Value: Sendable>: Sendable {
    private struct State {
        var value: Value?
        var waiter: CheckedContinuation<Value, Never>?
    }
    private let state = Locked(State())

    /// Later values than the first are dropped.
    func set(_ value: Value) {
        let waiter = state.with { state in
            guard state.value == nil else { return CheckedContinuation<Value, Never>?.none }
            state.value = value
            defer { state.waiter = nil }
            return state.waiter
        }
        waiter?.resume(returning: value)
    }

    /// The value, once it is set.
    var value: Value {
        get async {
            await withCheckedContinuation { continuation in
                let value = state.with { state in
                    if state.value == nil { state.waiter = continuation }
                    return state.value
                }
                if let value { continuation.resume(returning: value) }
            }
        }
    }
}
