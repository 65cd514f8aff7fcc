import ComputeStore
import HTTPService
import PeerClients
import Testing
import WireJSON

/// Flavors over the API's history.
@Suite struct FlavorTests {
    private static let first = [
        "OS-FLV-DISABLED:disabled", "OS-FLV-EXT-DATA:ephemeral", "disk", "id", "links", "name",
        "os-flavor-access:is_public", "ram", "rxtx_factor", "swap", "vcpus",
    ]
    private static let described: [String] = (first + ["description"]).sorted()
    private static let withSpecs: [String] = (described + ["extra_specs"]).sorted()
    private static let last = [
        "OS-FLV-EXT-DATA:ephemeral", "description", "disk", "extra_specs", "id", "links", "name",
        "os-flavor-access:is_public", "ram", "swap", "vcpus",
    ]

    private func body(_ members: JSONObject = [:]) -> JSONValue {
        var flavor: JSONObject = ["name": "m1.test", "ram": 1024, "vcpus": 2, "disk": 10]
        for (key, value) in members { flavor.set(key, value) }
        return ["flavor": .object(flavor)]
    }

    @Test(arguments: [
        ("2.1", first), ("2.54", first), ("2.55", described), ("2.60", described), ("2.61", withSpecs),
        ("2.101", withSpecs), ("2.102", last), ("2.104", last),
    ] as [(String, [String])])
    func everyVersionHasItsMembers(version: String, names: [String]) async throws {
        let api = try await APIFixture.start()
        let made = try await api.document(.POST, "/flavors", version, as: .admin, json: body(["id": "7"]))
        #expect(made["flavor"]?.names == names)
        #expect(try await api.document(.GET, "/flavors/7", version)["flavor"]?.names == names)
        #expect(try await api.document(.GET, "/flavors/detail", version)["flavors"]?[0]?.names == names)
        let brief = try await api.document(.GET, "/flavors", version)["flavors"]?[0]?.names
        #expect(brief == (names.contains("description") ? ["description"] : []) + ["id", "links", "name"])
    }

    @Test func whatIsSentIsKept() async throws {
        let api = try await APIFixture.start()
        let members: JSONObject = [
            "id": 42, "ram": "2048", "OS-FLV-EXT-DATA:ephemeral": 5, "swap": 512, "rxtx_factor": "1.5",
            "os-flavor-access:is_public": "False",
        ]
        let response = await api.send(.POST, "/flavors", "2.1", as: .admin, json: body(members))
        #expect(response.status == 200)
        let flavor = try #require(try response.json()["flavor"])
        #expect(flavor["id"] == "42")
        #expect(flavor["ram"] == 2048)
        #expect(flavor["OS-FLV-EXT-DATA:ephemeral"] == 5)
        #expect(flavor["swap"] == 512)
        #expect(flavor["rxtx_factor"]?.double == 1.5)
        #expect(flavor["os-flavor-access:is_public"] == false)
        #expect(flavor["links"]?[0]?["href"] == "http://127.0.0.1:80/v2.1/flavors/42")
        #expect(flavor["links"]?[1] == ["rel": "bookmark", "href": "http://127.0.0.1:80/flavors/42"])
    }

    @Test func noIdentifierBecomesAUUIDAndNoSwapIsEmptyUpTo2_74() async throws {
        let api = try await APIFixture.start()
        let made = try await api.document(.POST, "/flavors", "2.74", as: .admin, json: body(["id": nil]))["flavor"]
        #expect(made?["id"]?.string?.utf8.count == 36)
        #expect(made?["swap"] == "")
        let id = try #require(made?["id"]?.string)
        #expect(try await api.document(.GET, "/flavors/\(id)", "2.75")["flavor"]?["swap"] == 0)
    }

    @Test(arguments: [
        (["name": ""], "2.1"), (["name": " a"], "2.1"), (["ram": 0], "2.1"), (["vcpus": "x"], "2.1"),
        (["disk": -1], "2.1"), (["ram": 2_147_483_648], "2.1"), (["id": " 1"], "2.1"), (["id": "a/b"], "2.1"),
        (["rxtx_factor": 0], "2.1"), (["rxtx_factor": 1.0], "2.102"), (["description": "d"], "2.54"),
        (["color": "red"], "2.1"), (["os-flavor-access:is_public": "maybe"], "2.1"),
    ] as [(JSONObject, String)])
    func whatDoesNotFitIsRefused(members: JSONObject, version: String) async throws {
        let api = try await APIFixture.start()
        let response = await api.send(.POST, "/flavors", version, as: .admin, json: body(members))
        #expect(response.status == 400)
        #expect(response.faultName == "badRequest")
    }

