/// The search inside one tree: a position that can be taken up again for the next result.
struct AnchorSearch {
    enum Step { case found, exhausted, tooMuch }

    private(set) var root: ProviderMirror.Slot = 0
    /// Providers that could serve each level, levels one after another.
    var options: [ProviderMirror.Slot] = []
    /// Where each level's options end.
    var optionEnds: [Int] = []
    /// The provider of each level as far as decided.
    private(set) var choice: [ProviderMirror.Slot]
    private var cursor: [Int]
    private var depth = 0

    init(levels: Int) {
        choice = [ProviderMirror.Slot](repeating: -1, count: levels)
        cursor = [Int](repeating: 0, count: levels)
    }

    mutating func start(at root: ProviderMirror.Slot) {
        self.root = root
        options.removeAll(keepingCapacity: true)
        optionEnds.removeAll(keepingCapacity: true)
        depth = 0
        cursor[0] = 0
    }

    /// Whether there is one choice at every level, so that a found result is the only one.
    var isSingle: Bool { options.count == optionEnds.count }

    func options(at depth: Int) -> Range<Int> { (depth == 0 ? 0 : optionEnds[depth - 1])..<optionEnds[depth] }

    /// Goes on to the next complete choice. `budget` counts down with every provider tried.
    mutating func next(_ search: SearchPlan, _ budget: inout Int) -> Step {
        let last = choice.count - 1
        if depth > last { depth = last }
        while depth >= 0 {
            if cursor[depth] >= optionEnds[depth] {
                depth -= 1
                continue
            }
            guard budget > 0 else { return .tooMuch }
            budget -= 1
            choice[depth] = options[cursor[depth]]
            cursor[depth] += 1
            guard isAllowed(search) else { continue }
            if depth == last {
                depth += 1
                return .found
            }
            depth += 1
            cursor[depth] = optionEnds[depth - 1]
        }
        return .exhausted
    }

    // MARK: Rules on a partial choice

    private func isAllowed(_ search: SearchPlan) -> Bool {
        let level = search.levels[depth]
        if !level.overlaps.isEmpty, !sumsFit(level, search) { return false }
        if search.request.isolated, !level.suffix.isEmpty, !isIsolated(search) { return false }
        if !search.request.treesAllowed, !isOneOfItsTree(search) { return false }
        if level.suffix.isEmpty, !search.groups[level.group].required.isEmpty, !canHoldRequired(level, search) {
            return false
        }
        for subtree in search.subtrees where subtree.contains(depth) && !canShareSubtree(subtree, search) {
            return false
        }
        return true
    }

    /// What all groups take from this provider must still fit; minimum and step hold for each group alone.
    private func sumsFit(_ level: SearchLevel, _ search: SearchPlan) -> Bool {
        let provider = choice[depth]
        for amount in level.amounts {
            var sum = amount.amount
            for overlap in level.overlaps where overlap.classID == amount.classID && choice[overlap.depth] == provider {
                for earlier in search.levels[overlap.depth].amounts where earlier.classID == amount.classID {
                    sum += earlier.amount
                }
            }
            guard sum != amount.amount else { continue }
            guard let row = search.mirror.row(provider, classID: amount.classID) else { return false }
            if search.mirror.rowUsed[row] + sum > search.mirror.rowCapacity[row] || sum > search.mirror.rowMax[row] {
                return false
            }
        }
        return true
    }

    private func isIsolated(_ search: SearchPlan) -> Bool {
        for earlier in 0..<depth where choice[earlier] == choice[depth] && !search.levels[earlier].suffix.isEmpty {
            return false
        }
        return true
    }

    private func isOneOfItsTree(_ search: SearchPlan) -> Bool {
        let provider = choice[depth]
        guard !search.levels[depth].amounts.isEmpty else { return true }
        for earlier in 0..<depth where choice[earlier] != provider && !search.levels[earlier].amounts.isEmpty {
            if search.mirror.root(choice[earlier]) == search.mirror.root(provider) { return false }
        }
        return true
    }

    /// Whether every required set is held by a provider chosen for the group, or could be by one still to choose.
    private func canHoldRequired(_ level: SearchLevel, _ search: SearchPlan) -> Bool {
        for anyOf in search.groups[level.group].required {
            var isHeld = false
            for other in search.levels.indices where search.levels[other].group == level.group && !isHeld {
                if other <= depth {
                    isHeld = search.mirror.traitSet(choice[other]).bits.intersects(anyOf)
                } else {
                    isHeld = options(at: other).contains { search.mirror.traitSet(options[$0]).bits.intersects(anyOf) }
                }
            }
            if !isHeld { return false }
        }
        return true
    }

    /// Whether one provider of the set is above all others, or could be once the rest is chosen.
    private func canShareSubtree(_ subtree: [Int], _ search: SearchPlan) -> Bool {
        func covers(_ top: ProviderMirror.Slot) -> Bool {
            for other in subtree where other <= depth && !search.mirror.isAncestorOrSelf(top, of: choice[other]) {
                return false
            }
            return true
        }
        for member in subtree {
            if member <= depth {
                if covers(choice[member]) { return true }
            } else {
                for option in options(at: member) where covers(options[option]) { return true }
            }
        }
        return false
    }

    // MARK: Isolation ahead of the search

    /// Whether each suffixed group can have a provider of its own at all: a matching of groups to providers. Without
    /// this test nine groups on eight devices would be tried in every order.
    func canIsolate(_ levels: [SearchLevel]) -> Bool {
        let granular = levels.indices.filter { !levels[$0].suffix.isEmpty }
        guard granular.count > 1 else { return true }
        var owner: [ProviderMirror.Slot: Int] = [:]
        func place(_ level: Int, _ tried: inout Set<ProviderMirror.Slot>) -> Bool {
            for index in options(at: level) where tried.insert(options[index]).inserted {
                let provider = options[index]
                if let other = owner[provider], !place(other, &tried) { continue }
                owner[provider] = level
                return true
            }
            return false
        }
        for level in granular {
            var tried: Set<ProviderMirror.Slot> = []
            if !place(level, &tried) { return false }
        }
        return true
    }
}
