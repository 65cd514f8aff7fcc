import ArgumentParser
import ComputeAgent
import Deployment
import FoundationEssentials

/// `kilonovad driver new`: the beginning of a driver.
struct DriverNewCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "new",
        abstract: "Write the package of a new driver, which builds, loads and passes the core of the suite.")

    @Argument(help: "The driver's name: lower-case letters, digits and underscores, a letter first.")
    var name: String

    @ArgumentParser.Option(help: "Where to write it; a folder that does not exist or is empty. Default: the name.")
    var directory: String?

    @ArgumentParser.Option(
        name: .customLong("driverkit"), help: "The package DriverKit to build against. Default: this program's own.")
    var driverKit: String?

    func run() async throws {
        do {
            let scaffold = try DriverScaffold(name: name)
            let folder = directory ?? name
            let kit = try driverKit ?? DriverScaffold.installedDriverKit()
            let files = try scaffold.write(to: absolute(folder), driverKit: absolute(kit))
            for file in files { print("\(folder)/\(file)") }
            print(
                """
                Now build it, let its tests show it to the suite, and look at it:
                    cd \(folder) && swift build && swift test
                    kilonovad driver check \(name) --set DEFAULT.driver_plugin_dir=\(absolute(folder))/plugins
                    kilonovad driver verify \(name) --set DEFAULT.driver_plugin_dir=\(absolute(folder))/plugins
                """)
        } catch {
            fail(DeploymentError(.configuration, "\(error)"))
        }
    }

    private func absolute(_ path: String) -> String {
        path.hasPrefix("/") ? path : FileManager.default.currentDirectoryPath + "/" + path
    }
}
