import ComputeStore
import HTTPService
import Testing
import WireJSON

/// Availability zones.
@Suite struct ZoneTests {
    @Test func zonesAreMadeByServices() async throws {
        let api = try await APIFixture.start()
        #expect(try await api.document(.GET, "/os-availability-zone") == ["availabilityZoneInfo": []])
        try await api.cloud()
        let list = try await api.document(.GET, "/os-availability-zone", as: .reader)
        #expect(
            list == ["availabilityZoneInfo": [["zoneName": "nova", "zoneState": ["available": true], "hosts": nil]]])
        #expect(await api.send(.GET, "/os-availability-zone?color=red", "2.101").status == 200)
        #expect(await api.send(.GET, "/os-availability-zone?color=red", "2.102").status == 400)
    }

    @Test func administratorsSeeHostsAndServices() async throws {
        let api = try await APIFixture.start()
        try await api.cloud()
        #expect(await api.send(.GET, "/os-availability-zone/detail").status == 403)
        let zones = try await api.document(.GET, "/os-availability-zone/detail", as: .admin)["availabilityZoneInfo"]
        #expect(zones?.array?.map { $0["zoneName"]?.string } == ["internal", "nova"])
        #expect(zones?[0]?["hosts"]?["control"]?.names == ["nova-conductor"])
        let compute = zones?[1]?["hosts"]?["node1"]?["nova-compute"]
        #expect(compute?.names == ["active", "available", "updated_at"])
        #expect(compute?["available"] == true)
    }

    @Test func aZoneIsAvailableWhileAServiceIsEnabled() async throws {
        let api = try await APIFixture.start()
        try await api.cloud()
        for service in try await api.store.services() where service.binary == "nova-compute" {
            try await api.store.updateService(service.id, disabled: true)
        }
        let zones = try await api.document(.GET, "/os-availability-zone/detail", as: .admin)["availabilityZoneInfo"]
        #expect(zones?[1] == ["zoneName": "nova", "zoneState": ["available": false], "hosts": nil])
    }
}
