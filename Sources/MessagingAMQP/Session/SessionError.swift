/// Why a connection to a broker could not be made or has ended.
struct SessionError: Error, Sendable, Hashable, CustomStringConvertible {
    enum Kind: Sendable {
        /// Nothing answers there, or it stopped answering: try again.
        case unreachable
        /// User or password are wrong, or the user may not use the virtual host.
        case refusedLogin
        case noVirtualHost
        /// Certificates do not fit.
        case untrusted
        /// A queue or exchange exists with other properties.
        case otherProperties
        /// The broker, or the library, ended the connection for another reason.
        case ended
    }
    let kind: Kind
    let description: String

    init(_ kind: Kind, _ description: String) { (self.kind, self.description) = (kind, description) }

    /// Whether only another configuration can help.
    var needsOperator: Bool {
        switch kind {
        case .refusedLogin, .noVirtualHost, .untrusted: true
        case .unreachable, .otherProperties, .ended: false
        }
    }
}
