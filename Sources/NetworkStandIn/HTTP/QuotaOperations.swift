import Database
import HTTPService
import WireJSON

extension NetworkAPI {
    static let quotaRoutes: [NetworkRoute] = [
        NetworkRoute(.GET, "/v2.0/quotas") { api, request in
            let caller = try await api.caller(request)
            guard caller.isAdmin else { throw NetworkFault.forbidden("get_quota") }
            let quotas = try await api.read(caller) { work in
                let projects = try work.connection.map(
                    "SELECT DISTINCT project_id FROM quotas ORDER BY project_id"
                ) {
                    try $0.string(0)
                }
                return try projects.map { project -> JSONValue in
                    var view = JSONObject(try work.limits(project).map { ($0.name, JSONValue($0.limit)) })
                    view.set("project_id", .string(project))
                    view.set("tenant_id", .string(project))
                    return .object(view)
                }
            }
            return .json(200, ["quotas": .array(quotas)])
        },
        NetworkRoute(.GET, "/v2.0/quotas/{project}") { api, request in
            let (caller, project) = try await api.quotaReader(request)
            let limits = try await api.read(caller) { try $0.limits(project) }
            return Self.answer(limits)
        },
        NetworkRoute(.GET, "/v2.0/quotas/{project}/default") { api, request in
            _ = try await api.quotaReader(request)
            return Self.answer(api.options.quotas)
        },
        NetworkRoute(.GET, "/v2.0/quotas/{project}/details") { try await $0.quotaDetails($1) },
        NetworkRoute(.GET, "/v2.0/quotas/{project}/details.json") { try await $0.quotaDetails($1) },
        NetworkRoute(.PUT, "/v2.0/quotas/{project}") { api, request in
            let (caller, project) = try await api.quotaWriter(request, "update_quota")
            var limits: [(String, Int)] = []
            for (name, value) in try await request.body("quota").members {
                if ["tenant_id", "project_id", "force", "check_limit"].contains(name) { continue }
                guard api.options.quotas.contains(where: { $0.name == name }) else {
                    throw NetworkFault.badRequest("Unrecognized attribute(s) '\(name)'")
                }
                guard let limit = value.int ?? value.string.flatMap({ Int($0) }),
                    (-1...Int(Int32.max)).contains(limit)
                else { throw NetworkFault.invalid(name, "'\(Values.plain(value))' is not a limit") }
                limits.append((name, limit))
            }
            let chosen = limits
            let result = try await api.write(caller) { work in
                try work.setLimits(chosen, of: project)
                return try work.limits(project)
            }
            return Self.answer(result)
        },
        NetworkRoute(.DELETE, "/v2.0/quotas/{project}") { api, request in
            let (caller, project) = try await api.quotaWriter(request, "delete_quota")
            try await api.write(caller) { work in
                let known = try work.connection.execute("DELETE FROM quotas WHERE project_id = \(project)")
                    .rowsChanged
                guard known > 0 else {
                    throw NetworkFault(
                        404, "TenantQuotaNotFound", "Quota for tenant \(project) could not be found.")
                }
            }
            return .empty(204)
        },
    ]

    private static func answer(_ limits: [(name: String, limit: Int)]) -> HTTPResponse {
        .json(200, ["quota": .object(JSONObject(limits.map { ($0.name, JSONValue($0.limit)) }))])
    }

    private func quotaReader(_ request: NetworkRequest) async throws -> (Caller, String) {
        let (caller, project) = (try await caller(request), try request.parameter("project"))
        guard caller.isAdmin || caller.isService || caller.projectID == project else {
            throw NetworkFault.forbidden("get_quota")
        }
        return (caller, project)
    }

    private func quotaWriter(_ request: NetworkRequest, _ rule: String) async throws -> (
        Caller, String
    ) {
        let (caller, project) = (try await caller(request), try request.parameter("project"))
        guard caller.isAdmin else { throw NetworkFault.forbidden(rule) }
        return (caller, project)
    }

    private func quotaDetails(_ request: NetworkRequest) async throws -> HTTPResponse {
        let (caller, project) = try await quotaReader(request)
        let details = try await read(caller) { work in
            try work.limits(project).map { name, limit -> (String, JSONValue) in
                let used = try work.used(name, by: project)
                return (name, ["limit": JSONValue(limit), "used": JSONValue(used), "reserved": 0])
            }
        }
        return .json(200, ["quota": .object(JSONObject(details))])
    }
}
