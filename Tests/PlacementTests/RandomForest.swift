import Placement

/// Small random forests and random questions about them, from a seed.
struct RandomForest {
    static let catalog = PlacementCatalog(
        classes: ["VCPU", "MEMORY_MB", "DISK_GB", "CUSTOM_GPU"].enumerated()
            .map { PlacementCatalog.Entry(id: $0.offset, name: $0.element, modifiedAt: 0) },
        traits: ["MISC_SHARES_VIA_AGGREGATE", "CUSTOM_A", "CUSTOM_B", "CUSTOM_C"].enumerated()
            .map { PlacementCatalog.Entry(id: $0.offset + 1, name: $0.element, modifiedAt: 0) })

    private var random: Random
    private(set) var providers: [ProviderImage] = []

    struct Random: RandomNumberGenerator {
        var state: UInt64
        mutating func next() -> UInt64 {
            state ^= state << 13
            state ^= state >> 7
            state ^= state << 17
            return state &* 0x2545_F491_4F6C_DD1D
        }
    }

    init(seed: UInt64) {
        random = Random(state: seed &* 0x9E37_79B9_7F4A_7C15 | 1)
        for _ in 0..<20 { _ = random.next() }
        let trees = pick(1...3)
        for _ in 0..<trees {
            let root = Int64(providers.count + 1)
            for member in 0..<pick(1...4) where providers.count < 12 {
                add(parent: member == 0 ? nil : root + Int64(pick(0...(member - 1))), root: root, sharing: chance(8))
            }
        }
        for _ in 0..<pick(0...2) where providers.count < 12 {
            add(parent: nil, root: Int64(providers.count + 1), sharing: true)
        }
    }

    private mutating func add(parent: Int64?, root: Int64, sharing: Bool) {
        let id = Int64(providers.count + 1)
        var inventories: [InventoryImage] = []
        for resource in 0..<4 where !chance(45) {
            let total = Int64(pick(1...8))
            inventories.append(
                InventoryImage(
                    classID: resource, total: total, reserved: Int64(pick(0...2)), minUnit: chance(15) ? 2 : 1,
                    maxUnit: chance(25) ? Int64(pick(1...4)) : 100, stepSize: chance(15) ? 2 : 1,
                    allocationRatio: [1.0, 1.0, 1.5, 2.0, 0.7][pick(0...4)], used: Int64(pick(0...2))))
        }
        var traits = (2...4).filter { _ in chance(35) }
        if sharing { traits.append(1) }
        providers.append(
            ProviderImage(
                id: id, uuid: "p\(id)", name: "n\(9 - id % 7)-\(id)", parentID: parent, rootID: root,
                inventories: inventories, traits: traits, aggregates: ["x", "y", "z"].filter { _ in chance(35) }))
    }

    mutating func request() -> CandidateRequest {
        var groups: [CandidateRequest.Group] = []
        if !chance(25) { groups.append(group(suffix: "", classes: 1...3)) }
        for number in 0..<pick(groups.isEmpty ? 1...3 : 0...3) {
            groups.append(group(suffix: "_\(number)", classes: 1...2))
        }
        var subtrees: [[String]] = []
        if groups.count > 1, chance(35) {
            if chance(50), groups.count < 4 {
                var bare = group(suffix: "_bare", classes: 1...1)
                bare.resources = []
                groups.append(bare)
            }
            let suffixes = groups.map(\.suffix).filter { !$0.isEmpty }
            subtrees.append(suffixes.filter { $0 == "_bare" || chance(70) })
        }
        let rooted = chance(15)
        return CandidateRequest(
            groups: groups, isolated: chance(50), rootRequired: rooted && chance(60) ? ["CUSTOM_A"] : [],
            rootForbidden: rooted ? ["CUSTOM_B"] : [], sameSubtrees: subtrees.filter { !$0.isEmpty },
            treesAllowed: !chance(10))
    }

    private mutating func group(suffix: String, classes: ClosedRange<Int>) -> CandidateRequest.Group {
        var names = ["VCPU", "MEMORY_MB", "DISK_GB", "CUSTOM_GPU"]
        var resources: [CandidateRequest.Amount] = []
        for _ in 0..<pick(classes) {
            resources.append(.init(names.remove(at: pick(0...(names.count - 1))), Int64(pick(1...3))))
        }
        let traits = ["CUSTOM_A", "CUSTOM_B", "CUSTOM_C"]
        func some(_ percent: Int, _ random: inout Self) -> [String] {
            traits.filter { _ in random.chance(percent) }
        }
        var required: [[String]] = []
        if chance(30) { required.append([traits[pick(0...2)]]) }
        if chance(20) { required.append(some(60, &self)) }
        required.removeAll(where: \.isEmpty)
        var memberOf: [[String]] = []
        if chance(20) { memberOf.append([["x", "y", "z", "unknown"][pick(0...3)]]) }
        if chance(10) { memberOf.append(["x", "z"]) }
        return CandidateRequest.Group(
            suffix: suffix, resources: resources, required: required, forbidden: chance(20) ? some(30, &self) : [],
            memberOf: memberOf, forbiddenAggregates: chance(12) ? [["x", "y", "unknown"][pick(0...2)]] : [],
            inTree: chance(12) ? "p\(pick(1...(providers.count + 1)))" : nil)
    }

    private mutating func pick(_ range: ClosedRange<Int>) -> Int { Int.random(in: range, using: &random) }
    private mutating func chance(_ percent: Int) -> Bool { pick(1...100) <= percent }
}

extension ProviderMirror {
    init(_ providers: [ProviderImage], _ catalog: PlacementCatalog) {
        self.init()
        var change = MirrorChange(sequence: 1)
        change.catalog = catalog
        change.providers = providers
        apply(change)
    }
}

extension CandidateSet {
    /// The results as texts, in the form of `BruteForce`.
    var texts: [String] {
        (0..<count).map { result in
            let amounts = allocations(of: result).map { "\(mirror.id($0.provider))/\($0.classID)=\($0.amount)" }
                .sorted()
            let mapped = mappings(of: result).map { "\($0.suffix):\(Set($0.providers.map(mirror.id)).sorted())" }
                .sorted()
            return "\(amounts) \(mapped)"
        }
    }
}
