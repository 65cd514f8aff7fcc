import ComputeModel
import DatabaseServers
import Messaging
import Placement
import ServiceInterfaces
import Testing

/// Placement as its callers in the deployment meet it: over the bus, every value encoded and decoded on the way.
@Suite(.everyEngine) struct PlacementEndpointsTests {
    @Test func aNodeIsReportedFoundClaimedAndReleased() async throws {
        let service = try await PlacementServiceTests.start()
        let bus = try await MessageBus(over: InProcessTransport(encodes: true))
        let subscription = try await bus.serve(topic: Topic.placement, service.endpoints)
        let address = Address(topic: Topic.placement)
        let (node, consumer) = (ProviderID.random(), ConsumerID.random())
        _ = try await bus.call(
            SyncProvider(
                provider: node, providerName: "node",
                inventories: [.vcpu: ResourceInventory(total: 8), .memoryMiB: ResourceInventory(total: 4096)],
                traits: [ComputeModel.Trait("HW_CPU_X86_AVX")]), to: address)
        let wanted: [ResourceClass: Int] = [.vcpu: 5, .memoryMiB: 1024]
        let found = try await bus.call(
            FindCandidates(resources: wanted, requiredTraits: [[ComputeModel.Trait("HW_CPU_X86_AVX")]]), to: address)
        #expect(found.candidates == [AllocationCandidate(root: node, allocations: [node: wanted])])

        let claim = ClaimResources(consumer: consumer, projectID: "p", userID: "u", allocations: [node: wanted])
        _ = try await bus.call(claim, to: address)
        _ = try await bus.call(claim, to: address)
        #expect(try await bus.call(ListConsumers(provider: node), to: address).consumers == [consumer])
        let other = ClaimResources(
            consumer: ConsumerID.random(), projectID: "p", userID: "u", allocations: [node: wanted])
        await Self.expectFault(FaultKind.conflict) { _ = try await bus.call(other, to: address) }

        _ = try await bus.call(ReleaseResources(consumer: consumer), to: address)
        _ = try await bus.call(ReleaseResources(consumer: consumer), to: address)
        #expect(try await bus.call(ListConsumers(provider: node), to: address).consumers.isEmpty)
        _ = await subscription.stop()
        await bus.shutdown()
    }

    @Test func aNodeThatIsDisabledIsMarkedUntilItIsEnabledAgain() async throws {
        let service = try await PlacementServiceTests.start()
        let bus = try await MessageBus(over: InProcessTransport(encodes: true))
        let subscription = try await bus.serve(topic: Topic.placement, service.endpoints)
        let node = ProviderID.random()
        let forbidden: Set<ComputeModel.Trait> = [ComputeModel.Trait("COMPUTE_STATUS_DISABLED")]
        for isDisabled in [false, true, true, false] {
            let report = SyncProvider(
                provider: node, providerName: "node", inventories: [.vcpu: ResourceInventory(total: 8)], traits: [],
                isDisabled: isDisabled)
            _ = try await bus.call(report, to: Address(topic: Topic.placement))
            let question = FindCandidates(resources: [.vcpu: 1], forbiddenTraits: forbidden)
            let found = try await bus.call(question, to: Address(topic: Topic.placement)).candidates
            #expect(found.isEmpty == isDisabled)
        }
        _ = await subscription.stop()
        await bus.shutdown()
    }

    @Test func unknownNamesCrossAsNotFound() async throws {
        let service = try await PlacementServiceTests.start()
        let bus = try await MessageBus(over: InProcessTransport(encodes: true))
        let subscription = try await bus.serve(topic: Topic.placement, service.endpoints)
        let unknown = FindCandidates(resources: [ResourceClass("CUSTOM_NOBODY_KNOWS"): 1])
        await Self.expectFault(FaultKind.notFound) {
            _ = try await bus.call(unknown, to: Address(topic: Topic.placement))
        }
        _ = await subscription.stop()
        await bus.shutdown()
    }

    private static func expectFault(_ kind: String, _ body: () async throws -> Void) async {
        do {
            try await body()
            Issue.record("the call was not refused")
        } catch MessagingError.remote(let fault) {
            #expect(fault.kind == kind, "\(fault)")
        } catch {
            Issue.record("another error: \(error)")
        }
    }
}
