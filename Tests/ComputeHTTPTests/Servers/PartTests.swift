import ComputeModel
import ComputeStore
import HTTPService
import ServiceOptions
import Testing
import WireJSON

/// The parts of a server: metadata, tags, addresses, interfaces, groups, history.
@Suite struct PartTests {
    @Test func metadataIsChangedItemByItem() async throws {
        let api = try await APIFixture.start { $0.quota.metadataItems = 3 }
        let id = try await api.builtServer(try await api.ground())
        let path = "/servers/\(id)/metadata"
        func send(_ method: HTTPMethod, _ suffix: String = "", _ json: JSONValue? = nil) async -> InMemoryResponse {
            await api.send(method, path + suffix, json: json)
        }
        let both: JSONValue = ["metadata": ["a": "1", "b": "2"]]
        #expect(try await send(.POST, "", both).json() == both)
        #expect(try await send(.GET).json() == both)
        #expect(try await send(.GET, "/a").json() == ["meta": ["a": "1"]])
        #expect(try await send(.PUT, "/a", ["meta": ["a": "3"]]).json() == ["meta": ["a": "3"]])
        #expect(await send(.PUT, "/a", ["meta": ["b": "3"]]).fault == "Request body and URI mismatch")
        #expect(await send(.PUT, "/a", ["meta": ["a": "3", "b": "4"]]).status == 400)
        #expect(await send(.DELETE, "/a").status == 204)
        let missing = await send(.GET, "/a")
        #expect(missing.status == 404)
        #expect(missing.fault == "Metadata item was not found")
        #expect(await send(.DELETE, "/a").status == 404)
        #expect(try await send(.PUT, "", ["metadata": ["c": "1"]]).json() == ["metadata": ["c": "1"]])
        #expect(
            await send(.POST, "", ["metadata": ["d": "", "e": "", "f": ""]]).fault
                == "Maximum number of metadata items exceeds 3")
        #expect(await send(.POST, "", ["metadata": ["bad/key": "1"]]).status == 400)
        let long = JSONValue.string(String(repeating: "x", count: 256))
        #expect(await send(.POST, "", ["metadata": ["long": long]]).status == 400)
        #expect(await api.send(.GET, path, as: .reader).status == 200)
        #expect(await api.send(.POST, path, as: .reader, json: ["metadata": [:]]).status == 403)
    }

    @Test func metadataOfABuildingServerStays() async throws {
        let api = try await APIFixture.start()
        let response = await api.create(try await api.ground())
        let id = try #require(try response.json()["server"]?["id"]?.string)
        let refused = await api.send(.POST, "/servers/\(id)/metadata", json: ["metadata": ["a": "1"]])
        #expect(refused.status == 409)
        #expect(refused.fault == "Cannot 'update metadata' instance \(id) while it is in vm_state building")
    }

    @Test func tagsComeAndGo() async throws {
        let api = try await APIFixture.start()
        let id = try await api.builtServer(try await api.ground())
        func send(_ method: HTTPMethod, _ suffix: String = "", _ json: JSONValue? = nil) async -> InMemoryResponse {
            await api.send(method, "/servers/\(id)/tags\(suffix)", "2.26", json: json)
        }
        let added = await send(.PUT, "/red")
        #expect(added.status == 201)
        #expect(added.headers.first(name: "Location") == "http://127.0.0.1:80/v2.1/servers/\(id)/tags/red")
        #expect(await send(.PUT, "/red").status == 204)
        #expect(await send(.GET, "/red").status == 204)
        #expect(await send(.GET, "/blue").fault == "Server \(id) has no tag 'blue'")
        #expect(try await send(.PUT, "", ["tags": ["b", "a", "a"]]).json() == ["tags": ["a", "b"]])
        #expect(try await send(.GET).json() == ["tags": ["a", "b"]])
        #expect(await send(.DELETE, "/a").status == 204)
        let missing = await send(.DELETE, "/a")
        #expect(missing.status == 404)
        #expect(missing.fault == "Instance \(id) has no tag 'a'")
        #expect(await send(.PUT, "/a,b").status == 400)
        #expect(await send(.PUT, "/red", ["x": 1]).status == 400)
        #expect(await send(.DELETE).status == 204)
        #expect(try await send(.GET).json() == ["tags": []])
        let many = (0..<50).map { JSONValue.string("t\($0)") }
        #expect(await send(.PUT, "", ["tags": .array(many + ["one more"])]).status == 400)
        #expect(await send(.PUT, "", ["tags": .array(many)]).status == 200)
        #expect(await send(.PUT, "/more").fault == "The number of tags exceeded the per-server limit 50")
    }

    @Test func addressesAreListedByNetwork() async throws {
        let api = try await APIFixture.start()
        let id = try await api.builtServer(try await api.ground())
        let address: JSONValue = [["version": 4, "addr": "10.0.0.5"]]
        #expect(try await api.document(.GET, "/servers/\(id)/ips") == ["addresses": ["private": address]])
        #expect(try await api.document(.GET, "/servers/\(id)/ips/private") == ["private": address])
        let missing = await api.send(.GET, "/servers/\(id)/ips/public")
        #expect(missing.status == 404)
        #expect(missing.fault == "Instance is not a member of specified network")
    }

    @Test func interfacesAreTheServersPorts() async throws {
        let api = try await APIFixture.start()
        let id = try await api.builtServer(try await api.ground())
        let port = try api.networks.addPort(["device_id": .string(id.description)])
        let list = try await api.document(.GET, "/servers/\(id)/os-interface")["interfaceAttachments"]
        #expect(list?.array?.count == 1)
        #expect(list?[0]?.names == ["fixed_ips", "mac_addr", "net_id", "port_id", "port_state"])
        let shown = try await api.document(.GET, "/servers/\(id)/os-interface/\(port)", "2.70")["interfaceAttachment"]
        #expect(shown?["tag"] == .null)
        #expect(shown?["port_id"]?.string == port.description)
        let other = try api.networks.addPort()
        #expect(
            await api.send(.GET, "/servers/\(id)/os-interface/\(other)").fault
                == "Instance \(id) does not have a port with id \(other)")
        #expect(await api.send(.GET, "/servers/\(id)/os-interface/nothing").status == 404)
    }

    @Test func securityGroupsHaveTheOldForm() async throws {
        let api = try await APIFixture.start()
        let id = try await api.builtServer(try await api.ground())
        let rule: JSONValue = [
            "id": .string(UUIDValue.random().description), "direction": "ingress", "protocol": "tcp",
        ]
        let outward: JSONValue = ["id": "x", "direction": "egress"]
        let group = try api.networks.addGroup("web", project: APIFixture.project, rules: [rule, outward])
        try api.networks.addPort([
            "device_id": .string(id.description), "security_groups": [.string(group.description)],
        ])
        let shown = try await api.document(.GET, "/servers/\(id)/os-security-groups")["security_groups"]?[0]
        #expect(shown?.names == ["description", "id", "name", "rules", "tenant_id"])
        #expect(shown?["rules"]?.array?.count == 1)
        #expect(shown?["rules"]?[0]?["to_port"] == 65535)
        #expect(shown?["rules"]?[0]?["ip_range"] == ["cidr": "0.0.0.0/0"])
    }

    @Test func theHistoryOfAServer() async throws {
        let api = try await APIFixture.start()
        let id = try await api.builtServer(try await api.ground())
        let path = "/servers/\(id)/os-instance-actions"
        for body: JSONValue in [["lock": .null], ["unlock": .null]] {
            _ = await api.send(.POST, "/servers/\(id)/action", json: body)
        }
        let list = try await api.document(.GET, path)["instanceActions"]
        #expect(list?.array?.map { $0["action"]?.string } == ["unlock", "lock", "create"])
        #expect(
            list?[0]?.names == [
                "action", "instance_uuid", "message", "project_id", "request_id", "start_time", "user_id",
            ])
        let page = try await api.document(.GET, "\(path)?limit=1", "2.58")
        #expect(page["instanceActions"]?.array?.count == 1)
        #expect(page["instanceActions"]?[0]?["updated_at"]?.string != nil)
        let marker = try #require(page["instanceActions"]?[0]?["request_id"]?.string)
        #expect(page["links"]?[0]?["href"]?.string?.hasSuffix("?limit=1&marker=\(marker)") == true)
        let rest = try await api.document(.GET, "\(path)?marker=\(marker)", "2.58")
        #expect(rest["instanceActions"]?.array?.count == 2)
        #expect(await api.send(.GET, "\(path)?marker=req-none", "2.58").fault == "Marker req-none could not be found.")
        #expect(await api.send(.GET, "\(path)?colour=1", "2.58").status == 400)
        #expect(await api.send(.GET, "\(path)?changes-before=2020-01-01", "2.65").status == 400)
    }

    @Test func eventsAreShownByVersionAndRole() async throws {
        let api = try await APIFixture.start()
        let id = try await api.builtServer(try await api.ground())
        let request = try #require(try await api.store.actions(of: id).first?.requestID)
        try await api.store.beginEvent("compute_build", on: id, requestID: request, host: "node1")
        try await api.store.endEvent("compute_build", on: id, requestID: request, failure: ("why", "trace"))
        func events(_ version: String, _ caller: Caller = .member) async throws -> JSONValue? {
            let path = "/servers/\(id)/os-instance-actions/\(request)"
            return try await api.document(.GET, path, version, as: caller)["instanceAction"]?["events"]
        }
        #expect(try await events("2.50") == nil)
        let plain = ["event", "finish_time", "result", "start_time"]
        #expect(try await events("2.51")?[0]?.names == plain)
        #expect(try await events("2.1", .admin)?[0]?.names == (plain + ["traceback"]).sorted())
        #expect(try await events("2.62")?[0]?.names == (plain + ["hostId"]).sorted())
        #expect(try await events("2.62", .admin)?[0]?.names == (plain + ["host", "hostId", "traceback"]).sorted())
        #expect(
            try await events("2.84", .admin)?[0]?.names
                == (plain + ["details", "host", "hostId", "traceback"]).sorted())
        #expect(
            await api.send(.GET, "/servers/\(id)/os-instance-actions/req-none").fault == "Action req-none not found")
    }

    @Test func theHistoryOutlivesTheServer() async throws {
        let api = try await APIFixture.start()
        let id = try await api.builtServer(try await api.ground())
        try await api.store.markDeleted(id)
        #expect(await api.send(.GET, "/servers/\(id)/os-instance-actions", "2.20").status == 404)
        #expect(await api.send(.GET, "/servers/\(id)/os-instance-actions", "2.21").status == 200)
    }
}
