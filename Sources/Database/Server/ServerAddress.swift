/// A database on a server, and how it is reached.
package struct ServerAddress: Sendable, Hashable {
    /// How the connection is protected, in PostgreSQL's words, which name the steps best.
    package enum Protection: String, Sendable, CaseIterable {
        /// In the clear.
        case disable
        /// In the clear; encrypted where the server insists. PostgreSQL only.
        case allow
        /// Encrypted where the server can.
        case prefer
        /// Encrypted or not at all.
        case require
        /// Encrypted, and the server's certificate comes from the authority.
        case verifyAuthority = "verify-ca"
        /// Encrypted, the certificate comes from the authority and is made out to the host.
        case verifyFull = "verify-full"
    }

    package var dialect: SQLDialect
    package var user: String
    package var password: String
    package var host: String
    package var port: Int
    /// A socket of this machine in place of host and port.
    package var socket: String?
    /// The database on the server.
    package var database: String
    package var protection: Protection
    /// Paths of PEM files.
    package var authorityFile: String?
    package var certificateFile: String?
    package var keyFile: String?
    /// Seconds for making a connection.
    package var connectTimeout = 10
    /// Seconds after which a server that says nothing counts as lost.
    package var silenceTimeout = 300
    /// What the server lists this client as.
    package var applicationName = "kilonova"

    /// The database in messages: engine, place and name, never user or password.
    package var name: String {
        let place = socket ?? (host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)")
        return "\"\(database)\" at \(dialect.engineName) \(place)"
    }

    init(_ dialect: SQLDialect, _ url: String, _ rest: Substring) throws(DatabaseError) {
        self.dialect = dialect
        let problem = Problem(url: url)
        let question = rest.firstIndex(of: "?")
        let main = rest[..<(question ?? rest.endIndex)]
        guard let slash = main.firstIndex(of: "/"), main.index(after: slash) < main.endIndex else {
            throw problem("names no database; write it after the host: \(dialect.rawValue)://…@host/name")
        }
        database = try problem.decoded(main[main.index(after: slash)...], "the database's name")
        guard !database.contains("/") else { throw problem("has a slash in the database's name") }
        let authority = main[..<slash]
        let parts = authority.split(separator: "@", omittingEmptySubsequences: false)
        guard parts.count <= 2 else { throw problem("has several @; write @ in a user or password as %40") }
        guard let place = parts.last, parts.count == 2, !parts[0].isEmpty else {
            throw problem("names no user; write it before the host: user:password@host")
        }
        let account = parts[0].split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
        user = try problem.decoded(account[0], "the user")
        password = try account.count > 1 ? problem.decoded(account[1], "the password") : ""
        (host, port) = try Self.place(place, dialect, problem)
        protection = dialect == .mariadb ? .disable : .prefer
        try read(question.map { rest[rest.index(after: $0)...] } ?? "", problem)
        guard !host.isEmpty || socket != nil else {
            throw problem("names neither a host nor a socket; write user:password@host/name")
        }
    }

    private static func place(
        _ text: Substring, _ dialect: SQLDialect, _ problem: Problem
    ) throws(DatabaseError) -> (host: String, port: Int) {
        var host = text
        var port: Substring?
        if text.hasPrefix("[") {
            guard let end = text.firstIndex(of: "]") else { throw problem("has [ without ] in its host") }
            host = text[text.index(after: text.startIndex)..<end]
            let rest = text[text.index(after: end)...]
            if !rest.isEmpty {
                guard rest.hasPrefix(":") else { throw problem("has something other than a port after ]") }
                port = rest.dropFirst()
            }
        } else if let colon = text.lastIndex(of: ":") {
            host = text[..<colon]
            port = text[text.index(after: colon)...]
            guard !host.contains(":") else { throw problem("has an IPv6 address without brackets: write [::1]") }
        }
        guard let port else { return (String(host), dialect == .mariadb ? 3306 : 5432) }
        guard let number = Int(port), (1...65535).contains(number) else {
            throw problem("has the port \"\(port)\", which is no number from 1 to 65535")
        }
        return (String(host), number)
    }

    // MARK: - Parameters

    private mutating func read(_ query: Substring, _ problem: Problem) throws(DatabaseError) {
        var seen: Set<Substring> = []
        var mustVerify: Bool?
        for pair in query.split(separator: "&") {
            let halves = pair.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            guard halves.count == 2 else { throw problem("has the parameter \"\(halves[0])\" without a value") }
            guard seen.insert(halves[0]).inserted else { throw problem("has the parameter \"\(halves[0])\" twice") }
            let value = try problem.decoded(halves[1], "the parameter \(halves[0])")
            switch (dialect, halves[0]) {
            case (_, "connect_timeout"): connectTimeout = try problem.seconds(value, halves[0])
            case (_, "read_timeout"): silenceTimeout = try problem.seconds(value, halves[0])
            case (.mariadb, "charset"):
                guard ["utf8", "utf8mb3", "utf8mb4"].contains(value.lowercased()) else {
                    throw problem("has charset=\(value); texts are always UTF-8: write utf8mb4 or leave it out")
                }
            case (.mariadb, "unix_socket"): socket = try problem.path(value, halves[0])
            case (.mariadb, "ssl_ca"), (.postgresql, "sslrootcert"): authorityFile = try problem.path(value, halves[0])
            case (.mariadb, "ssl_cert"), (.postgresql, "sslcert"): certificateFile = try problem.path(value, halves[0])
            case (.mariadb, "ssl_key"), (.postgresql, "sslkey"): keyFile = try problem.path(value, halves[0])
            case (.mariadb, "ssl_verify_cert"): mustVerify = try problem.flag(value, halves[0])
            case (.postgresql, "sslmode"):
                guard let mode = Protection(rawValue: value) else {
                    let known = Protection.allCases.map(\.rawValue).joined(separator: ", ")
                    throw problem("has sslmode=\(value); it is one of \(known)")
                }
                protection = mode
            case (.postgresql, "host"): socket = try problem.path(value, halves[0])
            case (.postgresql, "application_name"): applicationName = value
            case (.postgresql, "client_encoding"):
                guard ["utf8", "utf-8"].contains(value.lowercased()) else {
                    throw problem("has client_encoding=\(value); texts are always UTF-8: leave it out")
                }
            default: throw problem("has the parameter \"\(halves[0])\"; known are \(Self.known(dialect))")
            }
        }
        try settleProtection(mustVerify, problem)
    }

    private static func known(_ dialect: SQLDialect) -> String {
        dialect == .mariadb
            ? "charset, connect_timeout, read_timeout, ssl_ca, ssl_cert, ssl_key, ssl_verify_cert and unix_socket"
            : "application_name, client_encoding, connect_timeout, host, read_timeout, sslcert, sslkey, sslmode and "
                + "sslrootcert"
    }

    private mutating func settleProtection(_ mustVerify: Bool?, _ problem: Problem) throws(DatabaseError) {
        guard (certificateFile == nil) == (keyFile == nil) else {
            throw problem("names a certificate without its key, or a key without its certificate; give both")
        }
        if dialect == .mariadb {
            let isWanted = authorityFile != nil || certificateFile != nil || mustVerify != nil
            if mustVerify == true, authorityFile == nil {
                throw problem("has ssl_verify_cert=true without ssl_ca, the authority to verify against")
            }
            if isWanted { protection = mustVerify ?? (authorityFile != nil) ? .verifyFull : .require }
        } else if [.verifyAuthority, .verifyFull].contains(protection), authorityFile == nil {
            throw problem("has sslmode=\(protection.rawValue) without sslrootcert, the authority to verify against")
        }
    }

    /// Says what is wrong with a URL.
    private struct Problem {
        let url: String

        func callAsFunction(_ text: String) -> DatabaseError {
            .cannotOpen("the URL \"\(DatabaseAddress.redacted(url))\" \(text)")
        }

        /// The text without percent encoding.
        func decoded(_ text: Substring, _ what: String) throws(DatabaseError) -> String {
            var bytes: [UInt8] = []
            var rest = text.utf8[...]
            while let byte = rest.popFirst() {
                guard byte == UInt8(ascii: "%") else {
                    bytes.append(byte)
                    continue
                }
                let digits = rest.prefix(2)
                guard digits.count == 2, let code = UInt8(String(decoding: digits, as: UTF8.self), radix: 16) else {
                    throw self("has a % without two hexadecimal digits in \(what); write % as %25")
                }
                bytes.append(code)
                rest = rest.dropFirst(2)
            }
            guard let decoded = String(validating: bytes, as: UTF8.self), !bytes.contains(0), !bytes.isEmpty else {
                throw self("has \(what) empty or not in UTF-8")
            }
            return decoded
        }

        func seconds(_ text: String, _ name: Substring) throws(DatabaseError) -> Int {
            guard let number = Int(text), (1...86_400).contains(number) else {
                throw self("has \(name)=\(text), which is no number of seconds from 1 to 86400")
            }
            return number
        }

        func flag(_ text: String, _ name: Substring) throws(DatabaseError) -> Bool {
            switch text.lowercased() {
            case "true", "1", "yes": return true
            case "false", "0", "no": return false
            default: throw self("has \(name)=\(text), which is neither true nor false")
            }
        }

        func path(_ text: String, _ name: Substring) throws(DatabaseError) -> String {
            guard text.hasPrefix("/") else { throw self("has \(name)=\(text), which is no absolute path") }
            return text
        }
    }
}
