import Database
import DatabaseServers
import Testing

/// A schema is changed under writers: expand, migrate, contract.
struct PhaseTests {
    private static let expand = Migration(id: "0002-title", phase: .expand) { _ in
        ["ALTER TABLE items ADD COLUMN title TEXT"]
    }
    private static let carry = Migration(id: "0003-titles") { connection, limit in
        let left = try connection.map(
            "SELECT id FROM items WHERE title IS NULL ORDER BY id LIMIT \(limit)"
        ) { try $0.int64(0) }
        try connection.execute("UPDATE items SET title = name WHERE id IN \(list: left)")
        return left.count
    }
    private static let contract = Migration(id: "0004-amount", phase: .contract) { _ in
        ["CREATE INDEX items_amount ON items (amount)"]
    }

    @Test(arguments: TestEngine.available)
    func aChangeGoesItsWayWhileOthersWrite(_ engine: TestEngine) async throws {
        let url = try await engine.newDatabase()
        let old = try await SQLDatabase.open(url: url, options: .patient)
        try await old.migrate([items])
        let new = try await SQLDatabase.open(url: url, options: .patient)
        let history = SchemaHistory(component: "main", migrations: [items, Self.expand, Self.carry, Self.contract])
        let isDone = Locked(false)
        // The version before: it knows nothing of the new column.
        let writers = (0..<3).map { writer in
            Task {
                var written = 0
                while !isDone.withLock({ $0 }) || written < 30 {
                    try await insert("\(writer)-\(written)", old)
                    written += 1
                }
                return written
            }
        }
        #expect(try await new.sync(history, through: .expand) == ["0002-title"])
        // The version before may even be started again.
        try await old.verify(SchemaHistory(component: "main", migrations: [items]))
        #expect(try await new.sync(history, through: .migrate) == ["0003-titles"])
        isDone.withLock { $0 = true }
        var count = 0
        for writer in writers { count += try await writer.value }
        // Rows of the version before that came after the carrying over are carried by the next version's own writes.
        while try await new.transaction({ try Self.carry.batch?($0, 1000) ?? 0 }) > 0 {}
        #expect(try await new.sync(history) == ["0004-amount"])
        let same = try await new.read { connection in
            try connection.first("SELECT COUNT(*) FROM items WHERE title = name") { try $0.int(0) }
        }
        #expect(same == count)
        let fresh = try await openDatabase(engine)
        try await fresh.sync(history)
        #expect(try await fresh.schemaText() == new.schemaText())
    }

    /// MariaDB cannot roll back definitions: what a dead process began is taken up where it stopped.
    @Test(arguments: TestEngine.servers)
    func aMigrationThatDiedOnTheWayIsTakenUp(_ engine: TestEngine) async throws {
        let database = try await makeDatabase(engine)
        @Sendable func statements(_ isBroken: Bool) -> [SQL] {
            ["CREATE TABLE one (a INTEGER)", isBroken ? "CREATE NONSENSE" : "CREATE TABLE two (a INTEGER)"]
        }
        let broken = Migration(id: "0002-two") { _ in statements(true) }
        await #expect(throws: DatabaseError.self) { try await database.migrate([items, broken]) }
        let mended = Migration(id: "0002-two") { _ in statements(false) }
        #expect(try await database.migrate([items, mended]) == ["0002-two"])
        let tables = try await database.schema().tables
        #expect(tables["one"] != nil && tables["two"] != nil)
    }
}

extension DatabaseOptions {
    /// For tests that make writers and definitions wait for each other.
    static var patient: DatabaseOptions {
        var options = DatabaseOptions.quiet
        options.attemptsMax = 50
        return options
    }
}
