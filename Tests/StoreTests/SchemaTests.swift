import Database
import DatabaseServers
import Testing

struct SchemaTests {
    @Test(arguments: Component.allCases)
    func allEnginesHaveTheSameTables(_ component: Component) async throws {
        let reference = try await make(component, .sqlite).schemaText()
        #expect(reference.split(separator: "\n").count > 10)
        for engine in TestEngine.servers {
            let lines = try await make(component, engine).schemaText().split(separator: "\n")
            let wanted = reference.split(separator: "\n")
            let differences = Set(lines).symmetricDifference(wanted).sorted()
            #expect(differences.isEmpty && lines.count == wanted.count, "\(engine)")
        }
    }

    @Test(arguments: TestEngine.available)
    func steppingGivesTheSameTablesAsStartingFresh(_ engine: TestEngine) async throws {
        for component in Component.allCases {
            let fresh = try await make(component, engine).schemaText()
            let stepped = try await open(engine)
            for history in component.histories {
                for count in 1...history.migrations.count {
                    let part = SchemaHistory(
                        component: history.component, migrations: Array(history.migrations.prefix(count)))
                    try await stepped.sync(part)
                }
            }
            #expect(try await stepped.schemaText() == fresh, "\(component)")
        }
    }

    /// What the first version of the layer made: records without phase and progress, and no turns.
    @Test func aFileOfTheFirstVersionIsTakenOver() async throws {
        let database = try await open(.sqlite)
        try await database.transaction { connection in
            try connection.execute("""
                CREATE TABLE schema_migrations (
                    component VARCHAR(64) NOT NULL, id VARCHAR(190) NOT NULL, applied_at TIMESTAMP NOT NULL,
                    PRIMARY KEY (component, id))
                """)
            for history in Component.image.histories {
                for migration in history.migrations {
                    for statement in migration.statements(.sqlite) { try connection.execute(statement) }
                    try connection.execute("""
                        INSERT INTO schema_migrations (component, id, applied_at)
                        VALUES (\(history.component), \(migration.id), CURRENT_TIMESTAMP)
                        """)
                }
            }
        }
        for history in Component.image.histories { #expect(try await database.sync(history) == []) }
        #expect(try await database.schemaText() == (try await make(.image, .sqlite)).schemaText())
    }
}
