import Foundation
import Glibc

/// A RabbitMQ of a test's own: on loopback, on free ports, with its data in a temporary directory and a port mapper of
/// its own. It ends with the test process, however that ends.
package actor TestBroker {
    package struct Failure: Error, CustomStringConvertible {
        package let description: String
    }

    /// Why tests with a broker are left out on this machine; nil: they are not.
    package static let missing: String? = {
        let needed = ["/usr/lib/rabbitmq/bin/rabbitmq-server": "rabbitmq-server", "/usr/bin/epmd": "erlang-base",
            "/usr/bin/openssl": "openssl"]
        let absent = needed.filter { !FileManager.default.isExecutableFile(atPath: $0.key) }.map(\.value).sorted()
        return absent.isEmpty ? nil : "install \(absent.joined(separator: " "))"
    }()
    package static var isInstalled: Bool { missing == nil }

    private static let sharedTask = Task { try await TestBroker.make() }
    /// The broker that tests of one process share. Tests that harm their broker make one of their own.
    package static func shared() async throws -> TestBroker { try await sharedTask.value }

    package nonisolated let directory: String
    package nonisolated let port: Int
    package nonisolated let tlsPort: Int
    private let distributionPort: Int
    private let epmdPort: Int
    private nonisolated let watchdog: Pipe
    private var broker: Process?

    /// Starts one, with certificates made for it.
    package static func make() async throws -> TestBroker {
        if let missing { throw Failure(description: "no broker for tests: \(missing)") }
        let broker = try TestBroker(ports: freePorts(4))
        try Certificates.make(in: broker.directory)
        try await broker.start()
        return broker
    }

    private init(ports: [Int]) throws {
        (port, tlsPort, distributionPort, epmdPort) = (ports[0], ports[1], ports[2], ports[3])
        directory = NSTemporaryDirectory() + "kilonova-broker-\(getpid())-\(port)"
        try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
        watchdog = Pipe()
        let mapper = Process()
        mapper.executableURL = URL(filePath: "/usr/bin/epmd")
        mapper.arguments = ["-port", "\(epmdPort)", "-address", "127.0.0.1"]
        mapper.standardInput = FileHandle.nullDevice
        mapper.standardOutput = FileHandle.nullDevice
        mapper.standardError = FileHandle.nullDevice
        try mapper.run()
        // Reads until this process is gone, then ends what it started and removes what it wrote.
        let guardian = Process()
        guardian.executableURL = URL(filePath: "/bin/sh")
        guardian.arguments = [
            "-c", "trap '' INT TERM HUP; read -r line; kill -9 $(cat \"$0/broker.pid\") \"$1\" 2>/dev/null; "
                + "sleep 0.2; rm -rf \"$0\"", directory, "\(mapper.processIdentifier)",
        ]
        guardian.standardInput = watchdog
        guardian.standardOutput = FileHandle.nullDevice
        guardian.standardError = FileHandle.nullDevice
        _ = fcntl(watchdog.fileHandleForWriting.fileDescriptor, F_SETFD, FD_CLOEXEC)
        try guardian.run()
    }

    /// The broker's URL.
    package nonisolated func url(
        user: String = "guest", password: String = "guest", vhost: String = "", host: String = "127.0.0.1",
        port: Int? = nil
    ) -> String {
        "rabbit://\(user):\(password)@\(host):\(port ?? self.port)/\(vhost)"
    }

    package nonisolated var authority: String { directory + "/ca.pem" }
    package nonisolated var otherAuthority: String { directory + "/other-ca.pem" }

    // MARK: Life and death

    /// Starts it, with the data that it had. Returns when it takes connections.
    package func start() async throws {
        let process = Process()
        process.executableURL = URL(filePath: "/bin/bash")
        let script = #filePath.split(separator: "/", omittingEmptySubsequences: false).dropLast()
            .joined(separator: "/") + "/broker.sh"
        process.arguments = [
            script, directory, "\(port)", "\(distributionPort)", "\(epmdPort)", "\(tlsPort)", authority,
            directory + "/server.pem", directory + "/server.key",
        ]
        _ = FileManager.default.createFile(atPath: directory + "/output", contents: nil)
        let output = FileHandle(forWritingAtPath: directory + "/output") ?? .nullDevice
        process.standardInput = FileHandle.nullDevice
        process.standardOutput = output
        process.standardError = output
        try process.run()
        try Data("\(process.processIdentifier)\n".utf8).write(to: URL(filePath: directory + "/broker.pid"))
        broker = process
        let deadline = ContinuousClock.now + .seconds(120)
        while !Self.answers(port) || !Self.answers(tlsPort) {
            guard process.isRunning, ContinuousClock.now < deadline else {
                let text = (try? String(contentsOfFile: directory + "/output", encoding: .utf8)) ?? ""
                throw Failure(description: "the broker did not start: \(text.suffix(2000))")
            }
            try await Task.sleep(for: .milliseconds(50))
        }
    }

    /// SIGKILL, as by a loss of power.
    package func kill() async throws { try await end(SIGKILL) }

    private func end(_ signal: Int32) async throws {
        guard let broker else { return }
        _ = Glibc.kill(broker.processIdentifier, signal)
        while broker.isRunning { try await Task.sleep(for: .milliseconds(5)) }
        self.broker = nil
    }

    /// SIGSTOP: connections stay, nothing answers.
    package func pause() { if let broker { _ = Glibc.kill(broker.processIdentifier, SIGSTOP) } }

    /// SIGCONT.
    package func resume() { if let broker { _ = Glibc.kill(broker.processIdentifier, SIGCONT) } }

    /// Ends it at once and for good.
    package func remove() async throws {
        resume()
        try await end(SIGKILL)
        try? watchdog.fileHandleForWriting.close()
    }

    /// What `rabbitmqctl` answers.
    package func control(_ arguments: [String]) async throws -> String {
        let process = Process()
        process.executableURL = URL(filePath: "/usr/lib/rabbitmq/bin/rabbitmqctl")
        process.arguments = ["-q", "-n", "kilonova-\(port)@localhost"] + arguments
        process.environment = [
            "HOME": directory + "/home", "PATH": "/usr/bin:/bin:/usr/sbin:/sbin", "LANG": "C.UTF-8",
            "ERL_EPMD_PORT": "\(epmdPort)", "RABBITMQ_CONF_ENV_FILE": directory + "/none",
        ]
        let output = directory + "/control-\(UInt32.random(in: 0...UInt32.max))"
        _ = FileManager.default.createFile(atPath: output, contents: nil)
        defer { try? FileManager.default.removeItem(atPath: output) }
        let file = FileHandle(forWritingAtPath: output)
        process.standardInput = FileHandle.nullDevice
        process.standardOutput = file
        process.standardError = file
        try process.run()
        while process.isRunning { try await Task.sleep(for: .milliseconds(10)) }
        let text = try String(contentsOfFile: output, encoding: .utf8)
        guard process.terminationStatus == 0 else {
            throw Failure(description: "rabbitmqctl \(arguments.joined(separator: " ")): \(text)")
        }
        return text
    }

    // MARK: Ports

    private static func answers(_ port: Int) -> Bool {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        defer { close(descriptor) }
        return withAddress(port) { connect(descriptor, $0, $1) } == 0
    }

    /// Ports that were free a moment ago.
    package static func freePorts(_ count: Int) throws -> [Int] {
        var descriptors: [Int32] = []
        defer { for descriptor in descriptors { close(descriptor) } }
        return try (0..<count).map { _ in
            let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
            descriptors.append(descriptor)
            guard withAddress(0, { bind(descriptor, $0, $1) }) == 0 else {
                throw Failure(description: "no free port: \(String(cString: strerror(errno)))")
            }
            var address = sockaddr_in()
            var length = socklen_t(MemoryLayout<sockaddr_in>.size)
            _ = withUnsafeMutablePointer(to: &address) { pointer in
                pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { getsockname(descriptor, $0, &length) }
            }
            return Int(UInt16(bigEndian: address.sin_port))
        }
    }

    private static func withAddress(_ port: Int, _ body: (UnsafePointer<sockaddr>, socklen_t) -> Int32) -> Int32 {
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = UInt16(port).bigEndian
        address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
        return withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                body($0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
    }
}

/// Certificates for one broker: an authority, a server's certificate for localhost, and another authority.
private enum Certificates {
    static func make(in directory: String) throws {
        func openssl(_ arguments: String...) throws {
            let process = Process()
            process.executableURL = URL(filePath: "/usr/bin/openssl")
            process.arguments = arguments
            process.standardOutput = FileHandle.nullDevice
            process.standardError = FileHandle.nullDevice
            try process.run()
            process.waitUntilExit()
            guard process.terminationStatus == 0 else {
                throw TestBroker.Failure(description: "openssl \(arguments.joined(separator: " ")) failed")
            }
        }
        let names = directory + "/names"
        try Data("subjectAltName=DNS:localhost\n".utf8).write(to: URL(filePath: names))
        for authority in ["ca", "other-ca"] {
            try openssl(
                "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj",
                "/CN=\(authority)", "-keyout", "\(directory)/\(authority).key", "-out", "\(directory)/\(authority).pem")
        }
        try openssl(
            "req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=broker", "-keyout",
            directory + "/server.key", "-out", directory + "/server.csr")
        try openssl(
            "x509", "-req", "-in", directory + "/server.csr", "-CA", directory + "/ca.pem", "-CAkey",
            directory + "/ca.key", "-CAcreateserial", "-days", "2", "-extfile", names, "-out",
            directory + "/server.pem")
    }
}
