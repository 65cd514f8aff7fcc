import APIVersioning
import ComputeModel
import ComputeStore
import HTTPService
import Identity
import ServiceInterfaces
import WireJSON

/// One server: show, change, delete.
enum ServerController {
    static func show(_ call: ComputeCall) async throws -> HTTPResponse {
        let server = try await call.server(ServerPolicy.show)
        return try await answer(call, server, ServerView.shown)
    }

    static func update(_ call: ComputeCall) async throws -> HTTPResponse {
        let server = try await call.server(ServerPolicy.update)
        let changes = try ServerChanges(call, server)
        try await call.services.store.update(server.id, changes.stored)
        guard let changed = try await call.services.store.instance(server.id) else {
            throw ComputeFault.notFound("Instance could not be found")
        }
        return try await answer(call, changed, call.has(75) ? ServerView.shown : ServerView.changed)
    }

    static func delete(_ call: ComputeCall) async throws -> HTTPResponse {
        let server = try await call.server(ServerPolicy.delete)
        try call.requireUnlocked(server)
        // Who deletes twice gets the same answer; the first deletion goes on.
        guard server.status.task != .deleting else { return call.answer() }
        try await ServerWork(call).begin(.delete, on: server.id, saga: SagaName.delete) {
            DeleteInstanceRequest(instance: server.id, requestID: call.context.requestID)
        }
        return call.answer()
    }

    private static func answer(
        _ call: ComputeCall, _ server: InstanceRecord, _ view: View<ServerSubject>
    ) async throws -> HTTPResponse {
        let scene = try await ServerScene(call, project: server.projectID)
        var writer = JSONWriter(capacity: 4096)
        writer.object { w in
            w.key("server")
            view.write(ServerSubject(server, scene), at: call.version, to: &w)
        }
        return call.answer(writer)
    }
}
