/// One step of a schema's history.
package struct Migration: Sendable {
    /// The order and the name, such as `0001-instances`. Never change or reuse one that was released.
    package let id: String
    /// The statements, run in one transaction.
    package let statements: @Sendable (SQLDialect) -> [SQL]

    package init(id: String, statements: @escaping @Sendable (SQLDialect) -> [SQL]) {
        self.id = id
        self.statements = statements
    }
}

extension SQLDatabase {
    /// Brings the schema up to date: runs the migrations that are not recorded in `schema_migrations`, in order,
    /// each in a transaction of its own together with its record. Running it again does nothing; two processes
    /// may run it at the same time.
    ///
    /// - Parameter component: whose schema this is, where several share one database.
    /// - Returns: the ids that were run now.
    /// - Throws: ``DatabaseError/migration(_:)`` when the database was written by a newer version, or the ids are
    ///   not in ascending order, or a migration fails.
    @discardableResult
    package func migrate(_ migrations: [Migration], component: String = "main") async throws -> [String] {
        for (earlier, later) in zip(migrations, migrations.dropFirst()) where earlier.id >= later.id {
            throw DatabaseError.migration("the migrations of \(component) are not in ascending order: "
                + "\"\(later.id)\" comes after \"\(earlier.id)\"")
        }
        try await transaction { connection in
            try connection.execute(Self.migrationsTable)
        }
        let applied = try await read { try Self.applied(component, $0) }
        try check(applied, against: migrations, component: component)
        var run: [String] = []
        for migration in migrations where !applied.contains(migration.id) {
            if try await apply(migration, component: component) { run.append(migration.id) }
        }
        return run
    }

    /// The definitions of all tables, indexes, views and triggers, sorted, one per line, so that tests can compare
    /// a schema made at once with one that was migrated step by step.
    package func schemaText() async throws -> String {
        try await read { try $0.engine.schemaText() }
    }

    private func apply(_ migration: Migration, component: String) async throws -> Bool {
        try await transaction { connection in
            // Someone else may have been here between the look and now.
            guard try !Self.applied(component, connection).contains(migration.id) else { return false }
            for statement in migration.statements(connection.dialect) {
                do {
                    try connection.execute(statement)
                } catch let error as DatabaseError where !error.isTransient {
                    guard case .statement = error else { throw error }
                    throw DatabaseError.migration("migration \"\(migration.id)\" of \(component) failed: \(error)")
                }
            }
            try connection.execute("""
                INSERT INTO schema_migrations (component, id, applied_at)
                VALUES (\(component), \(migration.id), CURRENT_TIMESTAMP)
                """)
            return true
        }
    }

    private func check(_ applied: [String], against migrations: [Migration], component: String) throws {
        let known = Set(migrations.map(\.id))
        if let stranger = applied.first(where: { !known.contains($0) }) {
            throw DatabaseError.migration("the database \(name) was written by another, probably newer version: it has "
                + "migration \"\(stranger)\" of \(component), which this version does not know; "
                + "start the newer version, or restore the copy made before the upgrade")
        }
        guard let newest = applied.max() else { return }
        if let gap = migrations.first(where: { $0.id < newest && !applied.contains($0.id) }) {
            throw DatabaseError.migration("the database \(name) lacks migration \"\(gap.id)\" of \(component) but has "
                + "the later \"\(newest)\"; restore a copy, because the order cannot be changed afterwards")
        }
    }

    private static let migrationsTable: SQL = """
        CREATE TABLE IF NOT EXISTS schema_migrations (
            component VARCHAR(64) NOT NULL, id VARCHAR(190) NOT NULL, applied_at TIMESTAMP NOT NULL,
            PRIMARY KEY (component, id))
        """

    private static func applied(_ component: String, _ connection: SQLConnection) throws -> [String] {
        try connection.map("SELECT id FROM schema_migrations WHERE component = \(component) ORDER BY id") {
            try $0.string(0)
        }
    }
}
