import Database
import WireJSON

extension NetworkWork {
    /// The limits of a project by resource, in the order in which they are shown.
    func limits(_ project: String) throws -> [(name: String, limit: Int)] {
        let own = try ownLimits(project)
        return options.quotas.map { ($0.name, own[$0.name] ?? $0.limit) }
    }

    func ownLimits(_ project: String) throws -> [String: Int] {
        let rows = try connection.map(
            "SELECT resource, upper_limit FROM quotas WHERE project_id = \(project)"
        ) {
            (try $0.string(0), try $0.int(1))
        }
        return Dictionary(rows) { first, _ in first }
    }

    func used(_ resource: String, by project: String) throws -> Int {
        guard let kind = ResourceKind.all.first(where: { $0.member == resource }) else { return 0 }
        return try connection.first(
            "SELECT COUNT(*) FROM \(ident: kind.collection) WHERE project_id = \(project)"
        ) { try $0.int(0) } ?? 0
    }

    /// Refuses one more than the project may have.
    func checkQuota(_ resource: String, _ project: String, adding count: Int = 1) throws {
        let own = try connection.first(
            "SELECT upper_limit FROM quotas WHERE project_id = \(project) AND resource = \(resource)"
        ) { try $0.int(0) }
        guard let limit = own ?? options.quotas.first(where: { $0.name == resource })?.limit, limit >= 0
        else { return }
        guard try used(resource, by: project) + count <= limit else {
            throw NetworkFault(409, "OverQuota", "Quota exceeded for resources: ['\(resource)'].")
        }
    }

    func setLimits(_ limits: [(String, Int)], of project: String) throws {
        for (resource, limit) in limits {
            try connection.execute(
                "DELETE FROM quotas WHERE project_id = \(project) AND resource = \(resource)")
            try connection.execute(
                "INSERT INTO quotas (project_id, resource, upper_limit) VALUES (\(project), \(resource), \(limit))"
            )
        }
    }
}
