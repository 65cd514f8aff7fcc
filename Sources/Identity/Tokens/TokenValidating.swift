/// Checks tokens: against the identity service, or by the stand-in in this process.
package protocol TokenValidating: Sendable {
    /// What the token says.
    func validate(_ token: String) async throws(TokenRefusal) -> TokenFacts
}

/// Why a token does not count.
package enum TokenRefusal: Error, Sendable, Hashable, CustomStringConvertible {
    /// Not a token of this cloud, or altered.
    case invalid
    /// Its time is over.
    case expired
    /// It was withdrawn, or its user, project or role assignment was.
    case revoked
    /// Nobody could be asked: the request may succeed later. The reason is for the log.
    case unavailable(String)

    package var description: String {
        switch self {
        case .invalid: "the token is not valid"
        case .expired: "the token has expired"
        case .revoked: "the token was revoked"
        case .unavailable(let reason): "the token could not be checked: \(reason)"
        }
    }
}
