import ComputeModel
import Database
import DatabaseServers
import Logging
import Placement
import Testing

@Suite(.everyEngine) struct PlacementServiceTests {
    static func start() async throws -> PlacementService {
        try await PlacementService.start(
            database: SQLDatabase.open(url: TestEngine.emptyDatabase()), logger: Logger(label: "test"),
            clock: { 1_763_000_000 })
    }

    private static func claim(
        _ consumer: String, _ provider: String, _ amount: Int64, generation: ConsumerClaim.Generation = .expect(nil)
    ) -> ConsumerClaim {
        ConsumerClaim(
            consumerUUID: consumer, projectID: "p", userID: "u", generation: generation,
            shares: [.init(providerUUID: provider, amounts: [.init("VCPU", amount)])])
    }

    private static func host(_ service: PlacementService, _ uuid: String, vcpus: Int64) async throws {
        try await service.createProvider(uuid: uuid, name: "name of \(uuid)")
        try await service.setInventories(uuid, ["VCPU": InventoryRecord(total: vcpus)], generation: 0)
    }

    /// A mirror read anew from the tables must be what the kept one is.
    private static func expectMirrorEqualsTables(_ service: PlacementService, _ database: SQLDatabase) async throws {
        let anew = try await PlacementService.start(database: database, logger: Logger(label: "test"), clock: { 0 })
        let (kept, read) = (service.mirror, anew.mirror)
        #expect(kept.sequence == read.sequence)
        #expect(kept.slots.map(kept.image).map(Self.comparable) == read.slots.map(read.image).map(Self.comparable))
    }

    private static func comparable(_ image: ProviderImage) -> ProviderImage {
        var image = image
        image.aggregates.sort()
        return image
    }

    @Test func aClaimTakesAndAReleaseGivesBack() async throws {
        let service = try await Self.start()
        try await Self.host(service, "a", vcpus: 4)
        try await service.replaceAllocations([Self.claim("c", "a", 3)])
        let slot = try #require(service.mirror.slot(uuid: "a"))
        #expect(service.mirror.inventories(slot).map(\.used) == [3])
        #expect(service.mirror.generation(slot) == 2)
        let (consumer, held) = try await service.allocations(consumer: "c")
        #expect(consumer?.generation == 1 && held.map(\.used) == [3])
        #expect(try await service.deleteAllocations(consumer: "c"))
        #expect(try await !service.deleteAllocations(consumer: "c"))
        #expect(service.mirror.inventories(slot).map(\.used) == [0])
    }

