import ComputeModel
import DriverAPI
import Logging
import Messaging
import ServiceInterfaces

/// Carries out the operations on one guest, one after the other in the order of their numbers, and retires when
/// nothing is left to do.
///
/// ```
///   running(n) ──ends──▶ outcome of n remembered and reported ──nothing waits──▶ retired
///      │  ▲
///   repeat of n: ignored; n+1: waits. A destroy cancels what runs, and what waits before it is not begun.
/// ```
actor GuestWorker {
    private let instance: InstanceID
    private let runner: OperationRunner
    private let journal: OperationJournal
    private let reports: ReportSender
    private let logger: Logger
    private let whenRetired: @Sendable (GuestWorker) async -> Void
    private var running: (operation: Int64, task: Task<Void, Never>)?
    private var waiting: [PerformOperation] = []
    private var isRetired = false

    init(
        _ instance: InstanceID, runner: OperationRunner, journal: OperationJournal, reports: ReportSender,
        logger: Logger, whenRetired: @escaping @Sendable (GuestWorker) async -> Void
    ) {
        (self.instance, self.runner, self.journal) = (instance, runner, journal)
        (self.reports, self.logger, self.whenRetired) = (reports, logger, whenRetired)
    }

    /// Takes an operation.
    ///
    /// - Returns: false when this worker has retired: the operation belongs to a new one.
    /// - Throws: a fault of kind `StaleOperation` for a number lower than one seen before.
    func take(_ message: PerformOperation) async throws -> Bool {
        guard !isRetired else { return false }
        do {
            try accept(message)
        } catch {
            await retireIfIdle()
            throw error
        }
        await retireIfIdle()
        return true
    }

    private func accept(_ message: PerformOperation) throws {
        if let last = journal[instance], last.operation >= message.operation {
            guard last.operation == message.operation else { throw Self.stale(message, seen: last.operation) }
            reports.send(instance, last.operation, last.outcome)
            return
        }
        let newest = waiting.last?.operation ?? running?.operation ?? 0
        if message.operation == running?.operation || waiting.contains(where: { $0.operation == message.operation }) {
            return
        }
        guard message.operation > newest else { throw Self.stale(message, seen: newest) }
        waiting.append(message)
        if message.command.isDestroy { running?.task.cancel() }
        startNext()
    }

    private func startNext() {
        guard running == nil, !waiting.isEmpty else { return }
        let message = waiting.removeFirst()
        // A delete wins over what was asked for before it.
        let isOvertaken = waiting.contains { $0.command.isDestroy }
        let task = Task { await self.perform(message, isOvertaken: isOvertaken) }
        running = (message.operation, task)
    }

    private func perform(_ message: PerformOperation, isOvertaken: Bool) async {
        let outcome = isOvertaken ? .failed(.cancelled) : await runner.run(message)
        var gone = false
        if message.command.isDestroy, case .succeeded = outcome { gone = true }
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
        await retireIfIdle()
    }

    private func retireIfIdle() async {
        guard !isRetired, running == nil, waiting.isEmpty else { return }
        isRetired = true
        await whenRetired(self)
    }

    private static func stale(_ message: PerformOperation, seen: Int64) -> RemoteFault {
        RemoteFault(
            kind: FaultKind.stale,
            message: "operation \(message.operation) on \(message.instance) is refused: \(seen) was seen already")
    }
}

extension ComputeCommand {
    fileprivate var isDestroy: Bool {
        if case .destroy = self { true } else { false }
    }
}

extension OperationFailure {
    /// A newer operation, a delete, has ended this one.
    static let cancelled = OperationFailure(
        remedy: .giveUp, userMessage: DriverError.cancelled.userMessage, details: "the operation was cancelled")
}
