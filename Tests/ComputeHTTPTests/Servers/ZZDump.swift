import APIVersioning
@testable import ComputeHTTP
import ComputeModel
import ComputeStore
import HTTPService
import Testing
import WireJSON
import Foundation

@Suite struct ZZDump {
    @Test func dump() async throws {
        guard let path = ProcessInfo.processInfo.environment["KN_DUMP"] else { return }
        let api = try await APIFixture.start()
        let ground = try await api.ground()
        let id = try await api.builtServer(ground, "2.52", .member, ["tags": ["x"], "user_data": "aGk=", "metadata": ["a": "b"]])
        let failed = try await api.builtServer(ground)
        try await api.store.finishOperation(on: failed, vm: .error, power: .noState, expecting: nil, fault: FaultRecord(code: 500, message: "no", created: api.store.now(), details: "why"))
        let building = try #require(try await api.create(ground).json()["server"]?["id"]?.string)
        try await api.store.heartbeat(binary: "nova-compute", host: "node1", topic: "compute", version: 1, trouble: nil)
        let port = try api.networks.addPort(["device_id": .string(id.description)])
        let rule: JSONValue = ["id": .string(UUIDValue.random().description), "direction": "ingress", "protocol": "tcp"]
        let group = try api.networks.addGroup("web", project: APIFixture.project, rules: [rule])
        try api.networks.addPort(["device_id": .string(id.description), "security_groups": [.string(group.description)]])
        let request = try #require(try await api.store.actions(of: id).first?.requestID)
        try await api.store.beginEvent("compute_build", on: id, requestID: request, host: "node1")
        var out = ""
        func add(_ name: String, _ minor: Int, _ r: InMemoryResponse) {
            let body = r.body.isEmpty ? "null" : r.text
            out += "{\"op\":\"\(name)\",\"minor\":\(minor),\"status\":\(r.status),\"body\":\(body)}\n"
        }
        for caller in [Caller.admin, .member] {
            for minor in 1...104 {
                let version = "2.\(minor)"
                func get(_ name: String, _ path: String) async { add(name, minor, await api.send(.GET, path, version, as: caller)) }
                await get("servers.show", "/servers/\(id)")
                await get("servers.show", "/servers/\(failed)")
                await get("servers.show", "/servers/\(building)")
                await get("servers.detail", "/servers/detail")
                await get("servers.detail", "/servers/detail?limit=1")
                await get("servers.index", "/servers?limit=1")
                add("servers.update", minor, await api.send(.PUT, "/servers/\(id)", version, as: caller, json: ["server": ["name": "x"]]))
                await get("server_metadata.index", "/servers/\(id)/metadata")
                await get("server_metadata.show", "/servers/\(id)/metadata/a")
                add("server_metadata.create", minor, await api.send(.POST, "/servers/\(id)/metadata", version, as: caller, json: ["metadata": ["c": "d"]]))
                add("server_metadata.update_all", minor, await api.send(.PUT, "/servers/\(id)/metadata", version, as: caller, json: ["metadata": ["a": "d"]]))
                add("server_metadata.update", minor, await api.send(.PUT, "/servers/\(id)/metadata/a", version, as: caller, json: ["meta": ["a": "d"]]))
                if minor >= 26 {
                    await get("server_tags.index", "/servers/\(id)/tags")
                    add("server_tags.update_all", minor, await api.send(.PUT, "/servers/\(id)/tags", version, as: caller, json: ["tags": ["z"]]))
                }
                await get("ips.index", "/servers/\(id)/ips")
                await get("ips.show", "/servers/\(id)/ips/private")
                await get("instance_actions.index", "/servers/\(id)/os-instance-actions" + (minor >= 58 ? "?limit=1" : ""))
                await get("instance_actions.show", "/servers/\(id)/os-instance-actions/\(request)")
                await get("attach_interfaces.index", "/servers/\(id)/os-interface")
                await get("attach_interfaces.show", "/servers/\(id)/os-interface/\(port)")
                await get("security_groups.index_server", "/servers/\(id)/os-security-groups")
            }
        }
        for minor in [1, 18, 19, 32, 36] {
            add("servers.create", minor, await api.create(ground, "2.\(minor)", .admin))
            try await api.store.setQuotas(["instances": -1, "cores": -1, "ram": -1], ofProject: APIFixture.project)
        }
        for minor in [37, 42, 52, 57, 63, 67, 74, 90, 94, 104] {
            add("servers.create", minor, await api.create(ground, "2.\(minor)", .admin))
            add("servers.create", minor, await api.create(ground, "2.\(minor)", .admin, ["return_reservation_id": true]))
        }
        add("versions.index", 1, await api.http.send(.GET, "/"))
        add("versions.show", 1, await api.http.send(.GET, "/v2.1"))
        add("versions.show", 1, await api.send(.GET, "/versions/v2.1"))
        add("versions.multi", 1, await api.http.send(.GET, "/foo"))
        var schemas = ""
        for endpoint in ServerEndpoints.all {
            for minor in 1...104 {
                let version = Microversion(2, minor)
                guard endpoint.span.contains(version) else { continue }
                schemas += "{\"op\":\"\(endpoint.title)\",\"minor\":\(minor),\"body\":\(endpoint.bodySchema(at: version)?.document.text ?? "null"),\"query\":\(endpoint.querySchema(at: version)?.document.text ?? "null")}\n"
            }
        }
        try schemas.write(toFile: path + ".schemas", atomically: true, encoding: .utf8)
        try out.write(toFile: path, atomically: true, encoding: .utf8)
    }
}
