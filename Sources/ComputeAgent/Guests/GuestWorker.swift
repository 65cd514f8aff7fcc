import ComputeModel
import DriverAPI
import Logging
import Messaging
import ServiceInterfaces

/// Carries out the operations on one guest, one after the other in the order of their numbers.
///
/// ```
///   idle ──operation n──▶ running(n) ──ends──▶ idle, outcome of n remembered and reported
///                            │  ▲
///            repeat of n: ignored; n+1: waits, and a destroy cancels what runs
/// ```
actor GuestWorker {
    private let instance: InstanceID
    private let runner: OperationRunner
    private let journal: OperationJournal
    private let reports: ReportSender
    private let logger: Logger
    private var running: (operation: Int64, task: Task<Void, Never>)?
    private var waiting: [PerformOperation] = []

    init(
        _ instance: InstanceID, runner: OperationRunner, journal: OperationJournal, reports: ReportSender,
        logger: Logger
    ) {
        (self.instance, self.runner, self.journal) = (instance, runner, journal)
        (self.reports, self.logger) = (reports, logger)
    }

    /// Whether nothing runs or waits.
    var isIdle: Bool { running == nil && waiting.isEmpty }

    /// Takes an operation.
    ///
    /// - Throws: a fault of kind `StaleOperation` for a number lower than one seen before.
    func take(_ message: PerformOperation) throws {
        if let last = journal[instance], last.operation >= message.operation {
            guard last.operation == message.operation else { throw Self.stale(message, seen: last.operation) }
            reports.send(instance, last.operation, last.outcome)
            return
        }
        let newest = waiting.last?.operation ?? running?.operation ?? 0
        guard message.operation >= newest else { throw Self.stale(message, seen: newest) }
        guard message.operation > newest else { return }
        waiting.append(message)
        // A delete wins over whatever is being done.
        if case .destroy = message.command { running?.task.cancel() }
        startNext()
    }

    private func startNext() {
        guard running == nil, !waiting.isEmpty else { return }
        let message = waiting.removeFirst()
        let task = Task { await self.perform(message) }
        running = (message.operation, task)
    }

    private func perform(_ message: PerformOperation) async {
        let outcome = await runner.run(message)
        var gone = false
        if case .destroy = message.command, case .succeeded = outcome { gone = true }
        do {
            try journal.record(
                OperationJournal.Entry(
                    instance: instance, operation: message.operation, outcome: outcome, at: .now(), guestIsGone: gone))
        } catch {
            // Without the entry a repeat runs again, which drivers allow; the conductor still learns the outcome.
            logger.error("operation journal cannot be written", metadata: ["error": "\(error)"])
        }
        reports.send(instance, message.operation, outcome)
        running = nil
        startNext()
    }

    private static func stale(_ message: PerformOperation, seen: Int64) -> RemoteFault {
        RemoteFault(
            kind: FaultKind.stale,
            message: "operation \(message.operation) on \(message.instance) is refused: \(seen) was seen already")
    }
}
