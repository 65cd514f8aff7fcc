import CSQLite

/// One SQLite connection with its prepared statements. Used by one thread only.
final class SQLiteConnection: EngineConnection {
    let handle: OpaquePointer
    private let errors: SQLiteErrors
    private var statements: StatementCache<SQLiteStatement>
    private var isClosed = false
    /// What `PRAGMA synchronous` is set to.
    private var durability = Durability.onDisk

    init(handle: OpaquePointer, name: String, statementsMax: Int) {
        self.handle = handle
        errors = SQLiteErrors(name: name, handle: handle)
        statements = StatementCache(limit: statementsMax)
    }

    var dialect: SQLDialect { .sqlite }
    var isAlive: Bool { true }

    var isInTransaction: Bool { sqlite3_get_autocommit(handle) == 0 }

    func run(_ sql: SQL, onRow: (SQLRow) throws -> Void) throws {
        let statement = try statement(for: sql)
        defer { statement.finish() }
        try bind(sql, to: statement.handle)
        var values: [SQLValue] = []
        while try step(statement.handle, sql) {
            // The buffer is used again unless the closure kept the row; then this makes a new one.
            values.removeAll(keepingCapacity: true)
            for column in 0..<sqlite3_column_count(statement.handle) {
                values.append(Self.value(statement.handle, column))
            }
            try onRow(SQLRow(values: values))
        }
    }

    func run(_ sql: SQL) throws -> SQLResult {
        let statement = try statement(for: sql)
        defer { statement.finish() }
        try bind(sql, to: statement.handle)
        let changesBefore = sqlite3_total_changes64(handle)
        while try step(statement.handle, sql) {}
        let hasChanged = sqlite3_total_changes64(handle) != changesBefore
        return SQLResult(rowsChanged: hasChanged ? Int(sqlite3_changes64(handle)) : 0)
    }

    func insert(_ sql: SQL, numbering column: String) throws -> Int64 {
        _ = try run(sql)
        return sqlite3_last_insert_rowid(handle)
    }

    func begin(_ transaction: TransactionKind) throws(DatabaseError) {
        switch transaction {
        case .reading:
            try control("BEGIN")
        case .writing(let durability):
            try prepareCommit(durability)
            try control("BEGIN IMMEDIATE")
        }
    }

    func commit() throws(DatabaseError) {
        try control("COMMIT")
    }

    func rollBack() {
        guard isInTransaction else { return }
        // It can only fail when SQLite has rolled back by itself, which is what is wanted.
        try? control("ROLLBACK")
    }

    func setSavepoint(_ name: String) throws(DatabaseError) {
        try control("SAVEPOINT \(name)")
    }

    func releaseSavepoint(_ name: String) throws(DatabaseError) {
        try control("RELEASE \(name)")
    }

    func rollBack(toSavepoint name: String) throws(DatabaseError) {
        try control("ROLLBACK TO \(name)")
        try control("RELEASE \(name)")
    }

    /// The one writer at a time is lock enough.
    func lockSchema() {}
    func unlockSchema() {}
    var canRollBackDefinitions: Bool { true }
    var lastErrorMeansDone: Bool { false }

    func schema() throws -> DatabaseSchema { try SQLiteSchemaReader(connection: self).read() }

    func close() {
        guard !isClosed else { return }
        isClosed = true
        _ = statements.removeAll()
        sqlite3_close_v2(handle)
    }

    /// Runs trusted text that needs no values and gives no rows, such as a pragma.
    func script(_ text: String) throws(DatabaseError) {
        let code = sqlite3_exec(handle, text, nil, nil, nil)
        guard code == SQLITE_OK else { throw errors.error(code, sql: text) }
    }

    /// With NORMAL the log is written but not flushed; the next FULL commit flushes all of it.
    private func prepareCommit(_ wanted: Durability) throws(DatabaseError) {
        guard wanted != durability else { return }
        switch wanted {
        case .onDisk: try script("PRAGMA synchronous = FULL")
        case .deferred: try script("PRAGMA synchronous = NORMAL")
        }
        durability = wanted
    }

    // MARK: - Statements

    /// Runs a statement that begins, ends or divides transactions.
    private func control(_ text: String) throws(DatabaseError) {
        let statement: SQLiteStatement
        if let cached = statements.take(text) {
            statement = cached
        } else {
            statement = try prepare(text, refusesTransactionControl: false)
            _ = statements.keep(statement, text)
        }
        defer { statement.finish() }
        let code = sqlite3_step(statement.handle)
        guard code == SQLITE_DONE else { throw errors.error(code, sql: text) }
    }

