package import ComputeModel
package import Database

/// Users, projects, roles and who has which, in a database of the stand-in's own.
package struct IdentityStore: Sendable {
    let database: SQLDatabase
    let now: @Sendable () -> Timestamp
    let passwords: Passwords

    /// The history of the store's tables.
    package static let history = SchemaHistory(
        component: "identity", migrations: [Migration(id: "0001-identity") { _ in schema }])

    /// Brings the schema up to date and returns the store.
    ///
    /// - Parameter passwordCost: how slow new passwords are hashed; each step doubles the time.
    package static func open(
        _ database: SQLDatabase, now: @escaping @Sendable () -> Timestamp, passwordCost: Int = 14
    ) async throws -> IdentityStore {
        try await database.migrate(history.migrations, component: history.component)
        return IdentityStore(database: database, now: now, passwords: Passwords(cost: passwordCost))
    }

    private static let schema: [SQL] = [
        "CREATE TABLE domains (id VARCHAR(64) PRIMARY KEY, name VARCHAR(64) NOT NULL UNIQUE, enabled INTEGER NOT NULL)",
        """
        CREATE TABLE projects (
            id VARCHAR(64) PRIMARY KEY, name VARCHAR(64) NOT NULL, domain_id VARCHAR(64) NOT NULL,
            description TEXT NOT NULL, enabled INTEGER NOT NULL, parent_id VARCHAR(64), UNIQUE (domain_id, name))
        """,
        """
        CREATE TABLE users (
            id VARCHAR(64) PRIMARY KEY, name VARCHAR(255) NOT NULL, domain_id VARCHAR(64) NOT NULL,
            enabled INTEGER NOT NULL, description TEXT, email VARCHAR(255), default_project_id VARCHAR(64),
            password_hash VARCHAR(255) NOT NULL, tokens_valid_after BIGINT NOT NULL, UNIQUE (domain_id, name))
        """,
        "CREATE TABLE roles (id VARCHAR(64) PRIMARY KEY, name VARCHAR(255) NOT NULL UNIQUE)",
        """
        CREATE TABLE implied_roles (
            prior VARCHAR(64) NOT NULL, implied VARCHAR(64) NOT NULL, PRIMARY KEY (prior, implied))
        """,
        """
        CREATE TABLE assignments (
            user_id VARCHAR(64) NOT NULL, kind VARCHAR(8) NOT NULL, target VARCHAR(64) NOT NULL,
            role_id VARCHAR(64) NOT NULL, PRIMARY KEY (user_id, kind, target, role_id))
        """,
        "CREATE TABLE revoked_tokens (audit_id VARCHAR(64) PRIMARY KEY, expires_at BIGINT NOT NULL)",
        "CREATE TABLE settings (name VARCHAR(64) PRIMARY KEY, value BLOB NOT NULL)",
    ]

    // MARK: - Settings and revocations

    /// A secret kept with the data; made by `make` at first use.
    func secret(_ name: String, make: @escaping @Sendable () -> [UInt8]) async throws -> [UInt8] {
        try await database.transaction { connection in
            let known = try connection.first("SELECT value FROM settings WHERE name = \(name)") { try $0.blob(0) }
            if let known { return known }
            let value = make()
            try connection.execute("INSERT INTO settings (name, value) VALUES (\(name), \(value))")
            return value
        }
    }

    func revoke(auditID: String, expiresAt: Timestamp) async throws {
        let moment = now().microseconds
        try await database.transaction { connection in
            try connection.execute("DELETE FROM revoked_tokens WHERE expires_at < \(moment)")
            let known = try connection.first("SELECT 1 FROM revoked_tokens WHERE audit_id = \(auditID)") { _ in true }
            guard known == nil else { return }
            try connection.execute(
                "INSERT INTO revoked_tokens (audit_id, expires_at) VALUES (\(auditID), \(expiresAt.microseconds))")
        }
    }

    func isRevoked(auditID: String) async throws -> Bool {
        try await database.read { connection in
            try connection.first("SELECT 1 FROM revoked_tokens WHERE audit_id = \(auditID)") { _ in true } ?? false
        }
    }

    // MARK: - Domains

    func domains() async throws -> [DomainRecord] {
        try await database.read { connection in
            try connection.map("SELECT id, name, enabled FROM domains ORDER BY name") { row in
                DomainRecord(id: try row.string(0), name: try row.string(1), isEnabled: try row.bool(2))
            }
        }
    }

    func put(_ domain: DomainRecord) async throws {
        try await database.transaction { connection in
            try connection.execute("DELETE FROM domains WHERE id = \(domain.id)")
            try connection.execute(
                "INSERT INTO domains (id, name, enabled) VALUES (\(domain.id), \(domain.name), \(domain.isEnabled))")
        }
    }

    // MARK: - Projects

    private static let projectColumns: SQL = "id, name, domain_id, description, enabled, parent_id"

    private static func project(_ row: SQLRow) throws -> ProjectRecord {
        ProjectRecord(
            id: try row.string(0), name: try row.string(1), domainID: try row.string(2),
            description: try row.string(3), isEnabled: try row.bool(4), parentID: try row.optionalString(5))
    }

    func project(_ id: String) async throws -> ProjectRecord? {
        try await database.read {
            try $0.first("SELECT \(Self.projectColumns) FROM projects WHERE id = \(id)", Self.project)
        }
    }

    func projects(name: String? = nil, domain: String? = nil, enabled: Bool? = nil, parent: String? = nil) async throws
        -> [ProjectRecord]
    {
        try await database.read { connection in
            var condition: SQL = "1 = 1"
            if let name { condition += " AND name = \(name)" }
            if let domain { condition += " AND domain_id = \(domain)" }
            if let enabled { condition += " AND enabled = \(enabled)" }
            if let parent { condition += " AND parent_id = \(parent)" }
            return try connection.map(
                "SELECT \(Self.projectColumns) FROM projects WHERE \(condition) ORDER BY name", Self.project)
        }
    }

    /// - Throws: ``IdentityFault/conflict(_:)`` for a name that the domain has.
    func create(_ project: ProjectRecord) async throws {
        try await writing("project", project.name) { connection in
            try connection.execute(
                """
                INSERT INTO projects (id, name, domain_id, description, enabled, parent_id)
                VALUES (\(project.id), \(project.name), \(project.domainID), \(project.description),
                    \(project.isEnabled), \(project.parentID))
                """)
        }
    }

    func update(_ project: ProjectRecord) async throws {
        try await writing("project", project.name) { connection in
            try connection.execute(
                """
                UPDATE projects SET name = \(project.name), description = \(project.description),
                    enabled = \(project.isEnabled) WHERE id = \(project.id)
                """)
        }
    }

    func deleteProject(_ id: String) async throws {
        try await database.transaction { connection in
            try connection.execute("DELETE FROM projects WHERE id = \(id)")
            try connection.execute("DELETE FROM assignments WHERE kind = 'project' AND target = \(id)")
        }
    }

    // MARK: - Users

    private static let userColumns: SQL =
        "id, name, domain_id, enabled, description, email, default_project_id, password_hash, tokens_valid_after"

    private static func user(_ row: SQLRow) throws -> UserRecord {
        UserRecord(
            id: try row.string(0), name: try row.string(1), domainID: try row.string(2), isEnabled: try row.bool(3),
            description: try row.optionalString(4), email: try row.optionalString(5),
            defaultProjectID: try row.optionalString(6), passwordHash: try row.string(7),
            tokensValidAfter: Timestamp(microseconds: try row.int64(8)))
    }

    func user(_ id: String) async throws -> UserRecord? {
        try await database.read { try $0.first("SELECT \(Self.userColumns) FROM users WHERE id = \(id)", Self.user) }
    }

    func users(name: String? = nil, domain: String? = nil, enabled: Bool? = nil) async throws -> [UserRecord] {
        try await database.read { connection in
            var condition: SQL = "1 = 1"
            if let name { condition += " AND name = \(name)" }
            if let domain { condition += " AND domain_id = \(domain)" }
            if let enabled { condition += " AND enabled = \(enabled)" }
            return try connection.map(
                "SELECT \(Self.userColumns) FROM users WHERE \(condition) ORDER BY name", Self.user)
        }
    }

    /// - Throws: ``IdentityFault/conflict(_:)`` for a name that the domain has.
    func create(_ user: UserRecord) async throws {
        try await writing("user", user.name) { connection in
            try connection.execute(
                """
                INSERT INTO users (id, name, domain_id, enabled, description, email, default_project_id,
                    password_hash, tokens_valid_after)
                VALUES (\(user.id), \(user.name), \(user.domainID), \(user.isEnabled), \(user.description),
                    \(user.email), \(user.defaultProjectID), \(user.passwordHash),
                    \(user.tokensValidAfter.microseconds))
                """)
        }
    }

    func update(_ user: UserRecord) async throws {
        try await writing("user", user.name) { connection in
            try connection.execute(
                """
                UPDATE users SET name = \(user.name), enabled = \(user.isEnabled), description = \(user.description),
                    email = \(user.email), default_project_id = \(user.defaultProjectID),
                    password_hash = \(user.passwordHash), tokens_valid_after = \(user.tokensValidAfter.microseconds)
                WHERE id = \(user.id)
                """)
        }
    }

    func deleteUser(_ id: String) async throws {
        try await database.transaction { connection in
            try connection.execute("DELETE FROM users WHERE id = \(id)")
            try connection.execute("DELETE FROM assignments WHERE user_id = \(id)")
        }
    }

    private func writing(_ kind: String, _ name: String, _ body: @escaping @Sendable (SQLConnection) throws -> Void)
        async throws
    {
        do {
            try await database.transaction(body)
        } catch let error as DatabaseError {
            guard case .constraint = error else { throw error }
            throw IdentityFault.conflict(
                "Conflict occurred attempting to store \(kind) - Duplicate entry found with name \(name).")
        }
    }
}
