import ComputeModel
import WireJSON

/// A token that was checked, with what its user may do.
struct CheckedToken: Sendable {
    var claims: TokenClaims
    var user: UserRecord
    var project: ProjectRecord?
    var domain: DomainRecord?
    var roles: [RoleRecord]

    var isAdmin: Bool { roles.contains { $0.name == "admin" } }
    var isService: Bool { roles.contains { $0.name == "service" } }
}

/// Issues and checks tokens.
struct TokenAuthority: Sendable {
    let store: IdentityStore
    let signer: TokenSigner
    let lifetime: Duration

    /// Authenticates as a body of `POST /auth/tokens` asks.
    ///
    /// - Throws: ``IdentityFault``; all failures of credentials look alike.
    func authenticate(_ auth: JSONValue) async throws -> (token: String, checked: CheckedToken) {
        guard let identity = auth["identity"], let methods = identity["methods"]?.array?.compactMap(\.string),
            !methods.isEmpty
        else { throw IdentityFault.badRequest("'identity' with 'methods' is a required property of 'auth'") }
        var user: UserRecord?
        var inherited: TokenClaims?
        for method in methods {
            switch method {
            case "password": user = try await byPassword(identity["password"])
            case "token":
                let checked = try await byToken(identity["token"])
                (user, inherited) = (checked.user, checked.claims)
            default: throw IdentityFault.unauthorized("Attempted to authenticate with an unsupported method.")
            }
        }
        guard let user else { throw Self.refused }
        let scope = try await scope(auth["scope"], for: user, inherited: inherited)
        let moment = store.now()
        var expiresAt = moment + lifetime
        // A token made from a token does not outlive it.
        if let inherited { expiresAt = min(expiresAt, inherited.expiresAt) }
        let claims = TokenClaims(
            userID: user.id, scope: scope, methods: methods, issuedAt: moment, expiresAt: expiresAt,
            auditIDs: [UUIDValue.random().compact] + (inherited?.auditIDs.suffix(1) ?? []))
        let checked = try await resolve(claims)
        if case .unscoped = scope {
        } else if checked.roles.isEmpty {
            throw IdentityFault.unauthorized("User \(user.id) has no access to the requested scope.")
        }
        return (try signer.issue(claims), checked)
    }

    /// Checks a token.
    ///
    /// - Throws: ``IdentityFault/notFound(_:)`` for whatever is not a good token.
    func check(_ token: String) async throws -> CheckedToken {
        guard let claims = signer.read(token), claims.expiresAt > store.now(),
            try await !store.isRevoked(auditID: claims.auditIDs.first ?? "")
        else { throw IdentityFault.notFound("Could not find token.") }
        let checked = try await resolve(claims)
        if case .unscoped = claims.scope { return checked }
        guard !checked.roles.isEmpty else { throw IdentityFault.notFound("Could not find token.") }
        return checked
    }

    static let refused = IdentityFault.unauthorized("The request you have made requires authentication.")

    private func resolve(_ claims: TokenClaims) async throws -> CheckedToken {
        guard let user = try await store.user(claims.userID), user.isEnabled,
            claims.issuedAt >= user.tokensValidAfter
        else { throw IdentityFault.notFound("Could not find token.") }
        var checked = CheckedToken(claims: claims, user: user, project: nil, domain: nil, roles: [])
        switch claims.scope {
        case .unscoped: break
        case .project(let id):
            guard let project = try await store.project(id), project.isEnabled else {
                throw IdentityFault.notFound("Could not find token.")
            }
            checked.project = project
            checked.roles = try await store.effectiveRoles(of: user.id, on: .project(id))
        case .domain(let id):
            checked.domain = try await store.domains().first { $0.id == id }
            checked.roles = try await store.effectiveRoles(of: user.id, on: .domain(id))
        case .system:
            checked.roles = try await store.effectiveRoles(of: user.id, on: .system)
        }
        return checked
    }

    private func byPassword(_ method: JSONValue?) async throws -> UserRecord {
        guard let given = method?["user"], let password = given["password"]?.string, password.utf8.count <= 4096 else {
            throw IdentityFault.badRequest("'user' with 'password' is a required property of 'password'")
        }
        guard let user = try await find(user: given), user.isEnabled else {
            store.passwords.spendTime(password)
            throw Self.refused
        }
        guard Passwords.verify(password, user.passwordHash) else { throw Self.refused }
        return user
    }

    private func find(user given: JSONValue) async throws -> UserRecord? {
        if let id = given["id"]?.string { return try await store.user(id) }
        guard let name = given["name"]?.string else {
            throw IdentityFault.badRequest("A user must be given by 'id', or by 'name' and 'domain'.")
        }
        guard let domain = try await domain(given["domain"]) else { return nil }
        return try await store.users(name: name, domain: domain.id).first
    }

    private func byToken(_ method: JSONValue?) async throws -> CheckedToken {
        guard let token = method?["id"]?.string else {
            throw IdentityFault.badRequest("'id' is a required property of 'token'")
        }
        do {
            return try await check(token)
        } catch is IdentityFault {
            throw Self.refused
        }
    }

    private func domain(_ given: JSONValue?) async throws -> DomainRecord? {
        let domains = try await store.domains()
        if let id = given?["id"]?.string { return domains.first { $0.id == id } }
        if let name = given?["name"]?.string { return domains.first { $0.name == name } }
        throw IdentityFault.badRequest("A domain must be given by 'id' or 'name'.")
    }

    private func scope(_ scope: JSONValue?, for user: UserRecord, inherited: TokenClaims?) async throws
        -> TokenClaims.Scope
    {
        guard let scope, !scope.isNull else {
            guard inherited == nil, let project = user.defaultProjectID,
                try await !store.effectiveRoles(of: user.id, on: .project(project)).isEmpty
            else { return .unscoped }
            return .project(project)
        }
        if scope.string == "unscoped" || scope["unscoped"] != nil { return .unscoped }
        if scope["system"] != nil { return .system }
        if let given = scope["project"] {
            if let id = given["id"]?.string {
                guard let project = try await store.project(id), project.isEnabled else { throw Self.refused }
                return .project(project.id)
            }
            guard let name = given["name"]?.string, let domain = try await domain(given["domain"]),
                let project = try await store.projects(name: name, domain: domain.id).first, project.isEnabled
            else { throw Self.refused }
            return .project(project.id)
        }
        if let given = scope["domain"] {
            guard let domain = try await domain(given) else { throw Self.refused }
            return .domain(domain.id)
        }
        throw IdentityFault.badRequest("'scope' must name a project, a domain or the system.")
    }
}
