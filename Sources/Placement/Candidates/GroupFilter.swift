/// One group of a request with names replaced by numbers, and with its verdicts on whole sets of traits and of
/// aggregates worked out once.
struct GroupFilter {
    let suffix: String
    let amounts: [CandidateSet.Amount]
    /// Any-of sets that the providers of the spreading group must hold together.
    let required: [TraitBits]
    /// Per distinct trait set: may a provider with it serve the group (for the spreading group: forbidden traits only).
    let traitVerdicts: [Bool]
    let hasMembership: Bool
    let hasForbiddenAggregates: Bool
    /// Per distinct aggregate set.
    let memberVerdicts: [Bool]
    let forbiddenVerdicts: [Bool]
    /// Root of the tree that must serve; -1 when that provider does not exist, `nil` when no tree is asked for.
    let treeRoot: ProviderMirror.Slot?

    var isSpreading: Bool { suffix.isEmpty }

    /// Beyond every `max_unit`, and small enough to be summed without overflow.
    private static let amountMax: Int64 = 1 << 40

    init(_ group: CandidateRequest.Group, _ mirror: ProviderMirror) throws(CandidateRequestError) {
        suffix = group.suffix
        var amounts: [CandidateSet.Amount] = []
        for wanted in group.resources {
            guard let id = mirror.catalog.classID(wanted.resourceClass) else {
                throw .unknownResourceClass(wanted.resourceClass)
            }
            amounts.append(CandidateSet.Amount(classID: Int32(id), amount: min(wanted.amount, Self.amountMax)))
        }
        self.amounts = amounts
        var required: [TraitBits] = []
        for anyOf in group.required { required.append(try Self.traits(anyOf, mirror)) }
        let forbidden = try Self.traits(group.forbidden, mirror)
        let ownRequired = group.suffix.isEmpty ? [] : required
        traitVerdicts = mirror.traitSets.map { set in
            !set.bits.intersects(forbidden) && ownRequired.allSatisfy { $0.intersects(set.bits) }
        }
        self.required = group.suffix.isEmpty ? required : []
        hasMembership = !group.memberOf.isEmpty
        hasForbiddenAggregates = !group.forbiddenAggregates.isEmpty
        let memberOf = group.memberOf.map { Set($0.compactMap { mirror.aggregateNumber[$0] }) }
        let out = Set(group.forbiddenAggregates.compactMap { mirror.aggregateNumber[$0] })
        memberVerdicts =
            !hasMembership
            ? []
            : mirror.aggregateSets.map { set in
                memberOf.allSatisfy { anyOf in set.contains(where: anyOf.contains) }
            }
        forbiddenVerdicts = out.isEmpty ? [] : mirror.aggregateSets.map { $0.contains(where: out.contains) }
        treeRoot = group.inTree.map { uuid in mirror.slot(uuid: uuid).map(mirror.root) ?? -1 }
    }

    static func traits(_ names: [String], _ mirror: ProviderMirror) throws(CandidateRequestError) -> TraitBits {
        var bits = TraitBits()
        var unknown: [String] = []
        for name in names {
            if let id = mirror.catalog.traitID(name) { bits.insert(id) } else { unknown.append(name) }
        }
        guard unknown.isEmpty else { throw .unknownTraits(unknown.sorted()) }
        return bits
    }

    /// The verdict on a provider's own aggregate set and that of the anchor's root.
    func acceptsAggregates(own: Int, root: Int, lent: Bool) -> Bool {
        if hasMembership {
            // An aggregate of the root spans the tree for the spreading group only, and never for what is lent.
            guard memberVerdicts[own] || (isSpreading && !lent && memberVerdicts[root]) else { return false }
        }
        guard hasForbiddenAggregates, !forbiddenVerdicts.isEmpty else { return true }
        return !forbiddenVerdicts[own] && !(isSpreading && forbiddenVerdicts[root])
    }
}

/// One choice of a provider: a whole suffixed group, or one class of the spreading group.
struct SearchLevel {
    let group: Int
    let suffix: String
    let amounts: [CandidateSet.Amount]
    /// Earlier choices that take from the same classes: their amounts add up when the provider is the same.
    let overlaps: [Overlap]

    struct Overlap {
        let depth: Int
        let classID: Int32
    }

    static func levels(of groups: [GroupFilter]) -> [SearchLevel] {
        var levels: [SearchLevel] = []
        func add(_ group: Int, _ amounts: [CandidateSet.Amount]) {
            var overlaps: [Overlap] = []
            for (depth, earlier) in levels.enumerated() {
                for amount in earlier.amounts where amounts.contains(where: { $0.classID == amount.classID }) {
                    overlaps.append(Overlap(depth: depth, classID: amount.classID))
                }
            }
            levels.append(SearchLevel(group: group, suffix: groups[group].suffix, amounts: amounts, overlaps: overlaps))
        }
        for (index, group) in groups.enumerated() {
            if group.isSpreading {
                for amount in group.amounts { add(index, [amount]) }
            } else {
                add(index, group.amounts)
            }
        }
        return levels
    }
}
