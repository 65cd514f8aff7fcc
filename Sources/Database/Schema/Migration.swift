/// One step of a schema's history.
package struct Migration: Sendable {
    /// When a migration may run, and who may be running meanwhile.
    package enum Phase: String, Sendable, Comparable {
        /// Adds what the version before does not look at: tables, columns that may be absent or have a default,
        /// indexes. It runs while processes of the version before work, and those may be started again afterwards.
        case expand
        /// Carries rows into what was added, in small transactions, beside the work of both versions.
        case migrate
        /// Removes or narrows what the version before uses. It runs once none of those works any more.
        case contract

        package static func < (left: Phase, right: Phase) -> Bool { left.order < right.order }

        private var order: Int {
            switch self {
            case .expand: 0
            case .migrate: 1
            case .contract: 2
            }
        }
    }

    /// The order and the name, such as `0001-instances`. Never change or reuse one that was released.
    package let id: String
    package let phase: Phase
    /// The statements, run in one transaction where the engine can roll back definitions.
    package let statements: @Sendable (SQLDialect) -> [SQL]
    /// Carries over up to so many rows, in a transaction of its own; returns how many there were. Repeated as long as
    /// there are as many as asked for: rows that the version before writes meanwhile are the new version's to expect.
    package let batch: (@Sendable (SQLConnection, Int) throws -> Int)?

    /// A step that changes what is defined.
    package init(id: String, phase: Phase = .contract, statements: @escaping @Sendable (SQLDialect) -> [SQL]) {
        (self.id, self.phase, self.statements) = (id, phase, statements)
        batch = nil
    }

    /// A step that carries rows over.
    package init(id: String, batch: @escaping @Sendable (SQLConnection, Int) throws -> Int) {
        (self.id, phase, statements) = (id, .migrate, { _ in [] })
        self.batch = batch
    }
}

/// The history of one component's tables.
package struct SchemaHistory: Sendable {
    /// Whose tables these are, where several share one database.
    package let component: String
    /// Oldest first.
    package let migrations: [Migration]
    /// Tables into which migrations put rows.
    package let seededTables: Set<String>

    package init(component: String, migrations: [Migration], seededTables: Set<String> = []) {
        (self.component, self.migrations, self.seededTables) = (component, migrations, seededTables)
    }
}

/// How far a database has come along a history.
package struct SchemaStatus: Sendable, Hashable {
    package let component: String
    /// Ids that were run, in order.
    package let applied: [String]
    /// Ids of this version that were not.
    package let pending: [String]
    /// Ids that this version does not know.
    package let unknown: [String]
}

extension SQLDatabase {
    /// Brings the schema up to date, or, where the options say ``DatabaseOptions/SchemaPolicy/verify``, makes sure that
    /// it is.
    ///
    /// - Parameter component: whose schema this is, where several share one database.
    /// - Returns: the ids that were run now.
    /// - Throws: ``DatabaseError/migration(_:)``; see ``sync(_:through:)`` and ``verify(_:)``.
    @discardableResult
    package func migrate(_ migrations: [Migration], component: String = "main") async throws -> [String] {
        let history = SchemaHistory(component: component, migrations: migrations)
        switch options.schemaPolicy {
        case .migrate: return try await sync(history)
        case .verify:
            try await verify(history)
            return []
        }
    }

    /// Makes sure that this version can work on the schema as it is.
    ///
    /// - Throws: ``DatabaseError/migration(_:)`` when there is none, when it lacks migrations, or when it has one that
    ///   this version does not know and that the version before cannot live with.
    package func verify(_ history: SchemaHistory) async throws {
        let component = history.component
        let records = try await records()
        guard let records, records.contains(where: { $0.component == component }) else {
            throw DatabaseError.migration("the database \(name) has no tables of \(component); make them: "
                + "kilonovad manage db sync")
        }
        let applied = Self.applied(component, records)
        try check(applied, against: history.migrations, component: component)
        if let missing = history.migrations.first(where: { !applied.map(\.id).contains($0.id) }) {
            throw DatabaseError.migration("the schema of the database \(name) is older than this version: it lacks "
                + "migration \"\(missing.id)\" of \(component); bring it up to date: kilonovad manage db sync")
        }
    }

