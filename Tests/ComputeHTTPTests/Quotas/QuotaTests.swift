import HTTPService
import ServiceOptions
import PeerClients
import Testing
import WireJSON

/// Quotas and limits over the API's history.
@Suite struct QuotaTests {
    private static let current = [
        "cores", "instances", "key_pairs", "metadata_items", "ram", "server_group_members", "server_groups",
    ]
    private static let injected = ["injected_file_content_bytes", "injected_file_path_bytes", "injected_files"]
    private static let network = ["fixed_ips", "floating_ips", "security_group_rules", "security_groups"]
    private static let withInjected: [String] = current + injected
    private static let everything: [String] = withInjected + network
    private static let oldClasses: [String] = everything.filter { !$0.hasPrefix("server_group") }
    private static let path = "/os-quota-sets/\(APIFixture.project)"

    @Test(arguments: [
        ("2.1", everything), ("2.35", everything), ("2.36", withInjected), ("2.56", withInjected), ("2.57", current),
        ("2.104", current),
    ] as [(String, [String])])
    func everyVersionHasItsResources(version: String, names: [String]) async throws {
        let api = try await APIFixture.start()
        let withID = (names + ["id"]).sorted()
        for part in ["", "/detail", "/defaults"] {
            let set = try await api.document(.GET, Self.path + part, version)["quota_set"]
            #expect(set?.names == withID)
            #expect(set?["id"]?.string == APIFixture.project)
        }
        let updated = try await api.document(
            .PUT, Self.path, version, as: .admin, json: ["quota_set": ["cores": "8"]])["quota_set"]
        #expect(updated?.names == names.sorted())
        #expect(updated?["cores"] == 8)
    }

    @Test func limitsOfUsersComeBeforeThoseOfProjectsBeforeThoseOfTheClass() async throws {
        let api = try await APIFixture.start { $0.quota.instances = 7 }
        func instances(_ query: String = "") async throws -> Int? {
            try await api.document(.GET, Self.path + query, as: .admin)["quota_set"]?["instances"]?.int
        }
        func set(_ path: String, _ member: String, _ limit: JSONValue) async -> Int {
            let limits: JSONValue = ["instances": limit]
            let body = JSONValue.object(JSONObject([(member, limits)]))
            return await api.send(.PUT, path, as: .admin, json: body).status
        }
        #expect(try await instances() == 7)
        #expect(await set("/os-quota-class-sets/default", "quota_class_set", 8) == 200)
        #expect(try await instances() == 8)
        #expect(await set(Self.path, "quota_set", 9) == 200)
        #expect(try await instances() == 9)
        #expect(await set("\(Self.path)?user_id=u", "quota_set", 4) == 200)
        #expect(try await instances("?user_id=u") == 4)
        #expect(try await instances() == 9)
        #expect(await api.send(.DELETE, "\(Self.path)?user_id=u", as: .admin).status == 202)
        #expect(try await instances("?user_id=u") == 9)
        #expect(await api.send(.DELETE, Self.path, as: .admin).status == 202)
        #expect(try await instances() == 8)
        #expect(try await api.document(.GET, "\(Self.path)/defaults")["quota_set"]?["instances"] == 8)
    }

