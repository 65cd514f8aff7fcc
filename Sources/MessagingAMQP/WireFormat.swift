import ComputeModel
import FoundationEssentials
import Messaging

/// How messages and answers look on AMQP. The body is the JSON payload; everything about it stands in properties.
///
/// `docs/operator-guide/messaging.md` describes the same for operators.
enum WireFormat {
    /// The form of properties and headers. Raised when a receiver of an older form could misread a message.
    static let form: Int64 = 1

    /// Why a message cannot be read. It is put aside.
    struct Unreadable: Error, Sendable {
        let reason: String
    }

    private enum Header {
        static let form = "kilonova-form"
        static let version = "kilonova-version"
        static let purpose = "kilonova-purpose"
        static let lifetime = "kilonova-lifetime-ms"
        static let sent = "kilonova-sent-ms"
        static let deliveries = "kilonova-deliveries"
        static let outcome = "kilonova-outcome"
        static let requestID = "request-id"
        static let globalRequestID = "global-request-id"
        static let userID = "user-id"
        static let projectID = "project-id"
    }

    // MARK: Messages

    static func encode(_ envelope: Envelope) throws(MessagingError) -> (WireProperties, [UInt8]) {
        guard case .encoded(let body) = envelope.payload else {
            throw .malformed(message: envelope.name, reason: "its payload was not encoded")
        }
        var properties = WireProperties()
        properties.type = envelope.name
        properties.messageID = envelope.id.description
        properties.replyTo = envelope.replyInbox ?? ""
        properties.headers = [
            Header.form: .integer(form), Header.version: .text(envelope.version.description),
            Header.purpose: .text(envelope.purpose.rawValue),
        ]
        let origin = envelope.origin
        for (key, value) in [
            (Header.requestID, origin.requestID), (Header.globalRequestID, origin.globalRequestID),
            (Header.userID, origin.userID), (Header.projectID, origin.projectID),
        ] {
            if let value { properties.headers[key] = .text(value) }
        }
        return (properties, body)
    }

    /// Writes down how long a message lives from now on.
    static func stamp(_ properties: inout WireProperties, until deadline: ContinuousClock.Instant) {
        let left = max(1, milliseconds(deadline - .now))
        properties.expiration = left
        properties.headers[Header.lifetime] = .integer(Int64(left))
        properties.headers[Header.sent] = .integer(Timestamp.now().microseconds / 1000)
    }

    static func decode(_ delivery: WireDelivery, bodyBytesMax: Int) throws(Unreadable) -> Envelope {
        let properties = delivery.properties
        let known = properties.headers[Header.form]?.integer
        guard known == form else {
            throw Unreadable(
                reason: known.map { "its form is \($0), this release reads \(form): upgrade the older side" }
                    ?? "it was not sent by Kilonova: another program uses this queue")
        }
        guard delivery.body.count <= bodyBytesMax else {
            throw Unreadable(
                reason: "its body has \(delivery.body.count) bytes, more than [kilonova] message_size_max = "
                    + "\(bodyBytesMax) here; raise it on every node or lower it on the sender's")
        }
        guard let id = MessageID(properties.messageID) else {
            throw Unreadable(reason: "its message-id '\(properties.messageID.prefix(64))' is not 32 hexadecimal digits")
        }
        guard let version = properties.headers[Header.version]?.text.flatMap(MessageVersion.init) else {
            throw Unreadable(reason: "its version is missing or not of the form 1.0")
        }
        guard let purpose = properties.headers[Header.purpose]?.text.flatMap(Envelope.Purpose.init) else {
            throw Unreadable(reason: "its purpose is missing or unknown")
        }
        return Envelope(
            id: id, purpose: purpose, name: properties.type, version: version, deadline: deadline(of: properties),
            origin: MessageOrigin(
                requestID: properties.headers[Header.requestID]?.text,
                globalRequestID: properties.headers[Header.globalRequestID]?.text,
                userID: properties.headers[Header.userID]?.text,
                projectID: properties.headers[Header.projectID]?.text),
            replyInbox: properties.replyTo.isEmpty ? nil : properties.replyTo, payload: .encoded(delivery.body))
    }

