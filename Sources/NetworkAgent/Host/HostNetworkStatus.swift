/// What of ours is on the host now.
package struct HostNetworkStatus: Sendable {
    /// A bridge and what is plugged into it.
    package struct Bridge: Hashable, Sendable {
        package let name: String
        package let isUp: Bool
        package let members: [String]
    }

    package let bridges: [Bridge]
    package let namespaces: [String]
    /// The DHCP services that run.
    package let leaseProcesses: [LeaseProcess]
    /// What the kernel cannot do, with what it said.
    package let missingFeatures: [HostFeature: String]
    /// What of the plan does not work here.
    package let notices: [String]

    init(found: HostObservation, owner: String, missing: [HostFeature: String], notices: [String]) {
        bridges = found.links.values.filter { $0.alias == owner && $0.kind == "bridge" }.map { bridge in
            let members = found.links.values.filter { $0.master == bridge.name }.map(\.name)
            return Bridge(name: bridge.name, isUp: bridge.isUp, members: members.sorted())
        }.sorted { $0.name < $1.name }
        namespaces = found.namespaces.filter { $0.value.owner == owner }.keys.sorted()
        leaseProcesses = found.processes.sorted { $0.configurationPath < $1.configurationPath }
        (missingFeatures, self.notices) = (missing, notices)
    }
}
