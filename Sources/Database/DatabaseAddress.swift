/// Where a database is, from the value of `[database] connection`.
///
/// ```
/// sqlite:///abs/path                      a file (four slashes, as SQLAlchemy writes absolute paths, are taken too)
/// sqlite://                               in memory, gone when it is closed
/// mysql://user:password@host:port/name    MariaDB; also mariadb:// and SQLAlchemy's mysql+pymysql:// and the like
/// postgresql://user:password@host/name    PostgreSQL; also postgres:// and postgresql+psycopg2:// and the like
/// ```
/// What stands for itself in a URL is written with a percent sign and two hexadecimal digits in user, password and
/// name: `@` as `%40`. Parameters follow a question mark; docs/operator-guide/databases.md lists them.
package enum DatabaseAddress: Sendable, Hashable {
    case sqliteFile(path: String)
    case sqliteMemory
    case server(ServerAddress)

    /// Reads a URL.
    ///
    /// - Throws: ``DatabaseError/cannotOpen(_:)`` with what is wrong and how it is written; never with the password.
    package init(url: String) throws(DatabaseError) {
        guard let colon = url.firstRange(of: "://") else {
            throw .cannotOpen("\"\(Self.redacted(url))\" is no URL; write \(Self.forms)")
        }
        let scheme = url[..<colon.lowerBound]
        let rest = url[colon.upperBound...]
        let family = scheme.prefix { $0 != "+" }
        switch family {
        case "sqlite": self = try Self.sqlite(url, rest)
        case "mysql", "mariadb": self = .server(try ServerAddress(.mariadb, url, rest))
        case "postgresql", "postgres": self = .server(try ServerAddress(.postgresql, url, rest))
        default:
            throw .cannotOpen("there is no database engine \"\(scheme)\"; write \(Self.forms)")
        }
    }

    static let forms = "sqlite:///path/of/the/file, mysql://user:password@host/name or "
        + "postgresql://user:password@host/name"

    /// Whether others may use the same database at the same time from other hosts.
    package var isServer: Bool {
        switch self {
        case .server: true
        case .sqliteFile, .sqliteMemory: false
        }
    }

    private static func sqlite(_ url: String, _ rest: Substring) throws(DatabaseError) -> DatabaseAddress {
        if rest.isEmpty { return .sqliteMemory }
        guard rest.hasPrefix("/"), rest.count > 1 else {
            throw .cannotOpen("the database connection \"\(url)\" needs an absolute path: sqlite:///path/of/the/file")
        }
        return .sqliteFile(path: "/" + rest.drop { $0 == "/" })
    }

    /// A URL, or what was meant to be one, with three stars in the place of its password.
    package static func redacted(_ url: String) -> String {
        guard let at = url.lastIndex(of: "@") else { return url }
        let start = url.firstRange(of: "://")?.upperBound ?? url.startIndex
        guard start < at, let colon = url[start..<at].firstIndex(of: ":") else {
            return start < at ? url : "***" + url[at...]
        }
        return url[...colon] + "***" + url[at...]
    }
}
