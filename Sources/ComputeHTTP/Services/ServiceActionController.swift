import ComputeStore
import HTTPService
import WireJSON

/// Changes of services by host and binary, as up to 2.52: what to do stands in the path.
enum ServiceActionController {
    static func run(_ call: ComputeCall) async throws -> HTTPResponse {
        let reason = call.body["disabled_reason"]?.string
        switch call.parameter("service_id") {
        case "enable":
            try await change(call, disabled: false, reason: .some(nil))
            return answer(call) { $0.field("status", "enabled") }
        case "disable":
            try await change(call, disabled: true, reason: .some(nil))
            return answer(call) { $0.field("status", "disabled") }
        case "disable-log-reason":
            guard let reason else { throw ComputeFault.badRequest("Missing disabled reason field") }
            try await change(call, disabled: true, reason: .some(reason))
            return answer(call) { w in
                w.field("status", "disabled")
                w.field("disabled_reason", reason)
            }
        case "force-down" where call.has(11):
            guard let value = call.body["forced_down"] else {
                throw ComputeFault.badRequest("Missing forced_down field")
            }
            let isForcedDown = BooleanText.value(value)
            try await change(call, forcedDown: isForcedDown)
            return answer(call) { $0.field("forced_down", isForcedDown) }
        default: throw ComputeFault.notFound("Unknown action")
        }
    }

    private static func change(
        _ call: ComputeCall, disabled: Bool? = nil, reason: String?? = nil, forcedDown: Bool? = nil
    ) async throws {
        let (host, binary) = name(call)
        try ServiceController.requireCompute(binary)
        let store = call.services.store
        let service = try await store.services().first { $0.host == host && $0.binary == binary }
        guard let service else { throw ComputeFault.notFound("Host '\(host)' is not mapped to any cell") }
        try await store.updateService(service.id, disabled: disabled, disabledReason: reason, forcedDown: forcedDown)
    }

    private static func name(_ call: ComputeCall) -> (host: String, binary: String) {
        (call.body["host"]?.string ?? "", call.body["binary"]?.string ?? "")
    }

    private static func answer(_ call: ComputeCall, _ write: (inout JSONWriter) -> Void) -> HTTPResponse {
        let (host, binary) = name(call)
        return call.answer { w in
            w.object("service") { w in
                w.field("host", host)
                w.field("binary", binary)
                write(&w)
            }
        }
    }
}
