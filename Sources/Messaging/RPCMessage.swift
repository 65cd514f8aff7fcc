/// What one service asks of another. The type's `name` and `version` are its contract on the wire; `ServiceInterfaces`
/// defines the messages.
package protocol RPCMessage: Codable, Sendable {
    /// What the receiver answers. `NoReply` for messages that are only cast.
    associatedtype Reply: Codable & Sendable
    /// The method's name, unique within the topic.
    static var name: String { get }
    /// The version that this release speaks. Its minor number grows when a field is added, its major number when an
    /// older receiver must not get the message at all.
    static var version: MessageVersion { get }
    /// The oldest version that receivers of this release take and senders can speak: that of two releases ago.
    /// By default the first one of the same major number.
    static var oldestVersion: MessageVersion { get }
    /// The message as a receiver takes it that knows no newer version than this one; nil: what it says cannot be said
    /// in that version. By default nil for every version but the newest.
    func spoken(in version: MessageVersion) -> Self?
}

extension RPCMessage {
    package static var oldestVersion: MessageVersion { MessageVersion(version.major, 0) }
    package func spoken(in version: MessageVersion) -> Self? { version == Self.version ? self : nil }
}

/// The answer of messages that nobody waits for, and of calls whose answer is only that the work is done.
package struct NoReply: Codable, Sendable, Hashable {
    package init() {}
}

/// The version of a message.
package struct MessageVersion: Codable, Sendable, Hashable, Comparable, CustomStringConvertible {
    package var major: Int
    package var minor: Int

    package init(_ major: Int, _ minor: Int) { (self.major, self.minor) = (major, minor) }


    /// Understands `1.2`.
    package init?(_ text: String) {
        let parts = text.split(separator: ".", omittingEmptySubsequences: false)
        guard parts.count == 2, let major = Int(parts[0]), let minor = Int(parts[1]), major >= 0, minor >= 0 else {
            return nil
        }
        self.init(major, minor)
    }

    package static func < (left: Self, right: Self) -> Bool {
        (left.major, left.minor) < (right.major, right.minor)
    }

    package var description: String { "\(major).\(minor)" }
}

/// The versions of a message that a receiver takes: those of its own release and of the two before it.
package struct ServedVersions: Codable, Sendable, Hashable, CustomStringConvertible {
    package var newest: MessageVersion
    package var oldest: MessageVersion

    package init(newest: MessageVersion, oldest: MessageVersion) { (self.newest, self.oldest) = (newest, oldest) }

    /// True when a receiver of these versions understands a message of that one.
    package func contains(_ version: MessageVersion) -> Bool {
        version.major == newest.major && (oldest...newest).contains(version)
    }

    package var description: String { oldest == newest ? "version \(newest)" : "versions \(oldest) to \(newest)" }
}

/// Where a message goes: to one of the services that serve a topic, or to the one on a host.
package struct Address: Codable, Sendable, Hashable, CustomStringConvertible {
    package var topic: String
    /// The host whose service is meant; nil: whichever serves the topic and is free.
    package var host: String?

    package init(topic: String, host: String? = nil) { (self.topic, self.host) = (topic, host) }

    /// `topic` or `topic.host`, the names of the queues in nova's deployments.
    package var description: String { host.map { "\(topic).\($0)" } ?? topic }
}

/// Tells one message from all others. A message that is sent again keeps its id.
package struct MessageID: Codable, Sendable, Hashable, CustomStringConvertible {
    package let high: UInt64
    package let low: UInt64

    package init(high: UInt64, low: UInt64) { (self.high, self.low) = (high, low) }

    package init(using generator: inout some RandomNumberGenerator) {
        self.init(high: generator.next(), low: generator.next())
    }

    /// Understands what ``description`` gives.
    package init?(_ text: String) {
        let digits = Array(text.utf8)
        guard digits.count == 32, let high = UInt64(String(decoding: digits[..<16], as: UTF8.self), radix: 16),
            let low = UInt64(String(decoding: digits[16...], as: UTF8.self), radix: 16), digits[0] != UInt8(ascii: "+"),
            digits[16] != UInt8(ascii: "+")
        else { return nil }
        self.init(high: high, low: low)
    }

    /// 32 hexadecimal digits.
    package var description: String {
        [high, low].map { word in
            let digits = String(word, radix: 16)
            return String(repeating: "0", count: 16 - digits.count) + digits
        }.joined()
    }
}

/// Who caused a message: facts of the API request, carried along for logs, records and policy.
package struct MessageOrigin: Codable, Sendable, Hashable {
    package var requestID: String?
    package var globalRequestID: String?
    package var userID: String?
    package var projectID: String?

    package init(
        requestID: String? = nil, globalRequestID: String? = nil, userID: String? = nil, projectID: String? = nil
    ) {
        (self.requestID, self.globalRequestID) = (requestID, globalRequestID)
        (self.userID, self.projectID) = (userID, projectID)
    }
}

/// What a receiver knows about the message it works on.
package struct MessageContext: Sendable {
    /// The message's id; the same when it is delivered again.
    package var messageID: MessageID
    /// When nobody waits any longer; nil for casts without a deadline.
    package var deadline: ContinuousClock.Instant?
    package var origin: MessageOrigin
    /// True when the message may have been worked on before: the receiver died, or the sender sent it again.
    package var isRedelivered: Bool

    package init(
        messageID: MessageID, deadline: ContinuousClock.Instant?, origin: MessageOrigin = MessageOrigin(),
        isRedelivered: Bool = false
    ) {
        (self.messageID, self.deadline) = (messageID, deadline)
        (self.origin, self.isRedelivered) = (origin, isRedelivered)
    }
}
