import Dispatch
import Glibc
import Logging
import Synchronization
import Testing

@testable import NetworkAgent

/// A host of its own for one test: network and mount namespaces that end with the test. Nothing of the machine is
/// touched.
final class ThrowAwayHost: Sendable {
    let options: HostNetworkOptions
    let command: HostCommand
    let directory: String
    private let holder: pid_t
    /// Held open as long as the test runs; if the whole process ends, so does the holder.
    private let lifeLine: Int32
    private let background = Mutex<[pid_t]>([])

    /// Why there can be none here; `nil` if there can.
    static let obstacle: String? = {
        do {
            try HostRequirements.check()
        } catch { return "\(error)" }
        for tool in ["busybox", "nsenter"] where HostCommand.find(tool) == nil {
            return "The program \(tool) is missing."
        }
        return nil
    }()

    init(masquerades: Bool = true) throws {
        directory = "/var/tmp/kilonova-network-\(getpid())-\(UInt32.random(in: 0...UInt32.max))"
        try SystemFile.makeDirectory(directory)
        let line = "mount -t tmpfs none /run && mkdir /run/netns && ip link set lo up && echo ready && exec cat"
        var (life, ready): ([Int32], [Int32]) = ([-1, -1], [-1, -1])
        try #require(pipe(&life) == 0 && pipe(&ready) == 0)
        let arguments = ["/usr/bin/unshare", "--net", "--mount", "sh", "-c", line]
        holder = ChildProcess.start(arguments, input: life[0], output: ready[1], complaint: 2).child
        lifeLine = life[1]
        close(life[0])
        close(ready[1])
        defer { close(ready[0]) }
        var said = [UInt8](repeating: 0, count: 6)
        try #require(read(ready[0], &said, 6) == 6, "no namespaces for a test")
        let process = "/proc/\(holder)"
        let place = HostPlace(
            commandPrefix: ["nsenter", "--net=\(process)/ns/net", "--mount=\(process)/ns/mnt"],
            rootDirectory: "\(process)/root", networkNamespace: "\(process)/ns/net")
        options = HostNetworkOptions(
            runtimeDirectory: "\(directory)/run", place: place, masqueradesExternalNetworks: masquerades)
        command = HostCommand(place: place, logger: .silent)
    }

    deinit {
        for process in background.withLock({ $0 }) + [holder] {
            kill(process, SIGKILL)
            waitpid(process, nil, 0)
        }
        for process in LeaseProcess.running(below: directory) { kill(process.process, SIGKILL) }
        close(lifeLine)
        SystemFile.remove(directory)
    }

    func network() -> HostNetwork {
        HostNetwork(options: options, logger: .silent)
    }

    /// Runs a command on the host; answers its output, or the failure's description.
    func run(_ arguments: String...) async -> String { await run(arguments) }

    func run(_ arguments: [String]) async -> String {
        do {
            return try await command.run(arguments).text
        } catch { return "failed: \(error)" }
    }

    func succeeds(_ arguments: [String]) async -> Bool {
        do {
            try await command.run(arguments)
            return true
        } catch { return false }
    }

    /// Starts a command that goes on until it ends or the test does. Its output goes to a file.
    func start(_ arguments: [String], output: String = "/dev/null", input: String = "/dev/null") throws {
        var full = options.place.commandPrefix + arguments
        full[0] = try #require(HostCommand.find(full[0]))
        let source = open(input, O_RDONLY | O_CLOEXEC)
        let sink = open(output, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o644)
        defer {
            close(source)
            close(sink)
        }
        let (child, code) = ChildProcess.start(full, input: source, output: sink, complaint: sink)
        try #require(code == 0)
        background.withLock { $0.append(child) }
    }

    /// Looks again and again until something is so, at most 20 seconds.
    func eventually(_ condition: () async throws -> Bool) async rethrows -> Bool {
        let deadline = ContinuousClock.now + .seconds(20)
        while ContinuousClock.now < deadline {
            if try await condition() { return true }
            try? await Task.sleep(for: .milliseconds(50))
        }
        return false
    }
}

extension Logger {
    /// Tests look at what is returned.
    static let silent = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
}

/// A guest: a namespace with a network card whose other end is plugged into the bridge of the port's network.
struct FakeGuest: Sendable {
    let host: ThrowAwayHost
    let name: String
    let port: PlannedPort

