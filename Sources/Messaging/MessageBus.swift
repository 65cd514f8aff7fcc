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
    private let peers = PeerVersions()
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
        inbox = try await transport.openInbox { [pending, peers] reply in
            if case .unsupported(let name, _) = reply.outcome { peers.forget(name) }
            pending.resolve(reply)
        }
        transport.whenDisrupted { [pending, transport] in
            Task.detached { await Self.recall(pending.questions, over: transport) }
        }
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
        let end = ContinuousClock.now + (deadline ?? defaultDeadline)
        let id = id ?? newID()
        var version = peers.version(of: Message.self, at: address)
        while true {
            let envelope = Envelope(
                id: id, purpose: .call, name: Message.name, version: version, deadline: end, origin: origin,
                replyInbox: inbox, payload: try pack(message, in: version))
            let outcome = try await outcome(of: envelope, at: address)
            // A receiver of an older release gets the message again as it knows it.
            guard case .unsupported(_, let served?) = outcome, served.newest < version,
                served.newest >= Message.oldestVersion, message.spoken(in: served.newest) != nil
            else { return try reply(outcome, to: Message.self, sent: version) }
            version = served.newest
            peers.remember(version, of: Message.name, at: address)
        }
    }

    /// Sends a message and returns when the transport has it. Nobody learns how it went.
    ///
    /// - Parameter deadline: for how long the message is worth something: it is dropped if nobody took it by then.
    ///   `nil`: it waits for its receiver as long as the transport keeps messages.
    package func cast<Message: RPCMessage>(
        _ message: Message, to address: Address, deadline: Duration? = nil, origin: MessageOrigin = MessageOrigin(),
        id: MessageID? = nil
    ) async throws(MessagingError) {
        let hasHistory = Message.oldestVersion < Message.version
        if hasHistory { await learnVersion(of: Message.self, at: address) }
        let version = peers.version(of: Message.self, at: address)
        let envelope = Envelope(
            id: id ?? newID(), purpose: .cast, name: Message.name, version: version,
            deadline: deadline.map { .now + $0 }, origin: origin, replyInbox: hasHistory ? inbox : nil,
            payload: try pack(message, in: version))
        try await transport.send(envelope, to: address)
    }

    /// Sends a message to every service that serves the topic now.
    package func fanOut<Message: RPCMessage>(
        _ message: Message, topic: String, origin: MessageOrigin = MessageOrigin()
    ) async throws(MessagingError) {
        let envelope = Envelope(
            id: newID(), purpose: .fanOut, name: Message.name, version: Message.version, deadline: nil, origin: origin,
            replyInbox: nil, payload: try pack(message, in: Message.version))
        try await transport.fanOut(envelope, topic: topic)
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
        return try reply(try await outcome(of: envelope, at: address), to: Message.self, sent: Message.version)
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

    // MARK: Parts

    private func pack<Message: RPCMessage>(
        _ message: Message, in version: MessageVersion
    ) throws(MessagingError) -> Payload {
        guard version != Message.version else {
            return try .packed(message, asValue: transport.carriesValues, of: Message.name)
        }
        guard let spoken = message.spoken(in: version) else {
            throw .unsupportedVersion(
                message: Message.name, sent: Message.version, served: ServedVersions(newest: version, oldest: version))
        }
        return try .packed(spoken, asValue: transport.carriesValues, of: Message.name)
    }

    private func outcome(of envelope: Envelope, at address: Address) async throws(MessagingError) -> ReplyOutcome {
        let transport = transport
        return try await pending.outcome(of: envelope, at: address) { () throws(MessagingError) in
            try await transport.send(envelope, to: address)
        }
    }

    private func reply<Message: RPCMessage>(
        _ outcome: ReplyOutcome, to message: Message.Type, sent: MessageVersion
    ) throws(MessagingError) -> Message.Reply {
        switch outcome {
        case .success(let payload): return try payload.unpacked(as: Message.Reply.self, of: Message.name)
        case .fault(let fault): throw .remote(fault)
        case .unsupported(let name, let served):
            throw .unsupportedVersion(message: name, sent: sent, served: served)
        case .closed: throw .closed
        }
    }

    /// Asks the service of a host which versions of a message it takes, unless that is known: nobody would answer the
    /// cast. Without an answer the newest version is sent.
    private func learnVersion<Message: RPCMessage>(of message: Message.Type, at address: Address) async {
        guard address.host != nil, !peers.knows(Message.name, at: address) else { return }
        let question = Envelope(
            id: newID(), purpose: .describe, name: Message.name, version: Message.version,
            deadline: .now + .seconds(2), origin: MessageOrigin(), replyInbox: inbox, payload: .encoded([]))
        guard case .unsupported(_, let served?) = try? await outcome(of: question, at: address) else { return }
        peers.remember(min(served.newest, Message.version), of: Message.name, at: address)
    }

    /// Asks for answers that may have been lost: the one service of a host, or all services of a topic.
    private static func recall(
        _ questions: [(envelope: Envelope, address: Address)], over transport: any RPCTransport
    ) async {
        for (envelope, address) in questions {
            if address.host != nil {
                try? await transport.send(envelope, to: address)
            } else {
                try? await transport.fanOut(envelope, topic: address.topic)
            }
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