    /// The time that is left. The broker drops what has expired, so where two clocks disagree so much that a delivered
    /// message looks expired, all of its lifetime is left.
    private static func deadline(of properties: WireProperties) -> ContinuousClock.Instant? {
        guard let lifetime = properties.headers[Header.lifetime]?.integer else { return nil }
        let age = properties.headers[Header.sent]?.integer.map { Timestamp.now().microseconds / 1000 - $0 } ?? 0
        return .now + .milliseconds((0..<lifetime).contains(age) ? lifetime - age : lifetime)
    }

    // MARK: Repeated deliveries

    /// How often a message had been delivered before this time, as far as anybody counted.
    static func earlierDeliveries(_ delivery: WireDelivery) -> Int {
        let byBroker = delivery.properties.headers["x-delivery-count"]?.integer ?? 0
        let byUs = delivery.properties.headers[Header.deliveries]?.integer ?? 0
        return Int(clamping: max(byBroker, byUs))
    }

    /// The same message, to be queued again with a count of its deliveries, as classic queues keep none.
    static func counted(_ delivery: WireDelivery, deliveries: Int) -> WireProperties {
        var properties = delivery.properties
        properties.headers[Header.deliveries] = .integer(Int64(deliveries))
        if let deadline = deadline(of: properties) { stamp(&properties, until: deadline) }
        return properties
    }

    /// The same message for the queue of dead letters.
    static func dead(_ delivery: WireDelivery, reason: String, queue: String, host: String) -> WireProperties {
        var properties = delivery.properties
        properties.expiration = nil
        properties.replyTo = ""
        properties.headers["dead-reason"] = .text(reason)
        properties.headers["dead-queue"] = .text(queue)
        properties.headers["dead-host"] = .text(host)
        return properties
    }

    // MARK: Answers

    private struct Unsupported: Codable {
        var message: String
        var served: ServedVersions?
    }

    static func encode(_ reply: ReplyEnvelope) throws(MessagingError) -> (WireProperties, [UInt8]) {
        var properties = WireProperties()
        properties.type = "reply"
        properties.correlationID = reply.id.description
        func body(_ value: some Encodable) throws(MessagingError) -> [UInt8] {
            do { return try [UInt8](JSONEncoder().encode(value)) } catch {
                throw .malformed(message: "reply", reason: "\(error)")
            }
        }
        func finish(_ outcome: String, _ body: [UInt8]) -> (WireProperties, [UInt8]) {
            properties.headers = [Header.form: .integer(form), Header.outcome: .text(outcome)]
            return (properties, body)
        }
        switch reply.outcome {
        case .success(.encoded(let bytes)): return finish("success", bytes)
        case .success(.value): throw .malformed(message: "reply", reason: "its payload was not encoded")
        case .fault(let fault): return finish("fault", try body(fault))
        case .unsupported(let message, let served):
            return finish("unsupported", try body(Unsupported(message: message, served: served)))
        case .closed: return finish("closed", [])
        }
    }

    static func decodeReply(_ delivery: WireDelivery) throws(Unreadable) -> ReplyEnvelope {
        guard delivery.properties.headers[Header.form]?.integer == form,
            let id = MessageID(delivery.properties.correlationID)
        else { throw Unreadable(reason: "it is not an answer of this form") }
        func value<Value: Decodable>(_ type: Value.Type) throws(Unreadable) -> Value {
            do { return try JSONDecoder().decode(type, from: Data(delivery.body)) } catch {
                throw Unreadable(reason: "its body cannot be read: \(error)")
            }
        }
        let outcome: ReplyOutcome
        switch delivery.properties.headers[Header.outcome]?.text {
        case "success": outcome = .success(.encoded(delivery.body))
        case "fault": outcome = .fault(try value(RemoteFault.self))
        case "unsupported":
            let unsupported = try value(Unsupported.self)
            outcome = .unsupported(message: unsupported.message, served: unsupported.served)
        case "closed": outcome = .closed
        default: throw Unreadable(reason: "its outcome is missing or unknown")
        }
        return ReplyEnvelope(id: id, outcome: outcome)
    }

    private static func milliseconds(_ duration: Duration) -> Int {
        Int(clamping: Int64((duration / .milliseconds(1)).rounded(.up)))
    }
}
