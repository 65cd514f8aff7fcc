import APIVersioning
import HTTPService
import Placement
import WireJSON

/// `/allocations` and `/resource_providers/{uuid}/allocations`.
enum AllocationController {
    @Sendable static func ofConsumer(_ call: PlacementCall) async throws -> HTTPResponse {
        let (consumer, held) = try await call.service.allocations(consumer: call.parameter("consumer_uuid"))
        var writer = JSONWriter(capacity: 512)
        writer.object { w in
            w.object("allocations") { w in
                for (provider, shares) in byKey(held, \.providerUUID) {
                    w.object(provider) { w in
                        write(shares, to: &w)
                        w.field("generation", shares[0].providerGeneration)
                    }
                }
            }
            guard let consumer, !held.isEmpty, call.has(PlacementVersions.allocationsByProvider) else { return }
            w.field("project_id", consumer.projectID)
            w.field("user_id", consumer.userID)
            if call.has(PlacementVersions.consumerGenerations) { w.field("consumer_generation", consumer.generation) }
            if call.has(PlacementVersions.consumerTypes) { w.field("consumer_type", consumer.type ?? "unknown") }
        }
        return call.answer(modifiedAt: held.map(\.createdAt).max(), writer)
    }

    @Sendable static func ofProvider(_ call: PlacementCall) async throws -> HTTPResponse {
        let uuid = call.parameter("uuid")
        let mirror = call.service.mirror
        guard let slot = mirror.slot(uuid: uuid) else {
            throw PlacementFault.notFound(
                "Resource provider '\(uuid)' not found: \(PlacementError.providerNotFound(uuid))")
        }
        let held = try await call.service.allocations(provider: uuid)
        var writer = JSONWriter(capacity: 512)
        writer.object { w in
            w.object("allocations") { w in
                for (consumer, shares) in byKey(held, \.consumerUUID) {
                    w.object(consumer) { w in
                        write(shares, to: &w)
                        if call.has(PlacementVersions.consumerGenerations) {
                            w.field("consumer_generation", shares[0].consumerGeneration)
                        }
                    }
                }
            }
            w.field("resource_provider_generation", held.first?.providerGeneration ?? mirror.generation(slot))
        }
        return call.answer(modifiedAt: held.map(\.createdAt).max(), writer)
    }

    @Sendable static func replace(_ call: PlacementCall) async throws -> HTTPResponse {
        let given = call.parameter("consumer_uuid")
        guard let uuid = UUIDText.normalized(given) else {
            throw PlacementFault.badRequest("Malformed consumer_uuid: \(given)")
        }
        let body = try await call.document()
        try await write([claim(uuid, body, call)], call) { error in
            "Unable to allocate inventory for consumer \(uuid): \(error)"
        }
        return call.answer(204)
    }

    @Sendable static func manage(_ call: PlacementCall) async throws -> HTTPResponse {
        let body = try await call.document()
        try await write(claims(body, call), call) { error in "Unable to allocate inventory \(error)" }
        return call.answer(204)
    }

    @Sendable static func delete(_ call: PlacementCall) async throws -> HTTPResponse {
        let uuid = call.parameter("consumer_uuid")
        guard try await call.service.deleteAllocations(consumer: uuid) else {
            throw PlacementFault.notFound("No allocations for consumer '\(uuid)'")
        }
        return call.answer(204)
    }

    // MARK: Claims

    static func claims(_ body: JSONValue?, _ call: PlacementCall) -> [ConsumerClaim] {
        (body?.object?.members ?? []).map { claim($0.key, $0.value, call) }
    }

    /// What a consumer's body asks for.
    private static func claim(_ uuid: String, _ body: JSONValue, _ call: PlacementCall) -> ConsumerClaim {
        var shares: [ConsumerClaim.Share] = []
        func add(_ provider: String, _ resources: JSONValue?) {
            let amounts = (resources?.object?.members ?? []).map {
                CandidateRequest.Amount($0.key, $0.value.wholeNumber)
            }
            shares.removeAll { $0.providerUUID == provider }
            shares.append(ConsumerClaim.Share(providerUUID: provider, amounts: amounts))
        }
        for (provider, share) in body["allocations"]?.object?.members ?? [] { add(provider, share["resources"]) }
        for share in body["allocations"]?.array ?? [] {
            add(share["resource_provider"]?["uuid"]?.string ?? "", share["resources"])
        }
        var generation = ConsumerClaim.Generation.any
        if call.has(PlacementVersions.consumerGenerations) {
            generation = .expect(body["consumer_generation"]?.int.map(Int64.init))
        }
        return ConsumerClaim(
            consumerUUID: uuid, projectID: body["project_id"]?.string ?? ConsumerClaim.unknownOwner,
            userID: body["user_id"]?.string ?? ConsumerClaim.unknownOwner, type: body["consumer_type"]?.string,
            generation: generation, shares: shares)
    }

    /// Refuses providers that do not exist by name, before anything is written.
    static func checkProviders(_ claims: [ConsumerClaim], _ call: PlacementCall) throws(PlacementFault) {
        let mirror = call.service.mirror
        for share in claims.flatMap(\.shares) where mirror.slot(uuid: share.providerUUID) == nil {
            throw .badRequest("Allocation for resource provider '\(share.providerUUID)' that does not exist.")
        }
    }

    private static func write(
        _ claims: [ConsumerClaim], _ call: PlacementCall, notFound: (PlacementError) -> String
    ) async throws {
        try checkProviders(claims, call)
        do {
            try await call.service.replaceAllocations(claims)
        } catch let error as PlacementError {
            switch error {
            case .providerNotFound, .resourceClassNotFound: throw PlacementFault.badRequest(notFound(error))
            case .nothingToAllocate, .capacityExceeded, .unitsViolated:
                throw PlacementFault.conflict("Unable to allocate inventory: \(error)")
            case .providerGenerationConflict:
                throw PlacementFault.conflict(
                    "Inventory and/or allocations changed while attempting to allocate: \(error)",
                    code: ErrorCode.concurrentUpdate)
            default: throw error
            }
        }
    }

    // MARK: Answers

    private static func byKey(
        _ held: [AllocationRecord], _ key: KeyPath<AllocationRecord, String>
    ) -> [(String, [AllocationRecord])] {
        Dictionary(grouping: held) { $0[keyPath: key] }.sorted { $0.key < $1.key }.map { ($0.key, $0.value) }
    }

    private static func write(_ shares: [AllocationRecord], to w: inout JSONWriter) {
        w.object("resources") { w in
            for share in shares { w.field(share.resourceClass, share.used) }
        }
    }
}
