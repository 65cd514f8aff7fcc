/// The answer to a ``CandidateRequest``: results as provider numbers of one snapshot of the mirror.
///
/// Kept compact because there may be very many; whoever needs names asks the snapshot for those results it looks at.
package struct CandidateSet: Sendable {
    /// One choice that the search makes: which provider serves these amounts.
    package struct Level: Sendable {
        /// The group's suffix; empty for the group that may spread.
        package let suffix: String
        /// Class and amount; one for each level of the spreading group, any number for others.
        package let amounts: [Amount]
    }

    package struct Amount: Sendable, Hashable {
        package let classID: Int32
        package let amount: Int64
    }

    /// So much of a class from a provider, summed over all groups.
    package struct Allocation: Sendable, Hashable {
        package let provider: ProviderMirror.Slot
        package let classID: Int32
        package internal(set) var amount: Int64
    }

    /// Why there may be more results than these.
    package enum Cut: Sendable, Hashable {
        /// The request's own limit.
        case limit
        /// ``CandidateLimits/candidatesMax``.
        case candidates
        /// ``CandidateLimits/stepsMax`` or the limit of one tree.
        case steps
    }

    package let mirror: ProviderMirror
    package let levels: [Level]
    /// Classes that the request names.
    package let requestedClasses: [Int32]
    /// `nil` when the results are complete.
    package internal(set) var cut: Cut?
    let treesAllowed: Bool
    /// The provider of each level, results one after another.
    var choices: [ProviderMirror.Slot] = []
    /// Root of the tree that each result belongs to.
    package internal(set) var anchors: [ProviderMirror.Slot] = []

    /// Number of results.
    package var count: Int { anchors.count }

    /// Provider chosen at each level of a result.
    package func choices(of result: Int) -> ArraySlice<ProviderMirror.Slot> {
        choices[result * levels.count..<(result + 1) * levels.count]
    }

    /// What a result takes, amounts of one provider side by side.
    package func allocations(of result: Int) -> [Allocation] {
        var sums: [Allocation] = []
        let first = result * levels.count
        for (depth, level) in levels.enumerated() {
            let provider = choices[first + depth]
            for amount in level.amounts {
                if let place = sums.firstIndex(where: { $0.provider == provider && $0.classID == amount.classID }) {
                    sums[place].amount += amount.amount
                    continue
                }
                let sum = Allocation(provider: provider, classID: amount.classID, amount: amount.amount)
                if let place = sums.lastIndex(where: { $0.provider == provider }) {
                    sums.insert(sum, at: place + 1)
                } else {
                    sums.append(sum)
                }
            }
        }
        return sums
    }

    /// Which providers serve each group of a result, in the order of the groups.
    package func mappings(of result: Int) -> [(suffix: String, providers: [ProviderMirror.Slot])] {
        var found: [(suffix: String, providers: [ProviderMirror.Slot])] = []
        let first = result * levels.count
        for (depth, level) in levels.enumerated() {
            let provider = choices[first + depth]
            if let last = found.indices.last, found[last].suffix == level.suffix {
                if !found[last].providers.contains(provider) { found[last].providers.append(provider) }
            } else {
                found.append((level.suffix, [provider]))
            }
        }
        return found
    }

    /// Every provider of every tree that gives resources to a result; for callers that know no trees only the
    /// providers in the results. In the order of first use.
    package var summarizedProviders: [ProviderMirror.Slot] {
        var seen = [Bool](repeating: false, count: mirror.ids.count)
        var found: [ProviderMirror.Slot] = []
        let wholeTrees = treesAllowed || !mirror.hasNestedProviders
        let giving = levels.indices.filter { !levels[$0].amounts.isEmpty }
        for result in 0..<count {
            for depth in giving {
                let provider = choices[result * levels.count + depth]
                let key = wholeTrees ? mirror.root(provider) : provider
                guard !seen[Int(key)] else { continue }
                seen[Int(key)] = true
                if wholeTrees { found += mirror.members(ofTree: key) } else { found.append(key) }
            }
        }
        return found
    }
}
