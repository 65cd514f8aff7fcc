/// A kind of database: opens connections. SQLite today; MariaDB and PostgreSQL behind the same two protocols.
protocol SQLEngine: Sendable {
    var dialect: SQLDialect { get }
    /// Whether readers may have connections of their own. False where all must share one.
    var allowsReaders: Bool { get }
    /// Opens a connection. Called on the thread that will use it.
    func connect(for purpose: ConnectionPurpose) throws(DatabaseError) -> any EngineConnection
}

/// What a connection is for.
enum ConnectionPurpose: Sendable {
    case writing
    case reading
}

/// What a transaction is for.
enum TransactionKind: Sendable {
    case reading
    case writing(Durability)
}

/// One connection, used by one thread.
protocol EngineConnection: AnyObject {
    var dialect: SQLDialect { get }

    /// Runs one statement to its end and leaves nothing open, also when `onRow` throws.
    ///
    /// Refuses text that begins or ends transactions: that would end those of others in the same group.
    func run(_ sql: SQL, onRow: (SQLRow) throws -> Void) throws

    /// The same for the statement's effect; rows are not even copied.
    func run(_ sql: SQL) throws -> SQLResult

    /// Whether a transaction is open. Engines may give one up by themselves after grave errors.
    var isInTransaction: Bool { get }
    func begin(_ transaction: TransactionKind) throws(DatabaseError)
    func commit() throws(DatabaseError)
    /// Ends the transaction without effect; nothing happens when none is open.
    func rollBack()

    func setSavepoint(_ name: String) throws(DatabaseError)
    func releaseSavepoint(_ name: String) throws(DatabaseError)
    /// Undoes what was done since the savepoint was set, and removes it.
    func rollBack(toSavepoint name: String) throws(DatabaseError)

    /// The definitions of all tables, indexes, views and triggers, sorted, one per line.
    func schemaText() throws -> String
    func close()
}
