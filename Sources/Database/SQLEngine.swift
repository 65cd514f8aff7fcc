/// A kind of database: opens connections.
protocol SQLEngine: Sendable {
    var dialect: SQLDialect { get }
    /// The database in messages, without user and password.
    var name: String { get }
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
    /// False once the server was lost; then nothing but ``close()`` makes sense.
    var isAlive: Bool { get }

    /// Runs one statement to its end and leaves nothing open, also when `onRow` throws.
    ///
    /// Refuses text that begins or ends transactions: that would end those of others in the same group.
    func run(_ sql: SQL, onRow: (SQLRow) throws -> Void) throws

    /// The same for the statement's effect; rows are not even copied.
    func run(_ sql: SQL) throws -> SQLResult

    /// Runs an `INSERT` of one row into a table that numbers its rows in that column. Returns the number.
    func insert(_ sql: SQL, numbering column: String) throws -> Int64

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

    /// Keeps other processes from changing the schema until the transaction ends or ``unlockSchema()``.
    func lockSchema() throws(DatabaseError)
    func unlockSchema()
    /// Whether statements that define tables can be rolled back. Where not, they commit what went before them.
    var canRollBackDefinitions: Bool { get }
    /// Whether the last error says that what was to be defined is defined already, or that what was to be dropped is
    /// not there.
    var lastErrorMeansDone: Bool { get }

    /// The tables as they are.
    func schema() throws -> DatabaseSchema
    func close()
}
