/// The database inside a `read` or `transaction` closure.
///
/// It belongs to one database thread; it must not be kept beyond the closure. All calls block that thread.
package final class SQLConnection {
    /// The family of engine behind the connection.
    package var dialect: SQLDialect { engine.dialect }
    let engine: any EngineConnection
    private var savepointDepth = 0

    init(engine: any EngineConnection) {
        self.engine = engine
    }

    /// Runs a statement for its rows.
    package func query(_ sql: SQL) throws -> [SQLRow] {
        var rows: [SQLRow] = []
        try engine.run(sql) { rows.append($0) }
        return rows
    }

    /// Runs a statement and turns each row into a value, without an array of rows in between.
    package func map<T>(_ sql: SQL, _ decode: (SQLRow) throws -> T) throws -> [T] {
        var values: [T] = []
        try engine.run(sql) { values.append(try decode($0)) }
        return values
    }

    /// Runs a statement and decodes its first row, or returns nil when it has none.
    package func first<T>(_ sql: SQL, _ decode: (SQLRow) throws -> T) throws -> T? {
        var value: T?
        try engine.run(sql) { if value == nil { value = try decode($0) } }
        return value
    }

    /// Runs a statement and calls `body` for each row as the engine delivers it.
    package func forEach(_ sql: SQL, _ body: (SQLRow) throws -> Void) throws {
        try engine.run(sql, onRow: body)
    }

    /// Runs a statement for its effect; rows that it returns are dropped.
    @discardableResult
    package func execute(_ sql: SQL) throws -> SQLResult {
        try engine.run(sql)
    }

    /// Runs an `INSERT` of one row into a table whose column of that name numbers the rows, and returns the number.
    package func insert(_ sql: SQL, numbering column: String) throws -> Int64 {
        try engine.insert(sql, numbering: column)
    }

    /// Makes transactions that take the same turn run one after another, each seeing what those before it wrote.
    ///
    /// Needed before what was read decides what is written, unless a unique key or a comparison in the `UPDATE` itself
    /// keeps two from deciding alike: writers of a server run at the same time. Call it first in the transaction. On
    /// SQLite, whose writer is alone, it does nothing. Not a `SELECT FOR UPDATE`, whose locks do not reach the other
    /// nodes of a Galera cluster: a changed row does.
    package func takeTurn(_ turn: String) throws {
        guard dialect != .sqlite else { return }
        let raise: SQL = "UPDATE turns SET turn = turn + 1 WHERE name = \(turn)"
        guard try engine.run(raise).rowsChanged == 0 else { return }
        _ = try engine.run(
            "INSERT INTO turns (name, turn) VALUES (\(turn), 0)\(dialect.onConflictIgnore(key: ["name"]))")
        _ = try engine.run(raise)
    }

    /// The same by the row that will be changed: runs an `UPDATE` of it that changes nothing of worth, unless the
    /// engine's writer is alone.
    package func takeTurn(by update: SQL) throws {
        if dialect != .sqlite { try execute(update) }
    }

    /// Runs `body`; when it throws, undoes what it did and nothing else of the transaction.
    ///
    /// Needed where a failed statement is expected and the transaction goes on: PostgreSQL refuses to continue a
    /// transaction after an error outside a savepoint.
    package func savepoint<T>(_ body: () throws -> T) throws -> T {
        savepointDepth += 1
        defer { savepointDepth -= 1 }
        let name = "s\(savepointDepth)"
        try engine.setSavepoint(name)
        do {
            let value = try body()
            try engine.releaseSavepoint(name)
            return value
        } catch {
            // When the engine has already given up the whole transaction, the original error is the one to tell.
            if engine.isInTransaction { try engine.rollBack(toSavepoint: name) }
            throw error
        }
    }
}
