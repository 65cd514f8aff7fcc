import HTTPService
import WireJSON

extension IdentityAPI {
    static let roleRoutes: [IdentityRoute] =
        [
            IdentityRoute(.GET, "/v3/roles") { api, request in
                _ = try await api.administrator(request, "identity:list_roles")
                let found = try await api.store.roles(name: request.http.query["name"])
                return api.list(request, "roles", found.map { api.view($0, request) })
            },
            IdentityRoute(.POST, "/v3/roles") { api, request in
                _ = try await api.administrator(request, "identity:create_role")
                let body = try await request.body("role")
                let role = RoleRecord(id: Self.newID(), name: try Self.name(body["name"], of: "role", max: 255))
                try await api.store.create(role)
                return .json(201, ["role": api.view(role, request)])
            },
            IdentityRoute(.GET, "/v3/roles/{id}") { api, request in
                _ = try await api.administrator(request, "identity:get_role")
                return .json(200, ["role": api.view(try await api.role(request, "id"), request)])
            },
            IdentityRoute(.DELETE, "/v3/roles/{id}") { api, request in
                _ = try await api.administrator(request, "identity:delete_role")
                try await api.store.deleteRole(try await api.role(request, "id").id)
                api.changed(.everything)
                return .empty(204)
            },
            IdentityRoute(.GET, "/v3/role_assignments") { try await $0.listAssignments($1) },
        ] + grantRoutes("/v3/projects/{target}") { .project($0) } + grantRoutes("/v3/domains/{target}") { .domain($0) }
        + grantRoutes("/v3/system") { _ in .system }

    /// The routes that give, test, list and take roles of users on one kind of target.
    private static func grantRoutes(_ prefix: String, _ target: @escaping @Sendable (String) -> RoleTarget)
        -> [IdentityRoute]
    {
        let one = "\(prefix)/users/{user}/roles/{role}"
        @Sendable func assignment(_ api: IdentityAPI, _ request: IdentityRequest) async throws -> AssignmentRecord {
            AssignmentRecord(
                userID: try await api.user(request, "user").id,
                target: try await api.existing(target(request.parameters["target"] ?? "")),
                roleID: try await api.role(request, "role").id)
        }
        return [
            IdentityRoute(.PUT, one) { api, request in
                _ = try await api.administrator(request, "identity:create_grant")
                let grant = try await assignment(api, request)
                try await api.store.assign(grant)
                api.changed(.user(grant.userID))
                return .empty(204)
            },
            IdentityRoute(.HEAD, one) { api, request in
                _ = try await api.administrator(request, "identity:check_grant")
                let grant = try await assignment(api, request)
                let found = try await api.store.assignments(
                    user: grant.userID, target: grant.target, role: grant.roleID)
                guard !found.isEmpty else { throw IdentityFault.notFound("Could not find role assignment.") }
                return .empty(204)
            },
            IdentityRoute(.DELETE, one) { api, request in
                _ = try await api.administrator(request, "identity:revoke_grant")
                let grant = try await assignment(api, request)
                guard try await api.store.unassign(grant) else {
                    throw IdentityFault.notFound("Could not find role assignment.")
                }
                api.changed(.user(grant.userID))
                return .empty(204)
            },
            IdentityRoute(.GET, "\(prefix)/users/{user}/roles") { api, request in
                _ = try await api.administrator(request, "identity:list_grants")
                let user = try await api.user(request, "user")
                let place = try await api.existing(target(request.parameters["target"] ?? ""))
                let held = Set(try await api.store.assignments(user: user.id, target: place).map(\.roleID))
                let roles = try await api.store.roles().filter { held.contains($0.id) }
                return api.list(request, "roles", roles.map { api.view($0, request) })
            },
        ]
    }

    private func existing(_ target: RoleTarget) async throws -> RoleTarget {
        switch target {
        case .project(let id):
            guard try await store.project(id) != nil else {
                throw IdentityFault.notFound("Could not find project: \(id).")
            }
        case .domain(let id):
            guard try await store.domains().contains(where: { $0.id == id }) else {
                throw IdentityFault.notFound("Could not find domain: \(id).")
            }
        case .system: break
        }
        return target
    }

    private func role(_ request: IdentityRequest, _ parameter: String) async throws -> RoleRecord {
        let id = try request.parameter(parameter)
        guard let role = try await store.role(id) else {
            throw IdentityFault.notFound("Could not find role: \(id).")
        }
        return role
    }

    private func view(_ role: RoleRecord, _ request: IdentityRequest) -> JSONValue {
        [
            "id": .string(role.id), "name": .string(role.name), "domain_id": nil, "description": nil,
            "options": [:], "links": link(request, "/roles/\(role.id)"),
        ]
    }

    private func listAssignments(_ request: IdentityRequest) async throws -> HTTPResponse {
        _ = try await administrator(request, "identity:list_role_assignments")
        let query = request.http.query
        var target: RoleTarget?
        if let project = query["scope.project.id"] { target = .project(project) }
        if let domain = query["scope.domain.id"] { target = .domain(domain) }
        if query["scope.system"] != nil { target = .system }
        let found = try await store.assignments(user: query["user.id"], target: target, role: query["role.id"])
        let withNames = query["include_names"].map(Self.isTrue) ?? false
        let names = withNames ? try await AssignmentNames(store) : nil
        let items: [JSONValue] = found.map { assignment in
            let place: JSONValue =
                switch assignment.target {
                case .project(let id): ["project": names?.project(id) ?? ["id": .string(id)]]
                case .domain(let id): ["domain": names?.domain(id) ?? ["id": .string(id)]]
                case .system: ["system": ["all": true]]
                }
            return [
                "scope": place, "user": names?.user(assignment.userID) ?? ["id": .string(assignment.userID)],
                "role": names?.role(assignment.roleID) ?? ["id": .string(assignment.roleID)],
                "links": ["assignment": .string(request.http.absoluteURL("/v3/role_assignments"))],
            ]
        }
        return list(request, "role_assignments", items)
    }
}

/// Names for a list of assignments that asks for them.
private struct AssignmentNames {
    private let domains: [String: String]
    private let projects: [String: ProjectRecord]
    private let users: [String: UserRecord]
    private let roles: [String: String]

    init(_ store: IdentityStore) async throws {
        domains = Dictionary(try await store.domains().map { ($0.id, $0.name) }) { first, _ in first }
        projects = Dictionary(try await store.projects().map { ($0.id, $0) }) { first, _ in first }
        users = Dictionary(try await store.users().map { ($0.id, $0) }) { first, _ in first }
        roles = Dictionary(try await store.roles().map { ($0.id, $0.name) }) { first, _ in first }
    }

    func domain(_ id: String) -> JSONValue { ["id": .string(id), "name": .string(domains[id] ?? id)] }
    func role(_ id: String) -> JSONValue { ["id": .string(id), "name": .string(roles[id] ?? id)] }
    func project(_ id: String) -> JSONValue {
        guard let project = projects[id] else { return ["id": .string(id)] }
        return ["id": .string(id), "name": .string(project.name), "domain": domain(project.domainID)]
    }
    func user(_ id: String) -> JSONValue {
        guard let user = users[id] else { return ["id": .string(id)] }
        return ["id": .string(id), "name": .string(user.name), "domain": domain(user.domainID)]
    }
}
