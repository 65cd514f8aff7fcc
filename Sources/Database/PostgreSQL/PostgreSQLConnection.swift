import CPostgreSQL

/// One connection to PostgreSQL with its prepared statements. Used by one thread only.
///
/// Values go and come in the binary form. The library takes over a result whole before the first row is handed out, so
/// a statement can be run inside the rows of another.
final class PostgreSQLConnection: EngineConnection {
    let handle: OpaquePointer
    private let errors: PostgreSQLErrors
    private var statements: StatementCache<PostgreSQLStatement>
    /// Statements on the server that are of no use any more; told with the next transaction.
    private var toForget: [String] = []
    private var statementsMade = 0
    private var isClosed = false
    private var parameters = PostgreSQLParameters()

    init(handle: OpaquePointer, address: ServerAddress, statementsMax: Int) {
        self.handle = handle
        errors = PostgreSQLErrors(address: address)
        statements = StatementCache(limit: statementsMax)
    }

    var dialect: SQLDialect { .postgresql }
    var isAlive: Bool { !isClosed && PQstatus(handle) == CONNECTION_OK }

    // MARK: - Statements

    func run(_ sql: SQL, onRow: (SQLRow) throws -> Void) throws {
        let result = try execute(sql)
        defer { PQclear(result) }
        let kinds = try PostgreSQLColumn.all(of: result)
        var values: [SQLValue] = []
        for row in 0..<PQntuples(result) {
            // The buffer is used again unless the closure kept the row; then this makes a new one.
            values.removeAll(keepingCapacity: true)
            for (column, kind) in kinds.enumerated() {
                values.append(try kind.value(result, row, Int32(column)))
            }
            try onRow(SQLRow(values: values))
        }
    }

    func run(_ sql: SQL) throws -> SQLResult {
        let result = try execute(sql)
        defer { PQclear(result) }
        let isQuery = PQresultStatus(result) == PGRES_TUPLES_OK
        let count = isQuery ? nil : PQcmdTuples(result).flatMap { Int(String(cString: $0)) }
        return SQLResult(rowsChanged: count ?? 0)
    }

    func insert(_ sql: SQL, numbering column: String) throws -> Int64 {
        var number: Int64?
        try run(sql + " RETURNING \(ident: column)") { number = try $0.int64(0) }
        guard let number else { throw DatabaseError.decoding("an INSERT gave no number") }
        return number
    }

    private func execute(_ sql: SQL) throws(DatabaseError) -> OpaquePointer? {
        if let nul = sql.values.firstIndex(where: \.hasNUL) {
            throw .constraint(.init(
                kind: .check, columns: [],
                message: "value \(nul + 1) is a text with a NUL character, which PostgreSQL cannot store"))
        }
        let statement = try statement(for: sql)
        defer { statement.isInUse = false }
        guard statement.kinds.count == sql.values.count else {
            let message = "the statement has other placeholders than its \(sql.values.count) values"
            throw .statement(message: message, sql: sql.description)
        }
        parameters.bind(sql.values)
        let result = PQexecPrepared(
            handle, statement.name, Int32(sql.values.count), parameters.pointers, parameters.lengths,
            parameters.formats, 1)
        switch PQresultStatus(result) {
        case PGRES_TUPLES_OK, PGRES_COMMAND_OK, PGRES_EMPTY_QUERY: return result
        default:
            defer { PQclear(result) }
            let error = error(of: result, sql)
            if case .busy = error { forgetIfStale(result, sql) }
            throw error
        }
    }

    /// A plan that does not fit the schema any more is made anew when the transaction is repeated.
    private func forgetIfStale(_ result: OpaquePointer?, _ sql: SQL) {
        guard PostgreSQLErrors.Report(result).state == "0A000" else { return }
        if let stale = statements.remove(sql.template) { toForget.append(stale.name) }
    }

    private func statement(for sql: SQL) throws(DatabaseError) -> PostgreSQLStatement {
        var kinds = sql.values.map(PostgreSQLParameters.type)
        if let cached = statements.take(sql.template) {
            if cached.fits(kinds) { return cached }
            // Prepared while a value was null or of another kind: what is known of both counts.
            kinds = zip(kinds, cached.kinds).map { $0 == 0 ? $1 : $0 }
            if let old = statements.remove(sql.template) { toForget.append(old.name) }
        }
        let text = sql.text(for: .postgresql)
        if TransactionControl.isIn(text) { throw TransactionControl.refusal(text) }
        statementsMade += 1
        let name = "s\(statementsMade)"
        let result = PQprepare(handle, name, text, Int32(kinds.count), kinds)
        defer { PQclear(result) }
        guard PQresultStatus(result) == PGRES_COMMAND_OK else { throw error(of: result, sql) }
        let statement = PostgreSQLStatement(name: name, kinds: kinds)
        try check(text, statement, sql)
        if let gone = statements.keep(statement, sql.template) {
            toForget.append(gone.name)
        }
        return statement
    }

