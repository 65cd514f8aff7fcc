import ComputeModel
import PeerClients

/// Makes the plan of a host from the network service's facts. Nothing but arithmetic: the same facts make the same
/// plan.
package struct PlanAssembly {
    private let facts: NetworkFacts
    private let host: String
    private let subnets: [SubnetID: Subnet]
    private let subnetsByNetwork: [NetworkID: [Subnet]]
    private let portsByNetwork: [NetworkID: [Port]]
    private let groups: [SecurityGroupID: SecurityGroup]
    /// The addresses of the ports in each group.
    private let members: [SecurityGroupID: Set<AddressPrefix>]

    package init(_ facts: NetworkFacts, host: String) {
        (self.facts, self.host) = (facts, host)
        subnets = Dictionary(facts.subnets.map { ($0.id, $0) }) { first, _ in first }
        subnetsByNetwork = Dictionary(grouping: facts.subnets.sorted { $0.id < $1.id }, by: \.networkID)
        portsByNetwork = Dictionary(grouping: facts.ports.sorted { $0.id < $1.id }, by: \.networkID)
        groups = Dictionary(facts.groups.map { ($0.id, $0) }) { first, _ in first }
        var members: [SecurityGroupID: Set<AddressPrefix>] = [:]
        for port in facts.ports {
            let addresses =
                port.addresses.compactMap { IPAddress($0.address).map(AddressPrefix.init(single:)) }
                + port.allowedPairs.compactMap { AddressPrefix($0.address) }
            for group in port.securityGroups { members[group, default: []].formUnion(addresses) }
        }
        self.members = members
    }

    /// The plan. What cannot be read as an address is left out.
    package var plan: NetworkPlan {
        let external = facts.networks.filter(\.isExternal).sorted { $0.id < $1.id }
        return NetworkPlan(
            networks: facts.networks.filter { !$0.isExternal }.sorted { $0.id < $1.id }.map(network),
            routers: facts.routers.filter(\.isUp).sorted { $0.id < $1.id }.compactMap(router),
            externalNetworks: external.compactMap(externalNetwork))
    }

    // MARK: - Networks

    private func network(_ network: Network) -> PlannedNetwork {
        let ports = portsByNetwork[network.id] ?? []
        let dhcp = ports.first { $0.deviceOwner == PortOwner.dhcp }
        return PlannedNetwork(
            id: network.id, mtu: network.mtu,
            subnets: (subnetsByNetwork[network.id] ?? []).compactMap(subnet),
            dhcpPort: dhcp.flatMap { port in
                MACAddress(port.macAddress).map {
                    PlannedDHCPPort(mac: $0, addresses: prefixes(port.addresses))
                }
            },
            ports: ports.filter {
                $0.bindingHost == host && $0.deviceOwner.hasPrefix(PortOwner.guestPrefix)
            }
            .compactMap(port))
    }

    private func subnet(_ subnet: Subnet) -> PlannedSubnet? {
        guard let block = AddressPrefix(subnet.cidr) else { return nil }
        return PlannedSubnet(
            id: subnet.id, block: block, gateway: subnet.gateway.flatMap { IPAddress($0) },
            servesDHCP: subnet.dhcp,
            nameServers: subnet.nameServers.compactMap { IPAddress($0) },
            hostRoutes: subnet.routes.compactMap { route in
                guard let destination = AddressPrefix(route.destination), let hop = IPAddress(route.nextHop)
                else {
                    return nil
                }
                return PlannedRoute(destination: destination, nextHop: hop)
            })
    }

    private func externalNetwork(_ network: Network) -> PlannedExternalNetwork? {
        for subnet in subnetsByNetwork[network.id] ?? [] where subnet.ipVersion == 4 {
            guard let block = AddressPrefix(subnet.cidr),
                let address = subnet.gateway.flatMap({ IPAddress($0) })
            else { continue }
            return PlannedExternalNetwork(
                id: network.id, mtu: network.mtu, block: block, hostAddress: address)
        }
        return nil
    }

    /// Addresses with the lengths of their subnets' prefixes.
    private func prefixes(_ addresses: [Port.Address]) -> [AddressPrefix] {
        addresses.compactMap { entry in
            guard let address = IPAddress(entry.address), let subnet = subnets[entry.subnetID],
                let block = AddressPrefix(subnet.cidr)
            else { return nil }
            return AddressPrefix(address, length: block.length)
        }
    }

    // MARK: - Ports

    private func port(_ port: Port) -> PlannedPort? {
        guard let mac = MACAddress(port.macAddress) else { return nil }
        let name = port.dnsName.flatMap { $0.isEmpty ? nil : $0 }
        return PlannedPort(
            id: port.id, mac: mac, fixedAddresses: port.addresses.compactMap { IPAddress($0.address) },
            hostName: name,
            protection: protection(port))
    }

    private func protection(_ port: Port) -> PortProtection {
        guard port.portSecurity else { return .open }
        let pairs = port.allowedPairs.compactMap { pair in
            AddressPrefix(pair.address).map {
                PlannedAddressPair(mac: pair.mac.flatMap { MACAddress($0) }, block: $0)
            }
        }
        let rules = port.securityGroups.compactMap { groups[$0] }.flatMap(\.rules).sorted {
            $0.id < $1.id
        }
        // A port without groups is filtered without rules: nothing gets through, as in Neutron.
        return .filtered(rules: rules.compactMap(rule), pairs: pairs)
    }

    private func rule(_ rule: SecurityGroupRule) -> PlannedRule? {
        guard let direction = PlannedRule.Direction(rawValue: rule.direction),
            let family = AddressFamily(rawValue: rule.etherType), let traffic = traffic(rule)
        else { return nil }
        let remote: PlannedRemote
        if let group = rule.remoteGroup {
            remote = .members((members[group] ?? []).filter { $0.address.family == family })
        } else if let text = rule.remotePrefix {
            // A prefix that cannot be read must not become everybody.
            guard let block = AddressPrefix(text) else { return nil }
            remote = block.length == 0 ? .any : .block(block)
        } else {
            remote = .any
        }
        return PlannedRule(direction, family, traffic, remote: remote)
    }

    /// What a rule is about; `nil` for a protocol that is not known, which then allows nothing.
    private func traffic(_ rule: SecurityGroupRule) -> PlannedTraffic? {
        guard let name = rule.protocolName, name != "any", name != "ip", name != "0" else {
            return .any
        }
        guard let number = UInt8(name) ?? Self.protocols[name] else { return nil }
        if let transport = Self.transports[number] {
            guard let low = rule.portMin, let high = rule.portMax else {
                return .transport(transport, ports: nil)
            }
            guard let first = UInt16(exactly: low), let last = UInt16(exactly: high), first <= last else {
                return nil
            }
            return .transport(transport, ports: first...last)
        }
        guard number == 1 || number == 58 else { return .protocolNumber(number) }
        return .icmp(
            type: rule.portMin.flatMap { UInt8(exactly: $0) },
            code: rule.portMax.flatMap { UInt8(exactly: $0) })
    }

    private static let transports: [UInt8: TransportProtocol] = [
        6: .tcp, 17: .udp, 33: .dccp, 132: .sctp, 136: .udplite,
    ]
    private static let protocols: [String: UInt8] = [
        "ah": 51, "dccp": 33, "egp": 8, "esp": 50, "gre": 47, "hopopt": 0, "icmp": 1, "icmpv6": 58,
        "igmp": 2,
        "ipip": 4, "ipv6-encap": 41, "ipv6-frag": 44, "ipv6-icmp": 58, "ipv6-nonxt": 59,
        "ipv6-opts": 60,
        "ipv6-route": 43, "ospf": 89, "pgm": 113, "rsvp": 46, "sctp": 132, "tcp": 6, "udp": 17,
        "udplite": 136,
        "vrrp": 112,
    ]

    // MARK: - Routers

    private func router(_ router: Router) -> PlannedRouter? {
        guard let id = RouterID(router.id) else { return nil }
        let legs = facts.ports.filter { $0.deviceID == router.id }.sorted { $0.id < $1.id }
        var interfaces: [PlannedRouterInterface] = []
        for leg in legs where leg.deviceOwner == PortOwner.routerInterface {
            guard let mac = MACAddress(leg.macAddress) else { continue }
            let addresses = prefixes(leg.addresses)
            if let known = interfaces.firstIndex(where: { $0.network == leg.networkID }) {
                interfaces[known].addresses += addresses
            } else {
                interfaces.append(
                    PlannedRouterInterface(network: leg.networkID, mac: mac, addresses: addresses))
            }
        }
        let floating = facts.floatingIPs.filter { $0.routerID == router.id }.compactMap { floating in
            guard let external = IPv4Address(floating.address),
                let fixed = floating.fixedAddress.flatMap({ IPv4Address($0) })
            else { return nil as PlannedFloatingAddress? }
            return PlannedFloatingAddress(external: external, fixed: fixed)
        }
        return PlannedRouter(
            id: id, interfaces: interfaces,
            gateway: legs.first { $0.deviceOwner == PortOwner.routerGateway }.flatMap {
                gateway($0, router)
            },
            floatingAddresses: floating.sorted { $0.external < $1.external })
    }

    private func gateway(_ port: Port, _ router: Router) -> PlannedRouterGateway? {
        let first = port.addresses.first { IPAddress($0.address)?.v4 != nil }
        guard let first, let mac = MACAddress(port.macAddress), let address = prefixes([first]).first
        else { return nil }
        return PlannedRouterGateway(
            network: port.networkID, mac: mac, address: address,
            nextHop: subnets[first.subnetID]?.gateway.flatMap { IPAddress($0) },
            translatesSources: router.snat)
    }
}