    @Test func namesAndIdentifiersAreUnique() async throws {
        let api = try await APIFixture.start()
        #expect(await api.send(.POST, "/flavors", as: .admin, json: body(["id": "1"])).status == 200)
        let sameName = await api.send(.POST, "/flavors", as: .admin, json: body(["id": "2"]))
        #expect(sameName.status == 409)
        #expect(sameName.fault == "Flavor with name m1.test already exists.")
        let sameID = await api.send(.POST, "/flavors", as: .admin, json: body(["id": "1", "name": "other"]))
        #expect(sameID.fault == "Flavor with ID 1 already exists.")
    }

    @Test func onlyTheDescriptionChanges() async throws {
        let api = try await APIFixture.start()
        _ = await api.send(.POST, "/flavors", "2.55", as: .admin, json: body(["id": "1", "description": "old"]))
        let change: JSONValue = ["flavor": ["description": nil]]
        #expect(await api.send(.PUT, "/flavors/1", "2.54", as: .admin, json: change).status == 404)
        let changed = await api.send(.PUT, "/flavors/1", "2.55", as: .admin, json: change)
        #expect(changed.status == 200)
        #expect(try changed.json()["flavor"]?["description"] == JSONValue.null)
        let other: JSONValue = ["flavor": ["ram": 1]]
        #expect(await api.send(.PUT, "/flavors/1", "2.55", as: .admin, json: other).status == 400)
        #expect(await api.send(.PUT, "/flavors/9", "2.55", as: .admin, json: change).status == 404)
    }

    @Test func deletingAnswers202() async throws {
        let api = try await APIFixture.start()
        _ = await api.send(.POST, "/flavors", as: .admin, json: body(["id": "1"]))
        let deleted = await api.send(.DELETE, "/flavors/1", as: .admin)
        #expect(deleted.status == 202)
        #expect(deleted.body.isEmpty)
        let again = await api.send(.DELETE, "/flavors/1", as: .admin)
        #expect(again.status == 404)
        #expect(again.fault == "Flavor 1 could not be found.")
    }

    @Test(arguments: [Caller.member, .reader, .stranger])
    func onlyAdministratorsManage(caller: Caller) async throws {
        let api = try await APIFixture.start()
        _ = await api.send(.POST, "/flavors", as: .admin, json: body(["id": "1"]))
        let refused = await api.send(.POST, "/flavors", as: caller, json: body())
        #expect(refused.status == 403)
        #expect(refused.fault == "Policy doesn't allow os_compute_api:os-flavor-manage:create to be performed.")
        #expect(await api.send(.DELETE, "/flavors/1", as: caller).status == 403)
        let specs: JSONValue = ["extra_specs": ["a": "b"]]
        #expect(await api.send(.POST, "/flavors/1/os-extra_specs", as: caller, json: specs).status == 403)
        #expect(await api.send(.GET, "/flavors/1/os-extra_specs", as: caller).status == 200)
        #expect(await api.send(.GET, "/flavors/1/os-flavor-access", as: caller).status == 403)
    }

    // MARK: Lists

    private func sizes(_ api: APIFixture) async throws {
        for (number, ram) in [(1, 512), (2, 1024), (3, 2048), (4, 4096)] {
            _ = try await api.store.create(
                FlavorRecord(
                    flavorID: String(number), name: "f\(5 - number)", vcpus: 1, memoryMiB: ram, rootGiB: number * 10,
                    isPublic: number != 4, description: number == 2 ? "b" : nil))
        }
    }

    private func ids(_ api: APIFixture, _ query: String, _ version: String = "2.1", as caller: Caller = .member)
        async throws -> [String?]
    {
        let list = try await api.document(.GET, "/flavors?\(query)", version, as: caller)
        return (list["flavors"]?.array ?? []).map { $0["id"]?.string }
    }

    @Test func listsAreFilteredAndSorted() async throws {
        let api = try await APIFixture.start()
        try await sizes(api)
        #expect(try await ids(api, "") == ["1", "2", "3"])
        #expect(try await ids(api, "minRam=1024&minDisk=30") == ["3"])
        #expect(try await ids(api, "sort_key=name") == ["3", "2", "1"])
        #expect(try await ids(api, "sort_key=memory_mb&sort_dir=desc") == ["3", "2", "1"])
        #expect(try await ids(api, "name=f3", "2.102") == ["2"])
        #expect(try await ids(api, "name=f3", "2.74").count == 3)
        #expect(try await ids(api, "is_public=false") == ["1", "2", "3"])
        #expect(try await ids(api, "is_public=false", as: .admin) == ["4"])
        #expect(try await ids(api, "is_public=None", as: .admin).count == 4)
    }

