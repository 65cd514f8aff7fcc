/// A prepared statement of any engine.
protocol CachedStatement: AnyObject {
    /// A statement whose rows are being read cannot be started again.
    var isInUse: Bool { get set }
    /// Counts up; set by the cache.
    var lastUse: UInt64 { get set }
}

/// The prepared statements of a connection by their text; the ones unused for longest make room.
struct StatementCache<Statement: CachedStatement> {
    private let limit: Int
    private var statements: [String: Statement] = [:]
    private var uses: UInt64 = 0

    init(limit: Int) {
        self.limit = max(1, limit)
        statements.reserveCapacity(self.limit + 1)
    }

    /// The statement of that text, now in use. Nil when there is none, or when it is in use already because the
    /// text is run from inside its own rows.
    mutating func take(_ text: String) -> Statement? {
        guard let statement = statements[text], !statement.isInUse else { return nil }
        uses += 1
        statement.lastUse = uses
        statement.isInUse = true
        return statement
    }

    /// Keeps a new statement unless one of the same text is there.
    ///
    /// - Returns: the statement that made room, or the new one when it is not kept.
    mutating func keep(_ statement: Statement, _ text: String) -> Statement? {
        guard statements[text] == nil else { return statement }
        uses += 1
        statement.lastUse = uses
        statements[text] = statement
        guard statements.count > limit else { return nil }
        let idle = statements.filter { !$0.value.isInUse }
        guard let oldest = idle.min(by: { $0.value.lastUse < $1.value.lastUse }) else { return nil }
        return statements.removeValue(forKey: oldest.key)
    }

    /// Forgets the statement of that text.
    mutating func remove(_ text: String) -> Statement? { statements.removeValue(forKey: text) }

    /// Forgets all.
    mutating func removeAll() -> [Statement] {
        defer { statements = [:] }
        return Array(statements.values)
    }
}
