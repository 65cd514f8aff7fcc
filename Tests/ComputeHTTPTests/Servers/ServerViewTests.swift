import ComputeModel
import ComputeStore
import HTTPService
import Testing
import WireJSON

/// The members of a server by microversion: published response schemas and samples of the reference.
@Suite struct ServerViewTests {
    static let first = [
        "OS-DCF:diskConfig", "OS-EXT-AZ:availability_zone", "OS-EXT-STS:power_state", "OS-EXT-STS:task_state",
        "OS-EXT-STS:vm_state", "OS-SRV-USG:launched_at", "OS-SRV-USG:terminated_at", "accessIPv4", "accessIPv6",
        "addresses", "config_drive", "created", "flavor", "hostId", "id", "image", "key_name", "links", "metadata",
        "name", "os-extended-volumes:volumes_attached", "progress", "security_groups", "status", "tenant_id",
        "updated", "user_id",
    ]
    static let operators = [
        "OS-EXT-SRV-ATTR:host", "OS-EXT-SRV-ATTR:hypervisor_hostname", "OS-EXT-SRV-ATTR:instance_name",
    ]
    static let operatorsSince3 = [
        "OS-EXT-SRV-ATTR:hostname", "OS-EXT-SRV-ATTR:kernel_id", "OS-EXT-SRV-ATTR:launch_index",
        "OS-EXT-SRV-ATTR:ramdisk_id", "OS-EXT-SRV-ATTR:reservation_id", "OS-EXT-SRV-ATTR:root_device_name",
        "OS-EXT-SRV-ATTR:user_data",
    ]
    /// What each version added for everybody.
    static let added: [(minor: Int, name: String)] = [
        (9, "locked"), (19, "description"), (26, "tags"), (63, "trusted_image_certificates"), (71, "server_groups"),
        (73, "locked_reason"), (96, "pinned_availability_zone"), (100, "scheduler_hints"),
    ]
    static let inChanges = [
        "OS-DCF:diskConfig", "accessIPv4", "accessIPv6", "addresses", "created", "flavor", "hostId", "id", "image",
        "links", "metadata", "name", "progress", "status", "tenant_id", "updated", "user_id",
    ]
    static let minors = [1, 2, 3, 8, 9, 15, 16, 18, 19, 25, 26, 46, 47, 62, 63, 70, 71, 72, 73, 74, 75, 89, 90, 95, 96,
        97, 98, 99, 100, 104]

    private func expected(_ minor: Int, admin: Bool, listed: Bool = false) -> [String] {
        var names = Self.first + Self.added.filter { $0.minor <= minor && !(listed && $0.minor == 71) }.map(\.name)
        if admin {
            names += Self.operators + (minor >= 3 ? Self.operatorsSince3 : [])
            if minor >= 16 { names.append("host_status") }
        } else if minor >= 90 {
            names.append("OS-EXT-SRV-ATTR:hostname")
        }
        return names.sorted()
    }

    @Test(arguments: minors) func aServerShowsWhatItsVersionHas(minor: Int) async throws {
        let api = try await APIFixture.start()
        let id = try await api.builtServer(try await api.ground())
        for caller in [Caller.admin, .member, .reader] {
            let version = "2.\(minor)"
            let shown = try await api.document(.GET, "/servers/\(id)", version, as: caller)["server"]
            #expect(shown?.names == expected(minor, admin: caller == .admin), "show \(version) \(caller)")
            let listed = try await api.document(.GET, "/servers/detail", version, as: caller)["servers"]?[0]
            let wanted = expected(minor, admin: caller == .admin, listed: true)
            #expect(listed?.names == wanted, "list \(version) \(caller)")
        }
    }

    @Test(arguments: minors) func aChangeShowsWhatItsVersionHas(minor: Int) async throws {
        let api = try await APIFixture.start()
        let id = try await api.builtServer(try await api.ground())
        let changed = try await api.document(
            .PUT, "/servers/\(id)", "2.\(minor)", json: ["server": ["name": "renamed"]])["server"]
        #expect(changed?["name"] == "renamed")
        let wanted =
            minor >= 75
            ? expected(minor, admin: false)
            : (Self.inChanges + Self.added.filter { $0.minor <= minor }.map(\.name)).sorted()
        #expect(changed?.names == wanted)
        let address = changed?["addresses"]?["private"]?[0]
        #expect(address?.names.count == (minor >= 75 ? 4 : 2))
    }

