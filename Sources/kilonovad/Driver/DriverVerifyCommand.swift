import ArgumentParser
import Deployment
import DriverConformance
import FoundationEssentials
import Glibc

/// `kilonovad driver verify`: the conformance suite on a driver as the daemon loads it.
struct DriverVerifyCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "verify",
        abstract: "Run the conformance suite on a driver.",
        discussion: """
            Guests are made and removed on the hypervisor that the driver's options name. The group [driver_verify] of \
            the configuration gives what the suite may use. Ends with 1 when a case fails.
            """)

    @OptionGroup var driver: DriverArguments

    @Flag(help: "Everyday's subset only.")
    var quick = false

    @ArgumentParser.Option(
        name: .customLong("case"), help: "Only cases whose name matches; * stands for any text; may be repeated.")
    var patterns: [String] = []

    @ArgumentParser.Option(help: "The seed of what is random.")
    var seed: UInt64 = 1

    @ArgumentParser.Option(help: "Write the report to this file, as JSON.")
    var json: String?

    @ArgumentParser.Option(help: "Write the report to this file, in JUnit's form.")
    var junit: String?

    func run() async throws {
        do {
            guard try await verify() else { throw ExitCode(1) }
        } catch let error as DeploymentError {
            fail(error)
        }
    }

    private func verify() async throws -> Bool {
        let subject = try ConfiguredSubject(driver.name, try driver.source())
        let options = SuiteOptions(quick: quick, patterns: patterns, seed: seed)
        let signals = TerminationSignals()
        let report = await withTaskGroup(of: ConformanceReport?.self) { group in
            group.addTask {
                await DriverSuite(subject, options).run { line in
                    print(line)
                    // A run takes minutes; whoever follows it in a file shall see how far it is.
                    fflush(nil)
                }
            }
            group.addTask {
                await signals.wait()
                return nil
            }
            var report = await group.next() ?? nil
            // A signal ends the run after its case and the cleaning up.
            group.cancelAll()
            while let other = await group.next() { report = report ?? other }
            return report
        }
        guard let report else { return false }
        print(report.table(), terminator: "")
        try save(report.json(), as: json)
        try save(Array(report.junit().utf8), as: junit)
        return report.isPassed
    }

    private func save(_ bytes: [UInt8], as path: String?) throws(DeploymentError) {
        guard let path else { return }
        do {
            try Data(bytes).write(to: URL(filePath: path), options: .atomic)
        } catch {
            throw DeploymentError(.unavailable, "\(path) cannot be written: \(error)")
        }
    }
}
