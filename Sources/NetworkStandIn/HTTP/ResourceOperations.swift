import Database
import HTTPService
import WireJSON

extension NetworkAPI {
    static let resourceRoutes: [NetworkRoute] =
        ResourceKind.all.flatMap { kind -> [NetworkRoute] in
            let list = "/v2.0/\(kind.path)"
            let one = "\(list)/{id}"
            return [
                NetworkRoute(.GET, list) { try await $0.list(kind, $1) },
                NetworkRoute(.POST, list) { try await $0.create(kind, $1) },
                NetworkRoute(.GET, one) { try await $0.show(kind, $1) },
                NetworkRoute(.PUT, one) { try await $0.update(kind, $1) },
                NetworkRoute(.DELETE, one) { try await $0.delete(kind, $1) },
                NetworkRoute(.GET, "\(one)/tags") { try await $0.tags(kind, $1) },
                NetworkRoute(.PUT, "\(one)/tags") { try await $0.replaceTags(kind, $1) },
                NetworkRoute(.DELETE, "\(one)/tags") { api, request in
                    try await api.changeTags(kind, request, answering: .empty(204)) { _ in [] }
                },
                NetworkRoute(.GET, "\(one)/tags/{tag}") { try await $0.tag(kind, $1) },
                NetworkRoute(.PUT, "\(one)/tags/{tag}") { api, request in
                    let tag = try request.parameter("tag")
                    return try await api.changeTags(kind, request, answering: .empty(201)) {
                        $0.contains(tag) ? $0 : $0 + [tag]
                    }
                },
                NetworkRoute(.DELETE, "\(one)/tags/{tag}") { api, request in
                    let tag = try request.parameter("tag")
                    return try await api.changeTags(kind, request, answering: .empty(204)) { tags in
                        guard tags.contains(tag) else { throw Self.noTag(tag) }
                        return tags.filter { $0 != tag }
                    }
                },
            ]
        } + [
            NetworkRoute(.PUT, "/v2.0/routers/{id}/add_router_interface") { api, request in
                let (caller, id, body) = (
                    try await api.caller(request), try request.parameter("id"), try await request.body()
                )
                return .json(
                    200, .object(try await api.write(caller) { try $0.addInterface(body, to: id) }))
            },
            NetworkRoute(.PUT, "/v2.0/routers/{id}/remove_router_interface") { api, request in
                let (caller, id, body) = (
                    try await api.caller(request), try request.parameter("id"), try await request.body()
                )
                return .json(
                    200, .object(try await api.write(caller) { try $0.removeInterface(body, from: id) }))
            },
        ]

    private func list(_ kind: ResourceKind, _ request: NetworkRequest) async throws -> HTTPResponse {
        let caller = try await caller(request)
        if kind.collection == "security_groups" { try await ensureDefaultGroup(caller, request) }
        let query = try ListQuery(request.http.query, kind, pageMax: options.pageMax)
        let view = ResourceView(kind, caller, options, fields: query.fields)
        let page = try await read(caller) { work in
            let found = try work.all(kind, query.condition(work.visibility(kind)))
            var page = query.page(found)
            page.items = try kind.complete(work, page.items)
            return page
        }
        var writer = JSONWriter(capacity: 256 + page.items.count * 1024)
        writer.object { writer in
            writer.array(kind.collection) { writer in
                for item in page.items { writer.value(view.show(item)) }
            }
            let links = query.links(page, request.http, kind)
            if !links.isEmpty { writer.field("\(kind.collection)_links", .array(links)) }
        }
        return .json(200, writer.bytes)
    }

    /// Lists of groups show the default group of the project that is asked for, made at first sight.
    private func ensureDefaultGroup(_ caller: Caller, _ request: NetworkRequest) async throws {
        let asked = request.http.query["project_id"] ?? request.http.query["tenant_id"]
        let project = caller.isAdmin ? asked ?? caller.projectID : caller.projectID
        guard !project.isEmpty else { return }
        let known = try await read(caller) { try $0.knownDefaultGroup(of: project) }
        guard known == nil, caller.canWrite else { return }
        _ = try await write(caller) { try $0.defaultGroup(of: project) }
    }

    private func show(_ kind: ResourceKind, _ request: NetworkRequest) async throws -> HTTPResponse {
        let (caller, id) = (try await caller(request), try request.parameter("id"))
        let found = try await read(caller) { try kind.complete($0, [$0.visible(kind, id)]) }
        let view = ResourceView(kind, caller, options, fields: Set(request.http.query.values("fields")))
        return .json(200, .object(JSONObject(found.map { (kind.member, .object(view.show($0))) })))
    }

