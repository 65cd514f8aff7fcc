import ComputeModel
import Database

extension ComputeStore {
    /// What the servers of one user in a project use; deleted ones do not count.
    package func usage(ofProject project: String, user: String) async throws -> ProjectUsage {
        try await database.read { connection in
            let counted = try connection.first(
                """
                SELECT COUNT(*), COALESCE(SUM(vcpus), 0), COALESCE(SUM(memory_mib), 0) FROM instances
                WHERE project_id = \(project) AND user_id = \(user) AND deleted = 0
                """
            ) { row in
                ProjectUsage(instances: try row.int(0), cores: try row.int(1), memoryMiB: try row.int(2))
            }
            return counted ?? ProjectUsage(instances: 0, cores: 0, memoryMiB: 0)
        }
    }

    /// The sums of the limits that a project's users have of their own, by resource; unlimited ones do not count.
    package func userQuotaSums(ofProject project: String) async throws -> [String: Int] {
        try await database.read { connection in
            let found = try connection.map(
                """
                SELECT resource, SUM(hard_limit) FROM quotas
                WHERE project_id = \(project) AND user_id <> '' AND hard_limit >= 0 GROUP BY resource
                """
            ) { (try $0.string(0), try $0.int(1)) }
            return Dictionary(found) { first, _ in first }
        }
    }
}
