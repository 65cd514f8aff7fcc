import ComputeModel
import HTTPService
import WireJSON

extension IdentityAPI {
    static let projectRoutes: [IdentityRoute] = [
        IdentityRoute(.GET, "/v3/projects") { api, request in
            let caller = try await api.caller(request)
            let query = request.http.query
            var found = try await api.store.projects(
                name: query["name"], domain: query["domain_id"], enabled: query["enabled"].map(Self.isTrue),
                parent: query["parent_id"])
            if !caller.isAdmin {
                let held = try await api.store.assignments(user: caller.user.id)
                found = found.filter { project in held.contains { $0.target == .project(project.id) } }
                guard query["name"] != nil || !found.isEmpty else { throw Self.forbidden("identity:list_projects") }
            }
            return api.list(request, "projects", found.map { api.view($0, request) })
        },
        IdentityRoute(.POST, "/v3/projects") { try await $0.createProject($1) },
        IdentityRoute(.GET, "/v3/projects/{id}") { api, request in
            let caller = try await api.caller(request)
            let project = try await api.project(request)
            let held = try await api.store.assignments(user: caller.user.id, target: .project(project.id))
            guard caller.isAdmin || caller.isService || !held.isEmpty else {
                throw Self.forbidden("identity:get_project")
            }
            return .json(200, ["project": api.view(project, request)])
        },
        IdentityRoute(.PATCH, "/v3/projects/{id}") { try await $0.updateProject($1) },
        IdentityRoute(.DELETE, "/v3/projects/{id}") { api, request in
            _ = try await api.administrator(request, "identity:delete_project")
            let project = try await api.project(request)
            try await api.store.deleteProject(project.id)
            api.changed(.project(project.id))
            return .empty(204)
        },
    ]

    static func isTrue(_ text: String) -> Bool { ["", "1", "true", "yes"].contains(text.lowercased()) }

    private func project(_ request: IdentityRequest) async throws -> ProjectRecord {
        let id = try request.parameter("id")
        guard let project = try await store.project(id) else {
            throw IdentityFault.notFound("Could not find project: \(id).")
        }
        return project
    }

    func view(_ project: ProjectRecord, _ request: IdentityRequest) -> JSONValue {
        [
            "id": .string(project.id), "name": .string(project.name), "domain_id": .string(project.domainID),
            "description": .string(project.description), "enabled": .bool(project.isEnabled),
            "parent_id": .string(project.parentID ?? project.domainID), "is_domain": false, "tags": [],
            "options": [:], "links": link(request, "/projects/\(project.id)"),
        ]
    }

    /// A name of 1 to 64 (or, for users, 255) characters that is not blank.
    static func name(_ value: JSONValue?, of kind: String, max: Int = 64) throws -> String {
        guard let name = value?.string else { throw IdentityFault.badRequest("'name' is a required property") }
        guard !name.isEmpty, name.count <= max, name.contains(where: { !$0.isWhitespace }) else {
            throw IdentityFault.badRequest(
                "Invalid input for field 'name': a \(kind)'s name has 1 to \(max) characters")
        }
        return name
    }

    static func newID() -> String { UUIDValue.random().compact }

    private func createProject(_ request: IdentityRequest) async throws -> HTTPResponse {
        let caller = try await administrator(request, "identity:create_project")
        let body = try await request.body("project")
        let project = ProjectRecord(
            id: Self.newID(), name: try Self.name(body["name"], of: "project"),
            domainID: body["domain_id"]?.string ?? caller.user.domainID,
            description: body["description"]?.string ?? "", isEnabled: body["enabled"]?.bool ?? true,
            parentID: body["parent_id"]?.string)
        guard try await store.domains().contains(where: { $0.id == project.domainID }) else {
            throw IdentityFault.notFound("Could not find domain: \(project.domainID).")
        }
        try await store.create(project)
        return .json(201, ["project": view(project, request)])
    }

    private func updateProject(_ request: IdentityRequest) async throws -> HTTPResponse {
        _ = try await administrator(request, "identity:update_project")
        var project = try await project(request)
        let body = try await request.body("project")
        if body["name"] != nil { project.name = try Self.name(body["name"], of: "project") }
        if let description = body["description"]?.string { project.description = description }
        if let enabled = body["enabled"]?.bool { project.isEnabled = enabled }
        try await store.update(project)
        changed(.project(project.id))
        return .json(200, ["project": view(project, request)])
    }
}
