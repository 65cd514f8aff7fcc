import HTTPService
import WireJSON

extension IdentityAPI {
    static let catalogRoutes: [IdentityRoute] = [
        IdentityRoute(.GET, "/v3/domains") { api, request in
            let caller = try await api.caller(request)
            let query = request.http.query
            let found = try await api.store.domains().filter { domain in
                (query["name"].map { $0 == domain.name } ?? true)
                    && (caller.isAdmin || domain.id == caller.user.domainID)
            }
            return api.list(request, "domains", found.map { api.view($0, request) })
        },
        IdentityRoute(.GET, "/v3/domains/{id}") { api, request in
            let caller = try await api.caller(request)
            let id = try request.parameter("id")
            guard let domain = try await api.store.domains().first(where: { $0.id == id }),
                caller.isAdmin || domain.id == caller.user.domainID
            else { throw IdentityFault.notFound("Could not find domain: \(id).") }
            return .json(200, ["domain": api.view(domain, request)])
        },
        IdentityRoute(.GET, "/v3/services") { api, request in
            _ = try await api.administrator(request, "identity:list_services")
            let items: [JSONValue] = api.options.services.map { service in
                [
                    "id": .string(service.id), "type": .string(service.type), "name": .string(service.name),
                    "enabled": true, "description": "", "links": api.link(request, "/services/\(service.id)"),
                ]
            }
            return api.list(request, "services", items)
        },
        IdentityRoute(.GET, "/v3/endpoints") { api, request in
            _ = try await api.administrator(request, "identity:list_endpoints")
            let items: [JSONValue] = api.options.services.flatMap { service in
                let entry = service.json(base: api.base(request), region: api.options.region)
                return (entry["endpoints"]?.array ?? []).map { endpoint -> JSONValue in
                    var item = endpoint.object ?? JSONObject()
                    item.set("service_id", .string(service.id))
                    item.set("enabled", true)
                    item.set("links", api.link(request, "/endpoints/\(endpoint["id"]?.string ?? "")"))
                    return .object(item)
                }
            }
            return api.list(request, "endpoints", items)
        },
        IdentityRoute(.GET, "/v3/regions") { api, request in
            _ = try await api.caller(request)
            return api.list(
                request, "regions",
                [
                    [
                        "id": .string(api.options.region), "description": "", "parent_region_id": nil,
                        "links": api.link(request, "/regions/\(api.options.region)"),
                    ]
                ])
        },
    ]

    func view(_ domain: DomainRecord, _ request: IdentityRequest) -> JSONValue {
        [
            "id": .string(domain.id), "name": .string(domain.name), "enabled": .bool(domain.isEnabled),
            "description": "", "options": [:], "tags": [], "links": link(request, "/domains/\(domain.id)"),
        ]
    }
}
