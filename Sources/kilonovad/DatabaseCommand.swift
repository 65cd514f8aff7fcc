import ArgumentParser
import Deployment

/// `kilonovad manage db …`: the schema, and the place where it is.
struct DatabaseCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "db", abstract: "The databases of a deployment.",
        subcommands: [Sync.self, Version.self, Copy.self])

    struct Sync: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Make the tables, or bring them up to date.",
            discussion: """
                Repeating it does nothing. While services of the version before work, use --through expand; when all are
                of this version, run it again without.
                """)

        @ArgumentParser.Option(help: "Stop after this phase of a change: expand, migrate or contract.")
        var through: String?

        @OptionGroup var place: DeploymentArguments

        func run() async throws {
            do {
                print(try await Maintenance.syncSchema(place.options().options, through: through), terminator: "")
            } catch {
                fail(error)
            }
        }
    }

    struct Version: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "How far the tables are, and what is pending.")

        @OptionGroup var place: DeploymentArguments

        func run() async throws {
            do {
                print(try await Maintenance.schemaVersion(place.options().options), terminator: "")
            } catch {
                fail(error)
            }
        }
    }

    struct Copy: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Carry everything from one database to another, empty one.",
            discussion: """
                Both are URLs as in [database] connection. Stop the services before, and set [database] connection
                afterwards. Passwords on a command line are seen by others on the machine: give a URL as - to have it
                read from standard input, a line for each.
                """)

        @Argument(help: "The URL of the database to read, or -.")
        var from: String

        @Argument(help: "The URL of the database to fill, or -.")
        var to: String

        func run() async throws {
            do {
                let (source, target) = (Self.url(from), Self.url(to))
                print(try await Maintenance.copyDatabase(from: source, to: target), terminator: "")
            } catch {
                fail(error)
            }
        }

        private static func url(_ argument: String) -> String { argument == "-" ? readLine() ?? "" : argument }
    }
}
