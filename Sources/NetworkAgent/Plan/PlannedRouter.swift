package import ComputeModel

/// What the identifier of a router identifies. Never instantiated.
package enum RouterKind {}

/// Identifies a router.
package typealias RouterID = Identifier<RouterKind>

/// A router between tenant networks, and from them to an external network.
package struct PlannedRouter: Hashable, Sendable {
    package var id: RouterID
    package var interfaces: [PlannedRouterInterface]
    package var gateway: PlannedRouterGateway?
    package var floatingAddresses: [PlannedFloatingAddress]

    package init(
        id: RouterID, interfaces: [PlannedRouterInterface], gateway: PlannedRouterGateway? = nil,
        floatingAddresses: [PlannedFloatingAddress] = []
    ) {
        (self.id, self.interfaces, self.gateway) = (id, interfaces, gateway)
        self.floatingAddresses = floatingAddresses
    }
}

/// A router's leg in a tenant network. A network appears at most once; its subnets' addresses stand together.
package struct PlannedRouterInterface: Hashable, Sendable {
    package var network: NetworkID
    package var mac: MACAddress
    package var addresses: [AddressPrefix]

    package init(network: NetworkID, mac: MACAddress, addresses: [AddressPrefix]) {
        (self.network, self.mac, self.addresses) = (network, mac, addresses)
    }
}

/// A router's leg in an external network.
package struct PlannedRouterGateway: Hashable, Sendable {
    package var network: NetworkID
    package var mac: MACAddress
    package var address: AddressPrefix
    /// Where everything goes that is not for a network of the router.
    package var nextHop: IPAddress?
    /// Whether what leaves this way gets the gateway's address as its source.
    package var translatesSources: Bool

    package init(
        network: NetworkID, mac: MACAddress, address: AddressPrefix, nextHop: IPAddress?, translatesSources: Bool = true
    ) {
        (self.network, self.mac, self.address, self.nextHop) = (network, mac, address, nextHop)
        self.translatesSources = translatesSources
    }
}

/// An external address that stands for one address inside, in both directions.
package struct PlannedFloatingAddress: Hashable, Sendable {
    package var external: IPv4Address
    package var fixed: IPv4Address

    package init(external: IPv4Address, fixed: IPv4Address) { (self.external, self.fixed) = (external, fixed) }
}
