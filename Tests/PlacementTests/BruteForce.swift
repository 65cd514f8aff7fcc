import Placement

/// A second, slow answer to the question that `CandidateSearch` answers, written from the specification's steps alone
/// and sharing no code with it: products first, rules afterwards.
struct BruteForce {
    struct Partial {
        let anchor: Int64
        let suffix: String
        let providers: [Int64]
        let amounts: [(provider: Int64, resource: Int, amount: Int64)]
    }

    let providers: [ProviderImage]
    let byID: [Int64: ProviderImage]
    let catalog: PlacementCatalog
    let sharingTrait: Int

    init(_ providers: [ProviderImage], _ catalog: PlacementCatalog) {
        (self.providers, self.catalog) = (providers, catalog)
        byID = Dictionary(uniqueKeysWithValues: providers.map { ($0.id, $0) })
        sharingTrait = catalog.traitID("MISC_SHARES_VIA_AGGREGATE")!
    }

    /// The results as texts, for comparison as sets.
    func answer(_ request: CandidateRequest) -> Set<String> {
        let roots = providers.filter { $0.rootID == $0.id }
        let required = request.rootRequired.map { catalog.traitID($0)! }
        let forbidden = request.rootForbidden.map { catalog.traitID($0)! }
        let anchors = roots.filter { root in
            required.allSatisfy(root.traits.contains) && !forbidden.contains(where: root.traits.contains)
        }
        var found: Set<String> = []
        for anchor in anchors {
            var products: [[Partial]] = [[]]
            for group in request.groups {
                let partials = group.suffix.isEmpty ? spread(group, anchor) : single(group, anchor)
                products = products.flatMap { product in partials.map { product + [$0] } }
            }
            for product in products where isKept(product, request) { found.insert(text(product)) }
        }
        return found
    }

    // Step 1.
    private func single(_ group: CandidateRequest.Group, _ anchor: ProviderImage) -> [Partial] {
        providers.compactMap { provider in
            guard provider.rootID == anchor.id || isLent(provider, to: anchor) else { return nil }
            let amounts = group.resources.map { (provider.id, catalog.classID($0.resourceClass)!, $0.amount) }
            guard amounts.allSatisfy({ fits(provider, $0.1, $0.2) }) else { return nil }
            guard group.required.allSatisfy({ holdsAny(provider, $0) }) else { return nil }
            guard !holdsAny(provider, group.forbidden) else { return nil }
            guard group.memberOf.allSatisfy({ isInAny(provider, $0) }) else { return nil }
            guard !isInAny(provider, group.forbiddenAggregates) else { return nil }
            if let tree = group.inTree, !group.resources.isEmpty {
                guard let named = providers.first(where: { $0.uuid == tree }), named.rootID == provider.rootID else {
                    return nil
                }
            }
            return Partial(anchor: anchor.id, suffix: group.suffix, providers: [provider.id], amounts: amounts)
        }
    }

    // Step 2.
    private func spread(_ group: CandidateRequest.Group, _ anchor: ProviderImage) -> [Partial] {
        var products: [[(Int64, Int, Int64)]] = [[]]
        for wanted in group.resources {
            let resource = catalog.classID(wanted.resourceClass)!
            let givers = providers.filter { provider in
                guard fits(provider, resource, wanted.amount) else { return false }
                if provider.rootID == anchor.id {
                    if let tree = group.inTree {
                        guard let named = providers.first(where: { $0.uuid == tree }), named.rootID == anchor.id else {
                            return false
                        }
                    }
                    guard
                        group.memberOf.allSatisfy({ isInAny(provider, $0) })
                            || group.memberOf.allSatisfy({ isInAny(anchor, $0) })
                    else { return false }
                } else {
                    guard group.inTree == nil, isLent(provider, to: anchor) else { return false }
                    guard group.memberOf.allSatisfy({ isInAny(provider, $0) }) else { return false }
                }
                return !isInAny(provider, group.forbiddenAggregates) && !isInAny(anchor, group.forbiddenAggregates)
            }
            products = products.flatMap { product in givers.map { product + [($0.id, resource, wanted.amount)] } }
        }
        return products.compactMap { product in
            let used = product.map { byID[$0.0]! }
            guard !used.contains(where: { holdsAny($0, group.forbidden) }) else { return nil }
            guard group.required.allSatisfy({ anyOf in used.contains { holdsAny($0, anyOf) } }) else { return nil }
            return Partial(anchor: anchor.id, suffix: "", providers: product.map(\.0), amounts: product)
        }
    }

