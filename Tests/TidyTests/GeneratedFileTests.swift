import Foundation
import Testing

/// What is generated is current.
@Suite struct GeneratedFileTests {
    @Test func theDigestOfDriverKitIsCurrent() throws {
        let answer = try run("Config/scripts/driverkit-hash.sh", ["--check"])
        #expect(answer.status == 0, "\(answer.output)")
    }

    private func run(_ script: String, _ arguments: [String]) throws -> (status: Int32, output: String) {
        let process = Process()
        process.executableURL = URL(filePath: Repository.root + "/" + script)
        process.arguments = arguments
        let output = Pipe()
        process.standardOutput = output
        process.standardError = output
        try process.run()
        let data = output.fileHandleForReading.readDataToEndOfFile()
        process.waitUntilExit()
        return (process.terminationStatus, String(decoding: data, as: UTF8.self))
    }
}
