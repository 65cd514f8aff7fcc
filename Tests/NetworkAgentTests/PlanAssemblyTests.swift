import ComputeModel
import NetworkAgent
import PeerClients
import Testing
import WireJSON

/// The plan that follows from what the network service answers.
@Suite struct PlanAssemblyTests {
    private static let tenant = "11111111-0000-4000-8000-000000000001"
    private static let outside = "11111111-0000-4000-8000-000000000002"
    private static let inner = "22222222-0000-4000-8000-000000000001"
    private static let outer = "22222222-0000-4000-8000-000000000002"
    private static let group = "33333333-0000-4000-8000-000000000001"
    private static let router = "44444444-0000-4000-8000-000000000001"

    private static func port(
        _ number: Int, _ owner: String, _ address: String, device: String = "d", host: String = "",
        _ more: JSONObject = [:]
    ) -> JSONValue {
        let isOuter = owner == "network:router_gateway"
        var port: JSONObject = [
            "id": .string("55555555-0000-4000-8000-00000000000\(number)"), "device_owner": .string(owner),
            "network_id": .string(isOuter ? outside : tenant),
            "mac_address": .string("fa:16:3e:00:00:0\(number)"),
            "device_id": .string(device), "binding:host_id": .string(host),
            "fixed_ips": [
                ["subnet_id": .string(isOuter ? outer : inner), "ip_address": .string(address)]
            ],
        ]
        for (key, value) in more.members { port.set(key, value) }
        return .object(port)
    }

    private static func facts(rules: [JSONValue] = [], portMore: JSONObject = [:]) -> NetworkFacts {
        var member: JSONObject = ["security_groups": [.string(group)]]
        for (key, value) in portMore.members { member.set(key, value) }
        let ports = [
            port(1, "network:dhcp", "10.0.0.2"),
            port(2, "compute:nova", "10.0.0.3", host: "here", member),
            port(3, "compute:nova", "10.0.0.4", host: "there", ["security_groups": [.string(group)]]),
            port(4, "network:router_interface", "10.0.0.1", device: router),
            port(5, "network:router_gateway", "203.0.113.5", device: router),
        ]
        var facts = NetworkFacts()
        facts.networks = [
            ["id": .string(tenant), "mtu": 1450], ["id": .string(outside), "router:external": true],
        ].compactMap { Network($0) }
        facts.subnets = [
            [
                "id": .string(inner), "network_id": .string(tenant), "cidr": "10.0.0.0/24",
                "gateway_ip": "10.0.0.1",
                "dns_nameservers": ["192.0.2.1"],
                "host_routes": [["destination": "10.9.0.0/16", "nexthop": "10.0.0.9"]],
            ],
            [
                "id": .string(outer), "network_id": .string(outside), "cidr": "203.0.113.0/24",
                "gateway_ip": "203.0.113.1", "enable_dhcp": false,
            ],
        ].compactMap { Subnet($0) }
        facts.ports = ports.compactMap { Port($0) }
        facts.groups = [SecurityGroup(["id": .string(group), "security_group_rules": .array(rules)])]
            .compactMap { $0 }
        facts.routers = [
            Router(["id": .string(router), "external_gateway_info": ["network_id": .string(outside)]])
        ].compactMap { $0 }
        facts.floatingIPs = [
            FloatingIP([
                "id": "f", "floating_ip_address": "203.0.113.9", "floating_network_id": .string(outside),
                "fixed_ip_address": "10.0.0.3", "router_id": .string(router),
            ])
        ].compactMap { $0 }
        return facts
    }

    @Test func theHostGetsItsNetworksRoutersAndTheWayOut() throws {
        let plan = PlanAssembly(Self.facts(), host: "here").plan
        let network = try #require(plan.networks.first)
        #expect(plan.networks.count == 1)
        #expect(network.mtu == 1450)
        #expect(network.dhcpPort?.addresses == [AddressPrefix("10.0.0.2/24")!])
        #expect(network.ports.map(\.fixedAddresses) == [[IPAddress("10.0.0.3")!]])
        #expect(network.subnets.first?.hostRoutes.first?.nextHop == IPAddress("10.0.0.9"))
        let router = try #require(plan.routers.first)
        #expect(router.interfaces.map(\.addresses) == [[AddressPrefix("10.0.0.1/24")!]])
        #expect(router.gateway?.address == AddressPrefix("203.0.113.5/24"))
        #expect(router.gateway?.nextHop == IPAddress("203.0.113.1"))
        #expect(router.floatingAddresses.map(\.fixed) == [IPv4Address("10.0.0.3")!])
        #expect(plan.externalNetworks.map(\.hostAddress) == [IPAddress("203.0.113.1")!])
    }

    private static let rules: [(JSONObject, PlannedRule?)] = [
        ([:], PlannedRule(.ingress)),
        (
            ["protocol": "tcp", "port_range_min": 22, "port_range_max": 23],
            PlannedRule(.ingress, .v4, .transport(.tcp, ports: 22...23))
        ),
        (["protocol": "17"], PlannedRule(.ingress, .v4, .transport(.udp, ports: nil))),
        (
            ["protocol": "icmp", "port_range_min": 8, "port_range_max": 0],
            PlannedRule(.ingress, .v4, .icmp(type: 8, code: 0))
        ),
        (["protocol": "vrrp"], PlannedRule(.ingress, .v4, .protocolNumber(112))),
        (["remote_ip_prefix": "0.0.0.0/0"], PlannedRule(.ingress)),
        (
            ["remote_ip_prefix": "192.0.2.0/24"],
            PlannedRule(.ingress, .v4, .any, remote: .block(AddressPrefix("192.0.2.0/24")!))
        ),
        (
            ["remote_group_id": .string(group)],
            PlannedRule(
                .ingress, .v4, .any,
                remote: .members([AddressPrefix("10.0.0.3/32")!, AddressPrefix("10.0.0.4/32")!]))
        ),
        (["protocol": "nonsense"], nil),
        (["remote_ip_prefix": "nonsense"], nil),
    ]

    @Test(arguments: rules)
    func rulesSayWhatTheServiceSays(attributes: JSONObject, expected: PlannedRule?) {
        var rule: JSONObject = ["id": "r", "direction": "ingress", "ethertype": "IPv4"]
        for (key, value) in attributes.members { rule.set(key, value) }
        let plan = PlanAssembly(Self.facts(rules: [.object(rule)]), host: "here").plan
        let wanted = PortProtection.filtered(rules: expected.map { [$0] } ?? [], pairs: [])
        #expect(plan.networks.first?.ports.first?.protection == wanted)
    }

    @Test func aPortWithoutPortSecurityIsOpen() {
        let facts = Self.facts(portMore: ["port_security_enabled": false, "security_groups": []])
        let plan = PlanAssembly(facts, host: "here").plan
        #expect(plan.networks.first?.ports.first?.protection == .open)
    }

    @Test func allowedPairsComeWithThePort() throws {
        let facts = Self.facts(portMore: ["allowed_address_pairs": [["ip_address": "10.0.0.64/26"]]])
        let plan = PlanAssembly(facts, host: "here").plan
        let pair = PlannedAddressPair(block: try #require(AddressPrefix("10.0.0.64/26")))
        #expect(plan.networks.first?.ports.first?.protection.pairs == [pair])
    }
}
