import ComputeModel
import NetworkAgent

/// Plans for tests. Networks, ports and routers are numbered; a number always means the same identifier.
enum Sample {
    static func identifier<Kind>(_ kind: Int, _ number: Int) -> Identifier<Kind> {
        Identifier(UUIDValue(high: UInt64(kind) << 56 | UInt64(number) << 32 | 0x4000, low: 0x8000_0000_0000_0001))
    }

    static func network(
        _ number: Int, block: String = "10.0.0.0/24", mtu: Int = 1450, ports: [PlannedPort] = [],
        routes: [PlannedRoute] = []
    ) -> PlannedNetwork {
        let block = AddressPrefix(block)!
        let first = block.address.v4!.number
        func address(_ offset: UInt32) -> IPAddress { .v4(IPv4Address(number: first + offset)) }
        return PlannedNetwork(
            id: identifier(1, number), mtu: mtu,
            subnets: [
                PlannedSubnet(
                    id: identifier(2, number), block: block, gateway: address(1),
                    nameServers: [IPAddress("192.0.2.53")!], hostRoutes: routes)
            ],
            dhcpPort: PlannedDHCPPort(
                mac: MACAddress(number: 0xfa16_3e00_0000 | UInt64(number) << 8 | 2),
                addresses: [AddressPrefix(address(2), length: block.length)!]),
            ports: ports)
    }

    static func port(
        _ number: Int, _ address: String, hostName: String? = nil,
        _ protection: PortProtection = .filtered(rules: [allOut], pairs: [])
    ) -> PlannedPort {
        PlannedPort(
            id: identifier(3, number), mac: MACAddress(number: 0xfa16_3eaa_0000 | UInt64(number)),
            fixedAddresses: [IPAddress(address)!], hostName: hostName, protection: protection)
    }

    static let allOut = PlannedRule(.egress)
    static func ingress(_ traffic: PlannedTraffic, from remote: PlannedRemote = .any) -> PlannedRule {
        PlannedRule(.ingress, .v4, traffic, remote: remote)
    }
    static func tcp(_ port: UInt16) -> PlannedTraffic { .transport(.tcp, ports: port...port) }
    static let ping = PlannedTraffic.icmp(type: 8, code: nil)

    static let external = PlannedExternalNetwork(
        id: identifier(4, 1), block: AddressPrefix("172.24.4.0/24")!, hostAddress: IPAddress("172.24.4.1")!)

    static func router(
        _ number: Int, legs: [(network: PlannedNetwork, address: String)], gateway: String? = "172.24.4.10/24",
        floating: [PlannedFloatingAddress] = []
    ) -> PlannedRouter {
        PlannedRouter(
            id: identifier(5, number),
            interfaces: legs.enumerated().map { index, leg in
                PlannedRouterInterface(
                    network: leg.network.id, mac: MACAddress(number: 0xfa16_3ebb_0000 | UInt64(number << 8 | index)),
                    addresses: [AddressPrefix(leg.address)!])
            },
            gateway: gateway.map {
                PlannedRouterGateway(
                    network: external.id, mac: MACAddress(number: 0xfa16_3ecc_0000 | UInt64(number)),
                    address: AddressPrefix($0)!, nextHop: IPAddress("172.24.4.1")!)
            },
            floatingAddresses: floating)
    }

    static func floating(_ external: String, _ fixed: String) -> PlannedFloatingAddress {
        PlannedFloatingAddress(external: IPv4Address(external)!, fixed: IPv4Address(fixed)!)
    }
}
