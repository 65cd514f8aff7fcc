/// In-process undo for one function body, newest first. Not durable: across processes use a saga.
public struct Rollback: ~Copyable {
    private var undos: [@Sendable () async -> Void] = []

    fileprivate init() {}

    /// Registers what reverses the step that has just succeeded.
    public mutating func onFailure(_ undo: @escaping @Sendable () async -> Void) { undos.append(undo) }

    // A fresh task, because a cancelled body would otherwise cancel its own clean-up.
    fileprivate consuming func unwind() async {
        let newestFirst = Array(undos.reversed())
        await Task { for undo in newestFirst { await undo() } }.value
    }
}

/// Runs `body`; when it throws, runs the undos registered so far, newest first, and throws on.
///
/// Undos run to their end even when the calling task is cancelled.
public func withRollback<Success, Failure: Error>(
    _ body: (inout Rollback) async throws(Failure) -> Success
) async throws(Failure) -> Success {
    var rollback = Rollback()
    do {
        return try await body(&rollback)
    } catch {
        await rollback.unwind()
        throw error
    }
}