    init(_ port: PlannedPort, on network: PlannedNetwork, of host: ThrowAwayHost) async throws {
        (self.host, self.port) = (host, port)
        name = "guest-\(port.tapName)"
        let bridge = HostNames.bridge(network.id)
        let lines = [
            "netns add \(name)",
            "link add name \(port.tapName) mtu \(network.mtu) type veth "
                + "peer name eth0 netns \(name) address \(port.mac)",
            "link set dev \(port.tapName) master \(bridge) up",
        ]
        try await host.command.run(["ip", "-batch", "-"], input: lines.map { $0 + "\n" }.joined())
        try await host.command.run(["ip", "-n", name, "-batch", "-"], input: "link set lo up\nlink set eth0 up\n")
    }

    var prefix: [String] { ["ip", "netns", "exec", name] }

    func run(_ arguments: String...) async -> String { await host.run(prefix + arguments) }
    func succeeds(_ arguments: String...) async -> Bool { await host.succeeds(prefix + arguments) }
    func pings(_ address: String) async -> Bool { await succeeds("busybox", "ping", "-c", "1", "-W", "2", address) }
    func doesNotPing(_ address: String) async -> Bool {
        await !succeeds("busybox", "ping", "-c", "1", "-W", "1", address)
    }

    /// Gets an address by DHCP and uses it and the routes that come with it; answers what the server said.
    func askDHCP() async throws -> [String: String] {
        let script = "\(host.directory)/dhcp.sh"
        try SystemFile.write(Self.script, to: script)
        chmod(script, 0o755)
        let output = await run(
            "busybox", "udhcpc", "-f", "-n", "-q", "-t", "6", "-T", "1", "-i", "eth0", "-s", script,
            "-O", "staticroutes", "-O", "mtu", "-O", "hostname", "-O", "dns", "-O", "router", "-O", "lease")
        var answer: [String: String] = [:]
        for line in output.split(separator: "\n") {
            let parts = line.split(separator: "=", maxSplits: 1).map(String.init)
            if parts.count == 2 { answer[parts[0]] = parts[1] }
        }
        return answer
    }

    /// Takes an address without asking anybody.
    func take(_ address: String, gateway: String? = nil) async throws {
        var lines = "address add \(address) dev eth0\n"
        if let gateway { lines += "route replace default via \(gateway)\n" }
        try await host.command.run(["ip", "-n", name, "-batch", "-"], input: lines)
    }

    /// Starts a program that answers each TCP connection on a port with a word.
    func serve(_ word: String, on port: Int) async throws {
        try host.start(prefix + ["busybox", "nc", "-ll", "-p", "\(port)", "-e", "busybox", "echo", word])
        let isUp = await host.eventually { await run("busybox", "netstat", "-ltn").contains(":\(port) ") }
        #expect(isUp, "the server on port \(port) did not come up")
    }

    /// Connects to a port and answers what comes back; empty if nothing does.
    func ask(_ address: String, _ port: Int, seconds: Int = 3) async -> String {
        let answer = await run("busybox", "timeout", "\(seconds)", "busybox", "nc", address, "\(port)")
        return answer.hasPrefix("failed") ? "" : String(answer.prefix { $0 != "\n" })
    }

    private static let script = """
        #!/bin/sh
        [ "$1" = bound ] || exit 0
        set | grep -E '^(ip|mask|router|staticroutes|mtu|hostname|dns|lease|serverid)=' | sed "s/'//g"
        ip addr flush dev eth0
        ip addr add "$ip/$mask" dev eth0
        set -- $staticroutes
        while [ $# -ge 2 ]; do
            ip route replace "$1" via "$2" dev eth0
            shift 2
        done
        """
}

/// Plugs in a guest for each port; each takes its first address.
func connect(
    _ ports: [PlannedPort], on network: PlannedNetwork, of host: ThrowAwayHost
) async throws -> [FakeGuest] {
    var guests: [FakeGuest] = []
    for port in ports {
        let guest = try await FakeGuest(port, on: network, of: host)
        try await guest.take("\(port.fixedAddresses[0])/24")
        guests.append(guest)
    }
    return guests
}

/// Takes one connection, answers a line, and tells the address it came from.
func acceptOne(_ socket: Int32, answer: String) async -> String {
    await withCheckedContinuation { continuation in
        DispatchQueue(label: "server").async {
            var entry = pollfd(fd: socket, events: Int16(POLLIN), revents: 0)
            guard poll(&entry, 1, 10_000) == 1 else { return continuation.resume(returning: "nobody") }
            var peer = sockaddr_in()
            var length = socklen_t(MemoryLayout<sockaddr_in>.size)
            let connection = withUnsafeMutablePointer(to: &peer) {
                $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { accept(socket, $0, &length) }
            }
            let line = Array((answer + "\n").utf8)
            _ = write(connection, line, line.count)
            close(connection)
            continuation.resume(returning: IPv4Address(number: UInt32(bigEndian: peer.sin_addr.s_addr)).description)
        }
    }
}
