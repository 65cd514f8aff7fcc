import ArgumentParser
import Deployment
import FoundationEssentials
import Glibc
import struct ServiceOptions.ConfigurationSource
import struct ServiceOptions.KilonovaOptions

/// `kilonovad`: the services, and the operator's verbs.
@main
struct Kilonovad: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "kilonovad",
        abstract: "OpenStack Compute with hypervisors as plugins.",
        version: "kilonovad 0.1.0",
        subcommands: [UpCommand.self, DriverCommand.self, ManageCommand.self])
}

/// Options that every verb with a configuration takes.
struct ConfigurationArguments: ParsableArguments {
    @ArgumentParser.Option(
        name: .customLong("config"), help: "A configuration file in nova.conf's format; may be repeated.")
    var files: [String] = []

    @ArgumentParser.Option(
        name: .customLong("set"), help: "One option, as group.name=value; may be repeated and wins over files.")
    var settings: [String] = []

    /// What was written in all places.
    func source() throws(DeploymentError) -> ConfigurationSource {
        do {
            return try ConfigurationSource(
                files: files, environment: ProcessInfo.processInfo.environment, settings: settings)
        } catch {
            throw DeploymentError(.configuration, "\(error)")
        }
    }
}

/// A deployment: its state directory and its configuration.
struct DeploymentArguments: ParsableArguments {
    @ArgumentParser.Option(name: .customLong("state-dir"), help: "Where everything is kept.")
    var stateDirectory = ".kilonova"

    @OptionGroup var configuration: ConfigurationArguments

    /// What was written in all places, and what it says.
    func options() throws(DeploymentError) -> UpOptions {
        let path = stateDirectory.hasPrefix("/")
            ? stateDirectory : FileManager.default.currentDirectoryPath + "/" + stateDirectory
        do {
            let source = try ConfigurationSource(
                files: configuration.files, environment: ProcessInfo.processInfo.environment,
                settings: ["DEFAULT.state_path=\(path)"] + configuration.settings)
            return UpOptions(stateDirectory: path, source: source, options: try KilonovaOptions(source))
        } catch {
            throw DeploymentError(.configuration, "\(error)")
        }
    }
}

/// A driver by name, and the configuration in which it is looked at.
struct DriverArguments: ParsableArguments {
    @Argument(help: "The driver's name, or another value of compute_driver that means it.")
    var name: String

    @OptionGroup var configuration: ConfigurationArguments

    @ArgumentParser.Option(
        help: "The node of [kilonova] nodes whose groups count; none: [DEFAULT] and the driver's own.")
    var node: String?

    /// What was written, as that node sees it.
    func source() throws(DeploymentError) -> ConfigurationSource {
        let source = try configuration.source()
        return node.map { source.narrowed(toNode: $0) } ?? source
    }
}

/// Ends the process with the sentence and the status of an error.
func fail(_ error: DeploymentError) -> Never {
    write("kilonovad: \(error)\n")
    exit(error.kind.rawValue)
}

/// Writes to standard error.
func write(_ text: String) {
    var text = text
    text.withUTF8 { bytes in _ = Glibc.write(2, bytes.baseAddress, bytes.count) }
}
