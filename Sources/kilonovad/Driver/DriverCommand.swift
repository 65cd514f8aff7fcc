import ArgumentParser
import ComputeAgent
import Deployment
import DriverAPI
import struct ServiceOptions.KilonovaOptions

/// `kilonovad driver …`: what can be chosen as `compute_driver`.
struct DriverCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "driver", abstract: "Hypervisor drivers.",
        subcommands: [List.self, DriverShowCommand.self, DriverCheckCommand.self, DriverVerifyCommand.self,
            DriverMatrixCommand.self, DriverNewCommand.self])

    /// Every driver that is found, and why one cannot be used.
    struct List: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "List the drivers found and what they are.")

        @OptionGroup var configuration: ConfigurationArguments

        func run() async throws {
            do {
                try list()
            } catch {
                fail(error)
            }
        }

        private func list() throws(DeploymentError) {
            let options: KilonovaOptions
            let source = try configuration.source()
            do {
                options = try KilonovaOptions(source)
            } catch {
                throw DeploymentError(.configuration, "\(error)")
            }
            let selection = DriverSelection(directory: options.compute.pluginDirectory)
            let chosen = try? selection.catalog.entry(selectedBy: options.compute.computeDriver)
            for entry in selection.catalog.entries {
                describe(entry, selection, isChosen: entry.manifest.name == chosen?.manifest.name)
            }
            for problem in selection.catalog.problems { print("- refused: \(problem)") }
            if selection.catalog.entries.isEmpty { print("No driver was found; is driver_plugin_dir right?") }
        }

        private func describe(_ entry: DriverCatalog.Entry, _ selection: DriverSelection, isChosen: Bool) {
            let manifest = entry.manifest
            print("\(manifest.name) \(manifest.version)\(isChosen ? "  (chosen by compute_driver)" : "")")
            print("    \(manifest.summary)")
            print("    driver API \(manifest.driverAPI.joined(separator: ", ")), in \(entry.directory)")
            if !manifest.aliases.isEmpty { print("    also known as \(manifest.aliases.joined(separator: ", "))") }
            do {
                let loaded = try selection.load(entry)
                print("    loads, with driver API \(loaded.apiVersion), from \(loaded.path)")
                let options = loaded.factory.options.map(\.name).sorted()
                if !options.isEmpty { print("    [\(loaded.factory.optionGroup)] \(options.joined(separator: ", "))") }
            } catch {
                print("    cannot be used: \(error)")
            }
        }
    }
}
