/// Carries envelopes between services. Shaped after what AMQP 0-9-1 offers, so that a broker fits:
///
/// - an `Address` is a queue, `topic` or `topic.host`; subscribers of one queue share its messages;
/// - a fan-out reaches every subscription of a topic (an exchange to which each binds a queue of its own);
/// - replies go to an inbox of the sender (an exclusive queue) by the name in the envelope;
/// - delivery is at least once: a message stays with the transport until `Delivery.acknowledge()`, and one that was
///   not acknowledged when its subscription ended is delivered again, to another subscriber, as redelivered;
/// - `send` returns when the transport has the message (publisher confirm). It waits while the queue is full, or the
///   broker away;
/// - where `keepsMessages` holds, a queue outlives its subscribers: messages wait for one that comes back, until they
///   expire. Else they are gone with the last subscriber, and senders are told.
package protocol RPCTransport: Sendable {
    /// True when a payload may stay a Swift value; false: the bus encodes it first.
    var carriesValues: Bool { get }

    /// True when queues outlive their subscribers, as a broker's do.
    var keepsMessages: Bool { get }

    /// Hands over a message.
    ///
    /// - Throws: `.noReceiver` when no queue of that name exists, `.overloaded`, `.deadlineExceeded` while waiting
    ///   for room, `.unreachable`, `.tooLarge`, `.closed`, `.cancelled`.
    func send(_ envelope: Envelope, to address: Address) async throws(MessagingError)

    /// Hands over a message for every subscription of the topic; none is no error.
    func fanOut(_ envelope: Envelope, topic: String) async throws(MessagingError)

    /// Hands over an answer. An inbox that is gone drops it: nobody waits any longer.
    func reply(_ envelope: ReplyEnvelope, to inbox: String) async

    /// Opens an inbox for answers. `receive` must return at once.
    func openInbox(_ receive: @escaping @Sendable (ReplyEnvelope) -> Void) async throws(MessagingError) -> String

    /// Takes messages for `topic`, for `topic.host` and for fan-outs of the topic.
    ///
    /// - Parameter limit: how many deliveries are worked on at the same time.
    /// - Parameter receive: works on one message and returns after it was acknowledged or given back.
    func subscribe(
        topic: String, host: String?, limit: Int, _ receive: @escaping @Sendable (Delivery) async -> Void
    ) async throws(MessagingError) -> any TransportSubscription

    /// Asks to be told after messages or answers may have been lost on the way, as when a connection to a broker was
    /// replaced by a new one. `notify` must return at once. Transports that lose nothing never call it.
    func whenDisrupted(_ notify: @escaping @Sendable () -> Void)

    /// What keeps the transport from carrying messages now, in a sentence for operators; nil: nothing does.
    var trouble: String? { get }

    /// Stops everything. Messages on their way are lost; drain subscriptions first.
    func close() async
}

/// A running subscription.
package protocol TransportSubscription: Sendable {
    /// Takes no further messages and waits until those being worked on are finished. Messages that wait go to other
    /// subscribers; when there are none, they are worked on here first.
    ///
    /// - Returns: true when all were finished within the grace period. Else the remaining work is cancelled.
    func drain(grace: Duration) async -> Bool
}

/// One message in the hands of a receiver.
package struct Delivery: Sendable {
    package let envelope: Envelope
    /// True when it was, or may have been, delivered before.
    package let isRedelivered: Bool
    /// The transport may forget the message. Called after what the receiver did is durable.
    package let acknowledge: @Sendable () async -> Void
    /// The message can never be worked on, for this reason: the transport puts it where operators find it, or drops it
    /// with a line in the log. In the place of `acknowledge`.
    package let reject: @Sendable (_ reason: String) async -> Void

    package init(
        envelope: Envelope, isRedelivered: Bool, acknowledge: @escaping @Sendable () async -> Void,
        reject: @escaping @Sendable (_ reason: String) async -> Void
    ) {
        (self.envelope, self.isRedelivered) = (envelope, isRedelivered)
        (self.acknowledge, self.reject) = (acknowledge, reject)
    }
}

/// A message's or an answer's content: as a value within one process, else as JSON.
package enum Payload: Sendable {
    case value(any Sendable)
    case encoded([UInt8])
}

/// A message as transports see it.
package struct Envelope: Sendable {
    package enum Purpose: String, Codable, Sendable {
        case call
        case cast
        case fanOut
        /// Asks for the answer to the message of the same id.
        case fetchReply
        /// Asks which versions of the message are taken; the answer is ``ReplyOutcome/unsupported(message:served:)``.
        case describe
    }

    package var id: MessageID
    package var purpose: Purpose
    package var name: String
    package var version: MessageVersion
    /// When nobody waits any longer. Crosses a wire as the time that is left.
    package var deadline: ContinuousClock.Instant?
    package var origin: MessageOrigin
    /// The inbox that waits for the answer; nil for casts. A cast may name one where it wants to know that its version
    /// is not taken; it gets no other answer.
    package var replyInbox: String?
    package var payload: Payload

    package init(
        id: MessageID, purpose: Purpose, name: String, version: MessageVersion,
        deadline: ContinuousClock.Instant?, origin: MessageOrigin, replyInbox: String?, payload: Payload
    ) {
        (self.id, self.purpose, self.name, self.version) = (id, purpose, name, version)
        (self.deadline, self.origin, self.replyInbox, self.payload) = (deadline, origin, replyInbox, payload)
    }
}

/// An answer as transports see it.
package struct ReplyEnvelope: Sendable {
    /// The id of the message that is answered.
    package var id: MessageID
    package var outcome: ReplyOutcome

    package init(id: MessageID, outcome: ReplyOutcome) { (self.id, self.outcome) = (id, outcome) }
}

/// How a message went.
package enum ReplyOutcome: Sendable {
    case success(Payload)
    case fault(RemoteFault)
    /// The receiver does not know the message (`served` nil), or only in another version.
    case unsupported(message: String, served: ServedVersions?)
    /// The receiver was stopped before it could begin.
    case closed
}
