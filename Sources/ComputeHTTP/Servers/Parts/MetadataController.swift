import ComputeModel
import ComputeStore
import HTTPService
import Identity
import WireJSON

/// A server's metadata.
enum MetadataController {
    static func list(_ call: ComputeCall) async throws -> HTTPResponse {
        let server = try await call.server(ServerDetailPolicy.metadataList)
        return call.answer { w in
            w.key("metadata")
            w.raw(server.metadataJSON)
        }
    }

    static func show(_ call: ComputeCall) async throws -> HTTPResponse {
        let server = try await call.server(ServerDetailPolicy.metadataShow)
        let key = call.parameter("key")
        guard let value = try items(server)[key] else { throw missing }
        return call.answer { w in w.object("meta") { $0.field(key, value) } }
    }

    static func merge(_ call: ComputeCall) async throws -> HTTPResponse {
        let added = strings(call.body["metadata"])
        return try await change(call, ServerDetailPolicy.metadataCreate) { $0.merge(added) { $1 } }
    }

    static func replace(_ call: ComputeCall) async throws -> HTTPResponse {
        let wanted = strings(call.body["metadata"])
        return try await change(call, ServerDetailPolicy.metadataReplace) { $0 = wanted }
    }

    static func update(_ call: ComputeCall) async throws -> HTTPResponse {
        let server = try await call.server(ServerDetailPolicy.metadataUpdate)
        let item = strings(call.body["meta"])
        guard item[call.parameter("key")] != nil else {
            throw ComputeFault.badRequest("Request body and URI mismatch")
        }
        _ = try await store(call, server) { $0.merge(item) { $1 } }
        return call.answer { w in w.field("meta", call.body["meta"] ?? .null) }
    }

    static func delete(_ call: ComputeCall) async throws -> HTTPResponse {
        let server = try await call.server(ServerDetailPolicy.metadataDelete)
        let key = call.parameter("key")
        guard try items(server)[key] != nil else { throw missing }
        try call.requireUnlocked(server)
        try call.require(ComputeCall.changeableStates, of: server, to: "delete metadata")
        _ = try await call.services.store.changeMetadata(of: server.id) { $0[key] = nil }
        return call.answer()
    }

    // MARK: Parts

    private static let missing = ComputeFault.notFound("Metadata item was not found")

    private static func items(_ server: InstanceRecord) throws -> [String: String] {
        try StoredJSON.decode([String: String].self, server.metadataJSON)
    }

    private static func strings(_ json: JSONValue?) -> [String: String] {
        var items: [String: String] = [:]
        for (key, value) in json?.object?.members ?? [] { items[key] = value.string }
        return items
    }

    private static func change(
        _ call: ComputeCall, _ rule: PolicyRule, _ change: @escaping @Sendable (inout [String: String]) -> Void
    ) async throws -> HTTPResponse {
        let server = try await call.server(rule)
        let changed = try await store(call, server, change)
        return call.answer { w in
            w.object("metadata") { w in
                for (key, value) in changed.sorted(by: { $0.key < $1.key }) { w.field(key, value) }
            }
        }
    }

    /// Changes the metadata unless lock, state or quota forbid it.
    private static func store(
        _ call: ComputeCall, _ server: InstanceRecord,
        _ change: @escaping @Sendable (inout [String: String]) -> Void
    ) async throws -> [String: String] {
        try call.requireUnlocked(server)
        try call.require(ComputeCall.changeableStates, of: server, to: "update metadata")
        let limit = try await call.limits(of: server.projectID).metadataItems
        return try await call.services.store.changeMetadata(of: server.id) { metadata in
            change(&metadata)
            guard limit < 0 || metadata.count <= limit else { throw MetadataLimit.exceeded(limit) }
        }
    }
}

/// How many items of metadata a server may have.
enum MetadataLimit {
    static func exceeded(_ limit: Int) -> ComputeFault {
        .forbidden("Maximum number of metadata items exceeds \(limit)")
    }
}
