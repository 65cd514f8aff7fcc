import ComputeStore
import HTTPService
import WireJSON

/// A flavor's extra specs: list, add, show, set, remove.
enum ExtraSpecController {
    static func list(_ call: ComputeCall) async throws -> HTTPResponse {
        let flavor = try await call.flavor()
        return call.answer { w in w.object("extra_specs") { write(flavor.extraSpecs, to: &$0) } }
    }

    static func create(_ call: ComputeCall) async throws -> HTTPResponse {
        try await set(call.body["extra_specs"]?.object ?? JSONObject(), call)
    }

    static func show(_ call: ComputeCall) async throws -> HTTPResponse {
        let key = call.parameter("key")
        guard let value = try await call.flavor().extraSpecs[key] else { throw missing(call) }
        return call.answer { $0.field(key, value) }
    }

    static func update(_ call: ComputeCall) async throws -> HTTPResponse {
        let specs = call.body.object ?? JSONObject()
        try check(specs, call)
        guard specs.contains(call.parameter("key")) else {
            throw ComputeFault.badRequest("Request body and URI mismatch")
        }
        return try await set(specs, call)
    }

    static func delete(_ call: ComputeCall) async throws -> HTTPResponse {
        let key = call.parameter("key")
        let missing = missing(call)
        _ = try await call.services.store.changeExtraSpecs(of: call.flavor().flavorID) { specs in
            if specs.removeValue(forKey: key) == nil { throw missing }
        }
        return call.answer()
    }

    /// Writes the members into an object that is open.
    static func write(_ specs: [String: String], to writer: inout JSONWriter) {
        for (key, value) in specs.sorted(by: { $0.key < $1.key }) { writer.field(key, value) }
    }

    /// Adds or replaces extra specs, and answers what was sent: numbers stay numbers there.
    private static func set(_ sent: JSONObject, _ call: ComputeCall) async throws -> HTTPResponse {
        try check(sent, call)
        let specs = sent.members.map { ($0.key, text($0.value)) }
        _ = try await call.services.store.changeExtraSpecs(of: call.flavor().flavorID) { stored in
            for (key, value) in specs { stored[key] = value }
        }
        return .json(200, call.body)
    }

    private static func check(_ specs: JSONObject, _ call: ComputeCall) throws(ComputeFault) {
        for (key, value) in specs {
            let text = text(value)
            if text.unicodeScalars.count > 255 {
                throw .badRequest(
                    "Invalid input received: extra_specs value has \(text.unicodeScalars.count) characters, "
                        + "more than 255.")
            }
            guard call.has(86), let refusal = ExtraSpecRules.refusal(key, text) else { continue }
            throw .invalid("Validation failed; \(refusal)")
        }
    }

    /// A value as it is kept.
    private static func text(_ value: JSONValue) -> String { value.string ?? value.text }

    private static func missing(_ call: ComputeCall) -> ComputeFault {
        .notFound("Flavor \(call.parameter("flavor_id")) has no extra specs with key \(call.parameter("key")).")
    }
}
