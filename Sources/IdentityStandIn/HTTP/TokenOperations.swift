import ComputeModel
import HTTPService
import WireJSON

extension IdentityAPI {
    static let tokenRoutes: [IdentityRoute] = [
        IdentityRoute(.GET, "/") { api, request in api.versions(request) },
        IdentityRoute(.GET, "/v3") { api, request in .json(200, ["version": api.version(request)]) },
        IdentityRoute(.POST, "/v3/auth/tokens") { try await $0.issueToken($1) },
        IdentityRoute(.GET, "/v3/auth/tokens") { try await $0.showToken($1, withBody: true) },
        IdentityRoute(.HEAD, "/v3/auth/tokens") { try await $0.showToken($1, withBody: false) },
        IdentityRoute(.DELETE, "/v3/auth/tokens") { try await $0.revokeToken($1) },
        IdentityRoute(.GET, "/v3/auth/catalog") { api, request in
            _ = try await api.caller(request)
            return .json(200, ["catalog": api.catalog(request), "links": api.link(request, "/auth/catalog")])
        },
        IdentityRoute(.GET, "/v3/auth/projects") { try await $0.myProjects($1) },
        IdentityRoute(.GET, "/v3/auth/domains") { api, request in
            let caller = try await api.caller(request)
            let held = try await api.store.assignments(user: caller.user.id)
            let domains = try await api.store.domains().filter { domain in
                held.contains { $0.target == .domain(domain.id) }
            }
            return api.list(request, "domains", domains.map { api.view($0, request) })
        },
        IdentityRoute(.GET, "/v3/auth/system") { api, request in
            let caller = try await api.caller(request)
            let held = try await api.store.assignments(user: caller.user.id, target: .system)
            return api.list(request, "system", held.isEmpty ? [] : [["all": true]])
        },
    ]

    private func version(_ request: IdentityRequest) -> JSONValue {
        [
            "id": "v3.14", "status": "stable", "updated": "2020-04-07T00:00:00Z",
            "links": [["rel": "self", "href": .string(request.http.absoluteURL("/v3/"))]],
            "media-types": [
                ["base": "application/json", "type": "application/vnd.openstack.identity-v3+json"]
            ],
        ]
    }

    private func versions(_ request: IdentityRequest) -> HTTPResponse {
        var response = HTTPResponse.json(300, ["versions": ["values": [version(request)]]])
        response.headers.add(name: "Location", value: request.http.absoluteURL("/v3/"))
        return response
    }

    private func catalog(_ request: IdentityRequest) -> JSONValue {
        .array(options.services.map { $0.json(base: base(request), region: options.region) })
    }

    private func issueToken(_ request: IdentityRequest) async throws -> HTTPResponse {
        let auth = try await request.body("auth")
        let (token, checked) = try await authority.authenticate(auth)
        var response = HTTPResponse.json(201, ["token": try await view(checked, request)])
        response.headers.add(name: "X-Subject-Token", value: token)
        return response
    }

    private func subject(_ request: IdentityRequest) throws -> String {
        guard let token = request.http.headers.first(name: "X-Subject-Token") else {
            throw IdentityFault.badRequest("The request lacks the header X-Subject-Token.")
        }
        return token
    }

    private func showToken(_ request: IdentityRequest, withBody: Bool) async throws -> HTTPResponse {
        let caller = try await caller(request)
        let token = try subject(request)
        guard caller.isAdmin || caller.isService || token == request.http.headers.first(name: "X-Auth-Token") else {
            throw Self.forbidden("identity:validate_token")
        }
        let checked = try await authority.check(token)
        var response: HTTPResponse =
            withBody ? .json(200, ["token": try await view(checked, request)]) : .empty(200)
        response.headers.add(name: "X-Subject-Token", value: token)
        return response
    }

    private func revokeToken(_ request: IdentityRequest) async throws -> HTTPResponse {
        let caller = try await caller(request)
        let token = try subject(request)
        let checked = try await authority.check(token)
        guard caller.isAdmin || checked.user.id == caller.user.id else {
            throw Self.forbidden("identity:revoke_token")
        }
        try await store.revoke(auditID: checked.claims.auditIDs.first ?? "", expiresAt: checked.claims.expiresAt)
        changed(.token(token))
        return .empty(204)
    }

    private func myProjects(_ request: IdentityRequest) async throws -> HTTPResponse {
        let caller = try await caller(request)
        let held = try await store.assignments(user: caller.user.id)
        let projects = try await store.projects(enabled: true).filter { project in
            held.contains { $0.target == .project(project.id) }
        }
        return list(request, "projects", projects.map { view($0, request) })
    }

    /// A token's document, as it is issued and as it is shown.
    private func view(_ checked: CheckedToken, _ request: IdentityRequest) async throws -> JSONValue {
        let claims = checked.claims
        let domains = try await store.domains()
        func domain(_ id: String) -> JSONValue {
            ["id": .string(id), "name": .string(domains.first { $0.id == id }?.name ?? id)]
        }
        var token: JSONObject = [
            "methods": JSONValue(claims.methods),
            "user": [
                "domain": domain(checked.user.domainID), "id": .string(checked.user.id),
                "name": .string(checked.user.name), "password_expires_at": nil,
            ],
            "audit_ids": JSONValue(claims.auditIDs),
            "expires_at": .string(claims.expiresAt.iso8601WithMicrosecondsUTC),
            "issued_at": .string(claims.issuedAt.iso8601WithMicrosecondsUTC),
        ]
        if let project = checked.project {
            token.set(
                "project",
                [
                    "domain": domain(project.domainID), "id": .string(project.id), "name": .string(project.name),
                ])
            token.set("is_domain", false)
        }
        if let scoped = checked.domain { token.set("domain", domain(scoped.id)) }
        if case .system = claims.scope { token.set("system", ["all": true]) }
        if !checked.roles.isEmpty {
            token.set(
                "roles", .array(checked.roles.map { ["id": .string($0.id), "name": .string($0.name)] }))
        }
        let wantsCatalog = !request.http.query.contains("nocatalog")
        if wantsCatalog, !checked.roles.isEmpty { token.set("catalog", catalog(request)) }
        return .object(token)
    }
}
