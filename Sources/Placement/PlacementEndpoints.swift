import ComputeModel
package import Messaging
import ServiceInterfaces

extension PlacementService {
    /// What placement answers on the bus, under ``Topic/placement``.
    package var endpoints: [RPCHandler] {
        [
            RPCHandler { (message: FindCandidates, _) in try self.find(message) },
            RPCHandler { (message: ClaimResources, _) in try await self.claim(message) },
            RPCHandler { (message: ReleaseResources, _) in
                try await self.deleteAllocations(consumer: message.consumer.description)
                return Acknowledged()
            },
            RPCHandler { (message: SyncProvider, _) in
                try await self.sync(
                    provider: message.provider, name: message.providerName, inventories: message.inventories,
                    traits: message.traits)
                try await self.setTrait(Self.disabledTrait, of: message.provider, present: message.isDisabled)
                return Acknowledged()
            },
            RPCHandler { (message: RemoveProvider, _) in
                do {
                    try await self.deleteProvider(message.provider.description)
                } catch PlacementError.providerNotFound {
                    // Somebody else was faster, or it was never reported.
                }
                return Acknowledged()
            },
            RPCHandler { (message: ListConsumers, _) in
                let held = try await self.allocations(provider: message.provider.description)
                return ListConsumers.Reply(
                    consumers: Set(held.map(\.consumerUUID)).sorted().compactMap { ConsumerID($0) })
            },
        ]
    }

    /// Keeps schedulers from placing anything new on a node.
    private static let disabledTrait = Trait("COMPUTE_STATUS_DISABLED")

    private func find(_ message: FindCandidates) throws -> FindCandidates.Reply {
        let amounts = message.resources.sorted { $0.key < $1.key }
            .map { CandidateRequest.Amount($0.key.rawValue, Int64($0.value)) }
        let group = CandidateRequest.Group(
            resources: amounts, required: message.requiredTraits.map { $0.map(\.rawValue).sorted() },
            forbidden: message.forbiddenTraits.map(\.rawValue).sorted(), inTree: message.inTree?.description)
        do {
            return FindCandidates.Reply(
                candidates: try candidates(CandidateRequest(groups: [group], limit: message.limit)).messages)
        } catch {
            throw RemoteFault(kind: FaultKind.notFound, message: "\(error)")
        }
    }

    private func claim(_ message: ClaimResources) async throws -> Acknowledged {
        let shares = message.allocations.sorted { $0.key < $1.key }.map { provider, amounts in
            ConsumerClaim.Share(
                providerUUID: provider.description,
                amounts: amounts.sorted { $0.key < $1.key }
                    .map { CandidateRequest.Amount($0.key.rawValue, Int64($0.value)) })
        }
        let claim = ConsumerClaim(
            consumerUUID: message.consumer.description, projectID: message.projectID, userID: message.userID,
            type: "INSTANCE", generation: .expect(nil), shares: shares)
        do {
            try await replaceAllocations([claim])
        } catch PlacementError.consumerGenerationConflict(let expected, let given) {
            // The same claim once more, after a lost reply, is no conflict.
            guard try await holds(claim) else {
                throw PlacementError.consumerGenerationConflict(expected: expected, given: given)
            }
        }
        return Acknowledged()
    }

    /// Whether the consumer holds exactly what the claim asks for.
    private func holds(_ claim: ConsumerClaim) async throws -> Bool {
        let (_, held) = try await allocations(consumer: claim.consumerUUID)
        let wanted = claim.shares.flatMap { share in
            share.amounts.map { "\(share.providerUUID) \($0.resourceClass) \($0.amount)" }
        }
        return Set(wanted) == Set(held.map { "\($0.providerUUID) \($0.resourceClass) \($0.used)" })
    }
}

extension PlacementError: FaultConvertible {
    /// The error as it crosses the bus.
    package var remoteFault: RemoteFault { RemoteFault(kind: faultKind, message: description) }

    private var faultKind: String {
        switch self {
        case .providerNotFound, .resourceClassNotFound, .traitsNotFound, .inventoryNotFound: FaultKind.notFound
        case .duplicateProvider, .providerInUse, .providerHasChildren, .resourceClassExists, .resourceClassInUse,
            .traitInUse, .inventoryExists, .inventoryInUse, .nothingToAllocate, .capacityExceeded, .unitsViolated,
            .providerGenerationConflict, .consumerGenerationConflict:
            FaultKind.conflict
        case .parentRefused, .resourceClassIsStandard, .traitIsStandard: FaultKind.notSupported
        }
    }
}

extension CandidateSet {
    /// The results with names, as they cross the bus.
    fileprivate var messages: [AllocationCandidate] {
        (0..<count).compactMap { result in
            guard let root = ProviderID(mirror.uuid(anchors[result])) else { return nil }
            var shares: [ProviderID: [ResourceClass: Int]] = [:]
            for allocation in allocations(of: result) {
                guard let provider = ProviderID(mirror.uuid(allocation.provider)) else { return nil }
                let name = ResourceClass(mirror.catalog.className(Int(allocation.classID)))
                shares[provider, default: [:]][name] = Int(allocation.amount)
            }
            return AllocationCandidate(root: root, allocations: shares)
        }
    }
}
