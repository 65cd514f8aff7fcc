import DriverAPI
package import Logging

/// Joins services of one process. Payloads stay Swift values unless `encodes` forces JSON both ways, as tests do to
/// know that messages would cross a wire. Queues are bounded: senders wait for room, in a line that is bounded too.
package final class InProcessTransport: RPCTransport {
    package struct Limits: Sendable, Hashable {
        /// Messages that wait in one queue before senders wait.
        package var queue: Int
        /// Senders that wait for one queue before further ones are turned away.
        package var senders: Int
        /// How long a sender without a deadline waits for room.
        package var sendTimeout: Duration

        package init(queue: Int = 10_000, senders: Int = 10_000, sendTimeout: Duration = .seconds(60)) {
            (self.queue, self.senders, self.sendTimeout) = (queue, senders, sendTimeout)
        }
    }

    struct State: Sendable {
        var board: Switchboard
        var dice: FaultDice?
        var inboxes: [String: @Sendable (ReplyEnvelope) -> Void] = [:]
        /// Senders in line for room.
        var senders: [UInt64: Waiting<MessagingError?>] = [:]
        /// Who waits until a draining subscriber is idle.
        var drains: [Int: Waiting<Bool>] = [:]
        /// Running work of each subscriber, to be cancelled when the grace period is over.
        var work: [Int: [UInt64: Task<Void, Never>]] = [:]
        /// Messages that a fault plan delays.
        var late: [UInt64: Task<Void, Never>] = [:]
        var receivers: [Int: @Sendable (Delivery) async -> Void] = [:]
        var lastNumber: UInt64 = 0
        var isClosed = false

        mutating func number() -> UInt64 {
            lastNumber += 1
            return lastNumber
        }
    }

    package let carriesValues: Bool
    package let keepsMessages = false
    package let trouble: String? = nil
    let state: Locked<State>
    let limits: Limits
    let logger: Logger

    /// - Parameters:
    ///   - encodes: true: payloads make a round trip through JSON.
    ///   - faults: what goes wrong on the way, in tests.
    package init(
        limits: Limits = Limits(), encodes: Bool = false, faults: FaultPlan? = nil,
        logger: Logger = Logger(label: "messaging")
    ) {
        (self.limits, self.logger) = (limits, logger)
        carriesValues = !encodes
        state = Locked(
            State(
                board: Switchboard(queueLimit: max(1, limits.queue), senderLimit: max(0, limits.senders)),
                dice: faults.map(FaultDice.init)))
    }

    // MARK: RPCTransport

    package func send(_ envelope: Envelope, to address: Address) async throws(MessagingError) {
        let fate = try fate()
        guard !fate.isLost else { return }
        for copy in 0..<fate.copies {
            let item = Switchboard.Item(envelope: envelope, isRedelivered: copy > 0)
            if let delay = fate.delay {
                later(delay) { try? await self.deliver(item, to: address, jumpsQueue: fate.jumpsQueue) }
            } else {
                try await deliver(item, to: address, jumpsQueue: fate.jumpsQueue)
            }
        }
    }

    package func fanOut(_ envelope: Envelope, topic: String) async throws(MessagingError) {
        let fate = try fate()
        guard !fate.isLost else { return }
        let item = Switchboard.Item(envelope: envelope)
        if let delay = fate.delay {
            later(delay) { try? self.deliver(item, toAllOf: topic) }
        } else {
            try deliver(item, toAllOf: topic)
        }
    }

    package func reply(_ envelope: ReplyEnvelope, to inbox: String) async {
        let (receive, fate) = state.with { state in (state.inboxes[inbox], state.dice?.reply()) }
        guard let receive, fate?.isLost != true else { return }
        if let delay = fate?.delay {
            later(delay) { receive(envelope) }
        } else {
            receive(envelope)
        }
    }

    package func openInbox(
        _ receive: @escaping @Sendable (ReplyEnvelope) -> Void
    ) async throws(MessagingError) -> String {
        let name = state.with { state -> String? in
            guard !state.isClosed else { return nil }
            let name = "inbox-\(state.number())"
            state.inboxes[name] = receive
            return name
        }
        guard let name else { throw .closed }
        return name
    }

    package func subscribe(
        topic: String, host: String?, limit: Int, _ receive: @escaping @Sendable (Delivery) async -> Void
    ) async throws(MessagingError) -> any TransportSubscription {
        let id = state.with { state -> Int? in
            guard !state.isClosed else { return nil }
            let id = state.board.subscribe(topic: topic, host: host, limit: limit)
            state.receivers[id] = receive
            state.board.startable().forEach { start($0, &state) }
            return id
        }
        guard let id else { throw .closed }
        return InProcessSubscription(transport: self, id: id, topic: topic)
    }

    package func whenDisrupted(_ notify: @escaping @Sendable () -> Void) {}

    package func close() async {
        let (work, waiting, drains) = state.with { state in
            state.isClosed = true
            let senders = state.senders.values.map(\.self)
            let drains = state.drains.values.map(\.self)
            let work = state.work.values.flatMap { $0.values.map(\.self) } + state.late.values
            state.inboxes = [:]
            state.senders = [:]
            state.drains = [:]
            return (work, senders, drains)
        }
        for sender in waiting { sender.resume(.closed) }
        for drain in drains { drain.resume(false) }
        _ = await settle(work)
    }

    // MARK: Delivery

    private func fate() throws(MessagingError) -> FaultDice.Fate {
        let fate = state.with { $0.isClosed ? nil : $0.dice?.request() ?? FaultDice.Fate() }
        guard let fate else { throw .closed }
        return fate
    }

    private func deliver(_ item: Switchboard.Item, toAllOf topic: String) throws(MessagingError) {
        let refusal = state.with { state -> MessagingError? in
            do throws(MessagingError) {
                for assignment in try state.board.fanOut(item, topic: topic) { start(assignment, &state) }
                return nil
            } catch {
                return error
            }
        }
        if let refusal { throw refusal }
    }

    private func deliver(
        _ item: Switchboard.Item, to address: Address, jumpsQueue: Bool
    ) async throws(MessagingError) {
        let (refusal, line) = state.with { state -> (MessagingError?, (UInt64, Waiting<MessagingError?>)?) in
            if state.isClosed { return (.closed, nil) }
            let sender = state.number()
            switch state.board.send(item, to: address, sender: sender, jumpsQueue: jumpsQueue) {
            case .work(let assignment):
                start(assignment, &state)
                return (nil, nil)
            case .queued: return (nil, nil)
            case .refuse(let error): return (error, nil)
            case .wait:
                let waiting = Waiting<MessagingError?>()
                state.senders[sender] = waiting
                return (nil, (sender, waiting))
            }
        }
        if let refusal { throw refusal }
        guard let (sender, waiting) = line else { return }
        try await wait(waiting, sender, address, until: item.envelope.deadline ?? .now + limits.sendTimeout)
    }

    /// Stands in line until admitted, at most until the deadline.
    private func wait(
        _ waiting: Waiting<MessagingError?>, _ sender: UInt64, _ address: Address,
        until deadline: ContinuousClock.Instant
    ) async throws(MessagingError) {
        let timer = Task.detached {
            guard (try? await Task.sleep(until: deadline, clock: .continuous)) != nil else { return }
            self.leaveLine(sender, address, .overloaded(address))
        }
        defer { timer.cancel() }
        let refusal = await withTaskCancellationHandler {
            await waiting.value()
        } onCancel: {
            leaveLine(sender, address, .cancelled)
        }
        if let refusal { throw refusal }
    }

    /// A sender leaves the line, unless its message was queued already.
    private func leaveLine(_ sender: UInt64, _ address: Address, _ error: MessagingError) {
        let waiting = state.with { state -> Waiting<MessagingError?>? in
            guard state.board.giveUp(sender, at: address) else { return nil }
            return state.senders.removeValue(forKey: sender)
        }
        waiting?.resume(error)
    }

    private func later(_ delay: Duration, _ body: @escaping @Sendable () async -> Void) {
        state.with { state in
            guard !state.isClosed else { return }
            let number = state.number()
            state.late[number] = Task.detached {
                if (try? await Task.sleep(for: delay)) != nil { await body() }
                self.state.with { _ = $0.late.removeValue(forKey: number) }
            }
        }
    }
}
