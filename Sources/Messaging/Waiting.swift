import DriverAPI

/// One value for one waiter, in either order.
package final class Waiting<Value: Sendable>: Sendable {
    private enum State: Sendable {
        case empty
        case waiting(CheckedContinuation<Value, Never>)
        case full(Value)
    }
    private let state = Locked(State.empty)

    package init() {}

    /// The value, as soon as it is there. To be asked for once.
    package func value() async -> Value {
        await withCheckedContinuation { continuation in
            let value = state.with { state -> Value? in
                if case .full(let value) = state { return value }
                state = .waiting(continuation)
                return nil
            }
            if let value { continuation.resume(returning: value) }
        }
    }

    /// Gives the value. The first one counts.
    ///
    /// - Returns: whether this was the first one.
    @discardableResult
    package func resume(_ value: Value) -> Bool {
        let (isFirst, continuation) = state.with { state -> (Bool, CheckedContinuation<Value, Never>?) in
            switch state {
            case .full: return (false, nil)
            case .empty:
                state = .full(value)
                return (true, nil)
            case .waiting(let continuation):
                state = .full(value)
                return (true, continuation)
            }
        }
        continuation?.resume(returning: value)
        return isFirst
    }
}
