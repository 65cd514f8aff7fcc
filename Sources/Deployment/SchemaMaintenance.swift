import Database
package import ServiceOptions

// What operators do with the schema and the place of a deployment's databases. Works beside running daemons.
extension Maintenance {
    /// Brings the schemas of all configured databases up to date, as far as the named phase of a change.
    ///
    /// - Parameter phase: `expand`, `migrate` or `contract`; `nil` for all.
    /// - Returns: a line for each database.
    package static func syncSchema(_ options: KilonovaOptions, through phase: String?) async throws(DeploymentError)
        -> String
    {
        guard let last = phase.map({ Migration.Phase(rawValue: $0) }) ?? .contract else {
            throw DeploymentError(
                .configuration, "--through \(phase ?? ""): there is no such phase; use expand, migrate or contract")
        }
        return try await eachDatabase(options) { configured, database in
            var run: [String] = []
            for history in configured.histories {
                run += try await database.sync(history, through: last).map { "\(history.component) \($0)" }
            }
            let done = run.isEmpty ? "is up to date" : "ran \(run.joined(separator: ", "))"
            return "\(configured.option): the database \(database.name) \(done)\n"
        }
    }

    /// How far the schemas of all configured databases are, a line for each component.
    package static func schemaVersion(_ options: KilonovaOptions) async throws(DeploymentError) -> String {
        try await eachDatabase(options) { configured, database in
            var text = ""
            for history in configured.histories {
                let status = try await database.status(of: history)
                text += "\(history.component): \(status.applied.last ?? "none")"
                if !status.pending.isEmpty { text += ", pending \(status.pending.joined(separator: ", "))" }
                if !status.unknown.isEmpty { text += ", of another version \(status.unknown.joined(separator: ", "))" }
                text += "\n"
            }
            return text
        }
    }

    /// Carries all tables of a database to another, empty one.
    ///
    /// - Returns: a line for each table and one in the end.
    package static func copyDatabase(from: String, to: String) async throws(DeploymentError) -> String {
        func named(_ name: String, _ url: String) -> ConfiguredDatabase {
            ConfiguredDatabase(
                option: name, url: url, histories: ConfiguredDatabase.allHistories,
                settings: Database.DatabaseOptions())
        }
        let (source, target) = (named("FROM", from), named("TO", to))
        if case .sqliteFile(let path) = try? DatabaseAddress(url: from), !exists(path) {
            throw DeploymentError(.unavailable, "FROM = \(from): there is no such file")
        }
        let old = try await source.open()
        do {
            let new = try await target.open()
            do {
                let rows = try await DatabaseCopy(from: old, to: new, histories: source.histories).run()
                await new.close()
                await old.close()
                let lines = rows.sorted { $0.key < $1.key }.map { "\($0.key): \($0.value)\n" }.joined()
                return lines + "copied \(rows.values.reduce(0, +)) rows from \(old.name) to \(new.name)\n"
            } catch {
                await new.close()
                throw DeploymentError(.unavailable, "the copy was given up, and nothing of it is left: \(error)")
            }
        } catch {
            await old.close()
            throw error as? DeploymentError ?? DeploymentError(.unavailable, "\(error)")
        }
    }

    private static func eachDatabase(
        _ options: KilonovaOptions, _ body: (ConfiguredDatabase, SQLDatabase) async throws -> String
    ) async throws(DeploymentError) -> String {
        var text = ""
        for configured in ConfiguredDatabase.all(options) {
            let database = try await configured.open()
            let result: Result<String, any Error>
            do {
                result = .success(try await body(configured, database))
            } catch {
                result = .failure(error)
            }
            await database.close()
            switch result {
            case .success(let part): text += part
            case .failure(let error): throw configured.trouble(error)
            }
        }
        return text
    }
}
