package import ComputeModel
package import NIOHTTP1
package import WireJSON

/// The account of a service.
package struct ServiceAccount: Sendable {
    package var username: String
    package var password: String
    package var projectName: String
    package var userDomainName: String
    package var projectDomainName: String

    package init(
        username: String, password: String, projectName: String = "service", userDomainName: String = "Default",
        projectDomainName: String = "Default"
    ) {
        self.username = username
        self.password = password
        self.projectName = projectName
        self.userDomainName = userDomainName
        self.projectDomainName = projectDomainName
    }
}

/// The token of a service's own account, fetched when needed and renewed before it ends. One request at a time asks
/// for it, however many need it.
package actor ServiceSession {
    private let identity: PeerHTTP
    private let account: ServiceAccount
    private let now: @Sendable () -> Timestamp
    private var current: (token: String, expiresAt: Timestamp)?
    private var fetching: Task<(token: String, expiresAt: Timestamp), any Error>?

    /// - Parameter identity: at the version: `http://host/identity/v3`.
    package init(identity: PeerHTTP, account: ServiceAccount, now: @escaping @Sendable () -> Timestamp) {
        self.identity = identity
        self.account = account
        self.now = now
    }

    /// A token that is good for at least a minute.
    package func token() async throws(PeerError) -> String {
        if let current, current.expiresAt > now() + .seconds(60) { return current.token }
        let task = fetching ?? Task { try await self.authenticate() }
        fetching = task
        do {
            let fetched = try await task.value
            current = fetched
            fetching = nil
            return fetched.token
        } catch {
            fetching = nil
            throw error as? PeerError ?? .unreachable(service: "identity", reason: "\(error)")
        }
    }

    /// Forgets a token that a peer refused, so that the next request fetches a new one.
    package func forget(_ token: String) {
        if current?.token == token { current = nil }
    }

    private func authenticate() async throws(PeerError) -> (token: String, expiresAt: Timestamp) {
        let body: JSONValue = [
            "auth": [
                "identity": [
                    "methods": ["password"],
                    "password": [
                        "user": [
                            "name": .string(account.username), "password": .string(account.password),
                            "domain": ["name": .string(account.userDomainName)],
                        ]
                    ],
                ],
                "scope": [
                    "project": [
                        "name": .string(account.projectName),
                        "domain": ["name": .string(account.projectDomainName)],
                    ]
                ],
            ]
        ]
        let answer = try await identity.exchange(.POST, "/auth/tokens", body: body)
        guard answer.status == 201 || answer.status == 200 else { throw identity.error(answer) }
        guard let token = answer.headers.first(name: "X-Subject-Token"),
            let parsed = try? JSONParser.parse(answer.bytes),
            let expiry = parsed["token"]?["expires_at"]?.string.flatMap({ Timestamp(iso8601: $0) })
        else { throw .malformed(service: "identity", reason: "a new token came without X-Subject-Token or expires_at") }
        return (token, expiry)
    }
}

/// A peer that is spoken to with a token: the caller's, or the service's own.
package struct AuthorizedPeer: Sendable {
    package let http: PeerHTTP
    private let session: ServiceSession

    package init(http: PeerHTTP, session: ServiceSession) {
        self.http = http
        self.session = session
    }

    /// Headers for a request, with the caller's token or the service's own.
    package func headers(token: String? = nil, requestID: String? = nil) async throws(PeerError) -> HTTPHeaders {
        var headers: HTTPHeaders = [:]
        if let token {
            headers.add(name: "X-Auth-Token", value: token)
        } else {
            headers.add(name: "X-Auth-Token", value: try await session.token())
        }
        if let requestID { headers.add(name: "X-OpenStack-Request-ID", value: requestID) }
        return headers
    }

    /// Forgets the service's own token after a refusal.
    package func forget(_ token: String) async { await session.forget(token) }

    /// A JSON request; with the service's own token it is repeated once when the peer refuses a token that has
    /// become invalid.
    package func json(
        _ method: HTTPMethod, _ path: String, token: String? = nil, requestID: String? = nil, body: JSONValue? = nil
    ) async throws(PeerError) -> JSONValue {
        let headers = try await headers(token: token, requestID: requestID)
        do {
            return try await http.json(method, path, headers: headers, body: body)
        } catch .unauthorized where token == nil {
            if let used = headers.first(name: "X-Auth-Token") { await session.forget(used) }
            let renewed = try await self.headers(requestID: requestID)
            return try await http.json(method, path, headers: renewed, body: body)
        }
    }
}