    @Test func valuesHaveTheReferencesForm() async throws {
        let api = try await APIFixture.start()
        let ground = try await api.ground()
        let id = try await api.builtServer(
            ground, "2.94", .member, [
                "description": "a server", "tags": ["b", "a"], "metadata": ["role": "web"], "hostname": "web.example",
                "config_drive": true, "accessIPv4": "192.0.2.1",
            ])
        let server = try await api.document(.GET, "/servers/\(id)", "2.104", as: .admin)["server"] ?? .null
        #expect(server["status"] == "ACTIVE")
        #expect(server["OS-EXT-STS:power_state"] == 1)
        #expect(server["OS-EXT-STS:task_state"] == .null)
        #expect(server["OS-EXT-SRV-ATTR:instance_name"] == "instance-00000001")
        #expect(server["OS-EXT-SRV-ATTR:hypervisor_hostname"] == "node1.local")
        #expect(server["hostId"]?.string?.count == 56)
        #expect(server["config_drive"] == "True")
        #expect(server["tags"] == ["a", "b"])
        #expect(server["description"] == "a server")
        #expect(server["OS-EXT-SRV-ATTR:hostname"] == "web.example")
        #expect(server["accessIPv4"] == "192.0.2.1")
        #expect(server["metadata"] == ["role": "web"])
        #expect(server["image"]?["properties"] == ["hw_disk_bus": "virtio"])
        #expect(server["host_status"] == "")
        #expect(server["scheduler_hints"] == [:])
        #expect(server["flavor"]?["extra_specs"] == ["hw:cpu_policy": "shared"])
        #expect(server["created"]?.string?.hasSuffix("Z") == true)
        #expect(server["created"]?.string?.count == 20)
        #expect(server["OS-SRV-USG:launched_at"]?.string?.hasSuffix(".123456") == true)
        #expect(server["links"]?[0]?["href"]?.string == "http://127.0.0.1:80/v2.1/servers/\(id)")
        #expect(server["links"]?[1]?["href"]?.string == "http://127.0.0.1:80/servers/\(id)")
        let old = try await api.document(.GET, "/servers/\(id)", "2.1")["server"]
        #expect(old?["flavor"]?.names == ["id", "links"])
        #expect(old?["image"]?.names == ["id", "links"])
    }

    @Test func aBuildingServerHasNoAddressesAndAFailedOneItsReason() async throws {
        let api = try await APIFixture.start()
        let ground = try await api.ground()
        let response = await api.create(ground)
        let id = try #require(try response.json()["server"]?["id"]?.string.flatMap { InstanceID($0) })
        let building = try await api.document(.GET, "/servers/\(id)")["server"]
        #expect(building?["status"] == "BUILD")
        #expect(building?["addresses"] == [:])
        #expect(building?["hostId"] == "")
        #expect(building?["security_groups"] == nil)
        try await api.store.finishOperation(
            on: id, vm: .error, power: .noState, expecting: nil,
            fault: FaultRecord(code: 500, message: "No valid host", created: api.store.now(), details: "why"))
        let failed = try await api.document(.GET, "/servers/\(id)")["server"]
        #expect(failed?["status"] == "ERROR")
        #expect(failed?["fault"]?.names == ["code", "created", "message"])
        #expect(failed?["progress"] == nil)
        #expect(try await api.document(.GET, "/servers/\(id)", as: .admin)["server"]?["fault"]?["details"] == "why")
    }

    @Test func hostsAreUpDownOrInMaintenance() async throws {
        let api = try await APIFixture.start()
        let id = try await api.builtServer(try await api.ground())
        func status(_ caller: Caller = .admin) async throws -> JSONValue? {
            try await api.document(.GET, "/servers/\(id)", "2.16", as: caller)["server"]?["host_status"]
        }
        try await api.store.heartbeat(
            binary: "nova-compute", host: "node1", topic: "compute", version: 1, trouble: nil)
        #expect(try await status() == "UP")
        #expect(try await status(.member) == nil)
        let service = try #require(try await api.store.services().first)
        try await api.store.updateService(service.id, disabled: true)
        #expect(try await status() == "MAINTENANCE")
        try await api.store.updateService(service.id, forcedDown: true)
        #expect(try await status() == "DOWN")
    }

    @Test func serversOfOtherProjectsDoNotExist() async throws {
        let api = try await APIFixture.start()
        let id = try await api.builtServer(try await api.ground())
        let stranger = await api.send(.GET, "/servers/\(id)", as: .stranger)
        #expect(stranger.status == 404)
        #expect(stranger.fault == "Instance \(id) could not be found.")
        #expect(await api.send(.GET, "/servers/\(id)", as: .admin).status == 200)
        #expect(await api.send(.GET, "/servers/not-a-uuid").fault == "Instance not-a-uuid could not be found.")
    }
}
