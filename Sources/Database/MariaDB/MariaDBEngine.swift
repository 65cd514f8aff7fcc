import CMariaDB

/// Opens connections to MariaDB through libmariadb.
struct MariaDBEngine: SQLEngine {
    let address: ServerAddress
    let options: DatabaseOptions

    var dialect: SQLDialect { .mariadb }
    var name: String { address.name }

    /// The library is told of the process once, before any thread uses it.
    private static let library: Int32 = mysql_server_init(0, nil, nil)

    func connect(for purpose: ConnectionPurpose) throws(DatabaseError) -> any EngineConnection {
        guard Self.library == 0, let handle = mysql_init(nil) else {
            throw .unavailable("the MariaDB client library has no memory for a connection")
        }
        set(handle)
        let flags = UInt(CLIENT_FOUND_ROWS) | UInt(CLIENT_MULTI_STATEMENTS)
        let connected = mysql_real_connect(
            handle, address.host, address.user, address.password, address.database, UInt32(address.port),
            address.socket, flags)
        let connection = MariaDBConnection(handle: handle, address: address, statementsMax: options.statementsMax)
        do throws(DatabaseError) {
            guard connected != nil else { throw connection.lastError(connecting: true) }
            try configure(connection)
        } catch {
            connection.close()
            throw error
        }
        return connection
    }

    private func set(_ handle: UnsafeMutablePointer<MYSQL>) {
        func number(_ option: mysql_option, _ value: UInt32) {
            var value = value
            mysql_options(handle, option, &value)
        }
        func text(_ option: mysql_option, _ value: String?) {
            if let value { mysql_options(handle, option, value) }
        }
        func flag(_ option: mysql_option, _ value: Bool) {
            var value: CChar = value ? 1 : 0
            mysql_options(handle, option, &value)
        }
        number(MYSQL_OPT_CONNECT_TIMEOUT, UInt32(address.connectTimeout))
        number(MYSQL_OPT_READ_TIMEOUT, UInt32(address.silenceTimeout))
        number(MYSQL_OPT_WRITE_TIMEOUT, UInt32(address.silenceTimeout))
        number(MYSQL_OPT_PROTOCOL, (address.socket == nil ? MYSQL_PROTOCOL_TCP : MYSQL_PROTOCOL_SOCKET).rawValue)
        // Files are read for nobody, and the server decides how much it takes at once.
        number(MYSQL_OPT_LOCAL_INFILE, 0)
        var largest = UInt(1 << 30)
        mysql_options(handle, MYSQL_OPT_MAX_ALLOWED_PACKET, &largest)
        text(MYSQL_SET_CHARSET_NAME, "utf8mb4")
        guard address.protection != .disable else { return }
        flag(MYSQL_OPT_SSL_ENFORCE, true)
        flag(MYSQL_OPT_SSL_VERIFY_SERVER_CERT, address.protection == .verifyFull)
        text(MYSQL_OPT_SSL_CA, address.authorityFile)
        text(MYSQL_OPT_SSL_CERT, address.certificateFile)
        text(MYSQL_OPT_SSL_KEY, address.keyFile)
    }

    /// Makes the session compare texts byte by byte, as SQLite does, and refuse what does not fit.
    private func configure(_ connection: MariaDBConnection) throws(DatabaseError) {
        if address.protection != .disable, !connection.isEncrypted {
            throw .cannotOpen("the connection to \(name) is not encrypted although the URL asks for it; give the "
                + "server a certificate (ssl_cert and ssl_key in its configuration)")
        }
        let seconds = max(1, options.busyTimeout.components.seconds)
        do {
            try connection.script("SET NAMES utf8mb4 COLLATE utf8mb4_nopad_bin")
        } catch {
            guard case .statement = error else { throw error }
            throw .cannotOpen("\(name) does not know the collation utf8mb4_nopad_bin, so it is no MariaDB of 10.6 or "
                + "newer (\(connection.serverVersion)); use one")
        }
        try connection.script("""
            SET SESSION sql_mode = 'STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION,NO_AUTO_VALUE_ON_ZERO,\
            NO_BACKSLASH_ESCAPES,PIPES_AS_CONCAT,ERROR_FOR_DIVISION_BY_ZERO', time_zone = '+00:00', autocommit = 1, \
            innodb_lock_wait_timeout = \(seconds);\
            SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED
            """)
        // On a Galera cluster a read waits until its node has what was committed on the others.
        try? connection.script("SET SESSION wsrep_sync_wait = 1")
        try connection.learnLargestPacket()
    }
}
