/// A request worked out against one mirror: what every tree is tried with. Shared by all steps of one search.
final class SearchPlan: Sendable {
    let mirror: ProviderMirror
    let request: CandidateRequest
    let limits: CandidateLimits
    let groups: [GroupFilter]
    let levels: [SearchLevel]
    /// Per set of suffixes that must share a subtree: its levels.
    let subtrees: [[Int]]
    let rootRequired: TraitBits
    let rootForbidden: TraitBits

    init(
        _ request: CandidateRequest, _ mirror: ProviderMirror, _ limits: CandidateLimits
    ) throws(CandidateRequestError) {
        (self.mirror, self.request, self.limits) = (mirror, request, limits)
        // The spreading group first: its shared traits are decided before the others multiply.
        var filters: [GroupFilter] = []
        for group in request.groups where group.suffix.isEmpty { filters.append(try GroupFilter(group, mirror)) }
        for group in request.groups where !group.suffix.isEmpty { filters.append(try GroupFilter(group, mirror)) }
        let depths = SearchLevel.levels(of: filters)
        (groups, levels) = (filters, depths)
        subtrees = request.sameSubtrees.map { suffixes in
            depths.indices.filter { suffixes.contains(depths[$0].suffix) }
        }
        rootRequired = try GroupFilter.traits(request.rootRequired, mirror)
        rootForbidden = try GroupFilter.traits(request.rootForbidden, mirror)
    }

    /// Whether the provider may serve the level in the tree of `anchor`. `lent`: it is of another tree.
    func accepts(_ provider: ProviderMirror.Slot, _ level: Int, anchor: ProviderMirror.Slot, lent: Bool) -> Bool {
        for amount in levels[level].amounts {
            guard mirror.fits(provider, classID: amount.classID, amount: amount.amount) else { return false }
        }
        let group = levels[level].group
        guard groups[group].traitVerdicts[Int(mirror.traitSetOf[Int(provider)])] else { return false }
        if let treeRoot = groups[group].treeRoot, !groups[group].amounts.isEmpty {
            // The spreading group borrows nothing when a tree is asked for.
            guard mirror.root(provider) == treeRoot, !(lent && groups[group].isSpreading) else { return false }
        }
        guard groups[group].hasMembership || groups[group].hasForbiddenAggregates else { return true }
        return groups[group].acceptsAggregates(
            own: Int(mirror.aggregateSetOf[Int(provider)]), root: Int(mirror.aggregateSetOf[Int(anchor)]), lent: lent)
    }
}