    /// Runs the migrations that are not recorded in `schema_migrations`, in order, each together with its record.
    /// Running it again does nothing; two processes may run it at the same time.
    ///
    /// - Parameter last: the last phase to run. A later migration of an earlier phase does not overtake.
    /// - Returns: the ids that were run now.
    /// - Throws: ``DatabaseError/migration(_:)`` when the database was written by a newer version, or the ids are
    ///   not in ascending order, or a migration fails.
    @discardableResult
    package func sync(_ history: SchemaHistory, through last: Migration.Phase = .contract) async throws -> [String] {
        let component = history.component
        for (earlier, later) in zip(history.migrations, history.migrations.dropFirst()) where earlier.id >= later.id {
            throw DatabaseError.migration("the migrations of \(component) are not in ascending order: "
                + "\"\(later.id)\" comes after \"\(earlier.id)\"")
        }
        try await makeRecords()
        let applied = Self.applied(component, try await records() ?? [])
        try check(applied, against: history.migrations, component: component)
        var run: [String] = []
        let isFresh = applied.isEmpty
        for migration in history.migrations where !applied.map(\.id).contains(migration.id) {
            // Nobody works on a database that has nothing yet.
            guard isFresh || migration.phase <= last else { break }
            if let batch = migration.batch {
                while try await transaction({ try batch($0, Self.batchMax) }) == Self.batchMax {}
            }
            if try await apply(migration, component: component) { run.append(migration.id) }
        }
        return run
    }

    /// How far the database has come along a history.
    package func status(of history: SchemaHistory) async throws -> SchemaStatus {
        let applied = Self.applied(history.component, try await records() ?? []).map(\.id)
        let known = history.migrations.map(\.id)
        return SchemaStatus(
            component: history.component, applied: applied, pending: known.filter { !applied.contains($0) },
            unknown: applied.filter { !known.contains($0) })
    }

    /// The tables in words, so that tests can compare a schema made at once with one that was migrated step by step,
    /// and those of different engines.
    package func schemaText() async throws -> String { try await schema().text }

    // MARK: - Steps

    /// Rows that are carried over in one transaction.
    private static let batchMax = 500

    private func apply(_ migration: Migration, component: String) async throws -> Bool {
        try await transaction { connection in
            try connection.engine.lockSchema()
            defer { connection.engine.unlockSchema() }
            // Someone else may have been here between the look and now.
            let record = try Self.readRecords(connection).first { $0.component == component && $0.id == migration.id }
            if let record, record.pending == 0 { return false }
            let statements = migration.statements(connection.dialect)
            if connection.engine.canRollBackDefinitions {
                for statement in statements { try Self.define(statement, migration, component, connection) }
                try Self.insert(migration, component, pending: 0, connection)
            } else {
                try Self.applyInSteps(statements, migration, component, resuming: record, connection)
            }
            return true
        }
    }

    /// Where each definition is final at once, the record counts the statements that are left, so that a process that
    /// dies on the way is taken up where it stopped.
    private static func applyInSteps(
        _ statements: [SQL], _ migration: Migration, _ component: String, resuming record: Record?,
        _ connection: SQLConnection
    ) throws {
        if record == nil { try insert(migration, component, pending: statements.count, connection) }
        let done = record.map { max(0, statements.count - $0.pending) } ?? 0
        for (index, statement) in statements.enumerated().dropFirst(done) {
            do {
                try define(statement, migration, component, connection)
            } catch {
                // The statement may have been the last thing that the process did before.
                guard record != nil, index == done, connection.engine.lastErrorMeansDone else { throw error }
            }
            try setPending(statements.count - index - 1, migration, component, connection)
        }
        if statements.isEmpty { try setPending(0, migration, component, connection) }
    }

    private static func define(
        _ statement: SQL, _ migration: Migration, _ component: String, _ connection: SQLConnection
    ) throws {
        do {
            try connection.execute(connection.dialect.definition(statement))
        } catch let error as DatabaseError {
            guard case .statement = error else { throw error }
            throw DatabaseError.migration("migration \"\(migration.id)\" of \(component) failed: \(error)")
        }
    }

    private func check(_ applied: [Record], against migrations: [Migration], component: String) throws {
        let known = Set(migrations.map(\.id))
        if let stranger = applied.first(where: { !known.contains($0.id) && $0.phase == .contract }) {
            throw DatabaseError.migration("the database \(name) was written by another, probably newer version: it has "
                + "migration \"\(stranger.id)\" of \(component), which this version does not know; "
                + "start the newer version, or restore the copy made before the upgrade")
        }
        let ids = Set(applied.map(\.id))
        guard let newest = applied.last(where: { known.contains($0.id) })?.id else { return }
        if let gap = migrations.first(where: { $0.id < newest && !ids.contains($0.id) }) {
            throw DatabaseError.migration("the database \(name) lacks migration \"\(gap.id)\" of \(component) but has "
                + "the later \"\(newest)\"; restore a copy, because the order cannot be changed afterwards")
        }
    }
}
