import DriverAPI
import Foundation
import Glibc

/// A pool that is not there: the simulator in `Tests/Simulators/xenapi`, on loopback addresses and a port of the
/// system's choice.
final class Simulator: @unchecked Sendable {  // the process is changed by `start` and `kill` only, which one test calls
    let directory: String
    private(set) var urls: [String] = []
    private(set) var port = 0
    private(set) var certificate: String?
    private let arguments: [String]
    private let subnet: Int
    private var process: Process?
    private var input: Pipe?

    /// - Parameter subnet: pools that run at the same time on the same port differ in it; hosts are 127.0.SUBNET.1, …
    init(_ arguments: [String] = [], subnet: Int = Int.random(in: 1...250)) throws {
        self.arguments = arguments
        self.subnet = subnet
        directory = NSTemporaryDirectory() + "/xapi-" + UUID().uuidString
        try start()
    }

    deinit {
        kill()
        try? FileManager.default.removeItem(atPath: directory)
    }

    /// Starts it, after ``kill()`` with the same objects on the same port.
    func start() throws {
        let script = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent().appending(path: "Simulators/xenapi/xapi_simulator.py")
        let process = Process()
        let (output, input) = (Pipe(), Pipe())
        process.executableURL = URL(filePath: "/usr/bin/python3")
        var words = ["-B", script.path, "--state", directory, "--subnet", "\(subnet)", "--watch-parent"]
        if port != 0 { words += ["--port", "\(port)"] }
        process.arguments = words + arguments
        process.standardOutput = output
        process.standardInput = input
        try process.run()
        var text = Data()
        while !text.contains(UInt8(ascii: "\n")) {
            let more = output.fileHandleForReading.availableData
            guard !more.isEmpty else { throw CocoaError(.executableLoad) }
            text += more
        }
        struct Told: Decodable {
            let port: Int
            let urls: [String]
            let certificate: String?
        }
        let told = try JSONDecoder().decode(Told.self, from: text)
        (port, urls, certificate) = (told.port, told.urls, told.certificate)
        self.process = process
        self.input = input
    }

    /// Ends it at once, as a crash would.
    func kill() {
        guard let process else { return }
        Glibc.kill(process.processIdentifier, SIGKILL)
        process.waitUntilExit()
        self.process = nil
    }

    /// What a test does to the pool.
    @discardableResult
    func steer(_ verb: String, _ body: [String: any Sendable] = [:], host: Int = 0) throws -> Any {
        let data = try JSONSerialization.data(withJSONObject: body)
        // A plain socket call of curl: the tests' own HTTP client must not be what is tested with.
        let process = Process()
        let (output, input) = (Pipe(), Pipe())
        process.executableURL = URL(filePath: "/usr/bin/curl")
        process.arguments = ["-s", "-k", "--data-binary", "@-", "\(urls[host])/simulator/\(verb)"]
        process.standardOutput = output
        process.standardInput = input
        try process.run()
        input.fileHandleForWriting.write(data)
        try input.fileHandleForWriting.close()
        let answer = output.fileHandleForReading.readDataToEndOfFile()
        process.waitUntilExit()
        return try JSONSerialization.jsonObject(with: answer, options: .fragmentsAllowed)
    }

    /// Everything that a caller can leave behind.
    func dump() throws -> [String] { try steer("dump") as? [String] ?? [] }

    /// Records of a class whose fields have the given values.
    func records(_ kind: String, _ wanted: [String: any Sendable] = [:]) throws -> [[String: Any]] {
        try steer("record", ["class": kind, "where": wanted]) as? [[String: Any]] ?? []
    }

    /// The machine of a guest.
    func machine(_ guest: any CustomStringConvertible) throws -> [String: Any]? {
        try records("VM", ["name_label": "instance-\(guest)"]).first
    }

    /// How often each call was made since the last look.
    func calls() throws -> [String: Int] { try steer("calls") as? [String: Int] ?? [:] }

    /// Bytes at the beginning of a disk.
    func bytes(ofDisk uuid: String, at offset: UInt64 = 0, count: Int) throws -> [UInt8] {
        guard let path = try steer("path", ["uuid": uuid]) as? String, let file = FileHandle(forReadingAtPath: path)
        else { throw CocoaError(.fileNoSuchFile) }
        defer { try? file.close() }
        try file.seek(toOffset: offset)
        return Array(try file.read(upToCount: count) ?? Data())
    }
}
