import ComputeModel
import ComputeStore
import DatabaseServers
import Testing

@Suite(.everyEngine) struct ResourceTests {
    private let inventory = NodeInventory(
        hypervisorType: "fake", hypervisorVersion: 1, hypervisorHostname: "n1",
        cpu: CPUDescription(arch: "x86_64", vendor: "v", model: "m"), supportedGuests: [],
        resources: [.vcpu: ResourceInventory(total: 8)], traits: [], diskFreeGiB: 10)

    @Test func aServiceIsMadeByItsFirstHeartbeatAndGoesDownInSilence() async throws {
        let store = try await Scene.inMemory()
        for _ in 0..<2 {
            try await store.heartbeat(binary: "nova-compute", host: "h", topic: "compute", version: 1, trouble: nil)
        }
        try await store.heartbeat(binary: "nova-conductor", host: "h", topic: "conductor", version: 1, trouble: nil)
        let services = try await store.services()
        #expect(services.map(\.number) == [1, 2] && services.map(\.binary) == ["nova-compute", "nova-conductor"])
        let service = try #require(services.first)
        #expect(service.isUp(at: service.lastSeenAt + .seconds(60), downAfter: .seconds(60)))
        #expect(!service.isUp(at: service.lastSeenAt + .seconds(61), downAfter: .seconds(60)))
        try await store.updateService(service.id, disabled: true, disabledReason: "why", forcedDown: true)
        let changed = try #require(try await store.services().first)
        #expect(changed.isDisabled && changed.disabledReason == "why")
        #expect(!changed.isUp(at: changed.lastSeenAt, downAfter: .seconds(60)))
        await #expect(throws: StoreError.self) { try await store.updateService(.random(), disabled: true) }
    }

    @Test func aNodeKeepsItsIdentifierAndHeartbeatsCostNoFlush() async throws {
        try await Scene.inFile { store in
            func report() async throws -> NodeID {
                try await store.reportNode(
                    host: "h", driver: "fake", hostIP: "127.0.0.1", inventory: inventory, traits: [Trait("A")],
                    bindings: [.bridge])
            }
            let id = try await report()
            let flushes = Scene.flushes(store)
            #expect(try await report() == id)
            try await store.heartbeat(binary: "b", host: "h", topic: "t", version: 1, trouble: nil)
            #expect(Scene.flushes(store) == flushes)
            let nodes = try await store.computeNodes()
            #expect(nodes.map(\.id) == [id] && nodes.first?.inventory == inventory)
        }
    }

    @Test func usageIsCountedByNode() async throws {
        let store = try await Scene.inMemory()
        let node = NodeID.random()
        for _ in 0..<2 {
            let id = try await Scene.create(store, Scene.instance())[0]
            try await store.place(id, host: "h", node: "n", nodeID: node, availabilityZone: "nova")
        }
        _ = try await Scene.create(store, Scene.instance())
        let used = try #require(try await store.usageByNode()[node])
        #expect((used.instances, used.vcpus, used.memoryMiB, used.diskGiB) == (2, 4, 1024, 2))
        #expect(used.ioOperations == 2)
    }

    @Test func flavorsAreFoundPagedAndPrivate() async throws {
        let store = try await Scene.inMemory()
        for (index, description) in [nil, "b", nil, "a", "b"].enumerated() {
            let made = try await store.create(
                FlavorRecord(
                    flavorID: "f\(index)", name: "n\(index)", vcpus: 1, memoryMiB: 64 * (index + 1), rootGiB: index,
                    isPublic: index != 4, description: description))
            #expect(made.number == Int64(index + 1))
        }
        for ascending in [true, false] {
            var query = FlavorQuery()
            (query.sortKey, query.ascending) = (.description, ascending)
            let all = try await store.flavors(query).map(\.flavorID)
            #expect(all == (ascending ? ["f0", "f2", "f3", "f1", "f4"] : ["f4", "f1", "f3", "f2", "f0"]))
            var paged: [String] = []
            query.limit = 2
            while true {
                query.marker = paged.last
                let page = try await store.flavors(query)
                paged += page.map(\.flavorID)
                if page.count < 2 { break }
            }
            #expect(paged == all)
        }
        #expect(try await store.flavor("f4", accessOf: "p") == nil)
        try await store.setFlavorAccess("f4", project: "p", granted: true)
        #expect(try await store.flavor("f4", accessOf: "p") != nil)
        #expect(try await store.flavorAccess("f4") == ["p"])
        await #expect(throws: StoreError.self) {
            try await store.create(FlavorRecord(flavorID: "f0", name: "x", vcpus: 1, memoryMiB: 1, rootGiB: 0))
        }
        #expect(try await store.changeExtraSpecs(of: "f0") { $0["k"] = "v" } == ["k": "v"])
        try await store.deleteFlavor("f4")
        #expect(try await store.flavorAccess("f4") == [])
    }

    @Test func keypairsAreLimitedAndPaged() async throws {
        let store = try await Scene.inMemory()
        func key(_ name: String) -> KeypairRecord {
            KeypairRecord(userID: "u", name: name, type: "ssh", fingerprint: "f", publicKey: "k")
        }
        for name in ["b", "a"] { _ = try await store.create(key(name), limit: 3) }
        await #expect(throws: StoreError.self) { try await store.create(key("a"), limit: 3) }
        _ = try await store.create(key("c"), limit: 3)
        await #expect(throws: StoreError.self) { try await store.create(key("d"), limit: 3) }
        #expect(try await store.keypairs(of: "u").map(\.name) == ["a", "b", "c"])
        #expect(try await store.keypairs(of: "u", marker: "a", limit: 1).map(\.name) == ["b"])
        try await store.deleteKeypair("a", of: "u")
        await #expect(throws: StoreError.self) { try await store.deleteKeypair("a", of: "u") }
    }

    @Test func quotasAreKeptByProjectUserAndClass() async throws {
        let store = try await Scene.inMemory()
        try await store.setQuotaClass("default", ["instances": 7, "cores": 8])
        for limit in [4, 3] { try await store.setQuotas(["instances": limit], ofProject: "p") }
        try await store.setQuotas(["cores": 2], ofProject: "p", user: "u")
        #expect(try await store.quotas(ofProject: "p") == ["instances": 3])
        #expect(try await store.quotas(ofProject: "p", user: "u") == ["cores": 2])
        try await store.deleteQuotas(ofProject: "p")
        #expect(try await store.quotas(ofProject: "p", user: "u") == [:])
        #expect(try await store.quotas(ofProject: "p") == [:])
        #expect(try await store.quotaClass("default") == ["instances": 7, "cores": 8])
    }
}
