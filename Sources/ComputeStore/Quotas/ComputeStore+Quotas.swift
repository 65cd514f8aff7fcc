import Database

extension ComputeStore {
    /// Limits that were set for a project, or for one of its users, by resource.
    package func quotas(ofProject project: String, user: String? = nil) async throws -> [String: Int] {
        try await database.read { connection in
            let found = try connection.map(
                """
                SELECT resource, hard_limit FROM quotas WHERE project_id = \(project) AND user_id = \(user ?? "")
                """
            ) { (try $0.string(0), try $0.int(1)) }
            return Dictionary(found) { first, _ in first }
        }
    }

    /// Sets limits for a project, or for one of its users; -1 is no limit.
    package func setQuotas(_ limits: [String: Int], ofProject project: String, user: String? = nil) async throws {
        try await database.transaction { connection in
            for (resource, limit) in limits.sorted(by: { $0.key < $1.key }) {
                try connection.execute(
                    """
                    DELETE FROM quotas
                    WHERE project_id = \(project) AND user_id = \(user ?? "") AND resource = \(resource)
                    """)
                try connection.execute(
                    """
                    INSERT INTO quotas (project_id, user_id, resource, hard_limit)
                    VALUES (\(project), \(user ?? ""), \(resource), \(limit))
                    """)
            }
        }
    }

    /// Removes the limits that were set for a project (and its users), or for one user, so that the defaults count.
    package func deleteQuotas(ofProject project: String, user: String? = nil) async throws {
        try await database.transaction { connection in
            var condition: SQL = "project_id = \(project)"
            if let user { condition += " AND user_id = \(user)" }
            try connection.execute("DELETE FROM quotas WHERE \(condition)")
        }
    }

    /// Limits of a quota class, by resource; class `default` stands for every project without limits of its own.
    package func quotaClass(_ name: String) async throws -> [String: Int] {
        try await database.read { connection in
            let found = try connection.map(
                "SELECT resource, hard_limit FROM quota_classes WHERE class = \(name)"
            ) { (try $0.string(0), try $0.int(1)) }
            return Dictionary(found) { first, _ in first }
        }
    }

    /// Sets limits of a quota class.
    package func setQuotaClass(_ name: String, _ limits: [String: Int]) async throws {
        try await database.transaction { connection in
            for (resource, limit) in limits.sorted(by: { $0.key < $1.key }) {
                try connection.execute("DELETE FROM quota_classes WHERE class = \(name) AND resource = \(resource)")
                try connection.execute(
                    """
                    INSERT INTO quota_classes (class, resource, hard_limit)
                    VALUES (\(name), \(resource), \(limit))
                    """)
            }
        }
    }
}
