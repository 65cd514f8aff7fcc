import Database
import DatabaseServers
import Foundation
import Glibc
import Testing

/// TLS, with certificates of the test's own.
@Suite(.serialized) struct ProtectionTests {
    @Test(arguments: TestEngine.servers)
    func certificatesDecideWhoIsTalkedTo(_ engine: TestEngine) async throws {
        let good = try Certificates(host: "127.0.0.1")
        let server = try await DatabaseServer.start(engine, good.settings)
        let name = try await server.name()
        // Encrypted and verified.
        #expect(try await isEncrypted(server, name, engine == .mariadb
            ? "ssl_ca=\(good.authority)" : "sslmode=verify-full&sslrootcert=\(good.authority)"))
        // Encrypted, whoever it is.
        #expect(try await isEncrypted(server, name, engine == .mariadb
            ? "ssl_ca=\(good.authority)&ssl_verify_cert=false" : "sslmode=require"))
        // In the clear where nothing else is asked for.
        if engine == .postgresql { #expect(try await !isEncrypted(server, name, "sslmode=disable")) }
        // Another authority.
        let other = try Certificates(host: "127.0.0.1")
        try await expectRefusal(server, name, engine == .mariadb
            ? "ssl_ca=\(other.authority)" : "sslmode=verify-full&sslrootcert=\(other.authority)")
        // An authority that cannot be read.
        try await expectRefusal(server, name, engine == .mariadb
            ? "ssl_ca=/nowhere/ca.pem" : "sslmode=verify-full&sslrootcert=/nowhere/ca.pem")
    }

    @Test(arguments: TestEngine.servers)
    func aCertificateForAnotherHostIsRefused(_ engine: TestEngine) async throws {
        let foreign = try Certificates(host: "192.0.2.1")
        let server = try await DatabaseServer.start(engine, foreign.settings)
        let name = try await server.name()
        try await expectRefusal(server, name, engine == .mariadb
            ? "ssl_ca=\(foreign.authority)" : "sslmode=verify-full&sslrootcert=\(foreign.authority)")
        let lenient = engine == .mariadb
            ? "ssl_ca=\(foreign.authority)&ssl_verify_cert=false"
            : "sslmode=verify-ca&sslrootcert=\(foreign.authority)"
        #expect(try await isEncrypted(server, name, lenient))
    }

    @Test(arguments: TestEngine.servers)
    func aClientProvesItselfWithACertificate(_ engine: TestEngine) async throws {
        let certificates = try Certificates(host: "127.0.0.1")
        let server = try await DatabaseServer.start(engine, certificates.settings)
        let name = try await server.name()
        let (authority, own) = (certificates.authority, certificates.client)
        let query: String
        switch engine {
        case .mariadb, .sqlite:
            try await server.run([
                "CREATE USER certified@'%' REQUIRE X509", "GRANT ALL ON *.* TO certified@'%'",
            ])
            query = "ssl_ca=\(authority)"
        case .postgresql:
            try await server.run(["CREATE ROLE certified SUPERUSER LOGIN"])
            query = "sslmode=verify-full&sslrootcert=\(authority)"
        }
        let proof = engine == .mariadb ? "&ssl_cert=\(own.certificate)&ssl_key=\(own.key)"
            : "&sslcert=\(own.certificate)&sslkey=\(own.key)"
        #expect(try await isEncrypted(server, name, query + proof, account: "certified"))
        try await expectRefusal(server, name, query, account: "certified")
    }

    @Test(arguments: TestEngine.servers)
    func aServerWithoutTLSIsRefusedWhereTLSIsAskedFor(_ engine: TestEngine) async throws {
        let certificates = try Certificates(host: "127.0.0.1")
        let server = try await DatabaseServer.shared(engine)
        try await expectRefusal(server, try await server.name(), engine == .mariadb
            ? "ssl_ca=\(certificates.authority)" : "sslmode=require")
    }

    private func isEncrypted(
        _ server: DatabaseServer, _ name: String, _ query: String, account: String = DatabaseServer.account
    ) async throws -> Bool {
        let url = server.url(name, host: "127.0.0.1", account: account, query: query)
        let database = try await SQLDatabase.open(url: url, options: .quiet)
        let question: SQL = server.engine == .mariadb
            ? "SELECT variable_value <> '' FROM information_schema.session_status WHERE variable_name = 'Ssl_cipher'"
            : "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()"
        let answer = try await database.read { try $0.first(question) { try $0.bool(0) } }
        await database.close()
        return answer ?? false
    }

    private func expectRefusal(
        _ server: DatabaseServer, _ name: String, _ query: String, account: String = DatabaseServer.account
    ) async throws {
        let url = server.url(name, host: "127.0.0.1", account: account, query: query)
        await #expect {
            await (try SQLDatabase.open(url: url, options: .quiet)).close()
        } throws: { error in
            guard case .cannotOpen(let text) = error as? DatabaseError else { return false }
            return (text.contains("protected connection") || text.contains("login")) && text.contains("check")
                && !text.contains(DatabaseServer.password)
        }
    }
}

extension DatabaseServer {
    /// A new database by its name.
    fileprivate func name() async throws -> String {
        let url = try await newDatabase()
        return String(url.split(separator: "?")[0].split(separator: "/").last ?? "")
    }
}

/// An authority with a certificate for a server and one for a client, made by openssl.
private struct Certificates {
    struct Pair {
        let certificate: String
        let key: String
    }
    let authority: String
    let server: Pair
    let client: Pair

    init(host: String) throws {
        // Where the server's own user may read it.
        let directory = TestDirectory.make()
        chmod(directory, 0o755)
        func run(_ words: String...) throws { try DatabaseServer.execute(["openssl"] + words) }
        let key = "\(directory)/ca.key"
        authority = "\(directory)/ca.pem"
        try run(
            "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
            "-subj", "/CN=Test authority", "-keyout", key, "-out", authority)
        func make(_ name: String, _ subject: String, _ alternative: String?) throws -> Pair {
            let path = "\(directory)/\(name)"
            try run(
                "req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-subj",
                "/CN=\(subject)", "-keyout", "\(path).key", "-out", "\(path).csr")
            try (alternative.map { "subjectAltName=\($0)\n" } ?? "basicConstraints=CA:FALSE\n")
                .write(toFile: "\(path).ext", atomically: true, encoding: .utf8)
            try run(
                "x509", "-req", "-in", "\(path).csr", "-CA", "\(directory)/ca.pem", "-CAkey", key, "-CAcreateserial",
                "-days", "2", "-extfile", "\(path).ext", "-out", "\(path).pem")
            chmod("\(path).key", 0o600)
            return Pair(certificate: "\(path).pem", key: "\(path).key")
        }
        server = try make("server", host, "IP:\(host)")
        if getuid() == 0 { chown(server.key, 65534, 65534) }
        client = try make("client", "certified", nil)
    }

    var settings: DatabaseServer.Settings {
        var settings = DatabaseServer.Settings()
        (settings.certificate, settings.key, settings.authority) = (server.certificate, server.key, authority)
        return settings
    }
}
