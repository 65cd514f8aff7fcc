import ComputeModel
import DriverAPI
import Logging
import Messaging
import ServiceInterfaces

/// Brings reports on operations to a conductor, each repeated until it is acknowledged.
///
/// A report that is lost with this process is sent again when the conductor repeats its request.
final class ReportSender: Sendable {
    private struct Key: Hashable {
        let instance: InstanceID
        let operation: Int64
    }
    private let host: String
    private let bus: MessageBus
    private let logger: Logger
    private let queue: AsyncStream<ReportOperation>.Continuation
    private let stream: AsyncStream<ReportOperation>
    private let underWay = Locked<Set<Key>>([])

    init(host: String, bus: MessageBus, logger: Logger) {
        (self.host, self.bus, self.logger) = (host, bus, logger)
        (stream, queue) = AsyncStream.makeStream()
    }

    /// Queues a report, unless the same one is on its way already.
    func send(_ instance: InstanceID, _ operation: Int64, _ outcome: OperationOutcome) {
        let key = Key(instance: instance, operation: operation)
        guard underWay.with({ $0.insert(key).inserted }) else { return }
        queue.yield(ReportOperation(host: host, instance: instance, operation: operation, outcome: outcome))
    }

    /// Sends queued reports, several at a time, until the task is cancelled.
    func run() async {
        await withDiscardingTaskGroup { group in
            for await report in stream {
                group.addTask {
                    await self.deliver(report)
                    let key = Key(instance: report.instance, operation: report.operation)
                    self.underWay.with { _ = $0.remove(key) }
                }
            }
        }
    }

    private func deliver(_ report: ReportOperation) async {
        var pause = Duration.milliseconds(100)
        // After this long the conductor has asked again, or there is no conductor to tell.
        for _ in 0..<12 where !Task.isCancelled {
            do {
                _ = try await bus.call(report, to: Address(topic: Topic.conductor), deadline: .seconds(10))
                return
            } catch {
                logger.warning(
                    "operation report not delivered",
                    metadata: ["instance.id": "\(report.instance)", "error": "\(error)"])
            }
            try? await Task.sleep(for: pause)
            pause = min(pause * 2, .seconds(5))
        }
    }
}
