import ArgumentParser
import Deployment
import Glibc

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
