import Foundation

/// Runs the commands that an operator gives to `kilonovad driver verify`.
struct ShellCommands: Sendable {
    let stateDirectory: String

    /// A command that did not end well.
    struct Failure: Error, CustomStringConvertible {
        let description: String
    }

    /// Runs a command to its end and returns what it prints.
    ///
    /// - Throws: ``Failure`` with the option, the status and the end of what the command printed.
    func run(_ command: String, for option: String) async throws -> String {
        let name = "kilonova-command-" + ProcessInfo.processInfo.globallyUniqueString
        let output = FileManager.default.temporaryDirectory.appending(path: name)
        guard FileManager.default.createFile(atPath: output.path, contents: nil) else {
            throw Failure(description: "\(output.path) cannot be written; is the disk full?")
        }
        defer { try? FileManager.default.removeItem(at: output) }
        let sink = try FileHandle(forWritingTo: output)
        let process = Process()
        process.executableURL = URL(filePath: "/bin/sh")
        process.arguments = ["-c", command]
        process.environment = ProcessInfo.processInfo.environment
            .merging(["KILONOVA_DRIVER_STATE": stateDirectory]) { $1 }
        process.standardInput = FileHandle.nullDevice
        process.standardOutput = sink
        process.standardError = sink
        let status = try await withCheckedThrowingContinuation { (done: CheckedContinuation<Int32, any Error>) in
            process.terminationHandler = { done.resume(returning: $0.terminationStatus) }
            do { try process.run() } catch { done.resume(throwing: error) }
        }
        try sink.close()
        let text = String(decoding: (try? Data(contentsOf: output)) ?? Data(), as: UTF8.self)
        guard status == 0 else {
            throw Failure(
                description: "[driver_verify] \(option) ended with status \(status): \(text.suffix(500))")
        }
        return text
    }
}
