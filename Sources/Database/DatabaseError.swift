/// Why the database did not do what it was asked, one case per thing a caller can act on.
///
/// The texts are sentences for operators: they name the file or server and the remedy, and keep the engine's words.
package enum DatabaseError: Error, Sendable, Hashable {
    /// The change breaks a rule of the schema. Nothing of the statement took effect.
    case constraint(ConstraintFailure)
    /// Another user of the database held a lock for too long, or there was a deadlock, also after retries.
    case busy(String)
    /// The connection is closed, or the device fails.
    case unavailable(String)
    /// The server does not answer, or its connection was lost before the end of the transaction, which took no effect;
    /// also after retries.
    case connectionLost(String)
    /// The connection was lost while the transaction was being committed: it took effect as a whole or not at all.
    /// Look, or repeat what may be repeated.
    case outcomeUnknown(String)
    /// The database cannot be opened: wrong address, missing directory, no permission.
    case cannotOpen(String)
    /// No space is left for the change.
    case full(String)
    /// The database, or this connection, may only be read.
    case readOnly(String)
    /// The file is damaged or is no database.
    case corrupt(String)
    /// The statement is wrong: a mistake in our code.
    case statement(message: String, sql: String)
    /// A row does not have the form that the code expects.
    case decoding(String)
    /// The schema in the database and the migrations of this version do not fit together.
    case migration(String)

    /// The rule of the schema that was broken.
    package struct ConstraintFailure: Error, Sendable, Hashable {
        package enum Kind: String, Sendable {
            /// A unique index or a primary key.
            case unique
            case foreignKey
            case check
            case notNull
            /// Raised by a trigger, or of a kind the engine does not name.
            case other
        }
        package var kind: Kind
        /// The columns as `table.column`, or the constraint's name, where the engine tells; else empty.
        package var columns: [String]
        /// The engine's message.
        package var message: String

        package init(kind: Kind, columns: [String], message: String) {
            self.kind = kind
            self.columns = columns
            self.message = message
        }
    }

    /// Whether a unique index or primary key already holds the value.
    package var isUniqueViolation: Bool {
        if case .constraint(let failure) = self { failure.kind == .unique } else { false }
    }

    /// Whether what failed may succeed when it is simply done again, by those for whom twice is as good as once. The
    /// database layer has already repeated what is safe to repeat.
    package var isTransient: Bool {
        switch self {
        case .busy, .connectionLost, .outcomeUnknown: true
        case .constraint, .unavailable, .cannotOpen, .full, .readOnly, .corrupt, .statement, .decoding, .migration:
            false
        }
    }
}

extension DatabaseError {
    /// Why no request can be served now, through no fault of the request and without names of files or servers; `nil`
    /// for all other errors. Answers carry it with 503.
    package var outage: String? {
        switch self {
        case .busy: "its database is busy"
        case .unavailable, .connectionLost, .outcomeUnknown: "its database does not answer"
        case .full: "no space is left for its database, and the operator must free some"
        case .readOnly: "its database may only be read, and the operator must mend that"
        case .constraint, .cannotOpen, .corrupt, .statement, .decoding, .migration: nil
        }
    }
}

extension DatabaseError: CustomStringConvertible {
    package var description: String {
        switch self {
        case .constraint(let failure): failure.message
        case .statement(let message, let sql): "\(message) in \"\(sql)\""
        case .busy(let text), .unavailable(let text), .connectionLost(let text), .outcomeUnknown(let text),
            .cannotOpen(let text), .full(let text), .readOnly(let text), .corrupt(let text), .decoding(let text),
            .migration(let text):
            text
        }
    }
}
