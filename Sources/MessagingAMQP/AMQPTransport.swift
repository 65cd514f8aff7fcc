import DriverAPI
package import Logging
package import Messaging
import Synchronization

/// Carries messages over AMQP 0-9-1, through rabbitmq-c on two threads of its own: one connection publishes, with
/// confirms, and one consumes, with acknowledgements. Neither waits for the other.
///
/// | what | in the broker |
/// |---|---|
/// | `topic`, `topic.host` | durable queues of these names, with Nova's topics |
/// | a fan-out | the exchange `topic_fanout`, and an exclusive queue of each subscription |
/// | an inbox | a durable queue `reply_…` that ends after its process has been away for long |
/// | what can never be worked on | the queue `kilonova.dead-letters` |
package final class AMQPTransport: RPCTransport {
    package static let deadLetters = "kilonova.dead-letters"

    package let carriesValues = false
    package let keepsMessages = true
    private let settings: BrokerSettings
    private let publisher: BrokerLink<Publisher>
    private let consumer: BrokerLink<Consumer>
    private let logger: Logger
    private let newName: @Sendable () -> String
    private let watchers: Locked<[@Sendable () -> Void]>
    private let waiting = Atomic(0)
    private let isClosed = Atomic(false)
    private let channels = Locked<Set<UInt16>>([])

    /// Connects.
    ///
    /// - Throws: ``BrokerConfigurationError`` with the reason and the remedy, when no broker of the URL lets this
    ///   process in, or none answers for `startPatience`.
    package static func connect(
        _ settings: BrokerSettings, logger: Logger = Logger(label: "messaging")
    ) async throws(BrokerConfigurationError) -> AMQPTransport {
        let transport = AMQPTransport(settings, logger: logger)
        do throws(SessionError) {
            let newName = transport.newName
            try await transport.publisher.start { Publisher(deadLetters: deadLetters) }
            try await transport.consumer.start { Consumer(settings, newName: newName) }
        } catch {
            await transport.close()
            throw BrokerConfigurationError(explained(error, settings))
        }
        return transport
    }

    private init(_ settings: BrokerSettings, logger: Logger) {
        (self.settings, self.logger) = (settings, logger)
        newName = {
            var generator = SystemRandomNumberGenerator()
            return MessageID(using: &generator).description
        }
        let watchers = Locked<[@Sendable () -> Void]>([])
        self.watchers = watchers
        publisher = BrokerLink("publishing", settings, logger: logger)
        consumer = BrokerLink("consuming", settings, logger: logger) {
            for watcher in watchers.with(\.self) { watcher() }
        }
    }

    private static func explained(_ error: SessionError, _ settings: BrokerSettings) -> String {
        guard !error.needsOperator else { return error.description }
        let brokers = settings.url.brokers.map(settings.name).joined(separator: ", ")
        return "no message broker of [DEFAULT] transport_url (\(brokers)) let this process work: \(error.description); "
            + "start one there, or correct the URL"
    }

    // MARK: RPCTransport

    package var trouble: String? { publisher.trouble ?? consumer.trouble }

    package func whenDisrupted(_ notify: @escaping @Sendable () -> Void) { watchers.with { $0.append(notify) } }

    package func send(_ envelope: Envelope, to address: Address) async throws(MessagingError) {
        try await publish(envelope, routingKey: address.description, exchange: "", to: address)
    }

    package func fanOut(_ envelope: Envelope, topic: String) async throws(MessagingError) {
        try await publish(
            envelope, routingKey: "", exchange: Consumer.fanOutExchange(topic), to: Address(topic: topic))
    }

    package func reply(_ envelope: ReplyEnvelope, to inbox: String) async {
        let (properties, body) = fitting(envelope)
        let publication = Publication(
            routingKey: inbox, properties, body, patience: .now + settings.sendTimeout,
            deadline: .now + settings.replyQueueLifetime)
        switch await outcome(of: publication) {
        case .accepted, .cancelled, .closed: break
        case .returned:
            logger.debug("nobody waits for an answer any more", metadata: ["message.id": "\(envelope.id)"])
        case .refused, .expired, nil:
            logger.warning(
                "an answer was not sent; its sender can fetch it",
                metadata: ["message.id": "\(envelope.id)", "reason": "\(trouble ?? "the broker does not take it")"])
        }
    }

    package func openInbox(
        _ receive: @escaping @Sendable (ReplyEnvelope) -> Void
    ) async throws(MessagingError) -> String {
        let name = "reply_\(newName())"
        let opened = Waiting<SessionError?>()
        let isSent = consumer.send(
            .openInbox(
                name,
                { [logger] delivery in
                    do throws(WireFormat.Unreadable) {
                        receive(try WireFormat.decodeReply(delivery))
                    } catch {
                        logger.error(
                            "an answer cannot be read",
                            metadata: [
                                "message.id": "\(delivery.properties.correlationID)", "reason": "\(error.reason)",
                            ])
                    }
                }, opened))
        guard isSent else { throw .closed }
        if let error = await opened.value() {
            throw .unreachable(Address(topic: "reply"), reason: error.description)
        }
        return name
    }

    package func subscribe(
        topic: String, host: String?, limit: Int, _ receive: @escaping @Sendable (Delivery) async -> Void
    ) async throws(MessagingError) -> any TransportSubscription {
        guard let channel = takeChannel() else {
            throw .unreachable(Address(topic: topic), reason: "this process serves too many topics on one connection")
        }
        let queues = AMQPSubscription.Place(topic: topic, host: host, channel: channel)
        let pump = DeliveryPump(limit: limit) { [self] item in await work(on: item, queues, receive) }
        let consumption = Consumption(
            channel: channel, topic: topic, host: host,
            prefetch: max(1, min(limit, settings.prefetch ?? limit)), pump: pump)
        let opened = Waiting<SessionError?>()
        guard consumer.send(.consume(consumption, opened)) else { throw .closed }
        if let error = await opened.value() {
            channels.with { _ = $0.remove(channel) }
            throw .unreachable(Address(topic: topic, host: host), reason: error.description)
        }
        return AMQPSubscription(transport: self, place: queues, pump: pump)
    }

    package func close() async {
        guard isClosed.compareExchange(expected: false, desired: true, ordering: .acquiringAndReleasing).exchanged
        else { return }
        await consumer.stop()
        await publisher.stop()
    }

    // MARK: Sending

    private func publish(
        _ envelope: Envelope, routingKey: String, exchange: String, to address: Address
    ) async throws(MessagingError) {
        let (properties, body) = try WireFormat.encode(envelope)
        guard body.count <= settings.bodyBytesMax else {
            throw .tooLarge(
                message: envelope.name, bytes: body.count,
                remedy: "[kilonova] message_size_max = \(settings.bodyBytesMax) allows less; raise it on every node, "
                    + "or ask for less at a time")
        }
        guard Address.isQueueName(routingKey) else { throw .noReceiver(address) }
        let publication = Publication(
            exchange: exchange, routingKey: routingKey, properties, body,
            patience: envelope.deadline ?? .now + settings.sendTimeout, deadline: envelope.deadline)
        switch await outcome(of: publication) {
        case .accepted: return
        case .returned: throw .noReceiver(address)
        case .refused, nil: throw .overloaded(address)
        case .expired:
            if let reason = publisher.trouble { throw .unreachable(address, reason: reason) }
            throw .deadlineExceeded(address)
        case .cancelled: throw .cancelled
        case .closed: throw .closed
        }
    }

    /// Publishes and waits for the confirm; nil: too much waits already.
    private func outcome(of publication: Publication) async -> Publication.Outcome? {
        guard waiting.add(1, ordering: .relaxed).newValue <= settings.waitingMax else {
            waiting.subtract(1, ordering: .relaxed)
            return nil
        }
        defer { waiting.subtract(1, ordering: .relaxed) }
        guard publisher.send(publication) else { return .closed }
        return await publication.outcome()
    }

    /// An answer that fits; one that does not becomes a fault that says so.
    private func fitting(_ envelope: ReplyEnvelope) -> (WireProperties, [UInt8]) {
        var reason = "the answer cannot be encoded"
        do throws(MessagingError) {
            let encoded = try WireFormat.encode(envelope)
            if encoded.1.count <= settings.bodyBytesMax { return encoded }
            reason = "the answer has \(encoded.1.count) bytes, more than [kilonova] message_size_max = "
                + "\(settings.bodyBytesMax) allows; raise it on every node, or ask for less at a time"
        } catch {
            reason = error.description
        }
        let fault = RemoteFault(kind: RemoteFault.malformed, message: reason)
        let encoded = try? WireFormat.encode(ReplyEnvelope(id: envelope.id, outcome: .fault(fault)))
        return encoded ?? (WireProperties(), [])
    }

    // MARK: Receiving

    private func work(
        on item: DeliveryPump.Item, _ place: AMQPSubscription.Place,
        _ receive: @escaping @Sendable (Delivery) async -> Void
    ) async {
        let delivery = item.delivery
        let earlier = WireFormat.earlierDeliveries(delivery)
        if delivery.isRedelivered, !delivery.isFanOut, !settings.usesQuorumQueues {
            // A classic queue says only "again": the count travels with a copy, which takes the message's place.
            return await requeue(item, place, deliveries: earlier + 1)
        }
        guard earlier < settings.deliveriesMax else {
            return await bury(item, place, "it was delivered \(earlier) times and never acknowledged")
        }
        let envelope: Envelope
        do throws(WireFormat.Unreadable) {
            envelope = try WireFormat.decode(delivery, bodyBytesMax: settings.bodyBytesMax)
        } catch {
            return await bury(item, place, error.reason)
        }
        let mark = DoneMark()
        await receive(
            Delivery(
                envelope: envelope, isRedelivered: delivery.isRedelivered || earlier > 0,
                acknowledge: { [self] in
                    mark.set()
                    consumer.send(.acknowledge(item.tag))
                },
                reject: { [self] reason in
                    mark.set()
                    await bury(item, place, reason)
                }))
        if !mark.isSet { consumer.send(.giveBack(item.tag)) }
    }

    private func requeue(_ item: DeliveryPump.Item, _ place: AMQPSubscription.Place, deliveries: Int) async {
        guard deliveries <= settings.deliveriesMax else {
            return await bury(item, place, "it was delivered \(deliveries) times and never acknowledged")
        }
        let publication = Publication(
            routingKey: item.delivery.routingKey, WireFormat.counted(item.delivery, deliveries: deliveries),
            item.delivery.body, patience: .now + settings.sendTimeout)
        if case .accepted = await outcome(of: publication) {
            consumer.send(.acknowledge(item.tag))
        } else {
            consumer.send(.giveBack(item.tag))
        }
    }

    /// Puts a message aside, where operators find it.
    private func bury(_ item: DeliveryPump.Item, _ place: AMQPSubscription.Place, _ reason: String) async {
        let queue = item.delivery.isFanOut ? Consumer.fanOutExchange(place.topic) : item.delivery.routingKey
        let properties = WireFormat.dead(item.delivery, reason: reason, queue: queue, host: place.host ?? "")
        let publication = Publication(
            routingKey: Self.deadLetters, properties, item.delivery.body, patience: .now + settings.sendTimeout)
        guard case .accepted = await outcome(of: publication) else {
            consumer.send(.giveBack(item.tag))
            return
        }
        logger.error(
            "message is dead-lettered: it can never be worked on",
            metadata: [
                "queue": "\(queue)", "message": "\(item.delivery.properties.type)",
                "message.id": "\(item.delivery.properties.messageID)", "reason": "\(reason)",
                "dead-letter.queue": "\(Self.deadLetters)",
            ])
        consumer.send(.acknowledge(item.tag))
    }

    // MARK: Channels

    private func takeChannel() -> UInt16? {
        channels.with { taken in
            guard let free = (2...2000).first(where: { !taken.contains($0) }) else { return nil }
            taken.insert(free)
            return free
        }
    }

    func end(_ place: AMQPSubscription.Place, _ pump: DeliveryPump, grace: Duration) async -> Bool {
        let stopped = Waiting<Bool>()
        if consumer.send(.cancel(place.channel, stopped)) { _ = await stopped.value() }
        for item in pump.drain() { consumer.send(.giveBack(item.tag)) }
        let isFinished = await pump.settle(grace: grace)
        if !isFinished {
            logger.warning("work is cancelled after the grace period", metadata: ["topic": "\(place.topic)"])
        }
        let closed = Waiting<Bool>()
        if consumer.send(.close(place.channel, closed)) { _ = await closed.value() }
        channels.with { _ = $0.remove(place.channel) }
        return isFinished
    }
}

/// Whether a delivery was acknowledged or put aside.
private final class DoneMark: Sendable {
    private let flag = Atomic(false)
    func set() { flag.store(true, ordering: .releasing) }
    var isSet: Bool { flag.load(ordering: .acquiring) }
}

extension Address {
    /// AMQP's limit for names.
    fileprivate static func isQueueName(_ text: String) -> Bool { text.utf8.count <= 255 }
}
