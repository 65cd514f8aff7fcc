import ArgumentParser
import Deployment
import FoundationEssentials
import struct ServiceOptions.KilonovaOptions
import enum ServiceOptions.OptionText

/// `kilonovad manage …`: what operators do besides the API.
struct ManageCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "manage", abstract: "The operator's verbs.",
        subcommands: [DatabaseCommand.self, Network.self, Sagas.self, Reference.self])

    /// What the network worker has made on this host.
    struct Network: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "The networks on this host.", subcommands: [Clean.self])

        struct Clean: AsyncParsableCommand {
            static let configuration = CommandConfiguration(
                abstract: "Remove every bridge, namespace and rule that a deployment has made on this host.")

            @ArgumentParser.Option(name: .customLong("state-dir"), help: "The deployment's state directory.")
            var stateDirectory = ".kilonova"

            func run() async throws {
                do {
                    print(try await Maintenance.cleanNetworks(stateDirectory: stateDirectory))
                } catch {
                    fail(error)
                }
            }
        }
    }

    /// Durable operations.
    struct Sagas: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "saga", abstract: "Durable operations: builds, deletions, …",
            subcommands: [List.self, Show.self])

        struct List: AsyncParsableCommand {
            static let configuration = CommandConfiguration(abstract: "The newest sagas and where they stand.")

            @OptionGroup var place: DeploymentArguments

            func run() async throws {
                do {
                    print(try await Maintenance.listSagas(place.options().options), terminator: "")
                } catch {
                    fail(error)
                }
            }
        }

        struct Show: AsyncParsableCommand {
            static let configuration = CommandConfiguration(abstract: "The steps of one saga with their times.")

            @OptionGroup var place: DeploymentArguments

            @Argument(help: "The saga's identifier.")
            var saga: String

            func run() async throws {
                do {
                    print(try await Maintenance.showSaga(saga, place.options().options), terminator: "")
                } catch {
                    fail(error)
                }
            }
        }
    }

    /// Generated texts.
    struct Reference: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Print the sample configuration (--sample) or the reference of all options.")

        @Flag(help: "The sample file instead of the reference.")
        var sample = false

        func run() async throws {
            let schemas = KilonovaOptions.schemas + Maintenance.driverSchemas()
            print(sample ? OptionText.sample(schemas) : OptionText.reference(schemas), terminator: "")
        }
    }
}
