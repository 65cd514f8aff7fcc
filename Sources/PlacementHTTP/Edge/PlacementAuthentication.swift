import ComputeModel
import HTTPService
package import Identity

/// How the placement API finds out who asks.
package enum PlacementAuthentication: Sendable {
    /// By tokens of the identity service (`auth_strategy = keystone`).
    case tokens(any TokenValidating)
    /// By whatever the request says of itself, for tests and closed systems (`auth_strategy = noauth2`): the token is
    /// `user` or `user:project`; roles come from `X-Roles`; the user `admin` has the role admin.
    case headers

    /// The caller.
    func caller(of request: HTTPRequest) async throws(PlacementFault) -> RequestContext {
        let id = request.id.description
        guard let token = request.headers.first(name: IdentityHeaders.token), !token.isEmpty else {
            throw PlacementFault(status: 401, detail: "")
        }
        switch self {
        case .headers: return RequestContext(token: Self.facts(token, request.headers), authToken: token, requestID: id)
        case .tokens(let validator):
            do throws(TokenRefusal) {
                return RequestContext(token: try await validator.validate(token), authToken: token, requestID: id)
            } catch {
                if case .unavailable = error {
                    throw PlacementFault(status: 503, detail: "The token cannot be checked now.")
                }
                throw PlacementFault(status: 401, detail: "")
            }
        }
    }

    private static func facts(_ token: String, _ headers: HTTPHeaders) -> TokenFacts {
        let parts = token.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
        let user = parts[0]
        let systemScope = headers.first(name: "OpenStack-System-Scope")
        var project = headers.first(name: "X-Project-Id") ?? headers.first(name: "X-Tenant-Id")
        if project == nil, systemScope == nil {
            project = parts.count > 1 && !parts[1].isEmpty ? parts[1] : user
        }
        let roles = headers.first(name: "X-Roles").map { $0.split(separator: ",").map { String($0).trimmingSpaces } }
        return TokenFacts(
            userID: user, userName: user, projectID: project, systemScope: systemScope,
            roles: roles ?? (user == "admin" ? ["admin"] : []), expiresAt: Timestamp(microseconds: .max))
    }
}
