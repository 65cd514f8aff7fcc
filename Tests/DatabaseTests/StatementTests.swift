import Database
import DatabaseServers
import Testing

struct StatementTests {
    private func violation(_ engine: TestEngine, _ sql: SQL) async throws -> DatabaseError.ConstraintFailure? {
        let database = try await makeDatabase(engine)
        try await database.transaction { try $0.execute("INSERT INTO items (id, name) VALUES (1000, 'a')") }
        do {
            try await database.transaction { try $0.execute(sql) }
        } catch DatabaseError.constraint(let failure) {
            return failure
        }
        return nil
    }

    @Test(arguments: TestEngine.available)
    func constraintsAreToldApartWithTheirColumns(_ engine: TestEngine) async throws {
        let unique = try await violation(engine, "INSERT INTO items (name) VALUES ('a')")
        #expect(unique?.kind == .unique && unique?.columns == [engine == .mariadb ? "name" : "items.name"])
        let key = try await violation(engine, "INSERT INTO items (id, name) VALUES (1000, 'b')")
        #expect(key?.kind == .unique && key?.columns == [engine == .mariadb ? "PRIMARY" : "items.id"])
        let null = try await violation(engine, "INSERT INTO items (name) VALUES (NULL)")
        #expect(null?.kind == .notNull && null?.columns == [engine == .mariadb ? "name" : "items.name"])
        #expect(try await violation(engine, "INSERT INTO items (name, amount) VALUES ('b', -1)")?.kind == .check)
        #expect(try await violation(engine, "INSERT INTO parts (item) VALUES (9)")?.kind == .foreignKey)
    }

    @Test(arguments: TestEngine.available)
    func aStatementWorksAgainAfterItFailed(_ engine: TestEngine) async throws {
        let database = try await makeDatabase(engine)
        let insert: SQL = "INSERT INTO items (name) VALUES (\("a"))"
        try await database.transaction { try $0.execute(insert) }
        await #expect(throws: DatabaseError.self) { try await database.transaction { try $0.execute(insert) } }
        try await database.transaction { try $0.execute("DELETE FROM items") }
        try await database.transaction { try $0.execute(insert) }
        #expect(try await names(database) == ["a"])
    }

    @Test(arguments: TestEngine.available)
    func aStatementCanRunInsideItsOwnRows(_ engine: TestEngine) async throws {
        let database = try await openDatabase(engine)
        let pairs = try await database.read { connection in
            let sql: SQL = "SELECT a FROM (SELECT 1 AS a UNION SELECT 2 UNION SELECT 3) AS t WHERE a > \(0)"
            var pairs = 0
            try connection.forEach(sql) { _ in try connection.forEach(sql) { _ in pairs += 1 } }
            return pairs
        }
        #expect(pairs == 9)
    }

    @Test(arguments: TestEngine.available)
    func anErrorInTheMiddleOfRowsLeavesTheStatementUsable(_ engine: TestEngine) async throws {
        struct Stop: Error {}
        let database = try await openDatabase(engine)
        let sql: SQL = "SELECT a FROM (SELECT 1 AS a UNION SELECT 2 UNION SELECT 3) AS t ORDER BY a"
        await #expect(throws: Stop.self) { try await database.read { try $0.forEach(sql) { _ in throw Stop() } } }
        #expect(try await database.read { try $0.map(sql) { try $0.int(0) } } == [1, 2, 3])
    }

    @Test(arguments: TestEngine.available)
    func keptRowsDoNotChangeWhenTheNextIsRead(_ engine: TestEngine) async throws {
        let database = try await openDatabase(engine)
        let rows = try await database.read { connection in
            var rows: [SQLRow] = []
            let sql: SQL = "SELECT a FROM (SELECT 'one' AS a UNION SELECT 'two') AS t ORDER BY a"
            try connection.forEach(sql) { rows.append($0) }
            return rows
        }
        #expect(rows.map(\.values) == [[.text("one")], [.text("two")]])
    }

    @Test(arguments: TestEngine.available)
    func moreStatementsThanAreKeptStillWork(_ engine: TestEngine) async throws {
        var options = DatabaseOptions.quiet
        options.statementsMax = 4
        let database = try await openDatabase(engine, options: options)
        for round in 0..<3 {
            for number in 0..<20 {
                let sql = SQL(raw: "SELECT \(number) + \(round)")
                #expect(try await database.read { try $0.first(sql) { try $0.int(0) } } == number + round)
            }
        }
    }

