import HTTPService
import Placement
import WireJSON

/// `/reshaper`.
enum ReshaperController {
    @Sendable static func reshape(_ call: PlacementCall) async throws -> HTTPResponse {
        let body = try await call.document()
        let providers = try providers(body, call)
        let claims = AllocationController.claims(body["allocations"], call)
        try AllocationController.checkProviders(claims, call)
        do {
            try await call.service.reshape(providers, claims)
        } catch let error as PlacementError {
            switch error {
            case .providerGenerationConflict:
                throw PlacementFault.conflict("update conflict: \(error)", code: ErrorCode.concurrentUpdate)
            case .providerNotFound, .resourceClassNotFound:
                throw PlacementFault.badRequest("malformed reshaper data: \(error)")
            case .inventoryInUse:
                throw PlacementFault.conflict("update conflict: \(error)", code: ErrorCode.inventoryInUse)
            case .nothingToAllocate, .capacityExceeded, .unitsViolated:
                throw PlacementFault.conflict("Unable to allocate inventory: \(error)")
            default: throw error
            }
        }
        return call.answer(204)
    }

    private static func providers(_ body: JSONValue, _ call: PlacementCall) throws(PlacementFault) -> [ReshapedProvider]
    {
        let mirror = call.service.mirror
        var providers: [ReshapedProvider] = []
        for (uuid, wanted) in body["inventories"]?.object?.members ?? [] {
            guard let slot = mirror.slot(uuid: uuid) else {
                throw .badRequest(
                    "Resource provider \(uuid) in inventories not found: \(PlacementError.providerNotFound(uuid))",
                    code: ErrorCode.providerNotFound)
            }
            let given = Int64(wanted["resource_provider_generation"]?.int ?? -1)
            guard given == mirror.generation(slot) else {
                throw .conflict(
                    "resource provider generation conflict for provider \(uuid): actual: \(mirror.generation(slot)), "
                        + "given: \(given)", code: ErrorCode.concurrentUpdate)
            }
            providers.append(
                ReshapedProvider(
                    uuid: uuid, generation: given, inventories: InventoryRecord.all(wanted["inventories"])))
        }
        return providers
    }
}
