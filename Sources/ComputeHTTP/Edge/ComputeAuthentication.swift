import HTTPService
import Identity
import ServiceOptions
import WireJSON

/// Finds out who asks, from the request's tokens.
struct ComputeAuthentication: Sendable {
    private let tokens: CachingTokenValidator
    private let policy: PolicyEnforcer
    private let serviceRoles: [String]
    private let requiresServiceRoles: Bool
    private let challenge: String

    init(tokens: CachingTokenValidator, policy: PolicyEnforcer, options: TokenOptions) {
        self.tokens = tokens
        self.policy = policy
        serviceRoles = options.serviceTokenRoles
        requiresServiceRoles = options.serviceTokenRolesRequired
        let address = options.authenticateURI ?? options.credentials.authURL
        challenge = address.map { "Keystone uri=\"\($0)\"" } ?? "Keystone"
    }

    func context(of request: HTTPRequest) async throws(AuthenticationRefusal) -> RequestContext {
        guard let token = request.headers.first(name: IdentityHeaders.token), !token.isEmpty else {
            throw .unauthorized(challenge)
        }
        let facts = try await check(token)
        var service: TokenFacts?
        if let text = request.headers.first(name: IdentityHeaders.serviceToken), !text.isEmpty {
            let checked = try await check(text)
            let isService = !Set(checked.roles).isDisjoint(with: serviceRoles)
            if requiresServiceRoles, !isService { throw .unauthorized(challenge) }
            service = checked
        }
        return policy.context(
            token: facts, authToken: token, service: service, serviceRoles: serviceRoles,
            requestID: request.id.description, globalRequestID: Self.globalID(request.headers))
    }

    private func check(_ token: String) async throws(AuthenticationRefusal) -> TokenFacts {
        if let facts = tokens.cached(token) { return facts }
        do throws(TokenRefusal) {
            return try await tokens.validate(token)
        } catch {
            if case .unavailable = error { throw .unavailable }
            throw .unauthorized(challenge)
        }
    }

    /// The id that the caller gave the whole chain of requests, if it has the form of one.
    private static func globalID(_ headers: HTTPHeaders) -> String? {
        guard let id = headers.first(name: "X-OpenStack-Request-ID"), id.hasPrefix("req-"), id.utf8.count == 40,
            id.utf8.dropFirst(4).allSatisfy({ $0 == 0x2D || (0x30...0x39).contains($0) || (0x61...0x66).contains($0) })
        else { return nil }
        return id
    }
}

/// Why a caller is not let in.
enum AuthenticationRefusal: Error {
    /// No token, or one that does not count; with the challenge that says where to get one.
    case unauthorized(String)
    /// The identity service cannot be asked.
    case unavailable

    /// The refusal as the middleware before the reference's API says it.
    var response: HTTPResponse {
        switch self {
        case .unauthorized(let challenge):
            var response = HTTPResponse.json(
                401,
                [
                    "error": [
                        "code": 401, "title": "Unauthorized",
                        "message": "The request you have made requires authentication.",
                    ]
                ])
            response.headers.add(name: "WWW-Authenticate", value: challenge)
            return response
        case .unavailable:
            return ComputeFault.unavailable("The identity service is temporarily unavailable.").response()
        }
    }
}
