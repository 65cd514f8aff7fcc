import CMariaDB

/// One connection to MariaDB with its prepared statements. Used by one thread only.
///
/// Results are taken over whole before the first row is handed out, so that a statement can be run inside the rows of
/// another.
final class MariaDBConnection: EngineConnection {
    let handle: UnsafeMutablePointer<MYSQL>
    private let errors: MariaDBErrors
    private var statements: StatementCache<MariaDBStatement>
    private var isClosed = false
    private var lastCode: UInt32 = 0
    /// Bytes that the server takes in one statement.
    private var largestPacket = Int.max
    private(set) var isAlive = true
    private(set) var isInTransaction = false

    init(handle: UnsafeMutablePointer<MYSQL>, address: ServerAddress, statementsMax: Int) {
        self.handle = handle
        errors = MariaDBErrors(address: address)
        statements = StatementCache(limit: statementsMax)
    }

    var dialect: SQLDialect { .mariadb }
    var isEncrypted: Bool { mysql_get_ssl_cipher(handle) != nil }
    var serverVersion: String { mysql_get_server_info(handle).map { String(cString: $0) } ?? "unknown version" }

    func learnLargestPacket() throws(DatabaseError) {
        do {
            try run("SELECT @@max_allowed_packet") { largestPacket = try $0.int(0) }
        } catch {
            throw error as? DatabaseError ?? .unavailable("\(error)")
        }
    }

    // MARK: - Statements

    func run(_ sql: SQL, onRow: (SQLRow) throws -> Void) throws {
        let statement = try statement(for: sql)
        defer { statement.finish() }
        try execute(statement, sql)
        guard statement.hasRows else { return }
        guard try statement.storeRows() else { throw error(statement, sql) }
        var values: [SQLValue] = []
        while true {
            switch statement.fetch() {
            case .row: break
            case .end: return
            case .failed: throw error(statement, sql)
            }
            // The buffer is used again unless the closure kept the row; then this makes a new one.
            values.removeAll(keepingCapacity: true)
            try statement.read(into: &values)
            try onRow(SQLRow(values: values))
        }
    }

    func run(_ sql: SQL) throws -> SQLResult {
        let statement = try statement(for: sql)
        defer { statement.finish() }
        try execute(statement, sql)
        if statement.hasRows {
            guard try statement.storeRows() else { throw error(statement, sql) }
            return SQLResult(rowsChanged: 0)
        }
        return SQLResult(rowsChanged: Int(clamping: mysql_stmt_affected_rows(statement.handle)))
    }

    func insert(_ sql: SQL, numbering column: String) throws -> Int64 {
        let statement = try statement(for: sql)
        defer { statement.finish() }
        try execute(statement, sql)
        return Int64(clamping: mysql_stmt_insert_id(statement.handle))
    }

    private func execute(_ statement: MariaDBStatement, _ sql: SQL) throws(DatabaseError) {
        guard statement.parameterCount == sql.values.count else {
            let message = "the statement has other placeholders than its \(sql.values.count) values"
            throw .statement(message: message, sql: sql.description)
        }
        let size = statement.bind(sql.values)
        // A server that is sent more than it takes ends the connection, which would look like a lost one.
        guard size + sql.template.utf8.count + 65_536 <= largestPacket else {
            throw .constraint(.init(
                kind: .other, columns: [],
                message: "a statement of \(size) bytes is more than the server takes at once "
                    + "(max_allowed_packet = \(largestPacket)); raise it on the server"))
        }
        guard mysql_stmt_execute(statement.handle) == 0 else { throw error(statement, sql) }
    }

    private func statement(for sql: SQL) throws(DatabaseError) -> MariaDBStatement {
        if let cached = statements.take(sql.template) { return cached }
        let text = sql.text(for: .mariadb)
        if TransactionControl.isIn(text) { throw TransactionControl.refusal(text) }
        guard let handle = mysql_stmt_init(handle) else {
            throw .unavailable("the MariaDB client library has no memory for a statement")
        }
        let statement = MariaDBStatement(handle: handle)
        guard mysql_stmt_prepare(handle, text, UInt(text.utf8.count)) == 0 else { throw error(statement, sql) }
        statement.learnParameters()
        _ = statements.keep(statement, sql.template)
        return statement
    }

