package import Logging
import Synchronization

/// How services talk: calls with answers, casts without, fan-outs to all; typed, with deadlines and versions.
///
/// Delivery is at least once and answers can be fetched again: a sender that got `.deadlineExceeded` sends the same
/// message with the same id; a receiver that has worked on it answers again without doing the work twice.
package final class MessageBus: Sendable {
    package let transport: any RPCTransport
    private let defaultDeadline: Duration
    private let ledger: MessageLedger
    private let logger: Logger
    private let newID: @Sendable () -> MessageID
    private let pending = PendingCalls()
    private let inbox: String

    /// - Parameters:
    ///   - defaultDeadline: how long calls wait that say nothing else, and casts for room in a queue.
    ///   - replies: where answers of this process's receivers are kept to be fetched again.
    ///   - newID: makes the ids of messages; random by default.
    package init(
        over transport: any RPCTransport, defaultDeadline: Duration = .seconds(60),
        replies: any ReplyStore = RecentReplies(), logger: Logger = Logger(label: "messaging"),
        newID: @escaping @Sendable () -> MessageID = {
            var generator = SystemRandomNumberGenerator()
            return MessageID(using: &generator)
        }
    ) async throws(MessagingError) {
        self.transport = transport
        self.defaultDeadline = defaultDeadline
        ledger = MessageLedger(replies)
        self.logger = logger
        self.newID = newID
        inbox = try await transport.openInbox { [pending] in pending.resolve($0) }
    }

    /// Sends a message and waits for its answer.
    ///
    /// - Parameters:
    ///   - deadline: how long to wait; the bus's default where nil.
    ///   - id: the id of an earlier attempt, to send that message again.
    package func call<Message: RPCMessage>(
        _ message: Message, to address: Address, deadline: Duration? = nil, origin: MessageOrigin = MessageOrigin(),
        id: MessageID? = nil
    ) async throws(MessagingError) -> Message.Reply {
        let envelope = Envelope(
            id: id ?? newID(), purpose: .call, name: Message.name, version: Message.version,
            deadline: .now + (deadline ?? defaultDeadline), origin: origin, replyInbox: inbox,
            payload: try .packed(message, asValue: transport.carriesValues, of: Message.name))
        return try await answer(to: envelope, at: address, as: Message.self)
    }

    /// Sends a message and returns when the transport has it. Nobody learns how it went.
    package func cast<Message: RPCMessage>(
        _ message: Message, to address: Address, origin: MessageOrigin = MessageOrigin(), id: MessageID? = nil
    ) async throws(MessagingError) {
        try await transport.send(try envelope(message, .cast, origin, id), to: address)
    }

    /// Sends a message to every service that serves the topic now.
    package func fanOut<Message: RPCMessage>(
        _ message: Message, topic: String, origin: MessageOrigin = MessageOrigin()
    ) async throws(MessagingError) {
        try await transport.fanOut(try envelope(message, .fanOut, origin, nil), topic: topic)
    }

    /// Asks a receiver for the answer to a message that it was sent before, without sending the message again.
    /// Waits if the work is still being done.
    ///
    /// - Throws: `.remote` with kind `RemoteFault.replyUnknown` when the receiver has not had the message or has
    ///   forgotten the answer.
    package func fetchReply<Message: RPCMessage>(
        to id: MessageID, of message: Message.Type, from address: Address, deadline: Duration? = nil
    ) async throws(MessagingError) -> Message.Reply {
        let envelope = Envelope(
            id: id, purpose: .fetchReply, name: Message.name, version: Message.version,
            deadline: .now + (deadline ?? defaultDeadline), origin: MessageOrigin(), replyInbox: inbox,
            payload: .encoded([]))
        return try await answer(to: envelope, at: address, as: Message.self)
    }

    /// Takes the messages of a topic, those for this host among them, until the subscription is stopped.
    ///
    /// - Parameter limit: how many messages are worked on at the same time.
    package func serve(
        topic: String, host: String? = nil, limit: Int = 64, _ handlers: [RPCHandler]
    ) async throws(MessagingError) -> Subscription {
        let receiver = Receiver(
            table: DispatchTable(handlers), transport: transport, ledger: ledger, logger: logger, topic: topic)
        let subscription = try await transport.subscribe(topic: topic, host: host, limit: limit) { delivery in
            await receiver.receive(delivery)
        }
        return Subscription(subscription)
    }

    /// Fails everything that waits with `.closed` and closes the transport. Stop subscriptions first.
    package func shutdown() async {
        pending.close()
        await transport.close()
    }

    private func envelope<Message: RPCMessage>(
        _ message: Message, _ purpose: Envelope.Purpose, _ origin: MessageOrigin, _ id: MessageID?
    ) throws(MessagingError) -> Envelope {
        Envelope(
            id: id ?? newID(), purpose: purpose, name: Message.name, version: Message.version, deadline: nil,
            origin: origin, replyInbox: nil,
            payload: try .packed(message, asValue: transport.carriesValues, of: Message.name))
    }

    private func answer<Message: RPCMessage>(
        to envelope: Envelope, at address: Address, as type: Message.Type
    ) async throws(MessagingError) -> Message.Reply {
        let transport = transport
        let outcome = try await pending.outcome(of: envelope, at: address) { () throws(MessagingError) in
            try await transport.send(envelope, to: address)
        }
        switch outcome {
        case .success(let payload): return try payload.unpacked(as: Message.Reply.self, of: Message.name)
        case .fault(let fault): throw .remote(fault)
        case .unsupported(let name, let served):
            throw .unsupportedVersion(message: name, sent: Message.version, served: served)
        case .closed: throw .closed
        }
    }
}

/// A topic being served.
package struct Subscription: Sendable {
    private let inner: any TransportSubscription

    init(_ inner: any TransportSubscription) { self.inner = inner }

    /// Takes no further messages, lets the running work finish and ends.
    ///
    /// - Returns: false when the grace period was not enough and work was cancelled.
    @discardableResult
    package func stop(grace: Duration = .seconds(30)) async -> Bool { await inner.drain(grace: grace) }
}
