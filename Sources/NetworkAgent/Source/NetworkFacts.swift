import ComputeModel
package import PeerClients

/// What the network service says about all that concerns a host: the input of its plan.
package struct NetworkFacts: Sendable {
    /// Of the host's own ports and of all networks connected with them by routers; external networks included.
    package var networks: [Network] = []
    /// Of those networks.
    package var subnets: [Subnet] = []
    /// Of those networks, whatever host they are bound to; with the routers' gateway ports.
    package var ports: [Port] = []
    /// Those of the host's own ports.
    package var groups: [SecurityGroup] = []
    package var routers: [Router] = []
    package var floatingIPs: [FloatingIP] = []

    package init() {}
}

/// The owners of ports that are not guests'.
enum PortOwner {
    static let dhcp = "network:dhcp"
    static let routerInterface = "network:router_interface"
    static let routerGateway = "network:router_gateway"
    static let guestPrefix = "compute:"
}
