import ComputeModel

/// What a plan means in terms of the kernel: devices, namespaces, processes, rules. A pure function of the plan.
package struct HostLayout: Hashable, Sendable {
    /// A bridge in the host's namespace.
    struct Bridge: Hashable, Sendable {
        var name: String
        var mtu: Int
        /// Fixed where the host has an address on the bridge; else the kernel's choice.
        var mac: MACAddress?
        var addresses: [AddressPrefix] = []
        /// Whether frames between its ports pass the rules of the internet families.
        var filtersFrames: Bool
    }

    /// A pair of devices from a bridge into a namespace.
    struct Cable: Hashable, Sendable {
        var name: String
        var bridge: String
        var mtu: Int
        var namespace: String
        var inner: Leg
    }

    /// The end of a cable inside a namespace.
    struct Leg: Hashable, Sendable {
        var name: String
        var mac: MACAddress
        var addresses: [AddressPrefix]
    }

    /// A network namespace.
    struct Namespace: Hashable, Sendable {
        var name: String
        /// Next hop of the default route and the leg it is on.
        var defaultRoute: Route?
        var settings: [NamespaceSetting] = []
        var rules: NftTable?
    }

    struct Route: Hashable, Sendable {
        var nextHop: IPv4Address
        var leg: String
    }

    var bridges: [Bridge] = []
    var cables: [Cable] = []
    var namespaces: [Namespace] = []
    var leases: [LeaseService] = []
    var hostSettings: [NamespaceSetting] = []
    var hostRules: [NftTable] = []
    /// What of the plan was left out, and why.
    package var notices: [String] = []

    /// What takes devices, namespaces or a process to change. The rest is rules, and files that processes read again.
    struct Topology: Hashable, Sendable {
        let bridges: [Bridge]
        let cables: [Cable]
        let namespaces: [Namespace]
        let hostSettings: [NamespaceSetting]
        let leaseConfigurations: [String]
    }

    /// This layout's topology.
    var topology: Topology {
        Topology(
            bridges: bridges, cables: cables, namespaces: namespaces, hostSettings: hostSettings,
            leaseConfigurations: leases.map(\.configurationPath))
    }

    func cables(into namespace: String) -> [Cable] { cables.filter { $0.namespace == namespace } }
}
