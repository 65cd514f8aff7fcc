import Glibc

/// A value behind a lock of the system's threads.
///
/// Not `Synchronization.Mutex`: on Linux that waits on a futex of its own, which the thread sanitizer does not see, so
/// that it reports every access under it as a race. Copied per module because plumbing modules share nothing.
///
/// `@unchecked Sendable`: the value is touched only between lock and unlock, and closures cannot let it out unless it
/// is `Sendable`.
package final class Locked<Value>: @unchecked Sendable {
    private let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
    private var value: Value

    package init(_ value: sending Value) {
        self.value = value
        pthread_mutex_init(mutex, nil)
    }

    deinit {
        pthread_mutex_destroy(mutex)
        mutex.deallocate()
    }

    /// Runs `body` alone with the value. It must be short and must not lock the same value again.
    package func withLock<Result: Sendable, Failure: Error>(
        _ body: (inout Value) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        pthread_mutex_lock(mutex)
        defer { pthread_mutex_unlock(mutex) }
        return try body(&value)
    }
}
