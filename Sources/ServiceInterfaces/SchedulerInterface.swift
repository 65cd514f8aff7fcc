package import ComputeModel
package import Messaging

/// Asks for a place for each of some equal instances. Resources are claimed in placement when this returns.
///
/// - Throws: ``RemoteFault`` of kind ``FaultKind/noValidHost``; then nothing is claimed.
package struct SelectDestinations: RPCMessage {
    /// One destination for each instance, in their order.
    package struct Reply: Codable, Sendable {
        package var selections: [Selection]
        package init(selections: [Selection]) { self.selections = selections }
    }
    package static let name = "select_destinations"
    package static let version = MessageVersion.first

    package var spec: RequestSpec
    package var instances: [InstanceID]
    /// Hosts that failed already.
    package var excludedHosts: [String]

    package init(spec: RequestSpec, instances: [InstanceID], excludedHosts: [String] = []) {
        self.spec = spec
        self.instances = instances
        self.excludedHosts = excludedHosts
    }
}

/// What a request wants of its place. Kept with each instance for later moves.
package struct RequestSpec: Codable, Sendable, Hashable {
    package var projectID: String
    package var userID: String
    package var flavor: FlavorSpec
    package var image: ImageSpec?
    /// The zone asked for, or the default zone to schedule to.
    package var availabilityZone: String?
    /// Host that is forced (`zone:host[:node]`): only the claim is checked.
    package var forcedHost: String?
    package var forcedNode: String?
    /// Host that is asked for and still filtered (2.74).
    package var requestedHost: String?
    package var requestedNode: String?
    package var hints: [String: [String]]

    package init(
        projectID: String, userID: String, flavor: FlavorSpec, image: ImageSpec?, availabilityZone: String? = nil,
        forcedHost: String? = nil, forcedNode: String? = nil, requestedHost: String? = nil,
        requestedNode: String? = nil, hints: [String: [String]] = [:]
    ) {
        self.projectID = projectID
        self.userID = userID
        self.flavor = flavor
        self.image = image
        self.availabilityZone = availabilityZone
        self.forcedHost = forcedHost
        self.forcedNode = forcedNode
        self.requestedHost = requestedHost
        self.requestedNode = requestedNode
        self.hints = hints
    }
}

/// A chosen place.
package struct Selection: Codable, Sendable, Hashable {
    package var host: String
    /// Hypervisor host name of the node.
    package var node: String
    package var nodeID: NodeID
    package var availabilityZone: String
    package var bindings: [PortBinding.Kind]
    /// What was claimed, by provider.
    package var allocations: [ProviderID: [ResourceClass: Int]]

    package init(
        host: String, node: String, nodeID: NodeID, availabilityZone: String, bindings: [PortBinding.Kind],
        allocations: [ProviderID: [ResourceClass: Int]]
    ) {
        self.host = host
        self.node = node
        self.nodeID = nodeID
        self.availabilityZone = availabilityZone
        self.bindings = bindings
        self.allocations = allocations
    }
}
