import Database
import ServiceOptions

/// The databases of a deployment in one process: one for the compute services and placement, where `[database]
/// connection` says, and a file for each stand-in, as they would have when they stood apart.
struct Databases: Sendable {
    let compute: SQLDatabase
    let identity: SQLDatabase
    let image: SQLDatabase
    let network: SQLDatabase

    /// Opens all of them, at the same time.
    static func open(_ state: StateDirectory, _ options: KilonovaOptions) async throws(DeploymentError) -> Databases {
        let settings = Self.settings(options)
        func database(_ url: String) async throws(DeploymentError) -> SQLDatabase {
            do {
                return try await SQLDatabase.open(url: url, options: settings)
            } catch {
                throw DeploymentError(.unavailable, "\(error)")
            }
        }
        func standIn(_ name: String) -> String { "sqlite://\(state.below("db/\(name).sqlite"))" }
        do {
            async let compute = database(options.database.connection.revealed)
            async let identity = database(standIn("identity"))
            async let image = database(standIn("image"))
            async let network = database(standIn("network"))
            return try await Databases(compute: compute, identity: identity, image: image, network: network)
        } catch {
            throw error as? DeploymentError ?? DeploymentError(.unavailable, "\(error)")
        }
    }

    private static func settings(_ options: KilonovaOptions) -> Database.DatabaseOptions {
        var settings = Database.DatabaseOptions()
        settings.readersMax = options.database.poolSize
        let retries = options.database.retriesMax
        settings.attemptsMax = retries < 0 ? Int.max : retries + 1
        return settings
    }

    /// What keeps a database from being used, by its service.
    var troubles: [String: String] {
        let all = [("compute", compute), ("identity", identity), ("image", image), ("network", network)]
        return Dictionary(uniqueKeysWithValues: all.compactMap { name, database in
            database.trouble.map { ("database of \(name)", $0) }
        })
    }

    /// Finishes what was accepted and closes them.
    func close() async {
        for database in [compute, identity, image, network] { await database.close() }
    }
}
