/// Why a message was not sent or brought no answer, by what a sender can do about it.
package enum MessagingError: Error, Sendable, Hashable, CustomStringConvertible {
    /// The receiver worked on the message and failed; it says how.
    case remote(RemoteFault)
    /// No answer came in time. The work may have been done or may still be: send again with the same id to learn it.
    case deadlineExceeded(Address)
    /// Nobody serves the address now.
    case noReceiver(Address)
    /// A receiver is there and does not understand the message in this version.
    case unsupportedVersion(message: String, sent: MessageVersion, served: ServedVersions?)
    /// This bus, or the receiver while it was working, has been shut down.
    case closed
    /// The receiver's queue is full and so many senders wait for it that this one was turned away. Nothing was sent.
    case overloaded(Address)
    /// The message broker cannot be reached now, for this reason. Nobody has the message, or nobody knows.
    case unreachable(Address, reason: String)
    /// The body has so many bytes, which is more than is carried. `remedy` names the option.
    case tooLarge(message: String, bytes: Int, remedy: String)
    /// The sender's task was cancelled while it waited. The work may be done all the same.
    case cancelled
    /// A message or a reply could not be encoded or decoded.
    case malformed(message: String, reason: String)

    package var description: String {
        switch self {
        case .remote(let fault): fault.description
        case .deadlineExceeded(let address): "no answer from \(address) in time"
        case .noReceiver(let address): "no service answers at \(address)"
        case .unsupportedVersion(let message, let sent, let served?):
            "\(message) \(sent) is not understood: the receiver takes \(served); upgrade the older of the two services"
        case .unsupportedVersion(let message, let sent, nil):
            "\(message) \(sent) is not understood: the receiver does not know this message"
        case .closed: "the message bus is shut down"
        case .overloaded(let address): "too many messages wait for \(address)"
        case .unreachable(let address, let reason): "no message reaches \(address): \(reason)"
        case .tooLarge(let message, let bytes, let remedy): "\(message) has \(bytes) bytes and is not sent: \(remedy)"
        case .cancelled: "the sender was cancelled"
        case .malformed(let message, let reason): "\(message) cannot be carried: \(reason)"
        }
    }
}

extension MessagingError {
    fileprivate var isMalformed: Bool { if case .malformed = self { true } else { false } }
}

/// An error thrown by a receiver, as it crosses to the sender.
package struct RemoteFault: Error, Codable, Sendable, Hashable, CustomStringConvertible {
    /// The error's kind, for senders that act on it: stable, such as `NoValidHost`.
    package var kind: String
    /// One sentence for people.
    package var message: String
    /// Facts for senders that act on it.
    package var details: [String: String]

    package init(kind: String, message: String, details: [String: String] = [:]) {
        (self.kind, self.message, self.details) = (kind, message, details)
    }

    /// What an error looks like to the sender. Errors that are not `FaultConvertible` show their type and text.
    package init(_ error: any Error) {
        switch error {
        case let fault as RemoteFault: self = fault
        case MessagingError.remote(let fault): self = fault
        case let error as MessagingError where error.isMalformed:
            self.init(kind: Self.malformed, message: "\(error)")
        case let convertible as any FaultConvertible: self = convertible.remoteFault
        case is CancellationError: self.init(kind: Self.cancelled, message: "the work was cancelled")
        default: self.init(kind: String(describing: type(of: error)), message: "\(error)")
        }
    }

    /// The kind of a fault that says only that the receiver was stopped while it worked.
    package static let cancelled = "Cancelled"
    /// The kind of a fault that answers `MessageBus.fetchReply`: this receiver has no reply to that message.
    package static let replyUnknown = "ReplyUnknown"
    /// The kind of a fault that says that the message cannot be read.
    package static let malformed = "MalformedMessage"

    package var description: String { "\(kind): \(message)" }
}

/// An error that says itself how senders shall see it.
package protocol FaultConvertible: Error {
    var remoteFault: RemoteFault { get }
}
