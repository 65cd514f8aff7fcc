import Foundation

/// A server that turns on its client: passes requests on to a proper one until told what to do instead. The program is
/// `Tests/Simulators/hostile/hostile_server.py`, which lists the kinds of answers.
package final class HostileServer: Sendable {
    /// Where it listens on loopback.
    package let port: Int
    private let scheme: String
    private let process = Process()
    private let input = Pipe()

    /// It does not start, or does not do as it is told.
    package struct Failure: Error, CustomStringConvertible {
        package let description: String
    }

    /// - Parameter folder: where `cert.pem` and `key.pem` are; `nil` for a server without TLS.
    package init(upstream: String, certificateIn folder: String? = nil) throws {
        let script = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .appending(path: "Simulators/hostile/hostile_server.py")
        let output = Pipe()
        process.executableURL = URL(filePath: "/usr/bin/python3")
        process.arguments =
            ["-B", script.path, "--upstream", upstream]
            + (folder.map { ["--cert", $0 + "/cert.pem", "--key", $0 + "/key.pem"] } ?? [])
        process.standardInput = input
        process.standardOutput = output
        try process.run()
        scheme = folder == nil ? "http" : "https"
        let line = String(decoding: output.fileHandleForReading.availableData, as: UTF8.self)
        guard let port = Int(line.filter(\.isNumber)) else { throw Failure(description: "it says '\(line)'") }
        self.port = port
    }

    deinit {
        try? input.fileHandleForWriting.close()
        process.terminate()
        process.waitUntilExit()
    }

    /// From now on answers are of that kind; `proper` for the upstream's own.
    package func turn(_ kind: String, _ parameter: String = "") throws { _ = try control(kind, parameter) }

    /// The most bytes that one hostile answer came to before the client gave up.
    package func sent() throws -> Int { Int(try control("sent", "")) ?? -1 }

    /// A plain call of curl: the client that is tested must not be what steers the test.
    private func control(_ verb: String, _ body: String) throws -> String {
        let process = Process()
        let (output, input) = (Pipe(), Pipe())
        process.executableURL = URL(filePath: "/usr/bin/curl")
        process.arguments = [
            "-s", "-k", "-H", "Expect:", "--data-binary", "@-", "\(scheme)://127.0.0.1:\(port)/hostile/\(verb)",
        ]
        process.standardOutput = output
        process.standardInput = input
        try process.run()
        input.fileHandleForWriting.write(Data(body.utf8))
        try input.fileHandleForWriting.close()
        let answer = output.fileHandleForReading.readDataToEndOfFile()
        process.waitUntilExit()
        guard process.terminationStatus == 0 else {
            throw Failure(description: "curl ends with \(process.terminationStatus)")
        }
        return String(decoding: answer, as: UTF8.self)
    }
}

/// How much memory this process has.
///
/// - Returns: in MiB.
package func residentMiB() throws -> Int {
    let text = try String(contentsOfFile: "/proc/self/statm", encoding: .utf8)
    return (Int(text.split(separator: " ")[1]) ?? 0) * 4096 >> 20
}
