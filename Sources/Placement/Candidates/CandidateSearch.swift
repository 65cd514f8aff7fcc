/// The search for allocation candidates: a pure function of a mirror and a request.
///
/// Results come in rounds: each round takes the next result of every tree, trees in the order of their roots' names, so
/// that a limit or the cap starves no tree. Inside a tree the search goes depth first over providers in the order of
/// their identifiers and gives up a branch as soon as a rule is broken.
package struct CandidateSearch {
    private let plan: SearchPlan
    private var seen: Set<SharedResult> = []
    /// Per lender and distinct aggregate set: 0 not yet known, 1 shares none, 2 shares one.
    private var lentTo: [[UInt8]]

    /// Finds what could serve the request.
    package static func run(
        _ request: CandidateRequest, in mirror: ProviderMirror, limits: CandidateLimits = CandidateLimits()
    ) throws(CandidateRequestError) -> CandidateSet {
        var search = CandidateSearch(try SearchPlan(request, mirror, limits))
        return search.results()
    }

    private init(_ plan: SearchPlan) {
        self.plan = plan
        lentTo = plan.mirror.sharing.map { _ in [UInt8](repeating: 0, count: plan.mirror.aggregateSets.count) }
    }

    // MARK: Rounds

    private mutating func results() -> CandidateSet {
        let wanted = plan.request.limit ?? Int.max
        var found = CandidateSet(
            mirror: plan.mirror, levels: plan.levels.map { CandidateSet.Level(suffix: $0.suffix, amounts: $0.amounts) },
            requestedClasses: Set(plan.levels.flatMap { $0.amounts.map(\.classID) }).sorted(),
            treesAllowed: plan.request.treesAllowed)
        guard !plan.levels.isEmpty, wanted > 0 else { return found }
        var steps = plan.limits.stepsMax
        var open: [AnchorSearch] = []
        var scratch = AnchorSearch(levels: plan.levels.count)
        for anchor in anchors() {
            guard prepare(&scratch, for: anchor) else { continue }
            guard advance(&scratch, &steps, into: &found) else { continue }
            if found.count >= wanted { return finish(found, .limit) }
            if !scratch.isSingle { open.append(scratch) }
        }
        while !open.isEmpty {
            var next = 0
            for index in open.indices {
                if found.count >= plan.limits.candidatesMax { return finish(found, .candidates) }
                guard steps > 0 else { return finish(found, .steps) }
                guard advance(&open[index], &steps, into: &found) else { continue }
                if found.count >= wanted { return finish(found, .limit) }
                if next != index { open.swapAt(next, index) }
                next += 1
            }
            open.removeLast(open.count - next)
        }
        return found
    }

    private func finish(_ found: CandidateSet, _ cut: CandidateSet.Cut) -> CandidateSet {
        var found = found
        found.cut = cut
        return found
    }

    /// Takes the anchor's next result that is not already there. `false` when it has no more.
    private mutating func advance(_ anchor: inout AnchorSearch, _ steps: inout Int, into found: inout CandidateSet)
        -> Bool
    {
        var budget = min(plan.limits.stepsPerAnchorMax, steps)
        let before = budget
        defer { steps -= before - budget }
        while true {
            switch anchor.next(plan, &budget) {
            case .exhausted: return false
            case .tooMuch:
                found.cut = .steps
                return false
            case .found:
                if repeatsOther(anchor) { continue }
                found.choices += anchor.choice
                found.anchors.append(anchor.root)
                return true
            }
        }
    }

    /// A result that uses sharing providers alone is found once per tree they serve; one of them is enough.
    private mutating func repeatsOther(_ anchor: AnchorSearch) -> Bool {
        let lenders = plan.mirror.sharing
        guard !lenders.isEmpty, anchor.choice.allSatisfy(lenders.contains) else { return false }
        return !seen.insert(SharedResult(choice: anchor.choice)).inserted
    }

    private struct SharedResult: Hashable { let choice: [ProviderMirror.Slot] }

    // MARK: Anchors

    private func anchors() -> [ProviderMirror.Slot] {
        var roots = plan.mirror.orderedRoots
        if !(plan.rootRequired.isEmpty && plan.rootForbidden.isEmpty) {
            let required = plan.rootRequired.members
            roots = roots.filter { root in
                let bits = plan.mirror.traitSet(root).bits
                return !bits.intersects(plan.rootForbidden) && required.allSatisfy(bits.contains)
            }
        }
        if case .shuffled(let seed) = plan.request.order {
            var random = SeededRandom(seed: seed)
            roots.shuffle(using: &random)
        }
        return roots
    }

    /// Fills in which providers could serve each level for this anchor. `false` when one level has none, or when
    /// isolated groups outnumber their providers.
    private mutating func prepare(_ anchor: inout AnchorSearch, for root: ProviderMirror.Slot) -> Bool {
        anchor.start(at: root)
        let members = plan.mirror.treeMembers.isEmpty ? nil : plan.mirror.treeMembers[root]
        let lenders = plan.mirror.sharing
        let borrowed = lenders.isEmpty ? [] : lenders.indices.filter { isLent($0, to: root, members) }
        for level in plan.levels.indices {
            let before = anchor.options.count
            if let members {
                for provider in members where plan.accepts(provider, level, anchor: root, lent: false) {
                    anchor.options.append(provider)
                }
            } else if plan.accepts(root, level, anchor: root, lent: false) {
                anchor.options.append(root)
            }
            for lender in borrowed where plan.accepts(lenders[lender], level, anchor: root, lent: true) {
                anchor.options.append(lenders[lender])
            }
            guard anchor.options.count > before else { return false }
            anchor.optionEnds.append(anchor.options.count)
        }
        return !plan.request.isolated || anchor.canIsolate(plan.levels)
    }

    /// Whether the lender shares an aggregate with any provider of another tree than its own.
    private mutating func isLent(_ lender: Int, to root: ProviderMirror.Slot, _ members: [ProviderMirror.Slot]?) -> Bool
    {
        guard plan.mirror.root(plan.mirror.sharing[lender]) != root else { return false }
        guard let members else { return sharesAggregate(lender, root) }
        for member in members where sharesAggregate(lender, member) { return true }
        return false
    }

    private mutating func sharesAggregate(_ lender: Int, _ provider: ProviderMirror.Slot) -> Bool {
        let set = Int(plan.mirror.aggregateSetOf[Int(provider)])
        guard set != 0 else { return false }
        if lentTo[lender][set] == 0 {
            let own = plan.mirror.aggregateSets[Int(plan.mirror.aggregateSetOf[Int(plan.mirror.sharing[lender])])]
            lentTo[lender][set] = plan.mirror.aggregateSets[set].contains(where: own.contains) ? 2 : 1
        }
        return lentTo[lender][set] == 2
    }
}

/// A small generator for orders that a seed decides (SplitMix64).
struct SeededRandom: RandomNumberGenerator {
    private var state: UInt64
    init(seed: UInt64) { state = seed }
    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }
}
