import CPostgreSQL
import Glibc

/// Opens connections to PostgreSQL through libpq.
struct PostgreSQLEngine: SQLEngine {
    let address: ServerAddress
    let options: DatabaseOptions

    var dialect: SQLDialect { .postgresql }
    var name: String { address.name }

    func connect(for purpose: ConnectionPurpose) throws(DatabaseError) -> any EngineConnection {
        guard let handle = Self.open(parameters) else {
            throw .unavailable("the PostgreSQL client library has no memory for a connection")
        }
        let connection = PostgreSQLConnection(handle: handle, address: address, statementsMax: options.statementsMax)
        do throws(DatabaseError) {
            guard PQstatus(handle) == CONNECTION_OK else { throw connection.refusal() }
            try configure(connection)
        } catch {
            connection.close()
            throw error
        }
        return connection
    }

    private var parameters: [(String, String)] {
        var parameters = [
            ("host", address.socket ?? address.host), ("port", "\(address.port)"), ("dbname", address.database),
            ("user", address.user), ("password", address.password), ("sslmode", address.protection.rawValue),
            ("connect_timeout", "\(address.connectTimeout)"), ("application_name", address.applicationName),
            ("client_encoding", "UTF8"), ("keepalives_idle", "30"), ("keepalives_interval", "10"),
            ("keepalives_count", "3"), ("tcp_user_timeout", "\(address.silenceTimeout * 1000)"),
            ("gssencmode", "disable"),
        ]
        if let file = address.authorityFile { parameters.append(("sslrootcert", file)) }
        if let file = address.certificateFile { parameters.append(("sslcert", file)) }
        if let file = address.keyFile { parameters.append(("sslkey", file)) }
        return parameters
    }

    private static func open(_ parameters: [(String, String)]) -> OpaquePointer? {
        let texts = parameters.map { ($0.0.withCString { strdup($0) }, $0.1.withCString { strdup($0) }) }
        defer {
            for (name, value) in texts {
                free(name)
                free(value)
            }
        }
        let names = texts.map { UnsafePointer($0.0) } + [nil]
        let values = texts.map { UnsafePointer($0.1) } + [nil]
        return PQconnectdbParams(names, values, 0)
    }

    private func configure(_ connection: PostgreSQLConnection) throws(DatabaseError) {
        let encoding = PQparameterStatus(connection.handle, "server_encoding").map { String(cString: $0) } ?? ""
        guard encoding == "UTF8" else {
            throw .cannotOpen("the database \(name) keeps texts as \(encoding); create it for UTF-8: CREATE DATABASE "
                + "\(address.database) ENCODING 'UTF8' TEMPLATE template0")
        }
        // Notices, such as that a table exists already, would go to standard error.
        PQsetNoticeProcessor(connection.handle, { _, _ in }, nil)
        try connection.script("""
            SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL READ COMMITTED; SET TIME ZONE 'UTC'; \
            SET lock_timeout = \(max(1, options.busyTimeout.milliseconds)); \
            SET idle_in_transaction_session_timeout = 60000; SET standard_conforming_strings = on
            """)
    }
}
