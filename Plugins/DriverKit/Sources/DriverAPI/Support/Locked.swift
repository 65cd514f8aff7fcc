import Synchronization

/// A value behind a lock, for the few places where an actor would make synchronous code asynchronous.
public final class Locked<Value: Sendable>: Sendable {
    private let mutex: Mutex<Value>

    /// Protects `value`.
    public init(_ value: Value) { mutex = Mutex(value) }

    /// Runs `body` alone with the value. `body` must not block nor call back.
    public func with<Result: Sendable>(_ body: (inout Value) -> Result) -> Result {
        mutex.withLock { value in body(&value) }
    }
}
