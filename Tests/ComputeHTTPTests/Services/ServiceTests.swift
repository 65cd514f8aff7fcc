import ComputeModel
import ComputeStore
import HTTPService
import Messaging
import ServiceInterfaces
import Testing
import WireJSON

/// Services over the API's history.
@Suite struct ServiceTests {
    private static let first = [
        "binary", "disabled_reason", "host", "id", "state", "status", "updated_at", "zone",
    ]
    private static let forced = (first + ["forced_down"]).sorted()

    @Test(arguments: [("2.1", first), ("2.10", first), ("2.11", forced), ("2.53", forced), ("2.104", forced)])
    func everyVersionHasItsMembers(version: String, names: [String]) async throws {
        let api = try await APIFixture.start()
        try await api.cloud()
        let services = try await api.document(.GET, "/os-services", version, as: .admin)["services"]
        #expect(services?.array?.count == 3)
        #expect(services?[0]?.names == names)
        #expect(services?[0]?["zone"] == "internal")
        #expect(services?[1]?["zone"] == "nova")
        #expect(services?[1]?["state"] == "up")
        #expect(services?[1]?["status"] == "enabled")
        #expect((services?[1]?["id"]?.int == 2) == !["2.53", "2.104"].contains(version))
        #expect(services?[1]?["updated_at"]?.string?.utf8.count == 26)
    }

    @Test func listsAreFiltered() async throws {
        let api = try await APIFixture.start()
        try await api.cloud()
        func count(_ query: String) async throws -> Int? {
            try await api.document(.GET, "/os-services?\(query)", as: .admin)["services"]?.array?.count
        }
        #expect(try await count("host=node1") == 1)
        #expect(try await count("binary=nova-compute") == 2)
        #expect(try await count("binary=nova-compute&host=control") == 0)
        #expect(await api.send(.GET, "/os-services?color=red", "2.75", as: .admin).status == 400)
    }

    @Test func actionsStandInThePathUpTo2_52() async throws {
        let api = try await APIFixture.start()
        try await api.cloud()
        let compute: JSONObject = ["host": "node1", "binary": "nova-compute"]
        func put(_ action: String, _ members: JSONObject = [:], _ version: String = "2.11") async -> InMemoryResponse {
            var body = compute
            for (key, value) in members { body.set(key, value) }
            return await api.send(.PUT, "/os-services/\(action)", version, as: .admin, json: .object(body))
        }
        let reason: JSONObject = ["disabled_reason": "disk"]
        let disabled = try await put("disable").json()["service"]
        #expect(disabled == ["host": "node1", "binary": "nova-compute", "status": "disabled"])
        let logged = try await put("disable-log-reason", reason, "2.1").json()["service"]
        #expect(logged?["disabled_reason"] == "disk")
        #expect(try await api.store.services()[1].disabledReason == "disk")
        #expect(await put("disable-log-reason").fault == "Missing disabled reason field")
        #expect(try await put("enable").json()["service"]?["status"] == "enabled")
        #expect(try await api.store.services()[1].disabledReason == nil)
        let down: JSONObject = ["forced_down": "true"]
        #expect(try await put("force-down", down).json()["service"]?["forced_down"] == true)
        #expect(try await api.store.services()[1].isForcedDown)
        #expect(await put("force-down", down, "2.10").status == 400)
        #expect(await put("force-down", [:], "2.10").status == 404)
        #expect(await put("explode").fault == "Unknown action")
        #expect(await put("disable", ["host": "nowhere"]).status == 404)
        #expect(await put("disable", ["binary": "nova-conductor"]).status == 400)
    }

    @Test func identifiersStandInThePathFrom2_53() async throws {
        let api = try await APIFixture.start()
        try await api.cloud()
        let services = try await api.store.services()
        let path = "/os-services/\(services[1].id)"
        func put(_ body: JSONValue, _ path: String) async -> InMemoryResponse {
            await api.send(.PUT, path, "2.53", as: .admin, json: body)
        }
        let disabled = try await put(["status": "disabled", "disabled_reason": "disk"], path).json()["service"]
        #expect(disabled?.names == Self.forced)
        #expect(disabled?["status"] == "disabled")
        #expect(disabled?["disabled_reason"] == "disk")
        #expect(try await put(["forced_down": true], path).json()["service"]?["disabled_reason"] == "disk")
        let enabled = try await put(["status": "enabled", "forced_down": "no"], path).json()["service"]
        #expect(enabled?["disabled_reason"] == JSONValue.null)
        #expect(enabled?["state"] == "up")
        #expect(await put(["status": "enabled", "disabled_reason": "x"], path).status == 400)
        #expect(await put(["disabled_reason": "x"], path).status == 400)
        #expect(await put(["status": "asleep"], path).status == 400)
        #expect(await put(["status": "enabled"], "/os-services/1").fault == "Invalid uuid 1")
        #expect(await put(["status": "enabled"], "/os-services/\(ServiceID.random())").status == 404)
        #expect(await put(["status": "enabled"], "/os-services/\(services[0].id)").status == 400)
    }

    @Test func aServiceGoesWithItsNodeAndItsProvider() async throws {
        let api = try await APIFixture.start()
        try await api.cloud()
        let removed = AsyncStream.makeStream(of: ProviderID.self)
        let placement = try await api.bus.serve(
            topic: Topic.placement,
            [
                RPCHandler { (message: RemoveProvider, _) in
                    removed.continuation.yield(message.provider)
                    return Acknowledged()
                }
            ])
        let nodes = try await api.store.computeNodes()
        let service = try await api.store.services()[1]
        let response = await api.send(.DELETE, "/os-services/\(service.id)", "2.53", as: .admin)
        #expect(response.status == 204)
        var providers = removed.stream.makeAsyncIterator()
        #expect(await providers.next() == ProviderID(nodes[0].id.uuid))
        #expect(try await api.store.services().map(\.host) == ["control", "node2"])
        #expect(try await api.store.computeNodes().map(\.host) == ["node2"])
        #expect(await api.send(.DELETE, "/os-services/\(service.id)", "2.53", as: .admin).status == 404)
        #expect(await api.send(.DELETE, "/os-services/1", "2.52", as: .admin).status == 204)
        #expect(await api.send(.DELETE, "/os-services/x", "2.52", as: .admin).status == 400)
        #expect(await api.send(.DELETE, "/os-services/x", "2.53", as: .admin).status == 400)
        _ = await placement.stop()
    }

    @Test func aServiceWithServersOrWithoutPlacementStays() async throws {
        let api = try await APIFixture.start()
        try await api.cloud()
        _ = try await api.serverOnFirstNode()
        let hosting = await api.send(.DELETE, "/os-services/2", as: .admin)
        #expect(hosting.status == 409)
        #expect(
            hosting.fault
                == "Unable to delete compute service that is hosting instances. Migrate or delete the instances first.")
        #expect(await api.send(.DELETE, "/os-services/3", as: .admin).status == 503)
        #expect(try await api.store.services().count == 3)
    }

    @Test(arguments: [Caller.member, .reader])
    func onlyAdministratorsLookAndChange(caller: Caller) async throws {
        let api = try await APIFixture.start()
        #expect(await api.send(.GET, "/os-services", as: caller).status == 403)
        let body: JSONValue = ["host": "node1", "binary": "nova-compute"]
        #expect(await api.send(.PUT, "/os-services/disable", as: caller, json: body).status == 403)
        #expect(await api.send(.DELETE, "/os-services/1", as: caller).status == 403)
    }
}
