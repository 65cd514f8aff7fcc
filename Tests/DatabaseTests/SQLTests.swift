import Database
import DatabaseServers
import Testing

struct SQLTests {
    @Test func interpolatedValuesAreBoundAndNeverPasted() {
        let hostile = "x'; DROP TABLE items; --"
        let sql: SQL = "SELECT a FROM t WHERE b = \(hostile) AND c = \(7)"
        #expect(sql.text(for: .sqlite) == "SELECT a FROM t WHERE b = ? AND c = ?")
        #expect(sql.text(for: .postgresql) == "SELECT a FROM t WHERE b = $1 AND c = $2")
        #expect(sql.values == [.text(hostile), .integer(7)])
    }

    @Test func identifiersAreQuotedAsTheDialectDoes() {
        let sql: SQL = "SELECT \(idents: ["id", "order"]) FROM \(ident: "my\"table")"
        #expect(sql.text(for: .sqlite) == "SELECT \"id\", \"order\" FROM \"my\"\"table\"")
        #expect(sql.text(for: .mariadb) == "SELECT `id`, `order` FROM `my\"table`")
    }

    @Test func listsAreFilledUpSoThatFewStatementsArePrepared() {
        let sql: SQL = "SELECT 1 WHERE 1 IN \(list: [1, 2, 3])"
        #expect(sql.text(for: .sqlite) == "SELECT 1 WHERE 1 IN (?,?,?,?)")
        #expect(sql.values == [.integer(1), .integer(2), .integer(3), .integer(3)])
    }

    @Test(arguments: TestEngine.available)
    func anEmptyListMatchesNothingAndItsNegationEverything(_ engine: TestEngine) async throws {
        let database = try await openDatabase(engine)
        let none: [Int] = []
        let rows = try await database.read { try $0.query("SELECT 1 IN \(list: none), 1 NOT IN \(list: none)") }
        #expect(rows[0].values == [.integer(0), .integer(1)])
    }

    @Test func fragmentsKeepTheirValuesInOrder() {
        let conditions: [SQL] = ["a = \(1)", "b = \(2)"]
        let sql: SQL = "SELECT x FROM t WHERE \(conditions.joined(separator: " AND ")) LIMIT \(3)"
        #expect(sql.text(for: .postgresql) == "SELECT x FROM t WHERE a = $1 AND b = $2 LIMIT $3")
        #expect(sql.values == [.integer(1), .integer(2), .integer(3)])
    }

    @Test func upsertsAreWrittenPerDialect() {
        #expect(SQLDialect.sqlite.onConflictUpdate(key: ["k"], columns: ["a", "b"]).text(for: .sqlite)
            == " ON CONFLICT (\"k\") DO UPDATE SET \"a\" = excluded.\"a\", \"b\" = excluded.\"b\"")
        #expect(SQLDialect.mariadb.onConflictUpdate(key: ["k"], columns: ["a"]).text(for: .mariadb)
            == " ON DUPLICATE KEY UPDATE `a` = VALUES(`a`)")
    }

    @Test(arguments: TestEngine.available)
    func allKindsOfValuesComeBackAsTheyWere(_ engine: TestEngine) async throws {
        let database = try await openDatabase(engine)
        // PostgreSQL has no text with NUL.
        let text = engine == .postgresql ? "grüße 🚀" : "grüße \u{0} 🚀"
        let missing: String? = nil
        let row = try await database.read { connection in
            try connection.query("""
                SELECT \(Int64.min), \(0.5), \(text), \([0, 255] as [UInt8]), \(missing), \(true),
                    \(""), \([] as [UInt8])
                """)[0]
        }
        #expect(try row.int64(0) == .min)
        #expect(try row.double(1) == 0.5)
        #expect(try row.string(2) == text)
        #expect(try row.blob(3) == [0, 255])
        #expect(try row.optionalString(4) == nil)
        #expect(try row.bool(5))
        #expect(try row.string(6) == "")
        #expect(try row.blob(7) == [])
    }

    @Test(arguments: TestEngine.available)
    func aColumnOfAnotherKindIsRefusedByName(_ engine: TestEngine) async throws {
        let database = try await openDatabase(engine)
        let row = try await database.read { try $0.query("SELECT 'a', 1")[0] }
        #expect(throws: DatabaseError.decoding("column 0 holds text where an integer was expected")) { try row.int(0) }
        #expect(throws: DatabaseError.self) { try row.string(1) }
        #expect(throws: DatabaseError.self) { try row.int(2) }
    }
}