    private func statement(for sql: SQL) throws(DatabaseError) -> SQLiteStatement {
        if let cached = statements.take(sql.template) { return cached }
        let statement = try prepare(sql.text(for: .sqlite), refusesTransactionControl: true)
        _ = statements.keep(statement, sql.template)
        return statement
    }

    private func prepare(_ text: String, refusesTransactionControl: Bool) throws(DatabaseError) -> SQLiteStatement {
        if refusesTransactionControl, TransactionControl.isIn(text) { throw TransactionControl.refusal(text) }
        var handle: OpaquePointer?
        var rest = ""
        var text = text
        let code = text.withUTF8 { bytes in
            bytes.withMemoryRebound(to: CChar.self) { characters -> Int32 in
                guard let start = characters.baseAddress else { return SQLITE_OK }
                var tail: UnsafePointer<CChar>?
                let code = sqlite3_prepare_v3(
                    self.handle, start, Int32(characters.count), UInt32(SQLITE_PREPARE_PERSISTENT), &handle, &tail)
                if let tail { rest = String(decoding: bytes[(tail - start)...], as: UTF8.self) }
                return code
            }
        }
        guard code == SQLITE_OK else { throw errors.error(code, sql: text) }
        guard let handle else { throw .statement(message: "the statement is empty", sql: text) }
        let statement = SQLiteStatement(handle: handle)
        guard rest.allSatisfy({ $0.isWhitespace || $0 == ";" }) else {
            throw .statement(message: "only one statement can be run at a time", sql: text)
        }
        return statement
    }

    private func bind(_ sql: SQL, to statement: OpaquePointer) throws(DatabaseError) {
        guard sqlite3_bind_parameter_count(statement) == sql.values.count else {
            let message = "the statement has other placeholders than its \(sql.values.count) values"
            throw .statement(message: message, sql: sql.description)
        }
        var position: Int32 = 0
        for value in sql.values {
            position += 1
            let code =
                switch value {
                case .null: sqlite3_bind_null(statement, position)
                case .integer(let number): sqlite3_bind_int64(statement, position, number)
                case .real(let number): sqlite3_bind_double(statement, position, number)
                case .text(let text): Self.bind(text, statement, position)
                case .blob(let bytes): Self.bind(bytes, statement, position)
                }
            guard code == SQLITE_OK else { throw errors.error(code, sql: sql.description) }
        }
    }

    /// True when there is a row, false at the end.
    private func step(_ statement: OpaquePointer, _ sql: SQL) throws(DatabaseError) -> Bool {
        switch sqlite3_step(statement) {
        case SQLITE_ROW: return true
        case SQLITE_DONE: return false
        case let code: throw errors.error(code, sql: sql.description)
        }
    }

    // MARK: - Values

    /// SQLite copies the bytes before the call returns. The macro SQLITE_TRANSIENT is not imported.
    private static var copying: sqlite3_destructor_type { unsafeBitCast(-1, to: sqlite3_destructor_type.self) }

    private static func bind(_ text: String, _ statement: OpaquePointer, _ position: Int32) -> Int32 {
        var text = text
        return text.withUTF8 { bytes in
            bytes.withMemoryRebound(to: CChar.self) { characters in
                // An empty string has no base address, but must not become null.
                guard let start = characters.baseAddress else {
                    return sqlite3_bind_text(statement, position, "", 0, copying)
                }
                return sqlite3_bind_text64(
                    statement, position, start, UInt64(characters.count), copying, UInt8(SQLITE_UTF8))
            }
        }
    }

    private static func bind(_ blob: [UInt8], _ statement: OpaquePointer, _ position: Int32) -> Int32 {
        if blob.isEmpty { return sqlite3_bind_zeroblob(statement, position, 0) }
        return blob.withUnsafeBytes { bytes in
            sqlite3_bind_blob64(statement, position, bytes.baseAddress, UInt64(bytes.count), copying)
        }
    }

    private static func value(_ statement: OpaquePointer, _ column: Int32) -> SQLValue {
        switch sqlite3_column_type(statement, column) {
        case SQLITE_INTEGER:
            return .integer(sqlite3_column_int64(statement, column))
        case SQLITE_FLOAT:
            return .real(sqlite3_column_double(statement, column))
        case SQLITE_TEXT:
            guard let text = sqlite3_column_text(statement, column) else { return .text("") }
            let count = Int(sqlite3_column_bytes(statement, column))
            return .text(String(decoding: UnsafeBufferPointer(start: text, count: count), as: UTF8.self))
        case SQLITE_BLOB:
            guard let bytes = sqlite3_column_blob(statement, column) else { return .blob([]) }
            let count = Int(sqlite3_column_bytes(statement, column))
            return .blob([UInt8](UnsafeRawBufferPointer(start: bytes, count: count)))
        default:
            return .null
        }
    }
}
