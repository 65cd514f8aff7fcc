import DriverAPI
import Foundation

/// Whether work on a thread of its own shall end early.
final class CancelFlag: Sendable {
    private let flag = Locked(false)
    var isSet: Bool { flag.with { $0 } }
    func set() { flag.with { $0 = true } }
}

/// Runs work that blocks on a thread of its own: never on those that async code shares.
func onOwnThread<Value: Sendable>(
    _ work: @escaping @Sendable (CancelFlag) throws(VimFailure) -> Value
) async throws(VimFailure) -> Value {
    let flag = CancelFlag()
    let result: Result<Value, VimFailure> = await withTaskCancellationHandler {
        await withCheckedContinuation { continuation in
            let thread = Thread {
                do throws(VimFailure) {
                    continuation.resume(returning: .success(try work(flag)))
                } catch {
                    continuation.resume(returning: .failure(error))
                }
            }
            thread.stackSize = 1 << 20
            thread.start()
        }
    } onCancel: {
        flag.set()
    }
    return try result.get()
}
