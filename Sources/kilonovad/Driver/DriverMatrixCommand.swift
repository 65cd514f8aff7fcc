import ArgumentParser
import Deployment
import DriverConformance
import FoundationEssentials

/// `kilonovad driver matrix`: the support matrix from reports of `driver verify`.
struct DriverMatrixCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "matrix",
        abstract: "Print what drivers do, from reports of the conformance suite.",
        discussion: "Of several reports on one driver the last one counts.")

    @Argument(help: "Reports that driver verify has written with --json.")
    var reports: [String]

    @ArgumentParser.Option(help: "Write the page to this file instead of printing it.")
    var output: String?

    func run() throws {
        do {
            let page = try SupportMatrix(reports.map(Self.read)).markdown()
            guard let output else { return print(page, terminator: "") }
            do {
                try Data(page.utf8).write(to: URL(filePath: output), options: .atomic)
            } catch {
                throw DeploymentError(.unavailable, "\(output) cannot be written: \(error)")
            }
        } catch let error as DeploymentError {
            fail(error)
        }
    }

    private static func read(_ path: String) throws -> ConformanceReport {
        guard let data = FileManager.default.contents(atPath: path) else {
            throw DeploymentError(.configuration, "the report \(path) is not there or cannot be read")
        }
        do {
            return try JSONDecoder().decode(ConformanceReport.self, from: data)
        } catch {
            throw DeploymentError(.configuration, "\(path) is no report of driver verify: \(error)")
        }
    }
}
