import DatabaseServers
import HTTPService
import NetworkStandIn
import Testing
import WireJSON

@Suite(.everyEngine) struct NetworkTests {
    @Test func whatIsInUseStays() async throws {
        let cloud = try await Cloud.open()
        let (network, subnet) = try await cloud.network()
        let port = try await cloud.make("ports", ["network_id": .string(network)])
        #expect(await cloud.send(.DELETE, "/networks/\(network)").refusal == "NetworkInUse")
        #expect(await cloud.send(.DELETE, "/subnets/\(subnet)").refusal == "SubnetInUse")
        #expect(await cloud.send(.DELETE, "/ports/\(port.id)").status == 204)
        #expect(await cloud.send(.DELETE, "/subnets/\(subnet)").status == 204)
        #expect(await cloud.list("ports").isEmpty)
        #expect(await cloud.send(.DELETE, "/networks/\(network)").status == 204)
        #expect(await cloud.send(.GET, "/networks/\(network)").refusal == "NetworkNotFound")
    }

    @Test(
        arguments: [
            (["cidr": "10.0.0.0/25"], "InvalidInput"),
            (["cidr": "10.0.1.1/24"], "HTTPBadRequest"),
            (["cidr": "10.0.1.0/24", "gateway_ip": "10.0.2.1"], "InvalidInput"),
            (["cidr": "fd00::/64"], "InvalidInput"),
            (
                ["cidr": "10.0.1.0/24", "allocation_pools": [["start": "10.0.1.1", "end": "10.0.1.9"]]],
                "GatewayConflictWithAllocationPools"
            ),
            (
                ["cidr": "10.0.1.0/24", "allocation_pools": [["start": "10.0.1.5", "end": "10.0.3.9"]]],
                "OutOfBoundsAllocationPool"
            ),
            (["cidr": "10.0.1.0/24", "no_such": 1], "HTTPBadRequest"),
        ] as [(JSONValue, String)])
    func aSubnetThatCannotBeIsRefused(attributes: JSONValue, refusal: String) async throws {
        let cloud = try await Cloud.open()
        let (network, _) = try await cloud.network()
        var body = attributes.object ?? JSONObject()
        body.set("network_id", .string(network))
        body.set("ip_version", 4)
        #expect(await cloud.send(.POST, "/subnets", ["subnet": .object(body)]).refusal == refusal)
    }

