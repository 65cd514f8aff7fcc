package import ComputeModel

/// What a committed request changed that others may have kept.
package enum NetworkChange: Sendable, Hashable {
    /// Something of one network: subnets, ports, their rules.
    case network(NetworkID)
    /// Something that concerns many networks: routers, groups, floating addresses.
    case everything
    /// Addresses, groups or floating addresses of the ports of these devices.
    case devices(Set<String>)
}

/// An agent, as the list of agents shows it.
package struct NetworkAgentFacts: Sendable, Hashable {
    package var id: String
    package var host: String
    /// `Linux bridge agent`, `DHCP agent`, `L3 agent`, …
    package var kind: String
    package var binary: String
    package var isAlive: Bool
    package var startedAt: Timestamp
    package var heartbeatAt: Timestamp

    package init(
        id: String, host: String, kind: String, binary: String, isAlive: Bool, startedAt: Timestamp,
        heartbeatAt: Timestamp
    ) {
        (self.id, self.host, self.kind, self.binary, self.isAlive) = (id, host, kind, binary, isAlive)
        (self.startedAt, self.heartbeatAt) = (startedAt, heartbeatAt)
    }
}

/// How the stand-in works.
package struct NetworkStandInOptions: Sendable {
    /// Of networks made without one, in bytes.
    package var defaultMTU = 1500
    /// How many items one page has at most.
    package var pageMax = 1000
    /// The name of the one availability zone.
    package var availabilityZone = "nova"
    /// The domain of ports' names, with its final dot.
    package var dnsDomain = "openstacklocal."
    /// The block of automatically allocated networks. Projects do not share networks, so one serves all.
    package var autoAllocatedBlock = "10.254.0.0/20"
    /// Limits of projects that have none of their own; -1 is without limit.
    package var quotas: [(name: String, limit: Int)] = [
        ("network", 100), ("subnet", 100), ("subnetpool", -1), ("port", 500), ("router", 10),
        ("floatingip", 50),
        ("security_group", 10), ("security_group_rule", 100), ("rbac_policy", 10),
    ]
    /// The agents as they are now.
    package var agents: @Sendable () -> [NetworkAgentFacts] = { [] }

    package init() {}
}
