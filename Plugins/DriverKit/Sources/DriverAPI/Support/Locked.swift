import Glibc

/// A value behind a lock, for the few places where an actor would make synchronous code asynchronous.
///
/// Built on `pthread_mutex_t` and not on `Synchronization.Mutex`: on Linux the thread sanitizer knows the former
/// and reports every use of the latter as a race.
// Sendable: the value is reached only between lock and unlock, and the pointer never changes.
public final class Locked<Value: Sendable>: @unchecked Sendable {
    private let mutex: UnsafeMutablePointer<pthread_mutex_t>
    private var value: Value

    /// Protects `value`.
    public init(_ value: Value) {
        self.value = value
        mutex = .allocate(capacity: 1)
        pthread_mutex_init(mutex, nil)
    }

    deinit {
        pthread_mutex_destroy(mutex)
        mutex.deallocate()
    }

    /// Runs `body` alone with the value. `body` must not block nor call back.
    public func with<Result: Sendable>(_ body: (inout Value) -> Result) -> Result {
        pthread_mutex_lock(mutex)
        defer { pthread_mutex_unlock(mutex) }
        return body(&value)
    }
}
