import ComputeModel
import ComputeStore
import DatabaseServers
import Testing

@Suite(.everyEngine) struct ListTests {
    typealias Condition = InstanceQuery.Condition

    private func names(_ store: ComputeStore, _ conditions: Condition...) async throws -> Set<String> {
        Set(try await store.instances(InstanceQuery(conditions: conditions)).map(\.name))
    }

    @Test func everyConditionFindsWhatItNames() async throws {
        let store = try await Scene.inMemory()
        let one = try await Scene.built(
            store, Scene.instance("web-1", tags: ["a", "b"], description: "100% web", keyName: "k"), host: "h1")
        let two = try await Scene.create(store, Scene.instance("db_1", project: "q", tags: ["a"]))[0]
        try await store.setLock(.locked(byOwner: true, reason: "why"), on: two)
        let network = NetworkID.random()
        let interface = NetworkInterfaceSpec(
            portID: .random(), networkID: network, networkName: "net", macAddress: "m", mtu: 1500, binding: .unbound,
            addresses: [FixedAddress(address: "10.0.0.7", subnetID: .random(), cidr: "10.0.0.0/24", gateway: nil)])
        try await store.wire(one, interfaces: [interface], addressesJSON: "{}", securityGroupsJSON: "[]")
        let (row, other) = (try #require(try await store.instance(one)), try #require(try await store.instance(two)))
        let finding: [(Condition, Set<String>)] = [
            (.project("p"), ["web-1"]), (.user("u"), ["web-1", "db_1"]), (.ids([two]), ["db_1"]), (.ids([]), []),
            (.vmStates([.active]), ["web-1"]), (.vmStates([]), []), (.taskStates([.scheduling]), ["db_1"]),
            (.nameLike("%eb-%"), ["web-1"]), (.nameLike(#"%\_1"#), ["db_1"]), (.hostnameLike("db%"), ["db_1"]),
            (.descriptionLike(#"100\%%"#), ["web-1"]), (.image("x"), []), (.flavor("f1"), ["web-1", "db_1"]),
            (.host("h1"), ["web-1"]), (.node("h1"), ["web-1"]), (.availabilityZone("nova"), ["web-1"]),
            (.keyName("k"), ["web-1"]), (.configDrive(true), []), (.locked(true), ["db_1"]),
            (.locked(false), ["web-1"]), (.lockedBy("owner"), ["db_1"]), (.powerState(.running), ["web-1"]),
            (.progress(0), ["web-1", "db_1"]), (.reservation("r-1"), ["web-1", "db_1"]),
            (.launchIndex(1), []), (.rootDevice("/dev/vda"), []), (.accessIPv4("1.2.3.4"), []),
            (.accessIPv6("::1"), []), (.addressLike("%0.0.7%", version: 4), ["web-1"]),
            (.addressLike("%0.0.7%", version: 6), []), (.allTags(["a", "b"]), ["web-1"]),
            (.allTags(["a", "a"]), ["web-1", "db_1"]), (.anyTag(["b", "c"]), ["web-1"]),
            (.notAllTags(["a", "b"]), ["db_1"]), (.notAnyTag(["b"]), ["db_1"]),
            (.changedSince(try #require(row.updatedAt)), ["web-1"]),
            (.changedBefore(try #require(other.updatedAt)), ["db_1"]), (.createdAt(row.createdAt), ["web-1"]),
            (.launchedAt(try #require(row.launchedAt)), ["web-1"]), (.terminatedAt(row.createdAt), []),
            (.deleted(false), ["web-1", "db_1"]), (.deleted(true), []), (.never, []),
        ]
        for (condition, wanted) in finding {
            #expect(try await names(store, condition) == wanted, "\(condition)")
            let query = InstanceQuery(conditions: [condition])
            #expect(try await store.countInstances(query) == wanted.count, "\(condition)")
        }
        #expect(try await names(store, .project("p"), .locked(true)) == [])
        #expect(try await store.instance(at: "10.0.0.7", on: network) == one)
    }

    /// Pages of any size in any order, over values that tie and values that are absent, add up to the list as an
    /// in-memory sort gives it.
    @Test(arguments: 0..<6) func pagesAddUpToTheSortedList(seed: UInt64) async throws {
        var random = Numbers(state: seed &* 7919 &+ 1)
        let store = try await Scene.inMemory()
        for _ in 0..<30 {
            let description = [nil, "x", "y"].randomElement(using: &random) ?? nil
            let key = [nil, "k1", "k2"].randomElement(using: &random) ?? nil
            let name = ["a", "b"].randomElement(using: &random) ?? "a"
            try await Scene.create(store, Scene.instance(name, description: description, keyName: key))
        }
        let all = try await store.instances(InstanceQuery(conditions: []))
        let keys: [(InstanceQuery.SortKey, @Sendable (InstanceRecord) -> String?)] = [
            (.name, { $0.name }), (.description, { $0.description }), (.keyName, { $0.keyName }),
        ]
        for _ in 0..<8 {
            let chosen = keys.shuffled(using: &random).prefix(Int.random(in: 1...3, using: &random))
                .map { (key: $0.0, value: $0.1, ascending: Bool.random(using: &random)) }
            let wanted = all.sorted { left, right in
                for part in chosen {
                    // Absent values stand first, as the empty text does.
                    let (a, b) = (part.value(left) ?? "", part.value(right) ?? "")
                    if a != b { return part.ascending ? a < b : a > b }
                }
                return chosen.last?.ascending == true ? left.number < right.number : left.number > right.number
            }
            var found: [InstanceID] = []
            let size = Int.random(in: 1...7, using: &random)
            while true {
                let query = InstanceQuery(
                    conditions: [.project("p")], order: chosen.map { (key: $0.key, ascending: $0.ascending) },
                    marker: found.last, limit: size)
                let page = try await store.instances(query)
                found += page.map(\.id)
                if page.count < size { break }
            }
            #expect(found == wanted.map(\.id), "\(chosen.map { ($0.key, $0.ascending) }), pages of \(size)")
        }
    }

    @Test func aMarkerOfAnotherProjectIsUnknown() async throws {
        let store = try await Scene.inMemory()
        let foreign = try await Scene.create(store, Scene.instance(project: "q"))[0]
        await #expect(throws: StoreError.self) {
            try await store.instances(InstanceQuery(conditions: [.project("p")], marker: foreign))
        }
    }
}

/// Numbers that are the same for the same seed.
struct Numbers: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = (state ^ (state >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }
}
