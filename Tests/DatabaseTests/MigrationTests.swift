import Database
import DatabaseServers
import Testing

struct MigrationTests {
    private let second = Migration(id: "0002-note") { _ in ["ALTER TABLE items ADD COLUMN note TEXT"] }
    private let third = Migration(id: "0003-index") { _ in ["CREATE INDEX items_amount ON items (amount)"] }

    private func refusal(_ body: () async throws -> Void) async throws -> String {
        do {
            try await body()
        } catch DatabaseError.migration(let text) {
            return text
        }
        return "nothing refused"
    }

    @Test(arguments: TestEngine.available)
    func migratingAgainDoesNothing(_ engine: TestEngine) async throws {
        let database = try await openDatabase(engine)
        #expect(try await database.migrate([items, second]) == ["0001-items", "0002-note"])
        #expect(try await database.migrate([items, second]) == [])
    }

    @Test(arguments: TestEngine.available)
    func steppingGivesTheSameSchemaAsStartingFresh(_ engine: TestEngine) async throws {
        let stepped = try await makeDatabase(engine)
        try await stepped.migrate([items, second])
        try await stepped.migrate([items, second, third])
        let fresh = try await openDatabase(engine)
        try await fresh.migrate([items, second, third])
        let text = try await fresh.schemaText()
        #expect(try await stepped.schemaText() == text)
        #expect(text.contains("items index amount") && text.contains("items.note text"))
    }

    @Test(arguments: TestEngine.available)
    func aDatabaseOfANewerVersionIsRefusedClearly(_ engine: TestEngine) async throws {
        let database = try await makeDatabase(engine)
        try await database.migrate([items, second])
        let text = try await refusal { try await database.migrate([items]) }
        #expect(text.contains(database.name) && text.contains("0002-note") && text.contains("newer version"))
    }

    @Test(arguments: TestEngine.available)
    func aGapInTheHistoryIsRefused(_ engine: TestEngine) async throws {
        let database = try await openDatabase(engine)
        try await database.migrate([items, third.withoutIndex])
        let text = try await refusal { try await database.migrate([items, second, third.withoutIndex]) }
        #expect(text.contains("lacks migration \"0002-note\""))
    }

    @Test func aFailingMigrationLeavesNothingOfItself() async throws {
        let database = try await makeDatabase(Scratch())
        let before = try await database.schemaText()
        let broken = Migration(id: "0002-broken") { _ in ["CREATE TABLE half (a INTEGER)", "CREATE NONSENSE"] }
        let text = try await refusal { try await database.migrate([items, broken]) }
        #expect(text.contains("0002-broken") && text.contains("NONSENSE"))
        #expect(try await database.schemaText() == before)
        #expect(try await database.migrate([items, second]) == ["0002-note"])
    }

    @Test(arguments: TestEngine.available)
    func componentsShareADatabaseWithoutSeeingEachOther(_ engine: TestEngine) async throws {
        let database = try await makeDatabase(engine)
        let other = Migration(id: "0001-other") { _ in ["CREATE TABLE other (a INTEGER)"] }
        #expect(try await database.migrate([other], component: "other") == ["0001-other"])
        #expect(try await database.migrate([items]) == [])
    }

    @Test func idsOutOfOrderAreRefused() async throws {
        let database = try await SQLDatabase.open(url: "sqlite://", options: .quiet)
        let text = try await refusal { try await database.migrate([second, items]) }
        #expect(text.contains("ascending"))
    }

    @Test(arguments: TestEngine.available)
    func twoProcessesMayMigrateAtOnce(_ engine: TestEngine) async throws {
        let url = try await engine.newDatabase()
        let one = try await SQLDatabase.open(url: url, options: .quiet)
        let two = try await SQLDatabase.open(url: url, options: .quiet)
        async let first = one.migrate([items, second, third])
        async let last = two.migrate([items, second, third])
        #expect(try await (first + last).sorted() == ["0001-items", "0002-note", "0003-index"])
    }
}

extension Migration {
    fileprivate var withoutIndex: Migration { Migration(id: id) { _ in [] } }
}
