import HTTPService
import Placement
import WireJSON

/// `/resource_providers/{uuid}/aggregates`.
enum AggregateController {
    @Sendable static func list(_ call: PlacementCall) async throws -> HTTPResponse {
        let mirror = call.service.mirror
        let slot = try call.provider(mirror)
        return answer(mirror.aggregates(slot), slot, mirror, call)
    }

    @Sendable static func replace(_ call: PlacementCall) async throws -> HTTPResponse {
        let uuid = call.parameter("uuid")
        let before = call.service.mirror
        let slot = try call.provider(before)
        let body = try await call.document()
        let isChecked = call.has(PlacementVersions.aggregateGeneration)
        let list = (isChecked ? body["aggregates"] : body)?.array ?? []
        let aggregates = list.compactMap(\.string)
        var generation: Int64?
        if isChecked {
            generation = body["resource_provider_generation"]?.int.map(Int64.init)
            guard generation == before.generation(slot) else {
                throw PlacementFault.conflict(
                    "Resource provider's generation already changed. Please update the generation and try again.",
                    code: ErrorCode.concurrentUpdate)
            }
        }
        do {
            try await call.service.setAggregates(uuid, aggregates, generation: generation, raisesGeneration: isChecked)
        } catch let error as PlacementError {
            guard case .providerGenerationConflict = error else { throw error }
            throw PlacementFault.conflict("Update conflict: \(error)", code: ErrorCode.concurrentUpdate)
        }
        let mirror = call.service.mirror
        return answer(aggregates, try call.provider(mirror), mirror, call)
    }

    private static func answer(
        _ aggregates: [String], _ slot: ProviderMirror.Slot, _ mirror: ProviderMirror, _ call: PlacementCall
    ) -> HTTPResponse {
        var writer = JSONWriter(capacity: 256)
        writer.object { w in
            w.field("aggregates", aggregates)
            if call.has(PlacementVersions.aggregateGeneration) {
                w.field("resource_provider_generation", mirror.generation(slot))
            }
        }
        return call.answer(writer)
    }
}