    @Test(arguments: [
        ("minRam=x", "2.1", "Invalid minRam filter [x]"), ("minDisk=x", "2.1", "Invalid minDisk filter [x]"),
        ("marker=9", "2.1", "marker [9] not found"), ("is_public=x", "2.1", "Invalid is_public filter [x]"),
        ("limit=x", "2.1", nil), ("limit=-1", "2.1", nil), ("sort_key=color", "2.1", nil), ("color=red", "2.75", nil),
        ("name=a", "2.101", nil), ("sort_key=rxtx_factor", "2.102", nil),
    ] as [(String, String, String?)])
    func queriesThatMakeNoSenseAreRefused(query: String, version: String, message: String?) async throws {
        let api = try await APIFixture.start()
        let response = await api.send(.GET, "/flavors?\(query)", version, as: .admin)
        #expect(response.status == 400)
        if let message { #expect(response.fault == message) }
    }

    @Test func pagesFollowEachOther() async throws {
        let api = try await APIFixture.start()
        try await sizes(api)
        let first = try await api.document(.GET, "/flavors/detail?limit=2&sort_key=description")
        #expect(first["flavors"]?.array?.map { $0["id"]?.string } == ["1", "3"])
        let next = try #require(first["flavors_links"]?[0]?["href"]?.string)
        #expect(next == "http://127.0.0.1:80/v2.1/flavors/detail?limit=2&marker=3&sort_key=description")
        #expect(try await ids(api, "limit=2&sort_key=description&marker=3") == ["2"])
        #expect(try await api.document(.GET, "/flavors?limit=0")["flavors"] == [])
    }

    // MARK: Access

    @Test func privateFlavorsAreForWhoHasAccess() async throws {
        let api = try await APIFixture.start()
        try await sizes(api)
        #expect(await api.send(.GET, "/flavors/4").status == 404)
        let add: JSONValue = ["addTenantAccess": ["tenant": .string(APIFixture.project)]]
        let added = await api.send(.POST, "/flavors/4/action", "2.7", as: .admin, json: add)
        #expect(added.status == 200)
        #expect(
            try added.json() == ["flavor_access": [["flavor_id": "4", "tenant_id": .string(APIFixture.project)]]])
        #expect(await api.send(.GET, "/flavors/4").status == 200)
        #expect(await api.send(.GET, "/flavors/4", as: .stranger).status == 404)
        #expect(try await ids(api, "") == ["1", "2", "3", "4"])
        #expect(await api.send(.POST, "/flavors/4/action", as: .admin, json: add).status == 409)
        let remove: JSONValue = ["removeTenantAccess": ["tenant": .string(APIFixture.project)]]
        #expect(try await api.document(.POST, "/flavors/4/action", as: .admin, json: remove) == ["flavor_access": []])
        #expect(await api.send(.POST, "/flavors/4/action", as: .admin, json: remove).status == 404)
    }

    @Test func noAccessForAProjectThatIsNotThere() async throws {
        let api = try await APIFixture.start()
        try await sizes(api)
        let add: JSONValue = ["addTenantAccess": ["tenant": "gone"]]
        let refused = await api.send(.POST, "/flavors/4/action", "2.7", as: .admin, json: add)
        #expect(refused.status == 400 && refused.fault == "Project ID gone is not a valid project.")
        // Access of a project that has been deleted since can be taken away, and is not there to be.
        let remove: JSONValue = ["removeTenantAccess": ["tenant": "gone"]]
        #expect(await api.send(.POST, "/flavors/4/action", as: .admin, json: remove).status == 404)
        api.projects.fail(.forbidden(service: "identity", message: "no"))
        #expect(await api.send(.POST, "/flavors/4/action", "2.7", as: .admin, json: add).status == 200)
    }

    @Test func publicFlavorsHaveNoAccessList() async throws {
        let api = try await APIFixture.start()
        try await sizes(api)
        let list = await api.send(.GET, "/flavors/1/os-flavor-access", as: .admin)
        #expect(list.status == 404)
        #expect(list.fault == "Access list not available for public flavors.")
        let add: JSONValue = ["addTenantAccess": ["tenant": .string(APIFixture.otherProject)]]
        #expect(await api.send(.POST, "/flavors/1/action", "2.6", as: .admin, json: add).status == 200)
        #expect(await api.send(.POST, "/flavors/1/action", "2.7", as: .admin, json: add).status == 409)
    }
}
