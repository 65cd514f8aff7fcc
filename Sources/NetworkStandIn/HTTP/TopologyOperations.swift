import Database
import HTTPService
import WireJSON

extension NetworkAPI {
    static let topologyRoutes: [NetworkRoute] = [
        NetworkRoute(.GET, "/v2.0/auto-allocated-topology/{project}") { api, request in
            let (caller, project) = try await api.topologyOwner(request)
            if request.http.query.values("fields").contains("dry-run") {
                try await api.read(caller) { _ = try $0.defaultExternalNetwork() }
                return Self.answer("dry-run=pass", project)
            }
            let known = try await api.read(caller) { try $0.automaticNetwork(of: project) }
            if let known { return Self.answer(known.id, project) }
            return Self.answer(try await api.write(caller) { try $0.makeTopology(of: project) }, project)
        },
        NetworkRoute(.DELETE, "/v2.0/auto-allocated-topology/{project}") { api, request in
            let (caller, project) = try await api.topologyOwner(request)
            try await api.write(caller) { try $0.removeTopology(of: project) }
            return .empty(204)
        },
    ]

    private func topologyOwner(_ request: NetworkRequest) async throws -> (Caller, String) {
        let (caller, given) = (try await caller(request), try request.parameter("project"))
        let project = given == "None" || given == "null" ? caller.projectID : given
        guard caller.isAdmin || caller.isService || project == caller.projectID, !project.isEmpty else {
            throw NetworkFault.forbidden("get_auto_allocated_topology")
        }
        return (caller, project)
    }

    private static func answer(_ id: String, _ project: String) -> HTTPResponse {
        let view: JSONValue = [
            "id": .string(id), "tenant_id": .string(project), "project_id": .string(project),
        ]
        return .json(200, ["auto_allocated_topology": view])
    }
}

extension NetworkWork {
    /// The default external network; where none is marked so, the only one.
    fileprivate func defaultExternalNetwork() throws -> JSONObject {
        let external = try all(.network, "external = 1")
        if let chosen = external.first(where: { $0.flag("is_default") }) { return chosen }
        guard external.count == 1 else {
            throw NetworkFault(
                409, "AutoAllocationFailure",
                "Deployment error: No default router:external network.")
        }
        return external[0]
    }

    private static let networkName = "auto_allocated_network"
    private static let routerName = "auto_allocated_router"

    fileprivate func automaticNetwork(of project: String) throws -> JSONObject? {
        try all(.network, "project_id = \(project) AND name = \(Self.networkName)").first
    }

    /// Network, subnet, and router to the outside for a project; all or nothing. Returns the network.
    fileprivate func makeTopology(of project: String) throws -> String {
        if let known = try automaticNetwork(of: project) { return known.id }
        let external = try defaultExternalNetwork()
        func make(_ kind: ResourceKind, _ attributes: JSONObject) throws -> JSONObject {
            var wish = try kind.attributes.creation(attributes, kind: kind.member, isPrivileged: true)
            wish.set("project_id", .string(project))
            wish.set("tenant_id", .string(project))
            return try kind.create(self, wish)
        }
        let network = try make(.network, ["name": .string(Self.networkName)])
        let subnet = try make(
            .subnet,
            [
                "name": "auto_allocated_subnet_v4", "network_id": .string(network.id), "ip_version": 4,
                "cidr": .string(options.autoAllocatedBlock),
            ])
        let router = try make(
            .router,
            [
                "name": .string(Self.routerName),
                "external_gateway_info": ["network_id": .string(external.id)],
            ])
        _ = try addInterface(["subnet_id": .string(subnet.id)], to: router.id)
        return network.id
    }

    fileprivate func removeTopology(of project: String) throws {
        guard let network = try automaticNetwork(of: project) else {
            throw NetworkFault(
                404, "HTTPNotFound", "Project \(project) has no automatically allocated topology.")
        }
        for router in try all(.router, "project_id = \(project) AND name = \(Self.routerName)") {
            for port in try interfaces(of: router.id) where port.text("network_id") == network.id {
                _ = try removeInterface(["port_id": .string(port.id)], from: router.id)
            }
            try deleteRouter(router)
        }
        try deleteNetwork(network)
    }
}
