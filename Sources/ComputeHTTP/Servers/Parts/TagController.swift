import APIVersioning
import ComputeModel
import ComputeStore
import HTTPService
import Identity
import WireJSON

/// A server's tags.
enum TagController {
    /// How many tags a server may have.
    static let countMax = 50

    static func list(_ call: ComputeCall) async throws -> HTTPResponse {
        let server = try await call.server(ServerDetailPolicy.tagList)
        return call.answer { w in
            w.key("tags")
            w.raw(server.tagsJSON)
        }
    }

    static func show(_ call: ComputeCall) async throws -> HTTPResponse {
        let server = try await call.server(ServerDetailPolicy.tagShow)
        let tag = call.parameter("tag")
        guard try tags(server).contains(tag) else {
            throw ComputeFault.notFound("Server \(server.id) has no tag '\(tag)'")
        }
        return call.answer()
    }

    static func replace(_ call: ComputeCall) async throws -> HTTPResponse {
        let server = try await changeable(call, ServerDetailPolicy.tagReplace, "update tags")
        let wanted = Set((call.body["tags"]?.array ?? []).compactMap(\.string))
        let stored = try await call.services.store.changeTags(of: server.id) { $0 = wanted }
        return call.answer { $0.field("tags", stored) }
    }

    static func add(_ call: ComputeCall) async throws -> HTTPResponse {
        let server = try await changeable(call, ServerDetailPolicy.tagUpdate, "update tag")
        let tag = call.parameter("tag")
        if let violation = JSONSchema.tag.violation(by: .string(tag)) { throw invalid(tag, violation) }
        let known = try tags(server)
        guard known.count < countMax else { throw tooMany }
        if known.contains(tag) { return HTTPResponse(status: 204) }
        _ = try await call.services.store.changeTags(of: server.id) { tags in
            tags.insert(tag)
            guard tags.count <= countMax else { throw tooMany }
        }
        let location = "\(call.links.selfBase)/servers/\(server.id)/tags/\(tag)"
        return HTTPResponse(status: 201, headers: ["Location": location])
    }

    static func delete(_ call: ComputeCall) async throws -> HTTPResponse {
        let server = try await changeable(call, ServerDetailPolicy.tagDelete, "delete tag")
        let tag = call.parameter("tag")
        _ = try await call.services.store.changeTags(of: server.id) { tags in
            guard tags.remove(tag) != nil else {
                throw ComputeFault.notFound("Instance \(server.id) has no tag '\(tag)'")
            }
        }
        return call.answer()
    }

    static func clear(_ call: ComputeCall) async throws -> HTTPResponse {
        let server = try await changeable(call, ServerDetailPolicy.tagDeleteAll, "delete tags")
        _ = try await call.services.store.changeTags(of: server.id) { $0 = [] }
        return call.answer()
    }

    // MARK: Parts

    private static let tooMany = ComputeFault.badRequest(
        "The number of tags exceeded the per-server limit \(countMax)")

    private static func invalid(_ tag: String, _ violation: SchemaViolation) -> ComputeFault {
        .badRequest(
            "Tag '\(tag)' is invalid. It must be a non empty string without characters '/' and ','. "
                + "Validation error message: \(violation.message)")
    }

    private static func tags(_ server: InstanceRecord) throws -> [String] {
        try StoredJSON.decode([String].self, server.tagsJSON)
    }

    private static func changeable(
        _ call: ComputeCall, _ rule: PolicyRule, _ action: String
    ) async throws -> InstanceRecord {
        let server = try await call.server(rule)
        try call.require(ComputeCall.changeableStates, of: server, to: action)
        return server
    }
}