    @Test(arguments: TestEngine.available)
    func wrongStatementsAreNamed(_ engine: TestEngine) async throws {
        let database = try await openDatabase(engine)
        for text in ["SELEKT 1", "", "SELECT 1; SELECT 2", "SELECT ?"] {
            await #expect("\(text)") {
                try await database.read { try $0.query(SQL(raw: text)) }
            } throws: { error in
                guard case .statement(_, let sql) = error as? DatabaseError else { return false }
                return sql == text
            }
        }
    }

    @Test(arguments: TestEngine.available)
    func anInsertGivesTheNumberOfItsRow(_ engine: TestEngine) async throws {
        let database = try await makeDatabase(engine)
        let numbers = try await database.transaction { connection in
            try ["a", "b"].map { name in
                try connection.insert("INSERT INTO items (name) VALUES (\(name))", numbering: "id")
            }
        }
        #expect(numbers == [1, 2])
    }

    @Test(arguments: TestEngine.available)
    func textsAreComparedByteByByte(_ engine: TestEngine) async throws {
        let database = try await makeDatabase(engine)
        let names = ["a", "A", "a ", "ä", "Ä", "b", "z"]
        try await database.transaction { connection in
            for name in names { try connection.execute("INSERT INTO items (name) VALUES (\(name))") }
        }
        let sorted = names.sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
        #expect(try await DatabaseTests.names(database) == sorted)
        let after = try await database.read { connection in
            try connection.map("SELECT name FROM items WHERE name > \("Z") AND name <> \("a") ORDER BY name") {
                try $0.string(0)
            }
        }
        #expect(after == sorted.filter { $0 != "a" && $0 != "A" })
    }

    @Test(arguments: TestEngine.available)
    func patternsDoNotTellCapitalsFromSmallLetters(_ engine: TestEngine) async throws {
        let database = try await makeDatabase(engine)
        for name in ["Web-1", "web_2", "db"] { try await insert(name, database) }
        func found(_ pattern: String) async throws -> [String] {
            try await database.read { connection in
                try connection.map("SELECT name FROM items WHERE \("name", like: pattern) ORDER BY name") {
                    try $0.string(0)
                }
            }
        }
        #expect(try await found("WEB%") == ["Web-1", "web_2"])
        #expect(try await found("web\\_%") == ["web_2"])
    }

    @Test(arguments: TestEngine.available)
    func aRowThatIsUpdatedToWhatItWasCounts(_ engine: TestEngine) async throws {
        let database = try await makeDatabase(engine)
        try await insert("a", database)
        let result = try await database.transaction { try $0.execute("UPDATE items SET name = 'a' WHERE name = 'a'") }
        #expect(result.rowsChanged == 1)
    }

    @Test(arguments: TestEngine.available)
    func sumsAndQuotientsOfIntegersAreIntegers(_ engine: TestEngine) async throws {
        let database = try await makeDatabase(engine)
        for name in ["a", "b"] { try await insert(name, database) }
        try await database.transaction { try $0.execute("UPDATE items SET amount = \(Int64(1) << 60)") }
        let row = try await database.read { connection in
            let half = connection.dialect.quotient("MAX(id) + 1", by: 2)
            return try connection.query("SELECT SUM(amount), \(half), COUNT(*), COALESCE(SUM(id), 0) FROM items")[0]
        }
        #expect(row.values == [.integer(1 << 61), .integer(1), .integer(2), .integer(3)])
    }

    /// A statement whose value is null at first and something at last, and the other way round.
    @Test(arguments: TestEngine.available)
    func aValueMayBeNullInOneUseOfAStatementAndNotInTheNext(_ engine: TestEngine) async throws {
        let database = try await makeDatabase(engine)
        let amounts: [Int?] = [nil, 5, nil, 1 << 40]
        try await database.transaction { connection in
            for (index, amount) in amounts.enumerated() {
                try connection.execute("INSERT INTO items (name, amount) VALUES (\("\(index)"), \(amount))")
            }
        }
        let found = try await database.read { connection in
            try connection.map("SELECT amount FROM items ORDER BY name") { try $0.optionalInt(0) }
        }
        #expect(found == amounts)
    }

    @Test(arguments: TestEngine.available)
    func longTextsAndBytesComeBackWhole(_ engine: TestEngine) async throws {
        let database = try await openDatabase(engine)
        try await database.migrate([
            Migration(id: "1") { _ in ["CREATE TABLE large (id INTEGER NOT NULL, t TEXT, b BLOB)"] }
        ])
        let text = String(repeating: "grüße ", count: 200_000)
        let bytes = [UInt8]((0..<3_000_000).map { UInt8(truncatingIfNeeded: $0 &* 31) })
        try await database.transaction { try $0.execute("INSERT INTO large (id, t, b) VALUES (1, \(text), \(bytes))") }
        let row = try await database.read { try $0.query("SELECT t, b FROM large")[0] }
        #expect(try row.string(0) == text && row.blob(1) == bytes)
    }

    @Test(arguments: TestEngine.available)
    func upsertUpdatesTheRowThatIsThere(_ engine: TestEngine) async throws {
        let database = try await makeDatabase(engine)
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