    private func error(_ statement: MariaDBStatement, _ sql: SQL) -> DatabaseError {
        note(mysql_stmt_errno(statement.handle))
        // A statement that failed on the way is prepared anew.
        if lastCode == 1615 || lastCode == 1243 { _ = statements.remove(sql.template) }
        return errors.error(lastCode, String(cString: mysql_stmt_error(statement.handle)), sql: sql.description)
    }

    /// The error of the last call that was not about a prepared statement.
    func lastError(connecting: Bool = false, _ sql: String = "") -> DatabaseError {
        note(mysql_errno(handle))
        let message = String(cString: mysql_error(handle))
        return connecting ? errors.refusal(lastCode, message) : errors.error(lastCode, message, sql: sql)
    }

    private func note(_ code: UInt32) {
        lastCode = code
        if MariaDBErrors.isLoss(code) { (isAlive, isInTransaction) = (false, false) }
        // The server has rolled back all of the transaction after a deadlock or a conflict within a cluster.
        if code == 1213 || code == 1020 { isInTransaction = false }
    }

    /// Runs trusted statements that need no values, separated by semicolons.
    func script(_ text: String) throws(DatabaseError) {
        guard mysql_real_query(handle, text, UInt(text.utf8.count)) == 0 else { throw lastError(text) }
        while true {
            if let result = mysql_store_result(handle) { mysql_free_result(result) }
            let next = mysql_next_result(handle)
            if next < 0 { return }
            if next > 0 { throw lastError(text) }
        }
    }

    // MARK: - Transactions

    func begin(_ transaction: TransactionKind) throws(DatabaseError) {
        switch transaction {
        case .reading:
            try script("""
                SET TRANSACTION ISOLATION LEVEL REPEATABLE READ;START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY
                """)
        case .writing: try script("START TRANSACTION")
        }
        isInTransaction = true
    }

    func commit() throws(DatabaseError) {
        do {
            try script("COMMIT")
            isInTransaction = false
        } catch {
            isInTransaction = false
            guard case .connectionLost(let text) = error else { throw error }
            throw .outcomeUnknown("\(text), while a transaction was being committed")
        }
    }

    func rollBack() {
        guard isInTransaction else { return }
        isInTransaction = false
        // When it fails the connection is lost, and the server rolls back by itself.
        try? script("ROLLBACK")
    }

    func setSavepoint(_ name: String) throws(DatabaseError) { try script("SAVEPOINT \(name)") }
    func releaseSavepoint(_ name: String) throws(DatabaseError) { try script("RELEASE SAVEPOINT \(name)") }
    func rollBack(toSavepoint name: String) throws(DatabaseError) {
        try script("ROLLBACK TO SAVEPOINT \(name);RELEASE SAVEPOINT \(name)")
    }

    // MARK: - Schema

    private var schemaLock: SQL { "CONCAT('kilonova.schema.', DATABASE())" }

    func lockSchema() throws(DatabaseError) {
        var isHeld = false
        do {
            try run("SELECT GET_LOCK(\(schemaLock), 60)") { isHeld = try $0.optionalInt(0) == 1 }
        } catch {
            throw error as? DatabaseError ?? .unavailable("\(error)")
        }
        guard isHeld else {
            throw .busy("another process has been changing the schema of \(errors.address.name) for a minute")
        }
    }

    func unlockSchema() {
        guard isAlive else { return }
        // When it fails the connection is lost, and the lock with it.
        _ = try? run("SELECT RELEASE_LOCK(\(schemaLock))")
    }

    var canRollBackDefinitions: Bool { false }
    var lastErrorMeansDone: Bool { MariaDBErrors.meansDone(lastCode) }
    func schema() throws -> DatabaseSchema { try MariaDBSchemaReader(connection: self).read() }

    func close() {
        guard !isClosed else { return }
        (isClosed, isAlive, isInTransaction) = (true, false, false)
        _ = statements.removeAll()
        mysql_close(handle)
    }
}
