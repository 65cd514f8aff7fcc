import ComputeModel
import HTTPService
import WireJSON

extension NetworkAPI {
    static let discoveryRoutes: [NetworkRoute] = [
        NetworkRoute(.GET, "/") { _, request in
            let link: JSONValue = ["rel": "self", "href": .string(request.http.absoluteURL("/v2.0/"))]
            return .json(200, ["versions": [["id": "v2.0", "status": "CURRENT", "links": [link]]]])
        },
        NetworkRoute(.GET, "/v2.0") { _, request in
            let resources = ResourceKind.all.map { kind -> JSONValue in
                [
                    "name": .string(kind.member), "collection": .string(kind.collection),
                    "links": [
                        ["rel": "self", "href": .string(request.http.absoluteURL("/v2.0/\(kind.path)"))]
                    ],
                ]
            }
            return .json(200, ["resources": .array(resources)])
        },
        NetworkRoute(.GET, "/v2.0/extensions") { api, request in
            _ = try await api.caller(request)
            return .json(200, ["extensions": .array(NetworkExtension.all.map(\.view))])
        },
        NetworkRoute(.GET, "/v2.0/extensions/{alias}") { api, request in
            _ = try await api.caller(request)
            let alias = try request.parameter("alias")
            guard let found = NetworkExtension.all.first(where: { $0.alias == alias }) else {
                throw NetworkFault(404, "HTTPNotFound", "Extension with alias \(alias) does not exist")
            }
            return .json(200, ["extension": found.view])
        },
        NetworkRoute(.GET, "/v2.0/availability_zones") { api, request in
            _ = try await api.caller(request)
            let zones = ["network", "router"].map { resource -> JSONValue in
                [
                    "name": .string(api.options.availabilityZone), "resource": .string(resource),
                    "state": "available",
                ]
            }
            return .json(200, ["availability_zones": .array(zones)])
        },
        NetworkRoute(.GET, "/v2.0/agents") { api, request in
            let caller = try await api.caller(request)
            let query = request.http.query
            let agents = caller.isAdmin ? api.options.agents() : []
            let fitting = agents.filter { agent in
                (query["host"] ?? agent.host) == agent.host
                    && (query["binary"] ?? agent.binary) == agent.binary
                    && (query["agent_type"] ?? agent.kind) == agent.kind
            }
            return .json(200, ["agents": .array(fitting.map(api.view))])
        },
        NetworkRoute(.GET, "/v2.0/agents/{id}") { api, request in
            let (caller, id) = (try await api.caller(request), try request.parameter("id"))
            guard caller.isAdmin, let agent = api.options.agents().first(where: { $0.id == id }) else {
                throw NetworkFault(404, "AgentNotFound", "Agent \(id) could not be found.")
            }
            return .json(200, ["agent": api.view(agent)])
        },
    ]

    private func view(_ agent: NetworkAgentFacts) -> JSONValue {
        func time(_ text: String) -> JSONValue {
            .string(String(text.dropLast().map { $0 == "T" ? " " : $0 }))
        }
        return [
            "id": .string(agent.id), "host": .string(agent.host), "agent_type": .string(agent.kind),
            "binary": .string(agent.binary), "topic": "N/A", "alive": .bool(agent.isAlive),
            "admin_state_up": true,
            "availability_zone": .string(options.availabilityZone), "configurations": [:],
            "description": .null,
            "started_at": time(agent.startedAt.iso8601), "created_at": time(agent.startedAt.iso8601),
            "heartbeat_timestamp": time(agent.heartbeatAt.iso8601), "resources_synced": .null,
        ]
    }
}

/// An extension of Neutron's API that the stand-in has.
struct NetworkExtension: Sendable {
    let alias: String
    let name: String

    var view: JSONValue {
        [
            "alias": .string(alias), "name": .string(name), "description": .string(name), "links": [],
            "updated": "2026-01-01T00:00:00-00:00",
        ]
    }

    static let all = [
        NetworkExtension(alias: "agent", name: "agent"),
        NetworkExtension(alias: "allowed-address-pairs", name: "Allowed Address Pairs"),
        NetworkExtension(alias: "auto-allocated-topology", name: "Auto Allocated Topology Services"),
        NetworkExtension(alias: "availability_zone", name: "Availability Zone"),
        NetworkExtension(alias: "binding", name: "Port Binding"),
        NetworkExtension(alias: "dns-integration", name: "DNS Integration"),
        NetworkExtension(alias: "external-net", name: "Neutron external network"),
        NetworkExtension(alias: "extra_dhcp_opt", name: "Neutron Extra DHCP options"),
        NetworkExtension(alias: "fip-port-details", name: "Floating IP Port Details Extension"),
        NetworkExtension(alias: "ext-gw-mode", name: "Neutron L3 Configurable external gateway mode"),
        NetworkExtension(alias: "net-mtu", name: "Network MTU"),
        NetworkExtension(alias: "net-mtu-writable", name: "Network MTU (writable)"),
        NetworkExtension(alias: "network_availability_zone", name: "Network Availability Zone"),
        NetworkExtension(alias: "pagination", name: "Pagination support"),
        NetworkExtension(alias: "port-security", name: "Port Security"),
        NetworkExtension(
            alias: "port-security-groups-filtering", name: "Port filtering on security groups"),
        NetworkExtension(alias: "project-id", name: "project_id field enabled"),
        NetworkExtension(alias: "provider", name: "Provider Network"),
        NetworkExtension(alias: "quota_details", name: "Quota details management support"),
        NetworkExtension(alias: "quotas", name: "Quota management support"),
        NetworkExtension(alias: "router", name: "Neutron L3 Router"),
        NetworkExtension(alias: "router_availability_zone", name: "Router Availability Zone"),
        NetworkExtension(alias: "security-group", name: "security-group"),
        NetworkExtension(alias: "sorting", name: "Sorting support"),
        NetworkExtension(alias: "standard-attr-description", name: "standard-attr-description"),
        NetworkExtension(alias: "standard-attr-revisions", name: "Resource revision numbers"),
        NetworkExtension(
            alias: "standard-attr-tag", name: "Tag support for resources with standard attribute"),
        NetworkExtension(alias: "standard-attr-timestamp", name: "Resource timestamps"),
    ]
}