    // Step 3 and 4.
    private func isKept(_ product: [Partial], _ request: CandidateRequest) -> Bool {
        if request.isolated {
            let singles = product.filter { !$0.suffix.isEmpty }.map { $0.providers[0] }
            guard Set(singles).count == singles.count else { return false }
        }
        for subtree in request.sameSubtrees {
            let members = Set(product.filter { subtree.contains($0.suffix) }.flatMap(\.providers))
            guard members.isEmpty || members.contains(where: { top in members.allSatisfy { isAbove(top, $0) } }) else {
                return false
            }
        }
        for ((provider, resource), sum) in sums(product) {
            let inventory = byID[provider]!.inventories.first { $0.classID == resource }!
            let capacity = Double(inventory.total - inventory.reserved) * inventory.allocationRatio
            guard Double(inventory.used + sum) <= capacity, sum <= inventory.maxUnit else { return false }
        }
        guard !request.treesAllowed else { return true }
        let used = Set(product.flatMap { $0.amounts.map(\.provider) })
        return Set(used.map { byID[$0]!.rootID }).count == used.count
    }

    private func sums(_ product: [Partial]) -> [((Int64, Int), Int64)] {
        var sums: [(key: (Int64, Int), value: Int64)] = []
        for amount in product.flatMap(\.amounts) {
            if let place = sums.firstIndex(where: { $0.key == (amount.provider, amount.resource) }) {
                sums[place].value += amount.amount
            } else {
                sums.append(((amount.provider, amount.resource), amount.amount))
            }
        }
        return sums.map { ($0.key, $0.value) }
    }

    private func text(_ product: [Partial]) -> String {
        let amounts = sums(product).map { "\($0.0.0)/\($0.0.1)=\($0.1)" }.sorted()
        let mappings = product.map { "\($0.suffix):\(Set($0.providers).sorted())" }.sorted()
        return "\(amounts) \(mappings)"
    }

    private func fits(_ provider: ProviderImage, _ resource: Int, _ amount: Int64) -> Bool {
        guard let inventory = provider.inventories.first(where: { $0.classID == resource }) else { return false }
        let capacity = Double(inventory.total - inventory.reserved) * inventory.allocationRatio
        return Double(inventory.used + amount) <= capacity && inventory.minUnit <= amount && amount <= inventory.maxUnit
            && amount % inventory.stepSize == 0
    }

    private func holdsAny(_ provider: ProviderImage, _ names: [String]) -> Bool {
        names.contains { provider.traits.contains(catalog.traitID($0)!) }
    }

    private func isInAny(_ provider: ProviderImage, _ aggregates: [String]) -> Bool {
        aggregates.contains(where: provider.aggregates.contains)
    }

    private func isLent(_ provider: ProviderImage, to anchor: ProviderImage) -> Bool {
        guard provider.traits.contains(sharingTrait), provider.rootID != anchor.id else { return false }
        return providers.contains {
            $0.rootID == anchor.id && $0.aggregates.contains(where: provider.aggregates.contains)
        }
    }

    private func isAbove(_ top: Int64, _ provider: Int64) -> Bool {
        var current: Int64? = provider
        while let here = current {
            if here == top { return true }
            current = byID[here]!.parentID
        }
        return false
    }
}
