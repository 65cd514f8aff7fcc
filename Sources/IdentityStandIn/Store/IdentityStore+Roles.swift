import Database

extension IdentityStore {
    func roles(name: String? = nil) async throws -> [RoleRecord] {
        try await database.read { connection in
            let condition: SQL = name.map { "name = \($0)" } ?? "1 = 1"
            return try connection.map("SELECT id, name FROM roles WHERE \(condition) ORDER BY name") { row in
                RoleRecord(id: try row.string(0), name: try row.string(1))
            }
        }
    }

    func role(_ id: String) async throws -> RoleRecord? {
        try await roles().first { $0.id == id }
    }

    /// - Throws: ``IdentityFault/conflict(_:)`` for a name that exists.
    func create(_ role: RoleRecord) async throws {
        do {
            try await database.transaction { connection in
                try connection.execute("INSERT INTO roles (id, name) VALUES (\(role.id), \(role.name))")
            }
        } catch let error as DatabaseError {
            guard case .constraint = error else { throw error }
            throw IdentityFault.conflict(
                "Conflict occurred attempting to store role - Duplicate entry found with name \(role.name).")
        }
    }

    func deleteRole(_ id: String) async throws {
        try await database.transaction { connection in
            try connection.execute("DELETE FROM roles WHERE id = \(id)")
            try connection.execute("DELETE FROM implied_roles WHERE prior = \(id) OR implied = \(id)")
            try connection.execute("DELETE FROM assignments WHERE role_id = \(id)")
        }
    }

    /// Whoever has `prior` has `implied` too.
    func imply(_ prior: String, _ implied: String) async throws {
        try await database.transaction { connection in
            try connection.execute("DELETE FROM implied_roles WHERE prior = \(prior) AND implied = \(implied)")
            try connection.execute("INSERT INTO implied_roles (prior, implied) VALUES (\(prior), \(implied))")
        }
    }

    func assign(_ assignment: AssignmentRecord) async throws {
        try await database.transaction { connection in
            try Self.remove(assignment, connection)
            try connection.execute(
                """
                INSERT INTO assignments (user_id, kind, target, role_id)
                VALUES (\(assignment.userID), \(assignment.target.kind), \(assignment.target.id),
                    \(assignment.roleID))
                """)
        }
    }

    /// - Returns: whether there was such an assignment.
    func unassign(_ assignment: AssignmentRecord) async throws -> Bool {
        try await database.transaction { try Self.remove(assignment, $0) }
    }

    @discardableResult
    private static func remove(_ assignment: AssignmentRecord, _ connection: SQLConnection) throws -> Bool {
        try connection.execute(
            """
            DELETE FROM assignments WHERE user_id = \(assignment.userID) AND kind = \(assignment.target.kind)
                AND target = \(assignment.target.id) AND role_id = \(assignment.roleID)
            """
        ).rowsChanged > 0
    }

    /// Assignments that match all that is given.
    func assignments(user: String? = nil, target: RoleTarget? = nil, role: String? = nil) async throws
        -> [AssignmentRecord]
    {
        try await database.read { connection in
            var condition: SQL = "1 = 1"
            if let user { condition += " AND user_id = \(user)" }
            if let target { condition += " AND kind = \(target.kind) AND target = \(target.id)" }
            if let role { condition += " AND role_id = \(role)" }
            return try connection.map(
                "SELECT user_id, kind, target, role_id FROM assignments WHERE \(condition) ORDER BY user_id, target"
            ) { row in
                let id = try row.string(2)
                let target: RoleTarget =
                    switch try row.string(1) {
                    case "project": .project(id)
                    case "domain": .domain(id)
                    default: .system
                    }
                return AssignmentRecord(userID: try row.string(0), target: target, roleID: try row.string(3))
            }
        }
    }

    /// The roles a user has on a target, implied ones included, by name.
    func effectiveRoles(of user: String, on target: RoleTarget) async throws -> [RoleRecord] {
        let roles = try await roles()
        var held = Set(try await assignments(user: user, target: target).map(\.roleID))
        let implications = try await database.read { connection in
            try connection.map("SELECT prior, implied FROM implied_roles") { (try $0.string(0), try $0.string(1)) }
        }
        var grew = true
        while grew {
            grew = false
            for (prior, implied) in implications where held.contains(prior) {
                if held.insert(implied).inserted { grew = true }
            }
        }
        return roles.filter { held.contains($0.id) }
    }
}
