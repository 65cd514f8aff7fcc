/// A question to placement: which providers could serve these groups of resources together?
///
/// The words are those of the placement API; no microversion is known here.
package struct CandidateRequest: Sendable, Hashable {
    /// Resources and conditions that belong together.
    package struct Group: Sendable, Hashable {
        /// Empty for the one group that may spread over a tree and over sharing providers; every other group is
        /// served by exactly one provider.
        package var suffix: String
        package var resources: [Amount]
        /// All of these must be met, each by any of its traits.
        package var required: [[String]]
        package var forbidden: [String]
        /// All of these must be met, each by membership in any of its aggregates.
        package var memberOf: [[String]]
        package var forbiddenAggregates: [String]
        /// UUID of a provider whose tree must serve the group.
        package var inTree: String?

        package init(
            suffix: String = "", resources: [Amount] = [], required: [[String]] = [], forbidden: [String] = [],
            memberOf: [[String]] = [], forbiddenAggregates: [String] = [], inTree: String? = nil
        ) {
            (self.suffix, self.resources, self.required, self.forbidden) = (suffix, resources, required, forbidden)
            (self.memberOf, self.forbiddenAggregates, self.inTree) = (memberOf, forbiddenAggregates, inTree)
        }
    }

    /// So much of one resource class.
    package struct Amount: Sendable, Hashable {
        package var resourceClass: String
        package var amount: Int64

        package init(_ resourceClass: String, _ amount: Int64) {
            (self.resourceClass, self.amount) = (resourceClass, amount)
        }
    }

    /// In which order anchors (trees) are tried.
    package enum Order: Sendable, Hashable {
        /// By the name of the root.
        case byName
        /// In an order that the seed decides.
        case shuffled(seed: UInt64)
    }

    package var groups: [Group]
    /// Whether suffixed groups must be served by different providers.
    package var isolated: Bool
    /// Traits that the root of the tree must have.
    package var rootRequired: [String]
    /// Traits that the root of the tree must not have.
    package var rootForbidden: [String]
    /// Sets of suffixes; the providers of each set must include one that is above (or is) all the others.
    package var sameSubtrees: [[String]]
    /// At most so many results.
    package var limit: Int?
    /// `false` drops results that use two providers of one tree, for callers that know no trees.
    package var treesAllowed: Bool
    package var order: Order

    package init(
        groups: [Group], isolated: Bool = false, rootRequired: [String] = [], rootForbidden: [String] = [],
        sameSubtrees: [[String]] = [], limit: Int? = nil, treesAllowed: Bool = true, order: Order = .byName
    ) {
        (self.groups, self.isolated, self.rootRequired) = (groups, isolated, rootRequired)
        (self.rootForbidden, self.sameSubtrees, self.limit) = (rootForbidden, sameSubtrees, limit)
        (self.treesAllowed, self.order) = (treesAllowed, order)
    }
}

/// How far a search may go before it is cut.
package struct CandidateLimits: Sendable, Hashable {
    /// Results beyond the first of every tree stop here. The first of every tree is never cut, so that no host starves.
    package var candidatesMax: Int
    /// Provider choices tried in one tree before it is given up for this round.
    package var stepsPerAnchorMax: Int
    /// Provider choices tried in all.
    package var stepsMax: Int

    package init(candidatesMax: Int = 10_000, stepsPerAnchorMax: Int = 200_000, stepsMax: Int = 20_000_000) {
        (self.candidatesMax, self.stepsPerAnchorMax, self.stepsMax) = (candidatesMax, stepsPerAnchorMax, stepsMax)
    }
}

/// A name in a request that the catalog does not hold.
package enum CandidateRequestError: Error, Hashable, Sendable {
    case unknownResourceClass(String)
    case unknownTraits([String])
}
