import ComputeModel
import ServiceInterfaces

/// Where steps wait for agents' reports.
///
/// A report that nobody expects is dropped: the step that needs it asks the agent again, which answers a repeated
/// request with the same report. Between ``expect(_:operation:)`` and ``forget(_:operation:)`` none is lost.
actor ReportDesk {
    private struct Key: Hashable {
        let instance: InstanceID
        let operation: Int64
    }
    private struct Box {
        /// How many steps expect the report.
        var expecting = 0
        var outcome: OperationOutcome?
        var waiting: [Int: CheckedContinuation<OperationOutcome?, Never>] = [:]
    }
    private var boxes: [Key: Box] = [:]
    private var nextWaiter = 0

    /// Keeps the report on an operation from now on. To be followed by ``forget(_:operation:)``.
    func expect(_ instance: InstanceID, operation: Int64) {
        boxes[Key(instance: instance, operation: operation), default: Box()].expecting += 1
    }

    /// Ends an expectation.
    func forget(_ instance: InstanceID, operation: Int64) {
        let key = Key(instance: instance, operation: operation)
        boxes[key]?.expecting -= 1
        if boxes[key]?.expecting == 0 { boxes[key] = nil }
    }

    /// Hands a report to whoever expects it.
    func deliver(_ report: ReportOperation) {
        let key = Key(instance: report.instance, operation: report.operation)
        guard let box = boxes[key] else { return }
        boxes[key]?.outcome = report.outcome
        boxes[key]?.waiting = [:]
        for waiter in box.waiting.values { waiter.resume(returning: report.outcome) }
    }

    /// The report on an expected operation; `nil` when it did not come in time or the task was cancelled.
    func report(on instance: InstanceID, operation: Int64, within limit: Duration) async -> OperationOutcome? {
        let key = Key(instance: instance, operation: operation)
        if let outcome = boxes[key]?.outcome { return outcome }
        guard boxes[key] != nil else { return nil }
        nextWaiter += 1
        let number = nextWaiter
        let timer = Task {
            try? await Task.sleep(for: limit)
            self.give(up: number, key)
        }
        defer { timer.cancel() }
        return await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                if Task.isCancelled {
                    continuation.resume(returning: nil)
                } else {
                    boxes[key]?.waiting[number] = continuation
                }
            }
        } onCancel: {
            Task { await self.give(up: number, key) }
        }
    }

    private func give(up number: Int, _ key: Key) {
        boxes[key]?.waiting.removeValue(forKey: number)?.resume(returning: nil)
    }
}
