import Messaging

/// Which delivery is acknowledged. One of an earlier connection means nothing any more: the broker delivers it again.
struct DeliveryTag: Sendable, Hashable {
    var connection: Int
    var channel: UInt16
    var tag: UInt64
}

/// A topic that is consumed, and where its messages go.
struct Consumption: Sendable {
    var channel: UInt16
    var topic: String
    var host: String?
    var prefetch: Int
    var pump: DeliveryPump

    /// Queues that outlive connections.
    var workQueues: [String] {
        [Address(topic: topic).description] + (host.map { [Address(topic: topic, host: $0).description] } ?? [])
    }
}

/// Consumes the queue of answers and the queues of topics. After each connection everything is declared again.
final class Consumer: LinkRole {
    enum Command: Sendable {
        case openInbox(String, @Sendable (WireDelivery) -> Void, Waiting<SessionError?>)
        case consume(Consumption, Waiting<SessionError?>)
        /// Takes no further messages of a channel.
        case cancel(UInt16, Waiting<Bool>)
        /// Ends a channel; what was not acknowledged is delivered to others.
        case close(UInt16, Waiting<Bool>)
        case acknowledge(DeliveryTag)
        case giveBack(DeliveryTag)
    }
    private struct Inbox {
        var receive: @Sendable (WireDelivery) -> Void
        var opened: Waiting<SessionError?>
    }
    private struct Consumed {
        var consumption: Consumption
        var opened: Waiting<SessionError?>
        var isCancelled = false
        /// This connection's queue of fan-outs.
        var fanOutQueue: String?
    }
    private static let inboxChannel: UInt16 = 1

    private let settings: BrokerSettings
    private let newName: @Sendable () -> String
    private var inboxes: [String: Inbox] = [:]
    private var consumed: [UInt16: Consumed] = [:]
    private var connection = 0

    init(_ settings: BrokerSettings, newName: @escaping @Sendable () -> String) {
        (self.settings, self.newName) = (settings, newName)
    }

    var wantsToWrite: Bool { false }

    func opened(_ session: Session) throws(SessionError) {
        connection += 1
        try session.openChannel(Self.inboxChannel)
        for name in inboxes.keys.sorted() { try open(name, session) }
        for channel in consumed.keys.sorted() { try consume(channel, session) }
    }

    func perform(_ command: Command, _ session: Session?) throws(SessionError) {
        switch command {
        case .openInbox(let name, let receive, let opened):
            inboxes[name] = Inbox(receive: receive, opened: opened)
            if let session { try open(name, session) }
        case .consume(let consumption, let opened):
            consumed[consumption.channel] = Consumed(consumption: consumption, opened: opened)
            if let session { try consume(consumption.channel, session) }
        case .cancel(let channel, let done):
            defer { done.resume(true) }
            let wasCancelled = consumed[channel]?.isCancelled ?? true
            consumed[channel]?.isCancelled = true
            guard let session, !wasCancelled, let queues = consumed[channel]?.consumption.workQueues else { return }
            for index in 0...queues.count { try session.cancel(tag: Self.tag(channel, index), on: channel) }
        case .close(let channel, let done):
            defer { done.resume(true) }
            guard let closed = consumed.removeValue(forKey: channel), let session else { return }
            if let queue = closed.fanOutQueue { try session.deleteQueue(queue, on: channel) }
            try session.closeChannel(channel)
        case .acknowledge(let tag):
            guard tag.connection == connection, let session, consumed[tag.channel] != nil else { return }
            try session.acknowledge(tag.tag, on: tag.channel)
        case .giveBack(let tag):
            guard tag.connection == connection, let session, consumed[tag.channel] != nil else { return }
            try session.giveBack(tag.tag, on: tag.channel)
        }
    }

