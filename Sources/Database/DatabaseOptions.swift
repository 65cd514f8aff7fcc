package import Logging

/// How a database is opened and used.
package struct DatabaseOptions: Sendable {
    /// What happens to a schema that is not this version's when a store is opened.
    package enum SchemaPolicy: Sendable {
        /// It is brought up to date.
        case migrate
        /// It is refused, with the command that brings it up to date: a server's database is shared by processes of
        /// several hosts, and only its operator knows when all may live with a new schema.
        case verify
    }

    /// Threads, each with a connection of its own, that serve reads of an SQLite file. A memory database has one
    /// connection for all.
    package var readersMax = 2
    /// Connections to a server that are kept.
    package var poolSize = 5
    /// Connections to a server that are made beyond ``poolSize`` when work waits, and closed when none does.
    package var overflowMax = 50
    /// How long work waits for a connection, and how long a lost server is waited for, until it is refused.
    package var poolTimeout: Duration = .seconds(30)
    /// The age at which a connection to a server is closed and made anew.
    package var recycleTime: Duration = .seconds(3600)
    /// How often the first connection is tried again when the server does not answer; negative: for ever.
    package var openRetriesMax = 0
    /// The pause before the first connection is tried again.
    package var openRetryInterval: Duration = .seconds(10)
    /// How long one statement waits for a lock that somebody else holds.
    package var busyTimeout: Duration = .seconds(5)
    /// How often a transaction is run in all when the database stays busy or reports deadlocks.
    package var attemptsMax = 4
    /// The most transactions that share one commit.
    package var groupMax = 256
    /// Prepared statements kept per connection.
    package var statementsMax = 256
    package var schemaPolicy = SchemaPolicy.migrate
    /// Told of retries, of groups that fell apart and of lost servers.
    package var logger: Logger

    package init(logger: Logger = Logger(label: "kilonova.database")) {
        self.logger = logger
    }
}

extension Duration {
    /// Whole milliseconds, as far as 32 bits reach.
    var milliseconds: Int32 {
        Int32(clamping: components.seconds * 1000 + components.attoseconds / 1_000_000_000_000_000)
    }

    /// Nanoseconds, as far as 63 bits reach.
    var nanoseconds: Int64 {
        let (seconds, overflow) = components.seconds.multipliedReportingOverflow(by: 1_000_000_000)
        return overflow ? .max : seconds + components.attoseconds / 1_000_000_000
    }
}
