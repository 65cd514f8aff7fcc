import Database
import Testing

struct StatementTests {
    private func violation(_ sql: SQL) async throws -> DatabaseError.ConstraintFailure? {
        let database = try await makeDatabase(Scratch())
        try await database.transaction { try $0.execute("INSERT INTO items (id, name) VALUES (1, 'a')") }
        do {
            try await database.transaction { try $0.execute(sql) }
        } catch DatabaseError.constraint(let failure) {
            return failure
        }
        return nil
    }

    @Test func constraintsAreToldApartWithTheirColumns() async throws {
        let unique = try await violation("INSERT INTO items (name) VALUES ('a')")
        #expect(unique?.kind == .unique && unique?.columns == ["items.name"])
        let key = try await violation("INSERT INTO items (id, name) VALUES (1, 'b')")
        #expect(key?.kind == .unique && key?.columns == ["items.id"])
        let null = try await violation("INSERT INTO items (name) VALUES (NULL)")
        #expect(null?.kind == .notNull && null?.columns == ["items.name"])
        #expect(try await violation("INSERT INTO items (name, amount) VALUES ('b', -1)")?.kind == .check)
        #expect(try await violation("INSERT INTO parts (item) VALUES (9)")?.kind == .foreignKey)
    }

    @Test func aStatementWorksAgainAfterItFailed() async throws {
        let database = try await makeDatabase(Scratch())
        let insert: SQL = "INSERT INTO items (name) VALUES (\("a"))"
        try await database.transaction { try $0.execute(insert) }
        await #expect(throws: DatabaseError.self) { try await database.transaction { try $0.execute(insert) } }
        try await database.transaction { try $0.execute("DELETE FROM items") }
        try await database.transaction { try $0.execute(insert) }
        #expect(try await names(database) == ["a"])
    }

    @Test func aStatementCanRunInsideItsOwnRows() async throws {
        let database = try await SQLDatabase.open(url: "sqlite://", options: .quiet)
        let pairs = try await database.read { connection in
            let sql: SQL = "SELECT column1 FROM (VALUES (1), (2), (3)) WHERE column1 > \(0)"
            var pairs = 0
            try connection.forEach(sql) { _ in try connection.forEach(sql) { _ in pairs += 1 } }
            return pairs
        }
        #expect(pairs == 9)
    }

    @Test func anErrorInTheMiddleOfRowsLeavesTheStatementUsable() async throws {
        struct Stop: Error {}
        let database = try await SQLDatabase.open(url: "sqlite://", options: .quiet)
        let sql: SQL = "SELECT column1 FROM (VALUES (1), (2), (3))"
        await #expect(throws: Stop.self) { try await database.read { try $0.forEach(sql) { _ in throw Stop() } } }
        #expect(try await database.read { try $0.map(sql) { try $0.int(0) } } == [1, 2, 3])
    }

    @Test func keptRowsDoNotChangeWhenTheNextIsRead() async throws {
        let database = try await SQLDatabase.open(url: "sqlite://", options: .quiet)
        let rows = try await database.read { connection in
            var rows: [SQLRow] = []
            try connection.forEach("SELECT column1 FROM (VALUES ('one'), ('two'))") { rows.append($0) }
            return rows
        }
        #expect(rows.map(\.values) == [[.text("one")], [.text("two")]])
    }

    @Test func moreStatementsThanAreKeptStillWork() async throws {
        var options = DatabaseOptions.quiet
        options.statementsMax = 4
        let database = try await SQLDatabase.open(url: "sqlite://", options: options)
        for round in 0..<3 {
            for number in 0..<20 {
                let sql = SQL(raw: "SELECT \(number) + \(round)")
                #expect(try await database.read { try $0.first(sql) { try $0.int(0) } } == number + round)
            }
        }
    }

    @Test func wrongStatementsAreNamed() async throws {
        let database = try await SQLDatabase.open(url: "sqlite://", options: .quiet)
        for text in ["SELEKT 1", "", "SELECT 1; SELECT 2", "SELECT ?"] {
            await #expect("\(text)") {
                try await database.read { try $0.query(SQL(raw: text)) }
            } throws: { error in
                guard case .statement(_, let sql) = error as? DatabaseError else { return false }
                return sql == text
            }
        }
    }

    @Test func insertReturningGivesTheRow() async throws {
        let database = try await makeDatabase(Scratch())
        let id = try await database.transaction { connection in
            try connection.first("INSERT INTO items (name) VALUES ('a') RETURNING id") { try $0.int(0) }
        }
        #expect(id == 1)
    }

    @Test func upsertUpdatesTheRowThatIsThere() async throws {
        let database = try await makeDatabase(Scratch())
        for amount in [1, 2] {
            try await database.transaction { connection in
                let end = connection.dialect.onConflictUpdate(key: ["name"], columns: ["amount"])
                try connection.execute("INSERT INTO items (name, amount) VALUES ('a', \(amount))\(end)")
            }
        }
        let amounts = try await database.read { try $0.map("SELECT amount FROM items") { try $0.int(0) } }
        #expect(amounts == [2])
    }
}
