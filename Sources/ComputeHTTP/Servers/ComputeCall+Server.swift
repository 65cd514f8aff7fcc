import ComputeModel
import ComputeStore
import Identity

extension ComputeCall {
    /// The server that the path names, if the caller may do to it what the row's rule guards.
    ///
    /// Only administrators find the servers of other projects; for everybody else those do not exist.
    ///
    /// - Throws: 404, 403.
    func server(_ rule: PolicyRule, includingDeleted: Bool = false) async throws -> InstanceRecord {
        let name = parameter("server_id")
        let missing = ComputeFault.notFound("Instance \(name) could not be found.")
        guard let id = InstanceID(name) else { throw missing }
        let project = context.isAdmin ? nil : context.projectID ?? ""
        guard let server = try await services.store.instance(id, project: project, includingDeleted: includingDeleted)
        else { throw missing }
        try require(rule, PolicyTarget(projectID: server.projectID, userID: server.userID))
        return server
    }

    /// - Throws: a 409 when the server is locked and the caller is not an administrator.
    func requireUnlocked(_ server: InstanceRecord) throws(ComputeFault) {
        if server.lock.isLocked, !context.isAdmin { throw .conflict("Instance \(server.id) is locked") }
    }

    /// - Throws: a 409 when the server is in none of the states.
    func require(
        _ states: Set<VMState>, of server: InstanceRecord, to action: String
    ) throws(ComputeFault) {
        guard states.contains(server.status.vm) else {
            throw .conflict(
                "Cannot '\(action)' instance \(server.id) while it is in vm_state \(server.status.vm.rawValue)")
        }
    }

    /// States in which a server's descriptive parts may be changed.
    static let changeableStates: Set<VMState> = [.active, .paused, .suspended, .stopped]
}
