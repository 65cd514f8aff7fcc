import APIVersioning
import HTTPService
import Placement
import WireJSON

/// `/traits` and `/resource_providers/{uuid}/traits`.
enum TraitController {
    @Sendable static func list(_ call: PlacementCall) async throws -> HTTPResponse {
        let query = call.request.query
        var traits = call.service.mirror.catalog.traits
        if let text = query.values("name").last {
            let parts = text.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
            guard parts.count == 2 else {
                throw PlacementFault.badRequest(
                    "Badly formatted name parameter. Expected name query string parameter in form: "
                        + "?name=[in|startswith]:[name1,name2|prefix]. Got: \"\(text)\"")
            }
            if parts[0] == "in" {
                let names = Set(parts[1].split(separator: ",").map(String.init))
                traits = traits.filter { names.contains($0.name) }
            } else if parts[0] == "startswith" {
                traits = traits.filter { $0.name.hasPrefix(parts[1]) }
            }
        }
        if let text = query.values("associated").last?.lowercased() {
            guard text == "true" || text == "false" else {
                throw PlacementFault.badRequest("The query parameter \"associated\" only accepts \"true\" or \"false\"")
            }
            let associated = try await call.service.associatedTraits()
            traits = traits.filter { associated.contains($0.id) == (text == "true") }
        }
        var writer = JSONWriter(capacity: 1 << 13)
        writer.object { w in w.field("traits", traits.map(\.name)) }
        return call.answer(modifiedAt: traits.map(\.modifiedAt).max(), writer)
    }

    @Sendable static func show(_ call: PlacementCall) async throws -> HTTPResponse {
        let name = call.parameter("name")
        guard let trait = entry(name, call) else {
            throw PlacementFault.notFound(PlacementError.traitsNotFound([name]).description)
        }
        var response = call.answer(204)
        call.addCacheHeaders(&response, trait.modifiedAt)
        return response
    }

    @Sendable static func ensure(_ call: PlacementCall) async throws -> HTTPResponse {
        let name = call.parameter("name")
        guard PlacementSchemas.customTrait.accepts(.string(name)) else {
            throw PlacementFault.badRequest(
                "The trait is invalid. A valid trait must be no longer than 255 characters, start with the prefix "
                    + "\"CUSTOM_\" and use following characters: \"A\"-\"Z\", \"0\"-\"9\" and \"_\"")
        }
        var isNew = false
        if entry(name, call) == nil { isNew = try await call.service.ensureTrait(name) }
        var response = call.answer(isNew ? 201 : 204)
        response.headers.replaceOrAdd(name: "Location", value: call.request.absoluteURL("/traits/\(name)"))
        call.addCacheHeaders(&response, entry(name, call)?.modifiedAt)
        return response
    }

    @Sendable static func delete(_ call: PlacementCall) async throws -> HTTPResponse {
        try await call.service.deleteTrait(call.parameter("name"))
        return call.answer(204)
    }

    // MARK: Of a provider

    @Sendable static func ofProvider(_ call: PlacementCall) async throws -> HTTPResponse {
        let uuid = call.parameter("uuid")
        let mirror = call.service.mirror
        guard let slot = mirror.slot(uuid: uuid) else {
            throw PlacementFault.notFound(
                "No resource provider with uuid \(uuid) found: \(PlacementError.providerNotFound(uuid))")
        }
        return answer(slot, mirror, call)
    }

    @Sendable static func replace(_ call: PlacementCall) async throws -> HTTPResponse {
        let uuid = call.parameter("uuid")
        let body = try await call.document()
        let before = call.service.mirror
        let slot = try call.provider(before)
        let generation = body["resource_provider_generation"]?.int.map(Int64.init)
        guard generation == before.generation(slot) else {
            throw PlacementFault.conflict(
                "Resource provider's generation already changed. Please update the generation and try again.",
                code: ErrorCode.concurrentUpdate)
        }
        let names = (body["traits"]?.array ?? []).compactMap(\.string)
        do {
            try await call.service.setTraits(uuid, names, generation: generation)
        } catch let error as PlacementError {
            switch error {
            case .traitsNotFound(let unknown):
                throw PlacementFault.badRequest("No such trait \(unknown.joined(separator: ", "))")
            case .providerGenerationConflict:
                throw PlacementFault.conflict(error.description, code: ErrorCode.concurrentUpdate)
            default: throw error
            }
        }
        let mirror = call.service.mirror
        return answer(try call.provider(mirror), mirror, call)
    }

    @Sendable static func clear(_ call: PlacementCall) async throws -> HTTPResponse {
        try await call.service.setTraits(call.parameter("uuid"), [], generation: nil)
        return call.answer(204)
    }

    private static func answer(
        _ slot: ProviderMirror.Slot, _ mirror: ProviderMirror, _ call: PlacementCall
    ) -> HTTPResponse {
        var writer = JSONWriter(capacity: 1 << 12)
        writer.object { w in
            w.key("traits")
            w.raw(mirror.traitSet(slot).json)
            w.field("resource_provider_generation", mirror.generation(slot))
        }
        return call.answer(modifiedAt: mirror.modifiedAt(slot), writer)
    }

    private static func entry(_ name: String, _ call: PlacementCall) -> PlacementCatalog.Entry? {
        let catalog = call.service.mirror.catalog
        return catalog.traitID(name).flatMap { id in catalog.traits.first { $0.id == id } }
    }
}
