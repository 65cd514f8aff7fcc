import ComputeStore
import Database
import IdentityStandIn
import ImageStandIn
import NetworkStandIn
import Placement
import ServiceOptions

/// The databases of a deployment in one process: one for the compute services and placement, where `[database]
/// connection` says (placement's apart where `[placement_database] connection` does), and a file for each stand-in, as
/// they would have when they stood apart.
struct Databases: Sendable {
    let compute: SQLDatabase
    /// The same as ``compute`` unless it was put apart.
    let placement: SQLDatabase
    let identity: SQLDatabase
    let image: SQLDatabase
    let network: SQLDatabase

    /// Opens all of them, at the same time. Makes sure that the schema of those on servers is this version's.
    static func open(_ state: StateDirectory, _ options: KilonovaOptions) async throws(DeploymentError) -> Databases {
        let settings = ConfiguredDatabase.settings(options)
        func standIn(_ name: String) async throws -> SQLDatabase {
            try await SQLDatabase.open(url: "sqlite://\(state.below("db/\(name).sqlite"))", options: settings)
        }
        let configured = ConfiguredDatabase.all(options)
        var opened: [SQLDatabase] = []
        do {
            async let identity = standIn("identity")
            async let image = standIn("image")
            async let network = standIn("network")
            for database in configured { opened.append(try await database.openCurrent()) }
            return try await Databases(
                compute: opened[0], placement: opened[opened.count - 1], identity: identity, image: image,
                network: network)
        } catch {
            for database in opened { await database.close() }
            throw error as? DeploymentError ?? DeploymentError(.unavailable, "\(error)")
        }
    }

    /// What keeps a database from being used, by its service.
    var troubles: [String: String] {
        let all = [
            ("compute", compute), ("placement", placement), ("identity", identity), ("image", image),
            ("network", network),
        ]
        return Dictionary(uniqueKeysWithValues: all.compactMap { name, database in
            database.trouble.map { ("database of \(name)", $0) }
        })
    }

    /// Finishes what was accepted and closes them.
    func close() async {
        for database in [compute, placement, identity, image, network] { await database.close() }
    }
}

/// A database that an option names, with the tables that belong into it.
struct ConfiguredDatabase: Sendable {
    /// Group and name of the option.
    let option: String
    let url: String
    let histories: [SchemaHistory]
    let settings: Database.DatabaseOptions

    /// Those of a deployment: one, or placement's as a second.
    static func all(_ options: KilonovaOptions) -> [ConfiguredDatabase] {
        let settings = settings(options)
        let compute = options.database.connection.revealed
        let placement = options.placementDatabase.connection?.revealed ?? compute
        if placement == compute {
            let histories = [ComputeStore.history, PlacementMigrations.history]
            return [Self(option: "[database] connection", url: compute, histories: histories, settings: settings)]
        }
        return [
            Self(option: "[database] connection", url: compute, histories: [ComputeStore.history], settings: settings),
            Self(
                option: "[placement_database] connection", url: placement, histories: [PlacementMigrations.history],
                settings: settings),
        ]
    }

    /// All tables that this version knows, those of the stand-ins included.
    static let allHistories = [
        ComputeStore.history, PlacementMigrations.history, IdentityStore.history, ImageStore.history,
        NetworkSchema.history,
    ]

    static func settings(_ options: KilonovaOptions) -> Database.DatabaseOptions {
        let given = options.database
        var settings = Database.DatabaseOptions()
        settings.readersMax = given.poolSize
        settings.poolSize = given.poolSize
        settings.overflowMax = given.overflowMax
        settings.poolTimeout = given.poolTimeout
        settings.recycleTime = given.recycleTime
        settings.openRetriesMax = given.openRetriesMax
        settings.openRetryInterval = given.openRetryInterval
        settings.attemptsMax = given.retriesMax < 0 ? Int.max : given.retriesMax + 1
        return settings
    }

    /// Opens it as it is.
    func open() async throws(DeploymentError) -> SQLDatabase {
        let address: DatabaseAddress
        do throws(DatabaseError) {
            address = try DatabaseAddress(url: url)
        } catch {
            throw DeploymentError(.configuration, "\(option): \(error)")
        }
        var settings = settings
        settings.schemaPolicy = address.isServer ? .verify : .migrate
        do {
            return try await SQLDatabase.open(url: url, options: settings)
        } catch {
            throw trouble(error)
        }
    }

    /// Opens it for the services. The schema of a server's must be this version's; a file's is brought up to date by
    /// the stores.
    func openCurrent() async throws(DeploymentError) -> SQLDatabase {
        let database = try await open()
        guard database.dialect != .sqlite else { return database }
        do {
            for history in histories { try await database.verify(history) }
            return database
        } catch {
            await database.close()
            throw trouble(error)
        }
    }

    /// The error with the option and its value, without the password.
    func trouble(_ error: any Error) -> DeploymentError {
        if let known = error as? DeploymentError { return known }
        return DeploymentError(.unavailable, "\(option) = \(DatabaseAddress.redacted(url)): \(error)")
    }
}
