import ComputeModel
import ComputeStore
import HTTPService
import Identity
import ServiceInterfaces
import WireJSON

/// Start, stop, reboot: accepted here, carried out by a saga.
enum PowerController {
    static func start(_ call: ComputeCall) async throws -> HTTPResponse {
        try await begin(.start, call, ServerPolicy.start)
    }

    static func stop(_ call: ComputeCall) async throws -> HTTPResponse {
        try await begin(.stop, call, ServerPolicy.stop)
    }

    static func reboot(_ call: ComputeCall) async throws -> HTTPResponse {
        let isHard = call.body["reboot"]?["type"]?.string?.uppercased() == "HARD"
        return try await begin(isHard ? .hardReboot : .softReboot, call, ServerPolicy.reboot)
    }

    private static func begin(
        _ action: InstanceAction, _ call: ComputeCall, _ rule: PolicyRule
    ) async throws -> HTTPResponse {
        let server = try await call.server(rule)
        try call.requireUnlocked(server)
        try requireBuilt(server, action)
        try await ServerWork(call).begin(action, on: server.id, saga: SagaName.power) {
            PowerInstanceRequest(instance: server.id, requestID: call.context.requestID, action: action)
        }
        return call.answer()
    }

    /// A server that never came to be has no guest that could be started or stopped.
    private static func requireBuilt(_ server: InstanceRecord, _ action: InstanceAction) throws(ComputeFault) {
        guard server.status.vm != .building else { return }
        switch action {
        case .start, .stop:
            guard server.host != nil else { throw .conflict("Instance \(server.id) is not ready") }
        case .softReboot, .hardReboot:
            guard server.host != nil, server.launchedAt != nil else {
                throw .conflict("Instance \(server.id) is in an invalid state for '\(action.refusalVerb)'")
            }
        case .delete: break
        }
    }
}
