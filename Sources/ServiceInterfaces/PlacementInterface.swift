package import ComputeModel
package import Messaging

/// Asks which providers could hold some resources.
package struct FindCandidates: RPCMessage {
    /// Candidates in placement's order.
    package struct Reply: Codable, Sendable {
        package var candidates: [AllocationCandidate]
        package init(candidates: [AllocationCandidate]) { self.candidates = candidates }
    }
    package static let name = "find_candidates"
    package static let version = MessageVersion.first

    package var resources: [ResourceClass: Int]
    /// Each inner set: at least one of them.
    package var requiredTraits: [Set<Trait>]
    package var forbiddenTraits: Set<Trait>
    /// Only in the tree of this provider.
    package var inTree: ProviderID?
    package var limit: Int

    package init(
        resources: [ResourceClass: Int], requiredTraits: [Set<Trait>] = [], forbiddenTraits: Set<Trait> = [],
        inTree: ProviderID? = nil, limit: Int = 1000
    ) {
        self.resources = resources
        self.requiredTraits = requiredTraits
        self.forbiddenTraits = forbiddenTraits
        self.inTree = inTree
        self.limit = limit
    }
}

/// One way to satisfy a request.
package struct AllocationCandidate: Codable, Sendable, Hashable {
    /// The root of the tree it lies in: the compute node.
    package var root: ProviderID
    package var allocations: [ProviderID: [ResourceClass: Int]]

    package init(root: ProviderID, allocations: [ProviderID: [ResourceClass: Int]]) {
        self.root = root
        self.allocations = allocations
    }
}

/// Claims resources for a consumer that has none. Repeating the same claim succeeds.
///
/// - Throws: ``RemoteFault`` of kind ``FaultKind/conflict`` when there is too little left.
package struct ClaimResources: RPCMessage {
    package typealias Reply = Acknowledged
    package static let name = "claim_resources"
    package static let version = MessageVersion.first

    package var consumer: ConsumerID
    package var projectID: String
    package var userID: String
    package var allocations: [ProviderID: [ResourceClass: Int]]

    package init(
        consumer: ConsumerID, projectID: String, userID: String,
        allocations: [ProviderID: [ResourceClass: Int]]
    ) {
        self.consumer = consumer
        self.projectID = projectID
        self.userID = userID
        self.allocations = allocations
    }
}

/// Gives back all that a consumer holds; succeeds when it holds nothing.
package struct ReleaseResources: RPCMessage {
    package typealias Reply = Acknowledged
    package static let name = "release_resources"
    package static let version = MessageVersion.first

    package var consumer: ConsumerID
    package init(consumer: ConsumerID) { self.consumer = consumer }
}

/// Makes a compute node's provider, inventories and traits be as described.
package struct SyncProvider: RPCMessage {
    package typealias Reply = Acknowledged
    package static let name = "sync_provider"
    package static let version = MessageVersion.first

    package var provider: ProviderID
    package var providerName: String
    package var inventories: [ResourceClass: ResourceInventory]
    /// Without `COMPUTE_STATUS_DISABLED`, which ``isDisabled`` sets and clears.
    package var traits: Set<Trait>
    /// Whether the node's service takes no new servers.
    package var isDisabled: Bool

    package init(
        provider: ProviderID, providerName: String, inventories: [ResourceClass: ResourceInventory],
        traits: Set<Trait>, isDisabled: Bool = false
    ) {
        self.provider = provider
        self.providerName = providerName
        self.inventories = inventories
        self.traits = traits
        self.isDisabled = isDisabled
    }
}

/// Removes a provider that is gone for good, with its inventories and traits; succeeds when there is none.
///
/// - Throws: ``RemoteFault`` of kind ``FaultKind/conflict`` while somebody holds something of it.
package struct RemoveProvider: RPCMessage {
    package typealias Reply = Acknowledged
    package static let name = "remove_provider"
    package static let version = MessageVersion.first

    package var provider: ProviderID
    package init(provider: ProviderID) { self.provider = provider }
}

/// Lists the consumers that hold something of a provider, for audits.
package struct ListConsumers: RPCMessage {
    /// The consumers.
    package struct Reply: Codable, Sendable {
        package var consumers: [ConsumerID]
        package init(consumers: [ConsumerID]) { self.consumers = consumers }
    }
    package static let name = "list_consumers"
    package static let version = MessageVersion.first

    package var provider: ProviderID
    package init(provider: ProviderID) { self.provider = provider }
}
