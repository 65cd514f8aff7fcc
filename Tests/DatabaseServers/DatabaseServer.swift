import Foundation
import Glibc
import Synchronization

/// A server of a test's own.
///
/// It runs below a shell that waits for the end of its input, which comes when this process ends, in whatever way; then
/// the shell stops the server and removes its directory. As root it runs as `nobody`, because the servers insist.
package final class DatabaseServer: Sendable {
    package struct Failure: Error, CustomStringConvertible {
        package let description: String
        init(_ description: String) { self.description = description }
    }

    /// How clients prove themselves, and what is protected.
    package struct Settings: Sendable {
        /// PEM files of the server's certificate and key, and of the authority for those of clients.
        package var certificate: String?
        package var key: String?
        package var authority: String?
        /// Further words of the server's command line.
        package var arguments: [String] = []
        package init() {}
    }

    package let engine: TestEngine
    package let port: Int
    let directory: String
    private let settings: Settings
    private let running = Mutex<Running?>(nil)
    private static let count = Atomic(0)

    private struct Running: Sendable {
        let shell: Process
        let pid: Int32
        /// Its closing ends the server.
        let input: FileHandle
    }

    /// The name and password of the user that owns everything; both have signs that a URL must escape.
    package static let user = "kilo nova"
    package static let password = "p@ss/w:rd%ü"

    /// The user and password of a client's URL.
    package static let account = "kilo%20nova:p%40ss%2Fw%3Ard%25%C3%BC"

    private init(_ engine: TestEngine, _ settings: Settings) throws {
        (self.engine, self.settings) = (engine, settings)
        port = try Self.freePort()
        directory = "/tmp/kilonova-\(engine)-\(getpid())-\(Self.count.add(1, ordering: .relaxed).newValue)"
    }

    /// Makes and starts a server, and returns when it answers.
    package static func start(_ engine: TestEngine, _ settings: Settings = Settings()) async throws -> DatabaseServer {
        let server = try DatabaseServer(engine, settings)
        try await onThread { try server.initialize() }
        try await server.start()
        try await server.makeUser()
        return server
    }

    /// The server of that engine that all tests of the process share.
    package static func shared(_ engine: TestEngine) async throws -> DatabaseServer {
        try await SharedServers.shared.server(engine)
    }

    deinit { running.withLock { $0 }?.input.closeFile() }

    // MARK: - Databases

    /// The URL of a new database.
    package func newDatabase() async throws -> String {
        let name = "t\(Self.count.add(1, ordering: .relaxed).newValue)"
        switch engine {
        case .mariadb, .sqlite: try await run(["CREATE DATABASE \(name) CHARACTER SET latin1"])
        case .postgresql: try await run(["CREATE DATABASE \(name)"])
        }
        return url(name)
    }

    /// The URL of a database by its name.
    package func url(_ name: String, host: String? = nil, account: String = account, query: String? = nil) -> String {
        switch engine {
        case .mariadb, .sqlite:
            let end = query ?? (host == nil ? "unix_socket=\(directory)/socket" : "")
            return "mysql+pymysql://\(account)@\(host ?? "localhost"):\(port)/\(name)\(end.isEmpty ? "" : "?\(end)")"
        case .postgresql:
            let end = query ?? (host == nil ? "host=\(directory)" : "")
            let parameters = end.isEmpty ? "" : "?\(end)"
            return "postgresql+psycopg2://\(account)@\(host ?? "localhost"):\(port)/\(name)\(parameters)"
        }
    }

    /// Runs statements as the server's administrator, each by itself.
    package func run(_ statements: [String], database: String? = nil) async throws {
        for statement in statements {
            try await Self.onThread {
                switch self.engine {
                case .mariadb, .sqlite:
                    try Self.execute(["mariadb", "--no-defaults", "-S", "\(self.directory)/socket", "-u", "root",
                        "-e", statement] + (database.map { [$0] } ?? []))
                case .postgresql:
                    try Self.execute(["psql", "-q", "-h", self.directory, "-p", "\(self.port)", "-U", "postgres", "-c",
                        statement, database ?? "postgres"])
                }
            }
        }
    }

    // MARK: - Life

    /// Ends it as a failing machine would: nothing is written, nobody is told.
    package func kill() async throws {
        guard let running = running.withLock({ $0 }) else { return }
        // The shell must see the end, so that the number is free again, and leave the directory to a successor.
        try "none".write(toFile: "\(directory)/current", atomically: true, encoding: .utf8)
        for child in Self.children(of: running.pid) + [running.pid] { Glibc.kill(child, SIGKILL) }
        running.input.closeFile()
        self.running.withLock { $0 = nil }
        try await Self.onThread {
            for _ in 0..<3000 where Glibc.kill(running.pid, 0) == 0 { usleep(10_000) }
        }
    }

    /// Starts it on the data that are there, and returns when it answers.
    package func start() async throws {
        try await Self.onThread {
            var attempts = 0
            while true {
                do {
                    return try self.launch()
                } catch {
                    // A predecessor's last processes may still be ending.
                    attempts += 1
                    if attempts == 200 { throw error }
                    usleep(200_000)
                }
            }
        }
    }

    private func launch() throws {
        let shell = Process()
        shell.executableURL = URL(fileURLWithPath: "/bin/bash")
        shell.arguments = ["-c", Self.keeper, "bash", directory] + Self.unprivileged + command
        let (input, output) = (Pipe(), Pipe())
        (shell.standardInput, shell.standardOutput) = (input, output)
        shell.standardError = FileHandle.nullDevice
        try shell.run()
        let text = String(decoding: output.fileHandleForReading.availableData, as: UTF8.self)
        guard let pid = Int32(text.trimmingCharacters(in: .whitespacesAndNewlines)) else {
            throw Failure("\(engine) was not started")
        }
        let deadline = Date(timeIntervalSinceNow: 120)
        while !answers {
            guard Glibc.kill(pid, 0) == 0, !Self.isZombie(pid), Date.now < deadline else {
                // The shell that ends now must not take the directory along: another start may follow.
                try? "none".write(toFile: "\(directory)/current", atomically: true, encoding: .utf8)
                input.fileHandleForWriting.closeFile()
                let log = (try? String(contentsOfFile: "\(directory)/log", encoding: .utf8)) ?? ""
                throw Failure("\(engine) did not start: \(log.suffix(600))")
            }
            usleep(50_000)
        }
        let old = running.withLock { state in
            let old = state
            state = Running(shell: shell, pid: pid, input: input.fileHandleForWriting)
            return old
        }
        old?.input.closeFile()
    }

    /// For bash, whose `wait` does not rely on a signal that the starting thread may have blocked.
    ///
    /// Starts the rest of its words, says the process's number, and ends it when the input ends. The directory goes
    /// unless a successor runs in it.
    private static let keeper = """
        dir=$1; shift; "$@" >>"$dir/log" 2>&1 & pid=$!; echo $pid >"$dir/current"; echo $pid; exec >/dev/null
        read _; kill -TERM $pid 2>/dev/null; wait $pid
        [ "$(cat "$dir/current" 2>/dev/null)" != $pid ] || rm -rf "$dir"
        """

    private var command: [String] {
        var words: [String]
        switch engine {
        case .mariadb, .sqlite:
            words = [
                Self.find("mariadbd") ?? "", "--no-defaults", "--datadir=\(directory)/data", "--port=\(port)",
                "--socket=\(directory)/socket", "--pid-file=\(directory)/pid", "--bind-address=127.0.0.1",
                "--innodb-buffer-pool-size=64M", "--innodb-log-file-size=32M", "--skip-log-bin", "--skip-name-resolve",
                "--performance-schema=off", "--max-connections=400", "--collation-server=latin1_swedish_ci",
            ]
            if let file = settings.certificate { words.append("--ssl-cert=\(file)") }
            if let file = settings.key { words.append("--ssl-key=\(file)") }
            if let file = settings.authority { words.append("--ssl-ca=\(file)") }
        case .postgresql:
            words = [
                Self.find("postgres") ?? "", "-D", "\(directory)/data", "-k", directory, "-p", "\(port)",
                "-c", "listen_addresses=127.0.0.1", "-c", "max_connections=400", "-c", "shared_buffers=64MB",
            ]
            if let certificate = settings.certificate, let key = settings.key {
                words += ["-c", "ssl=on", "-c", "ssl_cert_file=\(certificate)", "-c", "ssl_key_file=\(key)"]
            }
            if let file = settings.authority { words += ["-c", "ssl_ca_file=\(file)"] }
        }
        return words + settings.arguments
    }

    private var answers: Bool {
        let words =
            switch engine {
            case .mariadb, .sqlite:
                ["mariadb-admin", "--no-defaults", "-S", "\(directory)/socket", "-u", "root", "ping"]
            case .postgresql: ["pg_isready", "-q", "-h", directory, "-p", "\(port)"]
            }
        do {
            try Self.execute(words)
            return true
        } catch {
            return false
        }
    }

    // MARK: - Making

    private func initialize() throws {
        try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
        if getuid() == 0 { chown(directory, 65534, 65534) }
        switch engine {
        case .mariadb, .sqlite:
            try Self.execute(Self.unprivileged + [
                "mariadb-install-db", "--no-defaults", "--datadir=\(directory)/data", "--skip-test-db",
                "--auth-root-authentication-method=normal",
            ])
        case .postgresql:
            // Texts of this locale are not ordered by bytes, as on most servers; ours must be all the same.
            try Self.execute(Self.unprivileged + [
                Self.find("initdb") ?? "", "-D", "\(directory)/data", "-U", "postgres", "--encoding=UTF8", "--no-sync",
                "--locale=C.UTF-8", "--locale-provider=icu", "--icu-locale=en",
            ])
            try """
                local all postgres trust
                local all all scram-sha-256
                hostssl all certified 127.0.0.1/32 cert
                host all all 127.0.0.1/32 scram-sha-256

                """.write(toFile: "\(directory)/data/pg_hba.conf", atomically: true, encoding: .utf8)
        }
    }

    private func makeUser() async throws {
        switch engine {
        case .mariadb, .sqlite:
            try await run([
                "CREATE USER '\(Self.user)'@'%' IDENTIFIED BY '\(Self.password)'",
                "GRANT ALL ON *.* TO '\(Self.user)'@'%'",
            ])
        case .postgresql:
            try await run(["CREATE ROLE \"\(Self.user)\" SUPERUSER LOGIN PASSWORD '\(Self.password)'"])
        }
    }

    // MARK: - The machine

    /// The path of a program, also where Debian hides it.
    static func find(_ program: String) -> String? {
        var places = (ProcessInfo.processInfo.environment["PATH"] ?? "").split(separator: ":").map(String.init)
        places.append("/usr/sbin")
        let versions = (try? FileManager.default.contentsOfDirectory(atPath: "/usr/lib/postgresql")) ?? []
        places += versions.sorted { $0.count == $1.count ? $0 > $1 : $0.count > $1.count }
            .map { "/usr/lib/postgresql/\($0)/bin" }
        return places.map { "\($0)/\(program)" }.first { access($0, X_OK) == 0 }
    }

    private static var unprivileged: [String] {
        getuid() == 0 ? ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"] : []
    }

    /// Runs a program to its end.
    package static func execute(_ words: [String]) throws {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments = words
        let output = Pipe()
        (process.standardOutput, process.standardError) = (output, output)
        process.standardInput = FileHandle.nullDevice
        try process.run()
        let text = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        process.waitUntilExit()
        guard process.terminationStatus == 0 else {
            throw Failure("\(words.joined(separator: " ")): \(text.suffix(600))")
        }
    }

    /// Runs what blocks on a thread of its own.
    static func onThread<T: Sendable>(_ body: @escaping @Sendable () throws -> T) async throws -> T {
        try await withCheckedThrowingContinuation { continuation in
            Thread.detachNewThread { continuation.resume(with: Result { try body() }) }
        }
    }

    private static func children(of pid: Int32) -> [Int32] {
        let numbers = ((try? FileManager.default.contentsOfDirectory(atPath: "/proc")) ?? []).compactMap { Int32($0) }
        return numbers.filter { status(of: $0)?.parent == pid }
    }

    private static func isZombie(_ pid: Int32) -> Bool { status(of: pid)?.state == "Z" }

    private static func status(of pid: Int32) -> (state: String, parent: Int32)? {
        guard let text = try? String(contentsOfFile: "/proc/\(pid)/stat", encoding: .utf8),
            let end = text.lastIndex(of: ")")
        else { return nil }
        let fields = text[text.index(after: end)...].split(separator: " ")
        guard fields.count > 1, let parent = Int32(fields[1]) else { return nil }
        return (String(fields[0]), parent)
    }

    private static func freePort() throws -> Int {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        defer { close(descriptor) }
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let isBound = withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(descriptor, $0, length) == 0 && getsockname(descriptor, $0, &length) == 0
            }
        }
        guard isBound else { throw Failure("no free port") }
        return Int(UInt16(bigEndian: address.sin_port))
    }
}
