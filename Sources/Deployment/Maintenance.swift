import ComputeAgent
import ComputeModel
import ComputeStore
import Database
import DriverAPI
import FoundationEssentials
import Logging
import NetworkAgent
import Sagas
package import ServiceOptions

/// What operators do to a deployment besides the API. Works beside a running daemon.
package enum Maintenance {
    /// Removes every bridge, namespace and rule that a deployment has made on this host. Repeating it succeeds.
    ///
    /// - Returns: one sentence for people.
    package static func cleanNetworks(stateDirectory: String) async throws(DeploymentError) -> String {
        let host = HostNetwork(
            options: NetworkPlaces.options(stateDirectory: absolute(stateDirectory)), logger: Logger(label: "manage"))
        do {
            let report = try await host.removeEverything()
            return report.changedNothing
                ? "Nothing of ours was found on this host." : "Removed \(report.changes.count) things of ours."
        } catch {
            throw DeploymentError(.unavailable, "the networks cannot be removed: \(error)")
        }
    }

    /// The newest sagas, a line each.
    package static func listSagas(_ options: KilonovaOptions) async throws(DeploymentError) -> String {
        try await withLog(options) { log in
            let sagas = try await log.list(SagaFilter(limit: 100))
            return sagas.map { saga in
                let owner = saga.owner.map { " owner \($0.place)" } ?? ""
                return
                    "\(moment(saga.record.created))  \(saga.status.rawValue)  \(saga.record.name)"
                    + "  \(saga.record.id)\(owner)\n"
            }.joined()
        }
    }

    /// The steps of one saga.
    package static func showSaga(_ id: String, _ options: KilonovaOptions) async throws(DeploymentError) -> String {
        try await withLog(options) { log in
            guard let history = try await log.load(SagaID(id)) else {
                throw DeploymentError(.unavailable, "there is no saga \(id)")
            }
            var text = "\(history.record.name)  \(history.summary.status.rawValue)  \(moment(history.record.created))\n"
            for step in SagaReport(history).steps {
                text += "  \(moment(step.changed))  \(step.state.rawValue)  \(step.name)"
                text += step.reason.map { ": \($0)\n" } ?? "\n"
            }
            return text
        }
    }

    /// The option groups of all drivers that can be loaded.
    package static func driverSchemas() -> [GroupSchema] {
        let selection = DriverSelection(directory: nil)
        return selection.catalog.entries.compactMap { entry in
            guard let loaded = try? selection.load(entry) else { return nil }
            return DriverSelection.schema(loaded.factory, driver: entry.manifest.name)
        }
    }

    static func exists(_ path: String) -> Bool { FileManager.default.fileExists(atPath: path) }

    private static func withLog(
        _ options: KilonovaOptions, _ body: (SQLSagaLog) async throws -> String
    ) async throws(DeploymentError) -> String {
        let configured = ConfiguredDatabase.all(options)[0]
        if case .sqliteFile(let path) = try? DatabaseAddress(url: configured.url), !exists(path) {
            throw DeploymentError(.unavailable, "\(path) is not there; is --state-dir right?")
        }
        let database = try await configured.openCurrent()
        do {
            let text = try await body(SQLSagaLog(ComputeStore(database: database, now: Timestamp.now)))
            await database.close()
            return text
        } catch {
            await database.close()
            throw error as? DeploymentError ?? DeploymentError(.unavailable, "\(error)")
        }
    }

    private static func absolute(_ path: String) -> String {
        path.hasPrefix("/") ? path : FileManager.default.currentDirectoryPath + "/" + path
    }

    private static func moment(_ sinceEpoch: Duration) -> String {
        let (seconds, attoseconds) = sinceEpoch.components
        return Timestamp(microseconds: seconds * 1_000_000 + attoseconds / 1_000_000_000_000).iso8601WithMicrosecondsUTC
    }
}

/// How the network worker of a deployment is set up on its host, for the daemon and for its clean-up alike.
enum NetworkPlaces {
    /// Every deployment on a host has an owner's mark of its own, from the path of its state directory.
    static func options(stateDirectory: String) -> HostNetworkOptions {
        let mark = Fingerprint.text(of: stateDirectory)
        return HostNetworkOptions(
            owner: "kilonova_\(mark)", runtimeDirectory: "/run/kilonova/\(mark)", leaseSeconds: 86400)
    }
}
