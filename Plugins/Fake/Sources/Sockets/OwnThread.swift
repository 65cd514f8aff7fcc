import DriverAPI
import Glibc

/// Threads for calls that block: they must not hold up Swift's cooperative ones.
enum OwnThread {
    private final class Work: Sendable {
        let body: @Sendable () -> Void
        init(_ body: @escaping @Sendable () -> Void) { self.body = body }
    }

    /// Runs `body` on a thread of its own, which nobody waits for.
    ///
    /// - Returns: whether the system gave a thread.
    @discardableResult
    static func start(_ body: @escaping @Sendable () -> Void) -> Bool {
        let work = Unmanaged.passRetained(Work(body))
        var attributes = pthread_attr_t()
        pthread_attr_init(&attributes)
        defer { pthread_attr_destroy(&attributes) }
        pthread_attr_setdetachstate(&attributes, Int32(PTHREAD_CREATE_DETACHED))
        pthread_attr_setstacksize(&attributes, 256 << 10)
        var thread = pthread_t()
        let result = pthread_create(
            &thread, &attributes,
            { argument in
                if let argument { Unmanaged<Work>.fromOpaque(argument).takeRetainedValue().body() }
                return nil
            }, work.toOpaque())
        if result != 0 { work.release() }
        return result == 0
    }

    /// Runs `body` on a thread of its own and waits for what it returns.
    static func run<Value: Sendable>(
        _ body: @escaping @Sendable () throws(DriverError) -> Value
    ) async throws(DriverError) -> Value {
        let result: Result<Value, DriverError> = await withCheckedContinuation { continuation in
            let started = start {
                do throws(DriverError) {
                    continuation.resume(returning: .success(try body()))
                } catch {
                    continuation.resume(returning: .failure(error))
                }
            }
            if !started {
                continuation.resume(returning: .failure(.insufficientResources("the system gives no more threads")))
            }
        }
        return try result.get()
    }
}