    @Test func whatIsInUseCannotBeTakenAwayWithoutForce() async throws {
        let api = try await APIFixture.start()
        _ = await api.create(try await api.ground())
        let detail = try await api.document(.GET, "\(Self.path)/detail")["quota_set"]
        #expect(detail?["instances"] == ["in_use": 1, "limit": 10, "reserved": 0])
        #expect(detail?["ram"] == ["in_use": 512, "limit": 51200, "reserved": 0])
        let low: JSONValue = ["quota_set": ["ram": 100]]
        let refused = await api.send(.PUT, Self.path, as: .admin, json: low)
        #expect(refused.status == 400)
        #expect(
            refused.fault
                == "Quota limit 100 for ram must be greater than or equal to already used and reserved 512.")
        let forced: JSONValue = ["quota_set": ["ram": 100, "force": "True"]]
        #expect(await api.send(.PUT, Self.path, as: .admin, json: forced).status == 200)
        #expect(await api.send(.PUT, Self.path, as: .admin, json: ["quota_set": ["ram": -1]]).status == 200)
        let more: JSONValue = ["quota_set": ["cores": 21]]
        let above = await api.send(.PUT, "\(Self.path)?user_id=u", as: .admin, json: more)
        #expect(above.fault == "Quota limit 21 for cores must be less than or equal to 20.")
    }

    @Test(arguments: [
        (["quota_set": ["cores": -2]], "2.1"), (["quota_set": ["cores": "x"]], "2.1"),
        (["quota_set": ["bananas": 1]], "2.1"), (["quota_set": ["fixed_ips": 1]], "2.36"),
        (["quota_set": ["injected_files": 1]], "2.57"), ([:], "2.1"),
    ] as [(JSONValue, String)])
    func whatDoesNotFitIsRefused(body: JSONValue, version: String) async throws {
        let api = try await APIFixture.start()
        #expect(await api.send(.PUT, Self.path, version, as: .admin, json: body).status == 400)
    }

    @Test func aProjectThatIsNotThereHasNoQuotas() async throws {
        let api = try await APIFixture.start()
        let path = "/os-quota-sets/gone"
        for suffix in ["", "/detail", "/defaults"] {
            let refused = await api.send(.GET, path + suffix, as: .admin)
            #expect(refused.status == 400 && refused.fault == "Project ID gone is not a valid project.")
        }
        #expect(await api.send(.PUT, path, as: .admin, json: ["quota_set": ["cores": 1]]).status == 400)
        #expect(await api.send(.DELETE, path, as: .admin).status == 202)
        api.projects.fail(.unreachable(service: "identity", reason: "away"))
        #expect(await api.send(.PUT, path, as: .admin, json: ["quota_set": ["cores": 1]]).status == 200)
    }

    @Test func projectsSeeTheirOwn() async throws {
        let api = try await APIFixture.start()
        #expect(await api.send(.GET, Self.path, as: .reader).status == 200)
        #expect(await api.send(.GET, Self.path, as: .stranger).status == 403)
        #expect(await api.send(.GET, "\(Self.path)/defaults", as: .stranger).status == 200)
        #expect(await api.send(.PUT, Self.path, json: ["quota_set": [:]]).status == 403)
        #expect(await api.send(.DELETE, Self.path).status == 403)
        #expect(await api.send(.GET, "/os-quota-class-sets/default").status == 403)
        #expect(await api.send(.GET, "\(Self.path)?color=red", "2.74").status == 200)
        #expect(await api.send(.GET, "\(Self.path)?color=red", "2.75").status == 400)
    }

    @Test(arguments: [
        ("2.1", oldClasses), ("2.49", oldClasses), ("2.50", withInjected), ("2.57", current),
    ] as [(String, [String])])
    func classesHaveTheirResources(version: String, names: [String]) async throws {
        let api = try await APIFixture.start()
        let path = "/os-quota-class-sets/gold"
        let shown = try await api.document(.GET, path, version, as: .admin)["quota_class_set"]
        #expect(shown?.names == (names + ["id"]).sorted())
        #expect(shown?["id"] == "gold")
        let body: JSONValue = ["quota_class_set": ["ram": 5]]
        let updated = try await api.document(.PUT, path, version, as: .admin, json: body)["quota_class_set"]
        #expect(updated?.names == names.sorted())
        #expect(updated?["ram"] == 5)
    }

    // MARK: Limits

    @Test(arguments: [("2.1", 19), ("2.35", 19), ("2.36", 14), ("2.39", 13), ("2.56", 13), ("2.57", 11), ("2.104", 11)])
    func limitsLoseMembers(version: String, count: Int) async throws {
        let api = try await APIFixture.start()
        _ = await api.create(try await api.ground())
        let limits = try await api.document(.GET, "/limits", version)["limits"]
        #expect(limits?["rate"] == [])
        #expect(limits?["absolute"]?.object?.count == count)
        #expect(limits?["absolute"]?["totalInstancesUsed"] == 1)
        #expect(limits?["absolute"]?["totalRAMUsed"] == 512)
        #expect(limits?["absolute"]?["maxTotalCores"] == 20)
        #expect(limits?["absolute"]?["maxServerMeta"] == 128)
    }

    @Test func onlyAdministratorsSeeTheLimitsOfOthers() async throws {
        let api = try await APIFixture.start()
        _ = await api.create(try await api.ground())
        let path = "/limits?tenant_id=\(APIFixture.otherProject)"
        #expect(await api.send(.GET, path).status == 403)
        let limits = try await api.document(.GET, path, as: .admin)["limits"]
        #expect(limits?["absolute"]?["totalInstancesUsed"] == 0)
        #expect(await api.send(.GET, "/limits", as: .reader).status == 200)
        #expect(await api.send(.GET, "/limits?reserved=1", "2.75").status == 400)
    }
}
