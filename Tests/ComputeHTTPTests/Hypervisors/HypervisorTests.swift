import ComputeModel
import ComputeStore
import HTTPService
import Testing
import WireJSON

/// Hypervisors over the API's history.
@Suite struct HypervisorTests {
    private static let brief = ["hypervisor_hostname", "id", "state", "status"]
    private static let described = brief + ["host_ip", "hypervisor_type", "hypervisor_version", "service"]
    private static let first = described + [
        "cpu_info", "current_workload", "disk_available_least", "free_disk_gb", "free_ram_mb", "local_gb",
        "local_gb_used", "memory_mb", "memory_mb_used", "running_vms", "vcpus", "vcpus_used",
    ]

    private static let last: [String] = described + ["uptime"]

    @Test(arguments: [
        ("2.1", first), ("2.27", first), ("2.28", first), ("2.52", first), ("2.53", first), ("2.87", first),
        ("2.88", last), ("2.104", last),
    ] as [(String, [String])])
    func everyVersionHasItsMembers(version: String, names: [String]) async throws {
        let api = try await APIFixture.start()
        try await api.cloud()
        let list = try await api.document(.GET, "/os-hypervisors", version, as: .admin)["hypervisors"]
        #expect(list?.array?.count == 2)
        #expect(list?[0]?.names == Self.brief)
        let detail = try await api.document(.GET, "/os-hypervisors/detail", version, as: .admin)["hypervisors"]?[0]
        #expect(detail?.names == names.sorted())
        #expect(detail?["hypervisor_version"] == 8_002_002)
        let isLater = ["2.53", "2.87", "2.88", "2.104"].contains(version)
        #expect(detail?["id"]?.int == (isLater ? nil : 1))
        #expect(detail?["service"]?["id"]?.int == (isLater ? nil : 2))
        let id = try #require(isLater ? detail?["id"]?.string : "1")
        let shown = try await api.document(.GET, "/os-hypervisors/\(id)", version, as: .admin)["hypervisor"]
        #expect(shown == detail)
    }

    @Test func usageIsThatOfTheServersAndOfTheHostItself() async throws {
        let api = try await APIFixture.start()
        try await api.cloud()
        _ = try await api.serverOnFirstNode()
        let shown = try await api.document(.GET, "/os-hypervisors/1", as: .admin)["hypervisor"]
        #expect(shown?["vcpus"] == 8)
        #expect(shown?["vcpus_used"] == 1)
        #expect(shown?["memory_mb_used"] == 1024)
        #expect(shown?["free_ram_mb"] == 15360)
        #expect(shown?["local_gb_used"] == 1)
        #expect(shown?["free_disk_gb"] == 99)
        #expect(shown?["running_vms"] == 1)
        #expect(shown?["disk_available_least"] == 90)
        let text = try #require(shown?["cpu_info"]?.string)
        #expect(try JSONParser.parse(Array(text.utf8))["model"] == "Nehalem")
        let parsed = try await api.document(.GET, "/os-hypervisors/1", "2.28", as: .admin)["hypervisor"]?["cpu_info"]
        #expect(parsed?["topology"] == ["cores": 1, "threads": 1, "sockets": 1])
        let sums = try await api.document(.GET, "/os-hypervisors/statistics", as: .admin)["hypervisor_statistics"]
        #expect(sums?["count"] == 2)
        #expect(sums?["vcpus"] == 16)
        #expect(sums?["memory_mb_used"] == 1536)
        #expect(sums?.object?.count == 12)
        #expect(await api.send(.GET, "/os-hypervisors/statistics", "2.88", as: .admin).status == 404)
    }

    @Test func serversAreShownOnDemand() async throws {
        let api = try await APIFixture.start()
        try await api.cloud()
        let id = try await api.serverOnFirstNode().description
        let old = try await api.document(.GET, "/os-hypervisors/node/servers", as: .admin)["hypervisors"]
        #expect(old?[0]?["servers"] == [["name": "instance-00000001", "uuid": .string(id)]])
        #expect(old?[1]?["servers"] == nil)
        for version in ["2.53", "2.74", "2.75"] {
            let list = try await api.document(.GET, "/os-hypervisors?with_servers=true", version, as: .admin)
            #expect(list["hypervisors"]?[0]?["servers"]?[0]?["uuid"]?.string == id)
            #expect(list["hypervisors"]?[1]?["servers"] == (version == "2.75" ? [] : nil))
        }
        #expect(await api.send(.GET, "/os-hypervisors/node/servers", "2.53", as: .admin).status == 404)
        #expect(await api.send(.GET, "/os-hypervisors?with_servers=maybe", "2.53", as: .admin).status == 400)
    }

