import CSQLite

/// A prepared statement that is finalised when nobody refers to it any more.
final class SQLiteStatement {
    let handle: OpaquePointer
    /// A statement whose rows are being read cannot be started again.
    fileprivate var isInUse = true
    fileprivate var lastUse: UInt64 = 0

    init(handle: OpaquePointer) {
        self.handle = handle
    }

    deinit {
        sqlite3_finalize(handle)
    }

    /// Makes it ready for its next use; nothing of the last one, not even an error, stays behind.
    func finish() {
        sqlite3_reset(handle)
        sqlite3_clear_bindings(handle)
        isInUse = false
    }
}

/// The prepared statements of a connection by their text; the ones unused for longest make room.
struct SQLiteStatementCache {
    private let limit: Int
    private var statements: [String: SQLiteStatement] = [:]
    private var uses: UInt64 = 0

    init(limit: Int) {
        self.limit = max(1, limit)
        statements.reserveCapacity(self.limit + 1)
    }

    /// The statement of that text, now in use. Nil when there is none, or when it is in use already because the
    /// text is run from inside its own rows.
    mutating func take(_ text: String) -> SQLiteStatement? {
        guard let statement = statements[text], !statement.isInUse else { return nil }
        uses += 1
        statement.lastUse = uses
        statement.isInUse = true
        return statement
    }

    /// Keeps a new statement unless one of the same text is there.
    mutating func keep(_ statement: SQLiteStatement, _ text: String) {
        guard statements[text] == nil else { return }
        uses += 1
        statement.lastUse = uses
        statements[text] = statement
        guard statements.count > limit else { return }
        let idle = statements.filter { !$0.value.isInUse }
        if let oldest = idle.min(by: { $0.value.lastUse < $1.value.lastUse }) {
            statements.removeValue(forKey: oldest.key)
        }
    }

    /// Finalises all.
    mutating func removeAll() {
        statements = [:]
    }
}
