import ComputeStore
import HTTPService
import Testing
import WireJSON

/// Extra specs of flavors.
@Suite struct ExtraSpecTests {
    private func start() async throws -> APIFixture {
        let api = try await APIFixture.start()
        _ = try await api.store.create(
            FlavorRecord(flavorID: "1", name: "m1.tiny", vcpus: 1, memoryMiB: 512, rootGiB: 1))
        return api
    }

    @Test func extraSpecsComeAndGo() async throws {
        let api = try await start()
        let path = "/flavors/1/os-extra_specs"
        let sent: JSONValue = ["extra_specs": ["hw:numa_nodes": "2", "color": 7]]
        let added = await api.send(.POST, path, as: .admin, json: sent)
        #expect(added.status == 200)
        #expect(try added.json() == sent)
        #expect(try await api.document(.GET, path) == ["extra_specs": ["hw:numa_nodes": "2", "color": "7"]])
        #expect(try await api.document(.GET, "\(path)/color") == ["color": "7"])
        #expect(try await api.document(.PUT, "\(path)/color", as: .admin, json: ["color": "red"]) == ["color": "red"])
        #expect(try await api.document(.GET, "/flavors/1", "2.61")["flavor"]?["extra_specs"]?["color"] == "red")
        let deleted = await api.send(.DELETE, "\(path)/color", as: .admin)
        #expect(deleted.status == 200)
        #expect(deleted.body.isEmpty)
        for method in [HTTPMethod.GET, .DELETE] {
            let missing = await api.send(method, "\(path)/color", as: .admin)
            #expect(missing.status == 404)
            #expect(missing.fault == "Flavor 1 has no extra specs with key color.")
        }
    }

    @Test func bodyAndPathMustAgree() async throws {
        let api = try await start()
        let path = "/flavors/1/os-extra_specs/a"
        let other = await api.send(.PUT, path, as: .admin, json: ["b": "1"])
        #expect(other.status == 400)
        #expect(other.fault == "Request body and URI mismatch")
        #expect(await api.send(.PUT, path, as: .admin, json: ["a": "1", "b": "2"]).status == 400)
        #expect(await api.send(.PUT, path, as: .admin, json: [:]).status == 400)
        #expect(await api.send(.PUT, path, as: .admin, json: ["a": true]).status == 400)
        #expect(await api.send(.PUT, "/flavors/9/os-extra_specs/a", as: .admin, json: ["a": "1"]).status == 404)
    }

    @Test(arguments: [
        ("hw:cpu_policy", "often", "'often' is not one of: dedicated, shared, mixed."),
        ("hw:numa_nodes", "x", "'x' is not a valid integer value."),
        ("hw:numa_nodes", "0", "'0' is less than the min value of '1'."),
        ("hw:redirected_usb_ports", "16", "'16' is greater than the max value of '15'."),
        ("hw:boot_menu", "maybe", "'maybe' is not a valid boolean-like value."),
        (
            "hw:mem_page_size", "2 MB",
            #"'2 MB' is not of the format '(large|small|any|\d+([kKMGT]i?)?(b|bit|B)?)'."#
        ),
        ("hw:numa_mem.1", "0", "'0' is less than the min value of '1'."),
        ("hw:nothing", "1", "extra spec 'hw:nothing' does not appear to be a valid extra spec."),
        ("quota:cpu_limit", "-1", "'-1' is less than the min value of '0'."),
        ("resources:VCPU", "two", "'two' is not a valid integer value."),
        ("resources:NOTHING", "2", "extra spec 'resources:NOTHING' does not appear to be a valid extra spec."),
        ("trait:HW_CPU_X86_AVX", "wanted", "'wanted' is not one of: required, forbidden."),
        ("trait1:lower", "required", "extra spec 'trait1:lower' does not appear to be a valid extra spec."),
        ("group_policy", "both", "'both' is not one of: isolate, none."),
    ])
    func knownNamesHaveRulesFrom2_86(name: String, value: String, reason: String) async throws {
        let api = try await start()
        let sent: JSONValue = ["extra_specs": .object(JSONObject([(name, .string(value))]))]
        #expect(await api.send(.POST, "/flavors/1/os-extra_specs", "2.85", as: .admin, json: sent).status == 200)
        let refused = await api.send(.POST, "/flavors/1/os-extra_specs", "2.86", as: .admin, json: sent)
        #expect(refused.status == 400)
        #expect(refused.fault == "Validation failed; \(reason)")
    }

    @Test(arguments: [
        ("hw:cpu_policy", "dedicated"), ("hw:mem_page_size", "2MB"), ("hw:mem_page_size", "large"),
        ("hw:numa_cpus.0", "0-3"), ("hw:cpu_realtime_mask", "^0-1"), ("quota:cpu_quota", "-5"),
        ("quota:disk_read_bytes_sec", "10"), ("resources:CUSTOM_THING", "1"), ("resources2:VGPU", "1"),
        ("resources_a-b:PCPU", "4"), ("trait:CUSTOM_GOLD", "required"), ("trait:STORAGE_DISK_SSD", "forbidden"),
        ("capabilities:cpu_info:features", "<in> avx"), ("aggregate_instance_extra_specs:ssd", "true"),
        ("pci_passthrough:alias", "gpu:1"), ("os:secure_boot", "required"), ("mine", "anything"),
        ("other:thing", "anything"), ("accel:device_profile", "p"),
    ])
    func whatFitsIsTaken(name: String, value: String) async throws {
        let api = try await start()
        let sent: JSONValue = ["extra_specs": .object(JSONObject([(name, .string(value))]))]
        #expect(await api.send(.POST, "/flavors/1/os-extra_specs", "2.86", as: .admin, json: sent).status == 200)
    }
}
