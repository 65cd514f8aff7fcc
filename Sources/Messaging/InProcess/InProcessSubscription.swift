import DriverAPI
import Logging
import Synchronization

/// A subscriber of the in-process transport, and the tasks that work for it.
struct InProcessSubscription: TransportSubscription {
    let transport: InProcessTransport
    let id: Int
    let topic: String

    func drain(grace: Duration) async -> Bool { await transport.drain(id, topic, grace: grace) }
}

extension InProcessTransport {
    /// Starts a task for an assignment. It goes on with the subscriber's next message, so tasks are started only
    /// when the load grows.
    func start(_ assignment: Switchboard.Assignment, _ state: inout State) {
        let id = assignment.subscriber
        guard let receive = state.receivers[id] else { return }
        let number = state.number()
        // Detached: it must not run with the task-local values of the sender that happened to start it.
        state.work[id, default: [:]][number] = Task.detached { [self] in
            var current: Switchboard.Assignment? = assignment
            while let assignment = current {
                let mark = AcknowledgementMark()
                let delivery = Delivery(
                    envelope: assignment.item.envelope, isRedelivered: assignment.item.isRedelivered,
                    acknowledge: { mark.set() },
                    reject: { [logger] reason in
                        mark.set()
                        logger.error(
                            "message is dropped: it can never be worked on",
                            metadata: [
                                "topic": "\(assignment.queue.text)", "message": "\(assignment.item.envelope.name)",
                                "message.id": "\(assignment.item.envelope.id)", "reason": "\(reason)",
                            ])
                    })
                await receive(delivery)
                current = await finished(assignment, isAcknowledged: mark.isSet, number)
            }
        }
    }

    /// The work on a message is over; the next one, if there is one.
    private func finished(
        _ assignment: Switchboard.Assignment, isAcknowledged: Bool, _ number: UInt64
    ) async -> Switchboard.Assignment? {
        let id = assignment.subscriber
        let isCancelled = Task.isCancelled
        let (next, admitted, drain, isDropped) = state.with { state in
            let isDropped = !isAcknowledged && !state.board.giveBack(assignment)
            let next = isCancelled ? state.board.stop(id) : state.board.next(for: id)
            if !isAcknowledged { state.board.startable().forEach { start($0, &state) } }
            if next == nil { state.work[id]?[number] = nil }
            let drain = state.board.isIdle(id) ? state.drains.removeValue(forKey: id) : nil
            let admitted = (next?.admitted ?? []).compactMap { state.senders.removeValue(forKey: $0) }
            return (next, admitted, drain, isDropped)
        }
        for sender in admitted { sender.resume(nil) }
        if isDropped { await drop(assignment.item) }
        drain?.resume(true)
        return next
    }

    /// Ends a subscription: see `TransportSubscription.drain`.
    func drain(_ id: Int, _ topic: String, grace: Duration) async -> Bool {
        let (refused, drain) = state.with { state in
            let refused = state.board.drain(id).compactMap { state.senders.removeValue(forKey: $0) }
            guard !state.board.isIdle(id) else { return (refused, nil as Waiting<Bool>?) }
            let waiting = state.drains[id] ?? Waiting<Bool>()
            state.drains[id] = waiting
            return (refused, waiting)
        }
        for sender in refused { sender.resume(.noReceiver(Address(topic: topic))) }
        var isFinished = true
        if let drain {
            let timer = Task.detached {
                guard (try? await Task.sleep(for: grace)) != nil else { return }
                drain.resume(false)
            }
            isFinished = await drain.value()
            timer.cancel()
        }
        let (rest, work) = state.with { state in
            state.drains[id] = nil
            state.receivers[id] = nil
            return (state.board.remove(id), state.work.removeValue(forKey: id).map { Array($0.values) } ?? [])
        }
        if !isFinished {
            logger.warning(
                "work is cancelled after the grace period",
                metadata: ["topic": "\(topic)", "running": "\(work.count)", "waiting": "\(rest.count)"])
        }
        for item in rest { await drop(item) }
        return await settle(work) && isFinished
    }

    /// Cancels tasks and waits until they have ended; not for ever, as work may be deaf to cancellation.
    func settle(_ tasks: [Task<Void, Never>]) async -> Bool {
        guard !tasks.isEmpty else { return true }
        for task in tasks { task.cancel() }
        let ended = Waiting<Bool>()
        let watch = Task.detached {
            for task in tasks { await task.value }
            ended.resume(true)
        }
        let timer = Task.detached {
            guard (try? await Task.sleep(for: .seconds(1))) != nil else { return }
            watch.cancel()
            ended.resume(false)
        }
        defer { timer.cancel() }
        return await ended.value()
    }

    /// Nobody will work on a message: its sender is told.
    private func drop(_ item: Switchboard.Item) async {
        if let inbox = item.envelope.replyInbox {
            await reply(ReplyEnvelope(id: item.envelope.id, outcome: .closed), to: inbox)
        } else {
            logger.warning(
                "message is dropped: its last receiver is gone",
                metadata: ["message": "\(item.envelope.name)", "message.id": "\(item.envelope.id)"])
        }
    }
}

/// Whether a delivery was acknowledged.
private final class AcknowledgementMark: Sendable {
    private let flag = Atomic(false)
    func set() { flag.store(true, ordering: .releasing) }
    var isSet: Bool { flag.load(ordering: .acquiring) }
}
