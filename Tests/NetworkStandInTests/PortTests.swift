import DatabaseServers
import HTTPService
import NetworkStandIn
import Testing
import WireJSON

@Suite(.everyEngine) struct PortTests {
    @Test func addressesAreTheFirstFreeOnes() async throws {
        let cloud = try await Cloud.open()
        let (network, _) = try await cloud.network("10.0.0.0/29")
        // .1 is the gateway's, .2 the DHCP port's.
        let dhcp = await cloud.list("ports?device_owner=network:dhcp")
        #expect(dhcp.map(\.addresses) == [["10.0.0.2"]])
        var ports: [JSONValue] = []
        for _ in 0..<4 { ports.append(try await cloud.make("ports", ["network_id": .string(network)])) }
        #expect(ports.map(\.addresses) == [["10.0.0.3"], ["10.0.0.4"], ["10.0.0.5"], ["10.0.0.6"]])
        let full = await cloud.send(.POST, "/ports", ["port": ["network_id": .string(network)]])
        #expect(full.status == 409)
        #expect(full.refusal == "IpAddressGenerationFailure")
        #expect(await cloud.send(.DELETE, "/ports/\(ports[1].id)").status == 204)
        #expect(
            try await cloud.make("ports", ["network_id": .string(network)]).addresses == ["10.0.0.4"])
    }

    @Test func anAddressBelongsToOnePort() async throws {
        let cloud = try await Cloud.open()
        let (network, subnet) = try await cloud.network()
        let wish: JSONValue = [
            "network_id": .string(network),
            "fixed_ips": [["subnet_id": .string(subnet), "ip_address": "10.0.0.50"]],
        ]
        #expect(try await cloud.make("ports", wish).addresses == ["10.0.0.50"])
        #expect(
            await cloud.send(.POST, "/ports", ["port": wish]).refusal == "IpAddressAlreadyAllocated")
        let outside = await cloud.send(
            .POST, "/ports",
            ["port": ["network_id": .string(network), "fixed_ips": [["ip_address": "10.9.0.1"]]]])
        #expect(outside.refusal == "InvalidIpForNetwork")
    }

    @Test func manyAtOnceGetDifferentAddresses() async throws {
        let cloud = try await Cloud.open()
        let (network, _) = try await cloud.network()
        let addresses = try await withThrowingTaskGroup(of: [String].self) { group in
            for _ in 0..<40 {
                group.addTask { try await cloud.make("ports", ["network_id": .string(network)]).addresses }
            }
            return try await group.reduce(into: []) { $0 += $1 }
        }
        #expect(addresses.count == 40)
        #expect(Set(addresses).count == 40)
    }

    @Test func aBoundPortSaysItsBridgeToServicesOnly() async throws {
        let cloud = try await Cloud.open()
        let (network, _) = try await cloud.network()
        let port = try await cloud.make(
            "ports",
            [
                "network_id": .string(network), "project_id": "p", "device_id": "i",
                "device_owner": "compute:nova",
                "binding:host_id": "h",
            ], as: "service")
        #expect(port["status"] == "ACTIVE")
        #expect(port["binding:vif_type"] == "bridge")
        #expect(port["binding:vif_details"]?["bridge_name"]?.string == "brq" + network.prefix(11))
        #expect(port["security_groups"]?.array?.count == 1)
        #expect(port["mac_address"]?.string?.hasPrefix("fa:16:3e:") == true)
        let seen = await cloud.send(.GET, "/ports/\(port.id)").body["port"]
        #expect(seen?["binding:host_id"] == nil)
        #expect(seen?["binding:vnic_type"] == "normal")
        let refused = await cloud.send(
            .PUT, "/ports/\(port.id)", ["port": ["binding:host_id": "other"]])
        #expect(refused.status == 403)
        let unbound = await cloud.send(
            .PUT, "/ports/\(port.id)",
            ["port": ["binding:host_id": "", "device_id": "", "device_owner": ""]],
            as: "service")
        #expect(unbound.body["port"]?["status"] == "DOWN")
        #expect(unbound.body["port"]?["binding:vif_type"] == "unbound")
    }

    @Test func aPortThatJoinsANetworkOfItsHypervisorIsNeitherBridgedNorFiltered() async throws {
        let cloud = try await Cloud.open()
        let (network, _) = try await cloud.network()
        let port = try await cloud.make(
            "ports",
            [
                "network_id": .string(network), "device_id": "i", "device_owner": "compute:nova",
                "binding:host_id": "h", "binding:profile": ["wiring": "network"],
            ], as: "service")
        #expect(port["status"] == "ACTIVE")
        #expect(port["binding:vif_type"] == "other")
        #expect(port["binding:vif_details"] == ["port_filter": false])
        let moved = await cloud.send(
            .PUT, "/ports/\(port.id)", ["port": ["binding:host_id": "h2", "binding:profile": [:]]], as: "service")
        #expect(moved.body["port"]?["binding:vif_type"] == "bridge")
    }

    @Test func listsFilterByAlternatives() async throws {
        let cloud = try await Cloud.open()
        let (network, _) = try await cloud.network()
        for device in ["a", "b", "c"] {
            _ = try await cloud.make(
                "ports", ["network_id": .string(network), "device_id": .string(device)])
        }
        #expect(await cloud.list("ports?device_id=a&device_id=c").count == 2)
        #expect(
            await cloud.list("ports?fixed_ips=ip_address%3D10.0.0.4").compactMap {
                $0["device_id"]?.string
            } == ["b"])
        #expect(await cloud.list("ports?device_id=a&fields=id").first?.object?.keys == ["id"])
        let page = await cloud.send(.GET, "/ports?limit=2&sort_key=device_id&sort_dir=desc")
        #expect(page.body["ports"]?.array?.compactMap { $0["device_id"]?.string } != nil)
        #expect(page.body["ports"]?.array?.count == 2)
        #expect(page.body["ports_links"]?[0]?["rel"] == "next")
        #expect(await cloud.list("ports", as: "member:q").isEmpty)
    }

    @Test func changesAreToldAfterwards() async throws {
        let cloud = try await Cloud.open()
        let (network, _) = try await cloud.network()
        _ = cloud.takeNotices()
        let port = try await cloud.make("ports", ["network_id": .string(network), "device_id": "i"])
        let notices = cloud.takeNotices()
        #expect(notices.contains(.devices(["i"])))
        #expect(notices.count == 2)
        _ = await cloud.send(.PUT, "/ports/\(port.id)", ["port": ["security_groups": []]])
        #expect(cloud.takeNotices().contains(.devices(["i"])))
        _ = await cloud.send(.PUT, "/ports/\(port.id)", ["port": ["no_such": 1]])
        #expect(cloud.takeNotices().isEmpty)
    }

    @Test func quotasAreKept() async throws {
        let cloud = try await Cloud.open()
        #expect(await cloud.send(.PUT, "/quotas/p", ["quota": ["network": 1]]).status == 403)
        #expect(
            await cloud.send(.PUT, "/quotas/p", ["quota": ["network": 1]], as: "admin").status == 200)
        _ = try await cloud.network()
        let second = await cloud.send(.POST, "/networks", ["network": ["name": "n"]])
        #expect(second.status == 409)
        #expect(second.refusal == "OverQuota")
        let details = await cloud.send(.GET, "/quotas/p/details.json")
        #expect(details.body["quota"]?["network"]?["used"] == 1)
        #expect(await cloud.send(.DELETE, "/quotas/p", as: "admin").status == 204)
        #expect(await cloud.send(.GET, "/quotas/p").body["quota"]?["network"] == 100)
    }
}
