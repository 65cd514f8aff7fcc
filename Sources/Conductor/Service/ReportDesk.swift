import ComputeModel
import ServiceInterfaces

/// Where steps wait for agents' reports.
///
/// A report that nobody waits for is dropped: the step that needs it asks the agent again, which answers a repeated
/// request with the same report.
actor ReportDesk {
    private struct Key: Hashable {
        let instance: InstanceID
        let operation: Int64
    }
    private var waiting: [Key: [Int: CheckedContinuation<OperationOutcome?, Never>]] = [:]
    private var nextWaiter = 0

    /// Hands a report to whoever waits for it.
    func deliver(_ report: ReportOperation) {
        let key = Key(instance: report.instance, operation: report.operation)
        guard let waiters = waiting.removeValue(forKey: key) else { return }
        for waiter in waiters.values { waiter.resume(returning: report.outcome) }
    }

    /// Waits for the report on an operation; `nil` when it did not come in time or the task was cancelled. `ask` runs
    /// once the desk is ready to take the report.
    func report(
        on instance: InstanceID, operation: Int64, within limit: Duration, asking ask: @escaping @Sendable () async -> Void
    ) async -> OperationOutcome? {
        let key = Key(instance: instance, operation: operation)
        nextWaiter += 1
        let number = nextWaiter
        let timer = Task {
            await ask()
            try? await Task.sleep(for: limit)
            self.give(up: number, key)
        }
        defer { timer.cancel() }
        return await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                if Task.isCancelled {
                    continuation.resume(returning: nil)
                } else {
                    waiting[key, default: [:]][number] = continuation
                }
            }
        } onCancel: {
            Task { await self.give(up: number, key) }
        }
    }

    private func give(up number: Int, _ key: Key) {
        guard let waiter = waiting[key]?.removeValue(forKey: number) else { return }
        if waiting[key]?.isEmpty == true { waiting[key] = nil }
        waiter.resume(returning: nil)
    }
}
