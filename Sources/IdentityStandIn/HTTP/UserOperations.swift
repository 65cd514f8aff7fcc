import ComputeModel
import HTTPService
import WireJSON

extension IdentityAPI {
    static let userRoutes: [IdentityRoute] = [
        IdentityRoute(.GET, "/v3/users") { api, request in
            let caller = try await api.caller(request)
            let query = request.http.query
            // A user may look up the own name, as clients do; everything else is the administrator's.
            guard caller.isAdmin || query["name"] == caller.user.name else {
                throw Self.forbidden("identity:list_users")
            }
            let found = try await api.store.users(
                name: query["name"], domain: query["domain_id"], enabled: query["enabled"].map(Self.isTrue))
            return api.list(request, "users", found.map { api.view($0, request) })
        },
        IdentityRoute(.POST, "/v3/users") { try await $0.createUser($1) },
        IdentityRoute(.GET, "/v3/users/{id}") { api, request in
            let caller = try await api.caller(request)
            let user = try await api.user(request)
            guard caller.isAdmin || caller.user.id == user.id else { throw Self.forbidden("identity:get_user") }
            return .json(200, ["user": api.view(user, request)])
        },
        IdentityRoute(.PATCH, "/v3/users/{id}") { try await $0.updateUser($1) },
        IdentityRoute(.DELETE, "/v3/users/{id}") { api, request in
            _ = try await api.administrator(request, "identity:delete_user")
            let user = try await api.user(request)
            try await api.store.deleteUser(user.id)
            api.changed(.user(user.id))
            return .empty(204)
        },
        IdentityRoute(.POST, "/v3/users/{id}/password") { try await $0.changePassword($1) },
        IdentityRoute(.GET, "/v3/users/{id}/projects") { api, request in
            let caller = try await api.caller(request)
            let user = try await api.user(request)
            guard caller.isAdmin || caller.user.id == user.id else {
                throw Self.forbidden("identity:list_user_projects")
            }
            let held = try await api.store.assignments(user: user.id)
            let projects = try await api.store.projects().filter { project in
                held.contains { $0.target == .project(project.id) }
            }
            return api.list(request, "projects", projects.map { api.view($0, request) })
        },
        IdentityRoute(.GET, "/v3/users/{id}/groups") { api, request in
            _ = try await api.caller(request)
            _ = try await api.user(request)
            return api.list(request, "groups", [])
        },
    ]

    func user(_ request: IdentityRequest, _ parameter: String = "id") async throws -> UserRecord {
        let id = try request.parameter(parameter)
        guard let user = try await store.user(id) else {
            throw IdentityFault.notFound("Could not find user: \(id).")
        }
        return user
    }

    private func view(_ user: UserRecord, _ request: IdentityRequest) -> JSONValue {
        var view: JSONObject = [
            "id": .string(user.id), "name": .string(user.name), "domain_id": .string(user.domainID),
            "enabled": .bool(user.isEnabled), "password_expires_at": nil, "options": [:],
            "links": link(request, "/users/\(user.id)"),
        ]
        if let description = user.description { view.set("description", .string(description)) }
        if let email = user.email { view.set("email", .string(email)) }
        if let project = user.defaultProjectID { view.set("default_project_id", .string(project)) }
        return .object(view)
    }

    private func createUser(_ request: IdentityRequest) async throws -> HTTPResponse {
        let caller = try await administrator(request, "identity:create_user")
        let body = try await request.body("user")
        let password = body["password"]?.string ?? ""
        let user = UserRecord(
            id: Self.newID(), name: try Self.name(body["name"], of: "user", max: 255),
            domainID: body["domain_id"]?.string ?? caller.user.domainID, isEnabled: body["enabled"]?.bool ?? true,
            description: body["description"]?.string, email: body["email"]?.string,
            defaultProjectID: body["default_project_id"]?.string,
            // Without a password nobody can log in as the user.
            passwordHash: password.isEmpty ? "none" : try store.passwords.hash(password),
            tokensValidAfter: Timestamp(microseconds: 0))
        guard try await store.domains().contains(where: { $0.id == user.domainID }) else {
            throw IdentityFault.notFound("Could not find domain: \(user.domainID).")
        }
        try await store.create(user)
        return .json(201, ["user": view(user, request)])
    }

    private func updateUser(_ request: IdentityRequest) async throws -> HTTPResponse {
        _ = try await administrator(request, "identity:update_user")
        var user = try await user(request)
        let body = try await request.body("user")
        if body["name"] != nil { user.name = try Self.name(body["name"], of: "user", max: 255) }
        if let description = body["description"] { user.description = description.string }
        if let email = body["email"] { user.email = email.string }
        if let project = body["default_project_id"] { user.defaultProjectID = project.string }
        if let enabled = body["enabled"]?.bool { user.isEnabled = enabled }
        if let password = body["password"]?.string {
            user.passwordHash = try store.passwords.hash(password)
            user.tokensValidAfter = store.now()
        }
        try await store.update(user)
        changed(.user(user.id))
        return .json(200, ["user": view(user, request)])
    }

    private func changePassword(_ request: IdentityRequest) async throws -> HTTPResponse {
        var user = try await user(request)
        let body = try await request.body("user")
        guard let old = body["original_password"]?.string, let new = body["password"]?.string, !new.isEmpty else {
            throw IdentityFault.badRequest("'original_password' and 'password' are required properties")
        }
        guard Passwords.verify(old, user.passwordHash) else { throw TokenAuthority.refused }
        user.passwordHash = try store.passwords.hash(new)
        user.tokensValidAfter = store.now()
        try await store.update(user)
        changed(.user(user.id))
        return .empty(204)
    }
}
