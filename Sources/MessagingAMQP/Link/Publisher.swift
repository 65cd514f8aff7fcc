import Messaging
import Synchronization

/// One message on its way to the broker.
final class Publication: Sendable {
    enum Outcome: Sendable {
        /// The broker has it.
        case accepted
        /// No queue takes it.
        case returned(String)
        /// The broker refuses it: the queue is full.
        case refused
        /// Its deadline has passed before the broker had it.
        case expired
        case cancelled
        case closed
    }
    let exchange: String
    let routingKey: String
    let properties: WireProperties
    let body: [UInt8]
    /// When nobody waits for the broker any longer.
    let patience: ContinuousClock.Instant
    /// When the message itself is worth nothing any more; nil: never.
    let deadline: ContinuousClock.Instant?
    private let result = Waiting<Outcome>()
    private let over = Atomic(false)

    init(
        exchange: String = "", routingKey: String, _ properties: WireProperties, _ body: [UInt8],
        patience: ContinuousClock.Instant, deadline: ContinuousClock.Instant? = nil
    ) {
        (self.exchange, self.routingKey, self.properties, self.body) = (exchange, routingKey, properties, body)
        (self.patience, self.deadline) = (patience, deadline)
    }

    var isOver: Bool { over.load(ordering: .acquiring) }

    /// The first outcome counts.
    func finish(_ outcome: Outcome) {
        over.store(true, ordering: .releasing)
        result.resume(outcome)
    }

    func outcome() async -> Outcome {
        await withTaskCancellationHandler {
            await result.value()
        } onCancel: {
            finish(.cancelled)
        }
    }
}

/// Publishes with confirms on one channel. What the broker has not confirmed when a connection is lost is published
/// again on the next one, under the same message id.
final class Publisher: LinkRole {
    typealias Command = Publication

    /// Messages that may be on their way without a confirm.
    private static let windowMax = 2000
    private static let channel: UInt16 = 1

    private let deadLetters: String
    private var waiting = FIFO<Publication>()
    private var unconfirmed: [UInt64: Publication] = [:]
    private var returned: [UInt64: String] = [:]
    private var nextTag: UInt64 = 1
    private var firstUnconfirmed: UInt64 = 1
    private var isBlocked = false
    private var exchanges: Set<String> = []
    private var earliest: ContinuousClock.Instant?

    init(deadLetters: String) { self.deadLetters = deadLetters }

    var wantsToWrite: Bool { !waiting.isEmpty && !isBlocked && unconfirmed.count < Self.windowMax }

    func opened(_ session: Session) throws(SessionError) {
        try session.openChannel(Self.channel, confirms: true)
        try session.declareQueue(
            deadLetters, on: Self.channel, durable: true,
            ["x-message-ttl": .integer(14 * 86_400_000), "x-max-length": .integer(10_000)])
        try flush(session)
    }

    func perform(_ publication: Publication, _ session: Session?) throws(SessionError) {
        waiting.append(publication)
        earliest = min(earliest ?? publication.patience, publication.patience)
        if let session { try flush(session) }
    }

    func received(_ event: SessionEvent, _ session: Session) throws(SessionError) {
        switch event {
        case .confirmed(let tag, let isMultiple, let isRefused):
            if isMultiple {
                while firstUnconfirmed <= tag {
                    confirm(firstUnconfirmed, isRefused)
                    firstUnconfirmed += 1
                }
            } else {
                confirm(tag, isRefused)
            }
        case .returned(_, let messageID, let correlationID, let routingKey, let reason):
            // It comes before the confirm of the same message.
            let match = unconfirmed.filter { tag, publication in
                publication.properties.messageID == messageID && publication.routingKey == routingKey
                    && publication.properties.correlationID == correlationID && returned[tag] == nil
            }
            if let tag = match.keys.min() { returned[tag] = reason }
        case .blocked(let isBlocked): self.isBlocked = isBlocked
        case .delivery, .cancelled: break
        }
    }

    func lost(_ reason: String) {
        for (_, publication) in unconfirmed.sorted(by: { $0.key > $1.key }) where !publication.isOver {
            waiting.prepend(publication)
        }
        (unconfirmed, returned, exchanges) = ([:], [:], [])
        (nextTag, firstUnconfirmed, isBlocked) = (1, 1, false)
    }

    func tick(_ now: ContinuousClock.Instant, _ session: Session?) throws(SessionError) -> ContinuousClock.Instant? {
        if let earliest, earliest <= now { expire(now) }
        if let session { try flush(session) }
        return earliest
    }

    func ended(_ session: Session?) {
        for publication in waiting.takeAll() { publication.finish(.closed) }
        for publication in unconfirmed.values { publication.finish(.closed) }
        unconfirmed = [:]
    }

    private func confirm(_ tag: UInt64, _ isRefused: Bool) {
        guard let publication = unconfirmed.removeValue(forKey: tag) else { return }
        if let reason = returned.removeValue(forKey: tag) {
            publication.finish(.returned(reason))
        } else {
            publication.finish(isRefused ? .refused : .accepted)
        }
    }

    private func expire(_ now: ContinuousClock.Instant) {
        var next: ContinuousClock.Instant?
        func look(_ publication: Publication) -> Bool {
            if publication.isOver { return true }
            if publication.patience <= now {
                publication.finish(.expired)
                return true
            }
            next = min(next ?? publication.patience, publication.patience)
            return false
        }
        waiting.removeAll(where: look)
        for publication in unconfirmed.values { _ = look(publication) }
        earliest = next
    }

    private func flush(_ session: Session) throws(SessionError) {
        var sinceLook = Int.max
        while wantsToWrite {
            // A full socket would block the thread, and with it whoever waits for a deadline.
            if sinceLook > 65_536 {
                guard session.isWritable else { return }
                sinceLook = 0
            }
            guard let publication = waiting.popFirst() else { return }
            guard !publication.isOver else { continue }
            var properties = publication.properties
            if let deadline = publication.deadline { WireFormat.stamp(&properties, until: deadline) }
            do throws(SessionError) {
                if !publication.exchange.isEmpty, exchanges.insert(publication.exchange).inserted {
                    try session.declareFanOut(publication.exchange, on: Self.channel)
                }
                try session.publish(
                    publication.body, properties, to: publication.routingKey, exchange: publication.exchange,
                    on: Self.channel)
            } catch {
                waiting.prepend(publication)
                throw error
            }
            unconfirmed[nextTag] = publication
            nextTag += 1
            sinceLook = sinceLook > 65_536 ? publication.body.count : sinceLook + publication.body.count + 512
        }
    }
}