    @Test func aClaimThatDoesNotFitWritesNothing() async throws {
        let service = try await Self.start()
        try await Self.host(service, "a", vcpus: 4)
        try await Self.host(service, "b", vcpus: 4)
        let sequence = service.mirror.sequence
        await #expect(throws: PlacementError.capacityExceeded(resourceClass: "VCPU", provider: "b")) {
            try await service.replaceAllocations(
                [Self.claim("c", "a", 1), Self.claim("d", "b", 5)].map { claim in
                    var claim = claim
                    claim.generation = .any
                    return claim
                })
        }
        #expect(service.mirror.sequence == sequence)
        #expect(try await service.allocations(consumer: "c").1.isEmpty)
    }

    @Test func unitsAndStepsHoldForEveryAmount() async throws {
        let service = try await Self.start()
        try await service.createProvider(uuid: "a", name: "a")
        let record = InventoryRecord(total: 100, minUnit: 4, maxUnit: 8, stepSize: 2)
        try await service.setInventories("a", ["VCPU": record], generation: nil)
        for amount in [2, 5, 10] as [Int64] {
            await #expect(throws: PlacementError.unitsViolated(resourceClass: "VCPU", provider: "a")) {
                try await service.replaceAllocations([Self.claim("c", "a", amount)])
            }
        }
        try await service.replaceAllocations([Self.claim("c", "a", 6)])
    }

    @Test func generationsOfConsumersAreChecked() async throws {
        let service = try await Self.start()
        try await Self.host(service, "a", vcpus: 4)
        await #expect(throws: PlacementError.consumerGenerationConflict(expected: nil, given: 5)) {
            try await service.replaceAllocations([Self.claim("c", "a", 1, generation: .expect(5))])
        }
        try await service.replaceAllocations([Self.claim("c", "a", 1)])
        await #expect(throws: PlacementError.consumerGenerationConflict(expected: 1, given: nil)) {
            try await service.replaceAllocations([Self.claim("c", "a", 1)])
        }
        try await service.replaceAllocations([Self.claim("c", "a", 2, generation: .expect(1))])
        #expect(try await service.allocations(consumer: "c").0?.generation == 2)
    }

    @Test func manyWritersNeverOverAllocate() async throws {
        let database = try await SQLDatabase.open(url: TestEngine.emptyDatabase())
        let service = try await PlacementService.start(database: database, logger: Logger(label: "test"), clock: { 0 })
        for host in 0..<50 { try await Self.host(service, "h\(host)", vcpus: 15) }
        let granted = await withTaskGroup(of: Int.self) { group in
            for writer in 0..<64 {
                group.addTask {
                    var granted = 0
                    for attempt in 0..<16 {
                        let number = writer * 16 + attempt
                        let claim = Self.claim("c\(number)", "h\(number % 50)", 1)
                        if (try? await service.replaceAllocations([claim])) != nil { granted += 1 }
                    }
                    return granted
                }
            }
            return await group.reduce(0, +)
        }
        let mirror = service.mirror
        let used = mirror.slots.map { mirror.inventories($0)[0].used }
        #expect(used.allSatisfy { $0 <= 15 } && used.reduce(0, +) == Int64(granted) && granted == 750)
        try await Self.expectMirrorEqualsTables(service, database)
    }

    @Test func aSecondProcessSeesWhatTheFirstCommitted() async throws {
        let database = try await SQLDatabase.open(url: TestEngine.emptyDatabase())
        let first = try await PlacementService.start(database: database, logger: Logger(label: "test"), clock: { 0 })
        let second = try await PlacementService.start(database: database, logger: Logger(label: "test"), clock: { 0 })
        try await Self.host(first, "a", vcpus: 4)
        try await first.replaceAllocations([Self.claim("c", "a", 3)])
        try await first.createProvider(uuid: "gone", name: "gone")
        try await second.refresh()
        #expect(second.mirror.slot(uuid: "gone") != nil)
        try await first.deleteProvider("gone")
        try await first.ensureTrait("CUSTOM_NEW")
        // The second's own write finds numbers that it has not seen, and reads them.
        try await second.setTraits("a", ["CUSTOM_NEW"], generation: 2)
        #expect(second.mirror.slot(uuid: "gone") == nil)
        let slot = try #require(second.mirror.slot(uuid: "a"))
        #expect(second.mirror.inventories(slot).map(\.used) == [3])
        #expect(second.mirror.traitIDs(slot).map(second.mirror.catalog.traitName) == ["CUSTOM_NEW"])
        try await Self.expectMirrorEqualsTables(second, database)
    }

    @Test func anAgentsReportIsIdempotentAndKeepsWhatOthersSet() async throws {
        let service = try await Self.start()
        let id = ProviderID.random()
        func report(_ total: Int, _ traits: Set<ComputeModel.Trait>) async throws {
            try await service.sync(
                provider: id, name: "node", inventories: [.vcpu: ResourceInventory(total: total)], traits: traits)
        }
        try await report(8, [ComputeModel.Trait("HW_CPU_X86_AVX"), ComputeModel.Trait("CUSTOM_OURS")])
        let sequence = service.mirror.sequence
        try await report(8, [ComputeModel.Trait("HW_CPU_X86_AVX"), ComputeModel.Trait("CUSTOM_OURS")])
        #expect(service.mirror.sequence == sequence)
        try await service.setTrait(ComputeModel.Trait("COMPUTE_STATUS_DISABLED"), of: id, present: true)
        try await report(16, [ComputeModel.Trait("HW_CPU_X86_AVX2")])
        let mirror = service.mirror
        let slot = try #require(mirror.slot(uuid: id.description))
        #expect(mirror.inventories(slot).map(\.total) == [16])
        #expect(
            Set(mirror.traitIDs(slot).map(mirror.catalog.traitName))
                == ["HW_CPU_X86_AVX2", "CUSTOM_OURS", "COMPUTE_STATUS_DISABLED"])
        await #expect(throws: PlacementError.traitsNotFound(["NOT_A_TRAIT"])) {
            try await report(16, [ComputeModel.Trait("NOT_A_TRAIT")])
        }
    }

    @Test func aReshapeIsTestedOnItsEndState() async throws {
        let service = try await Self.start()
        try await Self.host(service, "root", vcpus: 8)
        try await service.createProvider(uuid: "child", name: "child", parent: "root")
        try await service.replaceAllocations([Self.claim("c", "root", 6)])
        var moved = Self.claim("c", "child", 6)
        moved.generation = .expect(1)
        try await service.reshape(
            [
                ReshapedProvider(uuid: "root", generation: 2, inventories: ["MEMORY_MB": InventoryRecord(total: 64)]),
                ReshapedProvider(uuid: "child", generation: 0, inventories: ["VCPU": InventoryRecord(total: 8)]),
            ], [moved])
        let mirror = service.mirror
        let child = try #require(mirror.slot(uuid: "child"))
        #expect(mirror.inventories(child).map(\.used) == [6])
        await #expect(throws: PlacementError.inventoryInUse(resourceClasses: ["VCPU"], provider: "child")) {
            try await service.reshape(
                [ReshapedProvider(uuid: "child", generation: mirror.generation(child), inventories: [:])], [])
        }
    }

    @Test func aProviderMovesWithAllBelowIt() async throws {
        let database = try await SQLDatabase.open(url: TestEngine.emptyDatabase())
        let service = try await PlacementService.start(database: database, logger: Logger(label: "test"), clock: { 0 })
        for (uuid, parent) in [("r1", nil), ("r2", nil), ("m", "r1"), ("l", "m")] as [(String, String?)] {
            try await service.createProvider(uuid: uuid, name: uuid, parent: parent)
        }
        try await service.updateProvider("m", name: "m", parent: .set("r2"), reparentingAllowed: true)
        let mirror = service.mirror
        let leaf = try #require(mirror.slot(uuid: "l"))
        #expect(mirror.uuid(mirror.root(leaf)) == "r2")
        await #expect(throws: PlacementError.self) {
            try await service.updateProvider("r2", name: "r2", parent: .set("l"), reparentingAllowed: true)
        }
        await #expect(throws: PlacementError.providerHasChildren) { try await service.deleteProvider("m") }
        try await Self.expectMirrorEqualsTables(service, database)
    }
}