    func received(_ event: SessionEvent, _ session: Session) throws(SessionError) {
        switch event {
        case .delivery(let delivery) where delivery.channel == Self.inboxChannel:
            inboxes[delivery.routingKey]?.receive(delivery)
            try session.acknowledge(delivery.tag, on: delivery.channel)
        case .delivery(let delivery):
            let tag = DeliveryTag(connection: connection, channel: delivery.channel, tag: delivery.tag)
            guard let consumed = consumed[delivery.channel], consumed.consumption.pump.offer(delivery, tag) else {
                return try session.giveBack(delivery.tag, on: delivery.channel)
            }
        case .cancelled:
            throw SessionError(.ended, "a queue was deleted at the message broker \(session.name) while it was in use")
        case .returned, .confirmed, .blocked: break
        }
    }

    func lost(_ reason: String) {
        connection += 1
        for channel in consumed.keys {
            consumed[channel]?.fanOutQueue = nil
            consumed[channel]?.consumption.pump.forgetWaiting()
        }
    }

    func tick(_ now: ContinuousClock.Instant, _ session: Session?) throws(SessionError) -> ContinuousClock.Instant? {
        nil
    }

    func ended(_ session: Session?) {
        let closed = SessionError(.ended, "the connection to the message broker was closed")
        if let session {
            for name in inboxes.keys { try? session.deleteQueue(name, on: Self.inboxChannel) }
        }
        for inbox in inboxes.values { inbox.opened.resume(closed) }
        for consumed in consumed.values { consumed.opened.resume(closed) }
        (inboxes, consumed) = ([:], [:])
    }

    private var workQueueArguments: [String: WireProperties.Value] {
        settings.usesQuorumQueues ? ["x-queue-type": .text("quorum")] : [:]
    }

    private func open(_ name: String, _ session: Session) throws(SessionError) {
        var arguments = workQueueArguments
        arguments["x-expires"] = .integer(max(1, Int64(settings.replyQueueLifetime / .milliseconds(1))))
        try session.declareQueue(name, on: Self.inboxChannel, durable: true, arguments)
        try session.consume(name, tag: name, on: Self.inboxChannel, prefetch: 1000)
        inboxes[name]?.opened.resume(nil)
    }

    private func consume(_ channel: UInt16, _ session: Session) throws(SessionError) {
        guard let consumed = consumed[channel], !consumed.isCancelled else { return }
        do throws(SessionError) {
            try declare(consumed.consumption, session)
            consumed.opened.resume(nil)
        } catch {
            guard error.kind == .otherProperties else { throw error }
            // Waiting does not help. Whoever asked first is told; later it shows as trouble.
            let explained = SessionError(
                .otherProperties,
                "a queue of the topic '\(consumed.consumption.topic)' exists at \(session.name) with other properties "
                    + "(\(error.description)); delete that queue, or set [oslo_messaging_rabbit] rabbit_quorum_queue "
                    + "as it was when the queue was made, or use a virtual host of Kilonova's own")
            if consumed.opened.resume(explained) { self.consumed[channel] = nil }
            throw explained
        }
    }

    private func declare(_ consumption: Consumption, _ session: Session) throws(SessionError) {
        let channel = consumption.channel
        try session.openChannel(channel)
        for (index, queue) in consumption.workQueues.enumerated() {
            try session.declareQueue(queue, on: channel, durable: true, workQueueArguments)
            try session.consume(queue, tag: Self.tag(channel, index), on: channel, prefetch: consumption.prefetch)
        }
        let exchange = Self.fanOutExchange(consumption.topic)
        let queue = "\(exchange)_\(newName())"
        try session.declareFanOut(exchange, on: channel)
        try session.declareQueue(queue, on: channel, durable: false, exclusive: true)
        consumed[channel]?.fanOutQueue = queue
        try session.bind(queue, to: exchange, on: channel)
        try session.consume(
            queue, tag: Self.tag(channel, consumption.workQueues.count), on: channel, prefetch: consumption.prefetch)
    }

    private static func tag(_ channel: UInt16, _ index: Int) -> String { "\(channel)-\(index)" }

    /// The exchange that copies a topic's fan-outs to every service of the topic.
    static func fanOutExchange(_ topic: String) -> String { "\(topic)_fanout" }
}
