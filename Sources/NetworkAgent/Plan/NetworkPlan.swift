package import ComputeModel

/// What the networks of this host shall be: the whole of it, as a plain value.
///
/// Whatever is not in the plan, and was made for an earlier one, is removed.
package struct NetworkPlan: Hashable, Sendable {
    /// Tenant networks with ports on this host or with addresses to hand out from it.
    package var networks: [PlannedNetwork]
    /// Routers that run on this host.
    package var routers: [PlannedRouter]
    /// Networks that lead out of the cloud, as far as this host serves them.
    package var externalNetworks: [PlannedExternalNetwork]

    /// A plan; without arguments the empty one.
    package init(
        networks: [PlannedNetwork] = [], routers: [PlannedRouter] = [], externalNetworks: [PlannedExternalNetwork] = []
    ) {
        (self.networks, self.routers, self.externalNetworks) = (networks, routers, externalNetworks)
    }
}

/// A tenant network.
package struct PlannedNetwork: Hashable, Sendable {
    package var id: NetworkID
    /// The largest frame payload, in bytes.
    package var mtu: Int
    package var subnets: [PlannedSubnet]
    /// Where addresses are handed out and metadata is answered; without it the network has neither.
    package var dhcpPort: PlannedDHCPPort?
    package var ports: [PlannedPort]

    package init(
        id: NetworkID, mtu: Int, subnets: [PlannedSubnet], dhcpPort: PlannedDHCPPort?, ports: [PlannedPort] = []
    ) {
        (self.id, self.mtu, self.subnets, self.dhcpPort, self.ports) = (id, mtu, subnets, dhcpPort, ports)
    }
}

/// A block of addresses on a network and what its guests are told about it.
package struct PlannedSubnet: Hashable, Sendable {
    package var id: SubnetID
    package var block: AddressPrefix
    package var gateway: IPAddress?
    /// Whether DHCP hands out the addresses of the ports.
    package var servesDHCP: Bool
    package var nameServers: [IPAddress]
    package var hostRoutes: [PlannedRoute]

    package init(
        id: SubnetID, block: AddressPrefix, gateway: IPAddress?, servesDHCP: Bool = true,
        nameServers: [IPAddress] = [], hostRoutes: [PlannedRoute] = []
    ) {
        (self.id, self.block, self.gateway, self.servesDHCP) = (id, block, gateway, servesDHCP)
        (self.nameServers, self.hostRoutes) = (nameServers, hostRoutes)
    }
}

/// A route that guests are told.
package struct PlannedRoute: Hashable, Sendable {
    package var destination: AddressPrefix
    package var nextHop: IPAddress

    package init(destination: AddressPrefix, nextHop: IPAddress) {
        (self.destination, self.nextHop) = (destination, nextHop)
    }
}

/// The network service's own port on a network: DHCP and metadata live behind it.
package struct PlannedDHCPPort: Hashable, Sendable {
    package var mac: MACAddress
    /// One address for each subnet it serves, with the length of the subnet's prefix.
    package var addresses: [AddressPrefix]

    package init(mac: MACAddress, addresses: [AddressPrefix]) { (self.mac, self.addresses) = (mac, addresses) }
}

/// A network that leads out of the cloud. The host has an address on it: it reaches floating addresses over it,
/// and is by default the way from there to the rest of the world.
package struct PlannedExternalNetwork: Hashable, Sendable {
    package var id: NetworkID
    package var mtu: Int
    package var block: AddressPrefix
    /// The host's own address on the network's bridge.
    package var hostAddress: IPAddress

    package init(id: NetworkID, mtu: Int = 1500, block: AddressPrefix, hostAddress: IPAddress) {
        (self.id, self.mtu, self.block, self.hostAddress) = (id, mtu, block, hostAddress)
    }
}
