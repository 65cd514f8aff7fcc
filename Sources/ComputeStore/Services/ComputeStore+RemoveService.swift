package import ComputeModel
import Database

/// What came of an attempt to remove a service.
package enum ServiceRemoval: Sendable, Equatable {
    /// It is gone, with the records of these nodes.
    case removed([NodeID])
    /// Servers are on its host: it stays.
    case hostsInstances
}

extension ComputeStore {
    /// Removes a service's record; a compute service goes together with its nodes, and only when no server is on
    /// its host.
    ///
    /// - Throws: ``StoreError/notFound(_:)``.
    package func removeService(_ id: ServiceID) async throws -> ServiceRemoval {
        try await database.transaction { connection in
            let found = try connection.first("SELECT service, host FROM services WHERE uuid = \(id)") {
                (try $0.string(0), try $0.string(1))
            }
            guard let (binary, host) = found else { throw StoreError.notFound("Service \(id) not found.") }
            var nodes: [NodeID] = []
            if binary == "nova-compute" {
                let server = try connection.first(
                    "SELECT 1 FROM instances WHERE host = \(host) AND deleted = 0") { _ in true }
                if server != nil { return .hostsInstances }
                nodes = try connection.map("SELECT uuid FROM compute_nodes WHERE host = \(host) ORDER BY number") {
                    try $0.identifier(0)
                }
                try connection.execute("DELETE FROM compute_nodes WHERE host = \(host)")
            }
            try connection.execute("DELETE FROM services WHERE uuid = \(id)")
            return .removed(nodes)
        }
    }
}