    private func check(_ text: String, _ statement: PostgreSQLStatement, _ sql: SQL) throws(DatabaseError) {
        guard text.allSatisfy({ $0.isWhitespace || $0 == ";" }) else { return }
        throw .statement(message: "the statement is empty", sql: text)
    }

    private func error(of result: OpaquePointer?, _ sql: SQL) -> DatabaseError {
        let report = PostgreSQLErrors.Report(result)
        guard PQstatus(handle) == CONNECTION_OK, !report.state.isEmpty else {
            return errors.lost(report.message.isEmpty ? String(cString: PQerrorMessage(handle)) : report.message)
        }
        return errors.error(report, sql: sql.description)
    }

    func refusal() -> DatabaseError { errors.refusal(String(cString: PQerrorMessage(handle))) }

    /// Runs trusted statements that need no values, separated by semicolons. Returns the last one's command tag.
    @discardableResult
    func script(_ text: String) throws(DatabaseError) -> String {
        let result = PQexec(handle, text)
        defer { PQclear(result) }
        guard PQresultStatus(result) == PGRES_COMMAND_OK else { throw error(of: result, SQL(raw: text)) }
        return String(cString: PQcmdStatus(result))
    }

    // MARK: - Transactions

    var isInTransaction: Bool {
        switch PQtransactionStatus(handle) {
        case PQTRANS_INTRANS, PQTRANS_INERROR: isAlive
        default: false
        }
    }

    func begin(_ transaction: TransactionKind) throws(DatabaseError) {
        if !toForget.isEmpty {
            try script(toForget.map { "DEALLOCATE \($0)" }.joined(separator: ";"))
            toForget = []
        }
        switch transaction {
        case .reading: try script("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
        case .writing: try script("BEGIN")
        }
    }

    func commit() throws(DatabaseError) {
        let ending: String
        do {
            ending = try script("COMMIT")
        } catch {
            guard case .connectionLost(let text) = error else { throw error }
            throw .outcomeUnknown("\(text), while a transaction was being committed")
        }
        // The server ends a transaction with an error that was ignored so, and calls it no error.
        guard ending == "COMMIT" else {
            throw .unavailable("the database ended the transaction after an error that was ignored")
        }
    }

    func rollBack() {
        guard isInTransaction else { return }
        // When it fails the connection is lost, and the server rolls back by itself.
        _ = try? script("ROLLBACK")
    }

    func setSavepoint(_ name: String) throws(DatabaseError) { try script("SAVEPOINT \(name)") }
    func releaseSavepoint(_ name: String) throws(DatabaseError) { try script("RELEASE \(name)") }
    func rollBack(toSavepoint name: String) throws(DatabaseError) {
        try script("ROLLBACK TO \(name); RELEASE \(name)")
    }

    // MARK: - Schema

    /// Ends with the transaction.
    func lockSchema() throws(DatabaseError) {
        do {
            try run("SELECT CAST(pg_advisory_xact_lock(7740387863543674465) AS TEXT)") { _ in }
        } catch {
            throw error as? DatabaseError ?? .unavailable("\(error)")
        }
    }

    func unlockSchema() {}
    var canRollBackDefinitions: Bool { true }
    var lastErrorMeansDone: Bool { false }
    func schema() throws -> DatabaseSchema { try PostgreSQLSchemaReader(connection: self).read() }

    func close() {
        guard !isClosed else { return }
        isClosed = true
        PQfinish(handle)
    }
}

/// A statement that a server has prepared.
final class PostgreSQLStatement: CachedStatement {
    let name: String
    /// Types of its parameters as they were told; 0 where the server chose.
    let kinds: [Oid]
    var isInUse = true
    var lastUse: UInt64 = 0

    init(name: String, kinds: [Oid]) { (self.name, self.kinds) = (name, kinds) }

    /// Whether it takes values of these types; null fits everywhere.
    func fits(_ wanted: [Oid]) -> Bool {
        wanted.count == kinds.count && zip(wanted, kinds).allSatisfy { $0 == 0 || $0 == $1 }
    }
}