    @Test func hypervisorsAreFoundByAPartOfTheirName() async throws {
        let api = try await APIFixture.start()
        try await api.cloud()
        let old = try await api.document(.GET, "/os-hypervisors/node2/search", as: .admin)["hypervisors"]
        #expect(old?.array?.map { $0["hypervisor_hostname"]?.string } == ["node2.local"])
        let missing = await api.send(.GET, "/os-hypervisors/elsewhere/search", as: .admin)
        #expect(missing.status == 404)
        #expect(missing.fault == "No hypervisor matching 'elsewhere' could be found.")
        let path = "/os-hypervisors?hypervisor_hostname_pattern=node2"
        #expect(try await api.document(.GET, path, "2.53", as: .admin)["hypervisors"]?.array?.count == 1)
        #expect(try await api.document(.GET, path, "2.52", as: .admin)["hypervisors"]?.array?.count == 2)
        #expect(await api.send(.GET, "\(path)&limit=1", "2.53", as: .admin).status == 400)
    }

    @Test func pagesExistFrom2_33() async throws {
        let api = try await APIFixture.start()
        try await api.cloud()
        let all = try await api.document(.GET, "/os-hypervisors?limit=1", "2.32", as: .admin)
        #expect(all["hypervisors"]?.array?.count == 2)
        let page = try await api.document(.GET, "/os-hypervisors?limit=1", "2.33", as: .admin)
        #expect(page["hypervisors"]?.array?.count == 1)
        #expect(page["hypervisors_links"]?[0]?["href"] == "http://127.0.0.1:80/v2.1/os-hypervisors?limit=1&marker=1")
        let second = try await api.document(.GET, "/os-hypervisors?limit=1&marker=1", "2.33", as: .admin)
        #expect(second["hypervisors"]?[0]?["id"] == 2)
        let id = try await api.store.computeNodes()[0].id
        let later = try await api.document(.GET, "/os-hypervisors/detail?marker=\(id)", "2.53", as: .admin)
        #expect(later["hypervisors"]?[0]?["hypervisor_hostname"] == "node2.local")
        let lost = await api.send(.GET, "/os-hypervisors?marker=9", "2.33", as: .admin)
        #expect(lost.status == 400)
        #expect(lost.fault == "marker [9] not found")
    }

    @Test func uptimeIsThatOfHostsThatAreUp() async throws {
        let api = try await APIFixture.start()
        try await api.cloud()
        let shown = try await api.document(.GET, "/os-hypervisors/1/uptime", as: .admin)["hypervisor"]
        #expect(shown?.names == (Self.brief + ["uptime"]).sorted())
        #expect(shown?["uptime"] == "up 3 days")
        let service = try await api.store.services()[1]
        try await api.store.updateService(service.id, forcedDown: true)
        let down = await api.send(.GET, "/os-hypervisors/1/uptime", as: .admin)
        #expect(down.status == 400)
        #expect(down.fault == "Compute service of node1 is unavailable at this time.")
        let detail = try await api.document(.GET, "/os-hypervisors/detail", "2.88", as: .admin)["hypervisors"]?[0]
        #expect(detail?["uptime"] == JSONValue.null)
        #expect(detail?["state"] == "down")
        #expect(await api.send(.GET, "/os-hypervisors/1/uptime", "2.88", as: .admin).status == 404)
    }

    @Test(arguments: [
        ("2.52", "x", 404), ("2.52", "9", 404), ("2.53", "1", 400), ("2.53", InstanceID.random().description, 404),
    ])
    func identifiersAreNumbersAndThenUUIDs(version: String, id: String, status: Int) async throws {
        let api = try await APIFixture.start()
        try await api.cloud()
        #expect(await api.send(.GET, "/os-hypervisors/\(id)", version, as: .admin).status == status)
    }

    @Test(arguments: [Caller.member, .reader])
    func onlyAdministratorsLook(caller: Caller) async throws {
        let api = try await APIFixture.start()
        for path in ["", "/detail", "/1", "/statistics", "/1/uptime", "/a/search", "/a/servers"] {
            #expect(await api.send(.GET, "/os-hypervisors\(path)", as: caller).status == 403)
        }
    }
}
