package import ComputeModel
package import Database

/// The compute service's own database: records and queries, one file per resource.
///
/// The only compute module that writes SQL. Every change of an instance's state is a compare-and-swap on what its
/// caller read; whoever loses reads again and decides again.
package struct ComputeStore: Sendable {
    /// The database beneath.
    package let database: SQLDatabase
    /// The time that is written into records.
    package let now: @Sendable () -> Timestamp

    /// A store on an open database whose schema is current; see ``open(_:now:)``.
    package init(database: SQLDatabase, now: @escaping @Sendable () -> Timestamp) {
        self.database = database
        self.now = now
    }

    /// The history of the store's tables.
    package static let history = SchemaHistory(component: "compute", migrations: Schema.migrations)

    /// Brings the schema up to date and returns the store.
    ///
    /// - Throws: `DatabaseError`, with file and remedy in its text.
    package static func open(_ database: SQLDatabase, now: @escaping @Sendable () -> Timestamp) async throws
        -> ComputeStore
    {
        try await database.migrate(history.migrations, component: history.component)
        return ComputeStore(database: database, now: now)
    }
}

/// Why the store could not do what was asked, by what the caller does about it.
package enum StoreError: Error, Sendable, Equatable {
    /// What was named does not exist, or is not the caller's to see.
    case notFound(String)
    /// Something of that name exists already.
    case exists(String)
    /// The row is not as expected any more: read again and decide again.
    case changedMeanwhile
    /// A limit of the project would be passed.
    case quotaExceeded(QuotaExceeded)
}

/// Which limits a request would pass.
package struct QuotaExceeded: Error, Sendable, Equatable {
    /// One limit.
    package struct Resource: Sendable, Equatable {
        package var name: String
        package var requested: Int
        package var used: Int
        package var limit: Int

        package init(name: String, requested: Int, used: Int, limit: Int) {
            self.name = name
            self.requested = requested
            self.used = used
            self.limit = limit
        }
    }
    /// The limits, in the order in which they are checked.
    package var resources: [Resource]

    package init(resources: [Resource]) { self.resources = resources }
}

extension SQLRow {
    func timestamp(_ column: Int) throws -> Timestamp { Timestamp(microseconds: try int64(column)) }
    func optionalTimestamp(_ column: Int) throws -> Timestamp? {
        try optionalInt64(column).map { Timestamp(microseconds: $0) }
    }
    func identifier<Kind>(_ column: Int) throws -> Identifier<Kind> {
        let text = try string(column)
        guard let identifier = Identifier<Kind>(text) else {
            throw DatabaseError.decoding("column \(column) holds '\(text)', which is not a UUID")
        }
        return identifier
    }
    func optionalIdentifier<Kind>(_ column: Int) throws -> Identifier<Kind>? {
        try optionalString(column).flatMap { Identifier<Kind>($0) }
    }
}

extension Timestamp: SQLBindable {
    package var sqlValue: SQLValue { .integer(microseconds) }
}

extension Identifier: SQLBindable {
    package var sqlValue: SQLValue { .text(description) }
}

/// When a write is on disk. Callers outside the store do not see the database's own word for it.
package enum StoreDurability: Sendable {
    /// When the call returns.
    case onDisk
    /// With the next write that is on disk; see `Durability.deferred`.
    case deferred

    var inDatabase: Durability {
        switch self {
        case .onDisk: .onDisk
        case .deferred: .deferred
        }
    }
}

/// What callers outside the store may learn of the database's errors.
package enum StorageTrouble {
    /// Why the database cannot be used now, through no fault of the request; `nil` for all other errors.
    package static func outage(_ error: any Error) -> String? { (error as? DatabaseError)?.outage }
}
