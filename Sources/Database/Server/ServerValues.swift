extension SQLValue {
    /// A number that the engine gave with decimal places: an integer when they are all zero, as sums and quotients of
    /// integers have them.
    init(decimal text: String) throws(DatabaseError) {
        let parts = text.split(separator: ".", maxSplits: 1)
        if let whole = parts.first, parts.count == 1 || parts[1].allSatisfy({ $0 == "0" }), let number = Int64(whole) {
            self = .integer(number)
        } else if let number = Double(text) {
            self = .real(number)
        } else {
            throw .decoding("the engine gave the number \"\(text)\", which is too large")
        }
    }

    /// Bytes of a text or blob; none for all else.
    var byteCount: Int {
        switch self {
        case .null, .integer, .real: 0
        case .text(let text): text.utf8.count
        case .blob(let bytes): bytes.count
        }
    }
}

/// Statements that begin or end transactions, which no closure may run.
enum TransactionControl {
    static func isIn(_ text: String) -> Bool {
        let word = text.drop(while: \.isWhitespace).prefix(while: \.isLetter).lowercased()
        return ["begin", "start", "commit", "end", "rollback", "savepoint", "release", "abort"].contains(word)
    }

    static func refusal(_ text: String) -> DatabaseError {
        .statement(message: "transactions are begun and ended by the database layer only", sql: text)
    }
}
