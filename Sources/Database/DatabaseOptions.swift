package import Logging

/// How a database is opened and used.
package struct DatabaseOptions: Sendable {
    /// Threads, each with a connection of its own, that serve reads. A memory database has one connection for all.
    package var readersMax = 2
    /// How long one statement waits for a lock that another process holds.
    package var busyTimeout: Duration = .seconds(5)
    /// How often a transaction is run in all when the database stays busy or reports deadlocks.
    package var attemptsMax = 4
    /// The most transactions that share one commit.
    package var groupMax = 256
    /// Prepared statements kept per connection.
    package var statementsMax = 256
    /// Told of retries and of groups that fell apart.
    package var logger: Logger

    package init(logger: Logger = Logger(label: "kilonova.database")) {
        self.logger = logger
    }
}

/// Where a database is.
///
/// `sqlite:///abs/path` names a file (four slashes, as SQLAlchemy writes absolute paths, are taken too);
/// `sqlite://` is a database in memory that is gone when it is closed.
package enum DatabaseAddress: Sendable, Hashable {
    case sqliteFile(path: String)
    case sqliteMemory

    /// Reads the value of `[database] connection`.
    package init(url: String) throws(DatabaseError) {
        guard let colon = url.firstRange(of: "://") else {
            throw .cannotOpen("the database connection \"\(Self.withoutPassword(url))\" is no URL; "
                + "write sqlite:///path/of/the/file")
        }
        let scheme = url[..<colon.lowerBound]
        let rest = url[colon.upperBound...]
        guard scheme == "sqlite" else {
            throw .cannotOpen("this build has no database engine \"\(scheme)\"; use sqlite:///path/of/the/file")
        }
        if rest.isEmpty {
            self = .sqliteMemory
            return
        }
        guard rest.hasPrefix("/"), rest.count > 1 else {
            throw .cannotOpen("the database connection \"\(url)\" needs an absolute path: sqlite:///path/of/the/file")
        }
        self = .sqliteFile(path: "/" + rest.drop { $0 == "/" })
    }

    private static func withoutPassword(_ url: String) -> String {
        guard let at = url.lastIndex(of: "@") else { return url }
        return "…" + url[at...]
    }
}
