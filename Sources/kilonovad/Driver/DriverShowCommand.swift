import ArgumentParser
import ComputeAgent
import Deployment
import DriverAPI

/// `kilonovad driver show`: what a driver is, which options it has, and what it can do here.
struct DriverShowCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "show",
        abstract: "Show a driver's manifest, its options and, where it can be started, its capabilities.")

    @OptionGroup var driver: DriverArguments

    func run() async throws {
        do {
            try await show()
        } catch {
            fail(error)
        }
    }

    private func show() async throws(DeploymentError) {
        let loaded = try DriverInspection.load(driver.name, try driver.source())
        print(DriverText.manifest(loaded), terminator: "")
        print(DriverText.options(loaded.factory, driver: loaded.manifest.name), terminator: "")
        do {
            let inspection = try DriverInspection(driver.name, try driver.source())
            let capabilities = try await inspection.withDriver { driver throws(DeploymentError) in
                driver.capabilities
            }
            print(DriverText.capabilities(capabilities), terminator: "")
        } catch {
            // What it can do depends on its hypervisor, so only a driver that has started can tell.
            print("capabilities are not known: \(error)")
        }
    }
}

/// `kilonovad driver check`: would a node with this configuration work?
struct DriverCheckCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "check",
        abstract: "Start a driver with a configuration, show what it says of its node, and end it.",
        discussion: """
            Loads the driver, checks its options, starts it, asks for health, inventory and guests, and ends it. \
            Changes nothing. Ends with 78 when the configuration cannot be used and with 69 when the hypervisor cannot.
            """)

    @OptionGroup var driver: DriverArguments

    func run() async throws {
        do {
            try await check()
        } catch {
            fail(error)
        }
    }

    private func check() async throws(DeploymentError) {
        let inspection = try DriverInspection(driver.name, try driver.source())
        print(DriverText.manifest(inspection.selected.loaded), terminator: "")
        let trouble = try await inspection.withDriver { driver throws(DeploymentError) in
            print("started")
            let findings = try await inspection.findings(driver)
            print(DriverText.findings(findings), terminator: "")
            print(DriverText.capabilities(findings.capabilities), terminator: "")
            return findings.trouble
        }
        if let trouble { throw DeploymentError(.unavailable, trouble) }
        print("ended; a node with this configuration works")
    }
}
