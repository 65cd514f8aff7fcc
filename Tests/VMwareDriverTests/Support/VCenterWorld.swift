import ComputeModel
import DriverAPI
import DriverConformance
import DriverHTTP
import Foundation

@testable import VMwareDriver

/// A vCenter of the test's own: govmomi's simulator behind our front, with a certificate of its own authority.
final class VCenterWorld: Sendable {
    static let user = "administrator@vsphere.local"
    static let password = "a <secret> & more"
    /// One for all tests: a client must not be given up while it may hold connections.
    static let http = DriverHTTPClient()

    let port: Int
    let directory: String
    private let process = Process()
    private let input = Pipe()
    private let output = Pipe()

    private static let root: String = {
        let folders = #filePath.split(separator: "/", omittingEmptySubsequences: false)
        return folders.dropLast(4).joined(separator: "/")
    }()
    private static let program = root + "/.build/vcsim/vcsim"

    /// Why there is no simulator here; `nil` when there is. Builds it the first time.
    static let obstacle: String? = {
        guard FileManager.default.isExecutableFile(atPath: "/usr/bin/qemu-img") else { return "no qemu-img" }
        let (status, text) = run("/bin/bash", [root + "/Tests/Simulators/vmware/build-vcsim.sh", program])
        return status == 0 ? nil : text
    }()

    struct Failure: Error, CustomStringConvertible {
        let description: String
    }

    init(clusters: Int = 1, hosts: Int = 2, machines: Int = 0, datastores: Int = 1) throws {
        directory = NSTemporaryDirectory() + "/vcenter-" + UUID().uuidString
        try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
        let (status, text) = Self.run(
            "/usr/bin/openssl",
            [
                "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout",
                directory + "/key.pem", "-out", directory + "/cert.pem", "-days", "2", "-subj", "/CN=127.0.0.1",
                "-addext", "subjectAltName=IP:127.0.0.1",
            ])
        guard status == 0 else { throw Failure(description: text) }
        process.executableURL = URL(filePath: Self.program)
        process.arguments = [
            "-user", Self.user, "-pass", Self.password, "-cert", directory + "/cert.pem", "-key",
            directory + "/key.pem", "-clusters", "\(clusters)", "-hosts", "\(hosts)", "-vms", "\(machines)",
            "-datastores", "\(datastores)",
        ]
        process.standardInput = input
        process.standardOutput = output
        try process.run()
        let line = String(decoding: output.fileHandleForReading.availableData, as: UTF8.self)
        guard let port = Int(line.filter(\.isNumber)) else { throw Failure(description: "vcsim says '\(line)'") }
        self.port = port
    }

    deinit {
        try? input.fileHandleForWriting.close()
        process.terminate()
        process.waitUntilExit()
        try? FileManager.default.removeItem(atPath: directory)
    }

    func host(_ name: String = "state") -> ScratchHost {
        ScratchHost(stateDirectory: directory + "/" + name) { request async throws(DriverError) in
            try await Self.http.exchange(request)
        }
    }

    /// A driver's options, with changes; an empty value takes one away.
    func options(_ changes: [String: String] = [:]) throws -> VMwareOptions {
        let defaults = VMwareOptions.declared.compactMap { option in option.defaultValue.map { (option.name, $0) } }
        var values = Dictionary(uniqueKeysWithValues: defaults)
        values["host_ip"] = "127.0.0.1"
        values["host_port"] = "\(port)"
        values["host_username"] = Self.user
        values["host_password"] = Self.password
        values["cluster_name"] = "DC0_C0"
        values["ca_file"] = directory + "/cert.pem"
        values["integration_bridge"] = "VM Network"
        values["task_poll_interval"] = "0.05"
        values["api_retry_count"] = "2"
        values.merge(changes) { $1 }
        return try VMwareOptions(DriverConfiguration(values.filter { !$0.value.isEmpty }))
    }

    func driver(_ changes: [String: String] = [:], host: ScratchHost? = nil) async throws -> VMwareDriver {
        try await VMwareDriver.start(try options(changes), host: host ?? self.host())
    }

    /// Asks something of the front.
    @discardableResult
    func control(_ path: String, body: [UInt8]? = nil) async throws -> String {
        let answer = try await Self.http.exchange(
            DriverHTTPRequest(
                "POST", "https://127.0.0.1:\(port)/control/\(path)", body: .bytes(body ?? []),
                trust: .authorities(path: directory + "/cert.pem")))
        return String(decoding: answer.body, as: UTF8.self)
    }

    /// Every file of every datastore, with its size.
    func files() async throws -> [String: Int] {
        var found: [String: Int] = [:]
        for line in try await control("files").split(separator: "\n") {
            let parts = line.split(separator: "\t")
            found[String(parts[0])] = Int(parts[1])
        }
        return found
    }

    /// What the simulator holds, for comparing before and after. Cached images are no leak.
    func contents() async throws -> Set<String> {
        let machines = try await control("machines").split(separator: "\n").map(String.init)
        let files = try await files().keys.filter { !$0.contains("_base/") }
        return Set(machines + files)
    }

    @discardableResult
    static func run(_ program: String, _ arguments: [String]) -> (status: Int32, output: String) {
        let process = Process()
        let output = Pipe()
        process.executableURL = URL(filePath: program)
        process.arguments = arguments
        process.standardOutput = output
        process.standardError = output
        do { try process.run() } catch { return (127, "\(error)") }
        let data = output.fileHandleForReading.readDataToEndOfFile()
        process.waitUntilExit()
        return (process.terminationStatus, String(decoding: data, as: UTF8.self))
    }
}
