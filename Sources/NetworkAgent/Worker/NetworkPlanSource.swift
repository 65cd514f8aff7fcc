package import ComputeModel

/// Where the plan for this host comes from.
package protocol NetworkPlanSource: Sendable {
    /// The plan as it is now, complete. It is not an error for it to be the same as before.
    func currentPlan() async throws -> NetworkPlan

    /// Yields whenever the plan may have changed. Several changes may be reported as one.
    func changes() async -> AsyncStream<Void>
}

/// Who answers the guests' questions for metadata.
package protocol MetadataService: Sendable {
    /// Serves a network on a bound, listening socket, which it owns from now on. A socket that it already has for
    /// the network is closed: it belongs to a namespace that is gone.
    func serve(_ network: NetworkID, on socket: Int32) async throws

    /// Stops serving a network and closes its socket.
    func stopServing(_ network: NetworkID) async
}
