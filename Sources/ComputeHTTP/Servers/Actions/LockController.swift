import ComputeModel
import ComputeStore
import HTTPService
import Identity
import WireJSON

/// Locks, and the state that administrators set by hand: done at once, without a saga.
enum LockController {
    static func lock(_ call: ComputeCall) async throws -> HTTPResponse {
        let server = try await call.server(ServerPolicy.lock)
        let isOwner = server.projectID == call.context.projectID
        // Owners cannot take over a lock, nor change its reason.
        if server.lock.isLocked, isOwner { return call.answer() }
        let reason = call.has(73) ? call.body["lock"]?["locked_reason"]?.string : nil
        try await call.services.store.setLock(.locked(byOwner: isOwner, reason: reason), on: server.id)
        try await call.services.store.recordFinishedAction("lock", on: server.id, origin: try call.origin())
        return call.answer()
    }

    static func unlock(_ call: ComputeCall) async throws -> HTTPResponse {
        let server = try await call.server(ServerPolicy.unlock)
        let isOwner = server.projectID == call.context.projectID
        if case .locked(let byOwner, _) = server.lock, byOwner != isOwner {
            try call.require(ServerPolicy.unlockOverride, PolicyTarget(projectID: server.projectID))
        }
        try await call.services.store.setLock(.unlocked, on: server.id)
        try await call.services.store.recordFinishedAction("unlock", on: server.id, origin: try call.origin())
        return call.answer()
    }

    static func resetState(_ call: ComputeCall) async throws -> HTTPResponse {
        let server = try await call.server(ServerPolicy.resetState)
        let isActive = call.body["os-resetState"]?["state"]?.string == "active"
        let wanted = InstanceStatus(vm: isActive ? .active : .error, task: nil)
        try await call.services.store.compareAndSwap(server.id, from: server.status, to: wanted)
        try await call.services.store.recordFinishedAction("reset_state", on: server.id, origin: try call.origin())
        return call.answer()
    }
}
