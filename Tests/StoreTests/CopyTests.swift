import Database
import DatabaseServers
import Testing

struct CopyTests {
    private static let ways = TestEngine.servers.flatMap { engine in Component.allCases.map { (engine, $0) } }

    @Test(arguments: ways)
    func everyRowOfEveryTableArrives(_ engine: TestEngine, _ component: Component) async throws {
        let source = try await make(component, .sqlite)
        let filling = Filling(of: try await source.schema())
        #expect(!filling.rows.isEmpty && filling.rows.values.allSatisfy { $0.count == Filling.rowsPerTable })
        try await filling.insert(into: source)
        let target = try await open(engine)
        let counts = try await DatabaseCopy(from: source, to: target, histories: Component.all).run()
        for (table, rows) in filling.rows { #expect(counts[table] == rows.count, "\(table)") }
        let arrived = try await filling.read(from: target)
        for (table, rows) in filling.sorted { #expect(arrived[table] == rows, "\(table)") }
        // And back again.
        let returned = try await open(.sqlite)
        _ = try await DatabaseCopy(from: target, to: returned, histories: Component.all).run()
        #expect(try await filling.read(from: returned) == filling.sorted)
    }

    @Test(arguments: TestEngine.available)
    func numbersThatWereGivenOutAreNotGivenOutAgain(_ engine: TestEngine) async throws {
        let source = try await make(.compute, .sqlite)
        try await source.transaction { connection in
            for name in ["a", "b"] {
                try connection.execute("INSERT INTO consumer_types (name) VALUES (\(name))")
            }
            try connection.execute("DELETE FROM consumer_types WHERE name = 'b'")
        }
        let target = try await open(engine)
        _ = try await DatabaseCopy(from: source, to: target, histories: Component.all).run()
        let number = try await target.transaction {
            try $0.insert("INSERT INTO consumer_types (name) VALUES ('c')", numbering: "id")
        }
        #expect(number == 3)
    }

    @Test(arguments: TestEngine.available)
    func aTargetWithRowsIsRefused(_ engine: TestEngine) async throws {
        let source = try await make(.image, .sqlite)
        let target = try await make(.image, engine)
        try await target.transaction { try $0.execute("INSERT INTO image_tags (image, tag) VALUES ('i', 't')") }
        let text = try await refusal(source, target)
        #expect(text.contains("rows in table image_tags") && text.contains("empty database"))
        let count = try await target.read { try $0.first("SELECT COUNT(*) FROM image_tags") { try $0.int(0) } }
        #expect(count == 1)
    }

    @Test(arguments: TestEngine.servers)
    func whatDoesNotFitIsRefusedAndNothingIsLeft(_ engine: TestEngine) async throws {
        let source = try await make(.image, .sqlite)
        // SQLite does not look at the length that a column declares.
        let long = String(repeating: "x", count: 300)
        try await source.transaction { connection in
            try connection.execute("INSERT INTO image_properties (image, name, value) VALUES ('i', 'n', 'v')")
            try connection.execute("INSERT INTO image_tags (image, tag) VALUES ('i', \(long))")
        }
        let target = try await open(engine)
        let text = try await refusal(source, target)
        #expect(text.contains("table image_tags does not fit"))
        let left = try await target.read { try $0.first("SELECT COUNT(*) FROM image_properties") { try $0.int(0) } }
        #expect(left == 0)
    }

    @Test func aDatabaseOfSomethingElseIsRefused() async throws {
        let text = try await refusal(try await open(.sqlite), try await open(.sqlite))
        #expect(text.contains("has no schema"))
        let other = try await open(.sqlite)
        try await other.migrate([], component: "other")
        try await other.migrate([Migration(id: "1") { _ in [] }], component: "other")
        #expect(try await refusal(other, try await open(.sqlite)).contains("\"other\""))
    }

    private func refusal(_ source: SQLDatabase, _ target: SQLDatabase) async throws -> String {
        do {
            _ = try await DatabaseCopy(from: source, to: target, histories: Component.all).run()
        } catch let error as DatabaseError {
            return "\(error)"
        }
        return "nothing refused"
    }
}
