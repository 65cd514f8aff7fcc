/// What went wrong with a request to a peer, by what a caller does about it.
package enum PeerError: Error, Hashable, Sendable, CustomStringConvertible {
    /// No answer: connection refused, reset or too slow. Repeating may help.
    case unreachable(service: String, reason: String)
    /// The peer does not accept our account or the caller's token.
    case unauthorized(service: String, message: String)
    case forbidden(service: String, message: String)
    case notFound(service: String, message: String)
    /// The thing exists already, is in use, or changed meanwhile.
    case conflict(service: String, message: String)
    /// A limit of the project at the peer.
    case overQuota(service: String, message: String)
    /// The peer refuses the request as it stands.
    case badRequest(service: String, message: String)
    /// The peer failed (5xx). Repeating may help.
    case failed(service: String, status: Int, message: String)
    /// An answer that does not have the promised form.
    case malformed(service: String, reason: String)

    /// Whether the same request may succeed later.
    package var mayPass: Bool {
        switch self {
        case .unreachable, .failed: true
        case .unauthorized, .forbidden, .notFound, .conflict, .overQuota, .badRequest, .malformed: false
        }
    }

    package var description: String {
        switch self {
        case .unreachable(let service, let reason): "the \(service) service cannot be reached: \(reason)"
        case .unauthorized(let service, let message): "the \(service) service does not accept the token: \(message)"
        case .forbidden(let service, let message): "the \(service) service forbids it: \(message)"
        case .notFound(let service, let message): "the \(service) service has no such thing: \(message)"
        case .conflict(let service, let message): "the \(service) service reports a conflict: \(message)"
        case .overQuota(let service, let message): "a quota of the \(service) service is exceeded: \(message)"
        case .badRequest(let service, let message): "the \(service) service refuses the request: \(message)"
        case .failed(let service, let status, let message):
            "the \(service) service failed with \(status): \(message)"
        case .malformed(let service, let reason): "the \(service) service's answer cannot be read: \(reason)"
        }
    }

    /// The peer's own words.
    package var message: String {
        switch self {
        case .unreachable(_, let text), .unauthorized(_, let text), .forbidden(_, let text), .notFound(_, let text),
            .conflict(_, let text), .overQuota(_, let text), .badRequest(_, let text), .failed(_, _, let text),
            .malformed(_, let text):
            text
        }
    }
}
