// What the database layer keeps for itself: which migrations were run, and the turns of writers.
extension SQLDatabase {
    /// A migration that was run, or that is being run.
    struct Record: Sendable {
        let component: String
        let id: String
        let phase: Migration.Phase
        /// Statements that are left.
        let pending: Int
    }

    /// Makes the layer's own tables, or what they lack of their present form.
    func makeRecords() async throws {
        try await transaction { connection in
            try connection.engine.lockSchema()
            defer { connection.engine.unlockSchema() }
            let has = try connection.engine.schema().tables
            if has["schema_migrations"]?.columns.count == 5, has["turns"] != nil { return }
            let lacksColumns = has["schema_migrations"].map { $0.columns.count < 5 } ?? false
            let dialect = connection.dialect
            for table in Self.ownTables { try connection.execute(dialect.definition(table)) }
            guard lacksColumns else { return }
            for column in Self.laterColumns {
                try connection.execute(dialect.definition("ALTER TABLE schema_migrations ADD COLUMN \(column)"))
            }
        }
    }

    private static let laterColumns: [SQL] = [
        "phase VARCHAR(16) NOT NULL DEFAULT 'contract'", "pending INTEGER NOT NULL DEFAULT 0",
    ]

    private static let ownTables: [SQL] = [
        """
        CREATE TABLE IF NOT EXISTS schema_migrations (
            component VARCHAR(64) NOT NULL, id VARCHAR(190) NOT NULL, applied_at TIMESTAMP NOT NULL,
            \(laterColumns.joined(separator: ", ")), PRIMARY KEY (component, id))
        """,
        "CREATE TABLE IF NOT EXISTS turns (name VARCHAR(190) NOT NULL PRIMARY KEY, turn BIGINT NOT NULL)",
    ]

    /// Tables that are the layer's own, not a component's.
    static let ownTableNames: Set<String> = ["schema_migrations", "turns"]

    /// All records; nil when there is no table for them.
    func records() async throws -> [Record]? {
        try await read { connection in
            guard try Self.hasRecords(connection) else { return nil }
            return try Self.readRecords(connection)
        }
    }

    private static func hasRecords(_ connection: SQLConnection) throws -> Bool {
        let found: SQL =
            switch connection.dialect {
            case .sqlite: "SELECT COUNT(*) FROM pragma_table_info('schema_migrations') WHERE name = 'pending'"
            case .mariadb:
                """
                SELECT COUNT(*) FROM information_schema.columns
                WHERE table_schema = DATABASE() AND table_name = 'schema_migrations' AND column_name = 'pending'
                """
            case .postgresql:
                """
                SELECT COUNT(*) FROM information_schema.columns
                WHERE table_schema = current_schema() AND table_name = 'schema_migrations' AND column_name = 'pending'
                """
            }
        return try connection.first(found) { try $0.int(0) } == 1
    }

    static func readRecords(_ connection: SQLConnection) throws -> [Record] {
        let all: SQL = "SELECT component, id, phase, pending FROM schema_migrations ORDER BY component, id"
        return try connection.map(all) { row in
            Record(
                component: try row.string(0), id: try row.string(1),
                phase: Migration.Phase(rawValue: try row.string(2)) ?? .contract, pending: try row.int(3))
        }
    }

    /// Those of a component that were run to their end, in order.
    static func applied(_ component: String, _ records: [Record]) -> [Record] {
        records.filter { $0.component == component && $0.pending == 0 }
    }

    static func insert(
        _ migration: Migration, _ component: String, pending: Int, _ connection: SQLConnection
    ) throws {
        try connection.execute("""
            INSERT INTO schema_migrations (component, id, applied_at, phase, pending)
            VALUES (\(component), \(migration.id), CURRENT_TIMESTAMP, \(migration.phase.rawValue), \(pending))
            """)
    }

    static func setPending(
        _ pending: Int, _ migration: Migration, _ component: String, _ connection: SQLConnection
    ) throws {
        try connection.execute("""
            UPDATE schema_migrations SET pending = \(pending) WHERE component = \(component) AND id = \(migration.id)
            """)
    }
}