    private func create(_ kind: ResourceKind, _ request: NetworkRequest) async throws -> HTTPResponse {
        let caller = try await caller(request)
        let body = try await request.body()
        let isBulk = body[kind.collection] != nil && body[kind.member] == nil
        let bodies = isBulk ? body.items(kind.collection) : [body[kind.member] ?? .null]
        let wishes = try bodies.map { try Self.wish($0, kind, caller) }
        guard !wishes.isEmpty else { throw NetworkFault.badRequest("Resources required") }
        let made = try await write(caller) { work in
            try kind.complete(work, wishes.map { try kind.create(work, $0) })
        }
        let view = ResourceView(kind, caller, options)
        let shown = made.map { JSONValue.object(view.show($0)) }
        return .json(201, isBulk ? [kind.collection: .array(shown)] : [kind.member: shown[0]])
    }

    /// The checked attributes of a new resource, its project included.
    private static func wish(_ body: JSONValue, _ kind: ResourceKind, _ caller: Caller) throws
        -> JSONObject
    {
        guard let body = body.object else {
            throw NetworkFault.badRequest("Unable to find '\(kind.member)' in request body")
        }
        let hasRights = kind.hasRights(caller)
        let project = body["project_id"]?.string ?? body["tenant_id"]?.string ?? caller.projectID
        guard hasRights || project == caller.projectID else {
            throw NetworkFault.forbidden("create_\(kind.member)")
        }
        guard !project.isEmpty || hasRights else {
            throw NetworkFault.forbidden("create_\(kind.member)")
        }
        var wish = try kind.attributes.creation(body, kind: kind.member, isPrivileged: hasRights)
        wish.set("project_id", .string(project))
        wish.set("tenant_id", .string(project))
        return wish
    }

    private func update(_ kind: ResourceKind, _ request: NetworkRequest) async throws -> HTTPResponse {
        let (caller, id) = (try await caller(request), try request.parameter("id"))
        let body = try await request.body(kind.member)
        let changed = try await write(caller) { work in
            let current = try work.owned(kind, id, for: "update")
            let update = try kind.attributes.update(
                body, of: current, kind: kind.member, isPrivileged: kind.hasRights(caller))
            return try kind.complete(work, [kind.update(work, current, update)])
        }
        let view = ResourceView(kind, caller, options)
        return .json(200, .object(JSONObject(changed.map { (kind.member, .object(view.show($0))) })))
    }

    private func delete(_ kind: ResourceKind, _ request: NetworkRequest) async throws -> HTTPResponse {
        let (caller, id) = (try await caller(request), try request.parameter("id"))
        try await write(caller) { try kind.delete($0, $0.owned(kind, id, for: "delete")) }
        return .empty(204)
    }

    // MARK: - Tags

    private static func noTag(_ tag: String) -> NetworkFault {
        NetworkFault(404, "TagNotFound", "Tag \(tag) could not be found.")
    }

    private func currentTags(_ kind: ResourceKind, _ request: NetworkRequest) async throws -> [String] {
        let (caller, id) = (try await caller(request), try request.parameter("id"))
        return try await read(caller) { try $0.visible(kind, id).texts("tags") }
    }

    private func tags(_ kind: ResourceKind, _ request: NetworkRequest) async throws -> HTTPResponse {
        .json(200, ["tags": JSONValue(try await currentTags(kind, request))])
    }

    private func tag(_ kind: ResourceKind, _ request: NetworkRequest) async throws -> HTTPResponse {
        let tag = try request.parameter("tag")
        guard try await currentTags(kind, request).contains(tag) else { throw Self.noTag(tag) }
        return .empty(204)
    }

    private func replaceTags(_ kind: ResourceKind, _ request: NetworkRequest) async throws
        -> HTTPResponse
    {
        guard let given = try await request.body()["tags"]?.array else {
            throw NetworkFault.badRequest("Invalid tags body")
        }
        let tags = given.compactMap(\.string)
        guard tags.count == given.count, Set(tags).count == tags.count,
            tags.allSatisfy({ (1...255).contains($0.count) })
        else { throw NetworkFault.invalid("tags", "tags are different texts of 1 to 255 characters") }
        return try await changeTags(kind, request, answering: .json(200, ["tags": JSONValue(tags)])) {
            _ in tags
        }
    }

    private func changeTags(
        _ kind: ResourceKind, _ request: NetworkRequest, answering response: HTTPResponse,
        _ change: @escaping @Sendable ([String]) throws -> [String]
    ) async throws -> HTTPResponse {
        let (caller, id) = (try await caller(request), try request.parameter("id"))
        try await write(caller) { work in
            var document = try work.owned(kind, id, for: "update")
            document.set("tags", JSONValue(try change(document.texts("tags"))))
            try work.save(kind, document)
        }
        return response
    }
}