    @Test func othersSeeSharedAndExternalNetworksOnly() async throws {
        let cloud = try await Cloud.open()
        let (network, _) = try await cloud.network()
        let (external, _) = try await cloud.external()
        let shared = try await cloud.make("networks", ["name": "s", "shared": true], as: "admin")
        #expect(Set(await cloud.list("networks", as: "member:q").map(\.id)) == [external, shared.id])
        #expect(await cloud.send(.GET, "/networks/\(network)", as: "member:q").status == 404)
        #expect(await cloud.send(.DELETE, "/networks/\(shared.id)", as: "member:q").status == 403)
        let refused = await cloud.send(.POST, "/networks", ["network": ["shared": true]])
        #expect(refused.status == 403)
        #expect(
            await cloud.send(.POST, "/networks", ["network": ["name": "n"]], as: "reader:p").status == 403
        )
        #expect(await cloud.send(.GET, "/networks", as: "nobody").status == 401)
        #expect(await cloud.list("networks?router:external=True").map(\.id) == [external])
    }

    @Test func tagsAreKeptAndFiltered() async throws {
        let cloud = try await Cloud.open()
        let (network, _) = try await cloud.network()
        #expect(
            await cloud.send(.PUT, "/networks/\(network)/tags", ["tags": ["red", "blue"]]).status == 200)
        #expect(await cloud.send(.DELETE, "/networks/\(network)/tags/red").status == 204)
        #expect(await cloud.list("networks?tags=blue").count == 1)
        #expect(await cloud.list("networks?tags=red").isEmpty)
    }

    @Test func securityGroupsHaveTheStandardRules() async throws {
        let cloud = try await Cloud.open()
        let groups = await cloud.list("security-groups")
        #expect(groups.compactMap { $0["name"]?.string } == ["default"])
        #expect(groups.first?["security_group_rules"]?.array?.count == 4)
        let group = try await cloud.make("security-groups", ["name": "web"])
        #expect(group["security_group_rules"]?.array?.count == 2)
        let rule: JSONValue = [
            "security_group_id": .string(group.id), "direction": "ingress", "protocol": "tcp",
            "port_range_min": 80,
            "port_range_max": 80, "remote_ip_prefix": "0.0.0.0/0",
        ]
        _ = try await cloud.make("security-group-rules", rule)
        #expect(
            await cloud.send(.POST, "/security-group-rules", ["security_group_rule": rule]).refusal
                == "SecurityGroupRuleExists")
        #expect(
            await cloud.send(.POST, "/security-groups", ["security_group": ["name": "default"]]).status
                == 409)
        let (network, _) = try await cloud.network()
        let port = try await cloud.make(
            "ports", ["network_id": .string(network), "security_groups": [.string(group.id)]])
        #expect(
            await cloud.send(.DELETE, "/security-groups/\(group.id)").refusal == "SecurityGroupInUse")
        _ = await cloud.send(.DELETE, "/ports/\(port.id)")
        #expect(await cloud.send(.DELETE, "/security-groups/\(group.id)").status == 204)
    }

    @Test(
        arguments: [
            (
                ["protocol": "tcp", "port_range_min": 9, "port_range_max": 8],
                "SecurityGroupInvalidPortRange"
            ),
            (["port_range_min": 9, "port_range_max": 9], "SecurityGroupProtocolRequiredWithPorts"),
            (["protocol": "icmp", "port_range_min": 300], "SecurityGroupInvalidIcmpValue"),
            (["protocol": "icmp", "port_range_max": 3], "SecurityGroupMissingIcmpType"),
            (["protocol": "nonsense"], "HTTPBadRequest"),
            (
                ["ethertype": "IPv6", "remote_ip_prefix": "10.0.0.0/8"],
                "SecurityGroupRuleParameterConflict"
            ),
        ] as [(JSONValue, String)])
    func aRuleThatMeansNothingIsRefused(attributes: JSONValue, refusal: String) async throws {
        let cloud = try await Cloud.open()
        let group = try await cloud.make("security-groups", ["name": "g"])
        var body = attributes.object ?? JSONObject()
        body.set("security_group_id", .string(group.id))
        body.set("direction", "ingress")
        #expect(
            await cloud.send(.POST, "/security-group-rules", ["security_group_rule": .object(body)])
                .refusal == refusal)
    }

    @Test func aRouterLeadsOutAndIsTakenApartInReverse() async throws {
        let cloud = try await Cloud.open()
        let (external, _) = try await cloud.external()
        let (network, subnet) = try await cloud.network()
        let router = try await cloud.make(
            "routers", ["name": "r", "external_gateway_info": ["network_id": .string(external)]])
        #expect(
            router["external_gateway_info"]?["external_fixed_ips"]?[0]?["ip_address"] == "203.0.113.2")
        let path = "/routers/\(router.id)"
        let body: JSONValue = ["subnet_id": .string(subnet)]
        let added = await cloud.send(.PUT, "\(path)/add_router_interface", body)
        #expect(added.status == 200)
        #expect(added.body["subnet_id"] == .string(subnet))
        #expect(await cloud.send(.PUT, "\(path)/add_router_interface", body).status == 400)
        let port = try await cloud.make("ports", ["network_id": .string(network), "device_id": "i"])
        let floating = try await cloud.make(
            "floatingips", ["floating_network_id": .string(external), "port_id": .string(port.id)])
        #expect(floating["status"] == "ACTIVE")
        #expect(floating["router_id"] == .string(router.id))
        #expect(floating["port_details"]?["device_id"] == "i")
        let second = try await cloud.make("floatingips", ["floating_network_id": .string(external)])
        #expect(second["status"] == "DOWN")
        let conflict = await cloud.send(
            .PUT, "/floatingips/\(second.id)", ["floatingip": ["port_id": .string(port.id)]])
        #expect(conflict.refusal == "FloatingIPPortAlreadyAssociated")
        #expect(
            await cloud.send(.PUT, "\(path)/remove_router_interface", body).refusal
                == "RouterInterfaceInUseByFloatingIP")
        #expect(
            await cloud.send(.PUT, path, ["router": ["external_gateway_info": .null]]).refusal
                == "RouterExternalGatewayInUseByFloatingIp")
        #expect(await cloud.send(.DELETE, "/ports/\(port.id)").status == 204)
        #expect(await cloud.list("floatingips?port_id=\(port.id)").isEmpty)
        #expect(await cloud.send(.DELETE, path).refusal == "RouterInUse")
        #expect(await cloud.send(.PUT, "\(path)/remove_router_interface", body).status == 200)
        #expect(await cloud.send(.DELETE, path).status == 204)
        for id in [floating.id, second.id] {
            #expect(await cloud.send(.DELETE, "/floatingips/\(id)").status == 204)
        }
        #expect(await cloud.send(.DELETE, "/networks/\(external)", as: "admin").status == 204)
    }

    @Test func aProjectCanHaveItsNetworkMade() async throws {
        let cloud = try await Cloud.open()
        let path = "/auto-allocated-topology/p"
        #expect(await cloud.send(.GET, "\(path)?fields=dry-run").refusal == "AutoAllocationFailure")
        _ = try await cloud.external()
        #expect(
            await cloud.send(.GET, "\(path)?fields=dry-run").body["auto_allocated_topology"]?["id"]
                == "dry-run=pass")
        let made = await cloud.send(.GET, path).body["auto_allocated_topology"]?.id
        #expect(made?.count == 36)
        #expect(await cloud.send(.GET, path).body["auto_allocated_topology"]?.id == made)
        #expect(await cloud.list("routers").count == 1)
        #expect(await cloud.send(.DELETE, path).status == 204)
        #expect(await cloud.list("routers").isEmpty)
        #expect(await cloud.list("ports").isEmpty)
    }

    @Test func extensionsAreAnnounced() async throws {
        let cloud = try await Cloud.open()
        let aliases = Set(await cloud.list("extensions").compactMap { $0["alias"]?.string })
        #expect(
            aliases.isSuperset(of: ["router", "security-group", "port-security", "binding", "quotas"]))
        #expect(await cloud.send(.GET, "/extensions/binding").status == 200)
        #expect(await cloud.send(.GET, "/extensions/none").status == 404)
    }
}
