import ComputeModel
package import Database
package import Sagas

/// A step that meets a busy database is tried again, like one that meets a busy peer.
extension DatabaseError: TransientFailure {}

/// The log of sagas in the compute database. See `SagaLog` for what each call promises.
package struct SQLSagaLog: SagaLog {
    let database: SQLDatabase

    /// A log in the database of a store.
    package init(_ store: ComputeStore) { database = store.database }

    package func create(_ record: SagaRecord) async throws {
        try await create(record, persistence: .onDisk)
    }

    package func create(_ record: SagaRecord, persistence: SagaPersistence) async throws {
        try await database.transaction(durability: Self.durability(persistence)) { connection in
            let known = try connection.first("SELECT 1 FROM sagas WHERE id = \(record.id.rawValue)") { _ in true }
            guard known == nil else { return }
            let created = Self.microseconds(record.created)
            try connection.execute(
                """
                INSERT INTO sagas (
                    id, name, subject, parameters, created_at, status, generation, lease_until, updated_at, events)
                VALUES (\(record.id.rawValue), \(record.name), '', \(record.parameters), \(created), 'running', 0, 0,
                    \(created), 0)
                """)
        }
    }

    package func claim(_ id: SagaID, _ claim: SagaClaim) async throws -> ClaimedSaga? {
        try await database.transaction(durability: .deferred) { try Self.take(id.rawValue, claim, $0) }
    }

    package func claimAny(
        _ claim: SagaClaim, names: [String], excluding: Set<SagaID>, limit: Int
    ) async throws -> [ClaimedSaga] {
        try await database.transaction(durability: .deferred) { connection in
            let free = try connection.map(
                """
                SELECT id FROM sagas WHERE \(Self.isFree(claim)) AND name IN \(list: names)
                    AND id NOT IN \(list: excluding.map(\.rawValue).sorted())
                ORDER BY created_at, id LIMIT \(limit)
                """
            ) { try $0.string(0) }
            return try free.compactMap { try Self.take($0, claim, connection) }
        }
    }

    /// Whether nobody has a saga, from the claimant's point of view.
    private static func isFree(_ claim: SagaClaim) -> SQL {
        """
        status = 'running' AND (owner_place IS NULL OR lease_until < \(microseconds(claim.now))
            OR (owner_place = \(claim.owner.place) AND owner_incarnation <> \(claim.owner.incarnation)))
        """
    }

    private static func take(_ id: String, _ claim: SagaClaim, _ connection: SQLConnection) throws -> ClaimedSaga? {
        let changed = try connection.execute(
            """
            UPDATE sagas SET owner_place = \(claim.owner.place), owner_incarnation = \(claim.owner.incarnation),
                generation = generation + 1, lease_until = \(microseconds(claim.leaseUntil))
            WHERE id = \(id) AND \(isFree(claim))
            """)
        guard changed.rowsChanged == 1 else { return nil }
        let found = try connection.first(
            "SELECT name, parameters, created_at, generation FROM sagas WHERE id = \(id)"
        ) { row in
            let record = SagaRecord(
                id: SagaID(id), name: try row.string(0), parameters: try row.blob(1),
                created: .microseconds(try row.int64(2)))
            return (record, try row.int64(3))
        }
        guard let (record, generation) = found else { return nil }
        return ClaimedSaga(
            ownership: SagaOwnership(saga: record.id, owner: claim.owner, generation: generation), record: record,
            events: try events(of: id, connection).map(\.event))
    }

    package func append(_ events: [SagaEvent], to ownership: SagaOwnership, now: Duration) async throws {
        try await append(events, to: ownership, now: now, persistence: .onDisk)
    }

    package func append(
        _ events: [SagaEvent], to ownership: SagaOwnership, now: Duration, persistence: SagaPersistence
    ) async throws {
        try await database.transaction(durability: Self.durability(persistence)) {
            try Self.write(events, ownership, now, [], $0)
        }
    }

    private static func durability(_ persistence: SagaPersistence) -> Durability {
        switch persistence {
        case .onDisk: .onDisk
        case .deferred: .deferred
        }
    }

    package func renew(_ ownerships: [SagaOwnership], leaseUntil: Duration) async throws -> [SagaOwnership] {
        try await database.transaction(durability: .deferred) { connection in
            try ownerships.filter { ownership in
                try connection.execute(
                    """
                    UPDATE sagas SET lease_until = \(Self.microseconds(leaseUntil)) WHERE \(Self.belongs(to: ownership))
                    """
                ).rowsChanged == 1
            }
        }
    }

    package func release(_ ownership: SagaOwnership, events: [SagaEvent], now: Duration) async throws {
        try await database.transaction(durability: .deferred) { connection in
            try Self.write(
                events, ownership, now, ["owner_place = NULL", "owner_incarnation = NULL", "lease_until = 0"],
                connection)
        }
    }

    package func finish(
        _ ownership: SagaOwnership, events: [SagaEvent], conclusion: SagaConclusion, now: Duration
    ) async throws {
        try await finish(ownership, events: events, conclusion: conclusion, now: now, persistence: .onDisk)
    }

    package func finish(
        _ ownership: SagaOwnership, events: [SagaEvent], conclusion: SagaConclusion, now: Duration,
        persistence: SagaPersistence
    ) async throws {
        let (failed, undo, reason): (String?, String?, String?) =
            switch conclusion {
            case .completed: (nil, nil, nil)
            case .unwound(let step, let reason): (step, nil, reason)
            case .stuck(let step, let undoStep, let reason): (step, undoStep, reason)
            }
        try await database.transaction(durability: Self.durability(persistence)) { connection in
            try Self.write(
                events, ownership, now,
                [
                    "owner_place = NULL", "owner_incarnation = NULL", "lease_until = 0",
                    "status = \(conclusion.status.rawValue)", "failed_step = \(failed)", "undo_step = \(undo)",
                    "reason = \(reason)",
                ], connection)
        }
    }

    private static func belongs(to ownership: SagaOwnership) -> SQL {
        """
        id = \(ownership.saga.rawValue) AND owner_place = \(ownership.owner.place)
            AND owner_incarnation = \(ownership.owner.incarnation) AND generation = \(ownership.generation)
            AND status = 'running'
        """
    }

    private static func write(
        _ events: [SagaEvent], _ ownership: SagaOwnership, _ now: Duration, _ assignments: [SQL],
        _ connection: SQLConnection
    ) throws {
        let at = microseconds(now)
        let id = ownership.saga.rawValue
        let all = ["updated_at = \(at)", "events = events + \(events.count)"] + assignments
        let changed = try connection.execute(
            "UPDATE sagas SET \(all.joined(separator: ", ")) WHERE \(belongs(to: ownership))")
        guard changed.rowsChanged == 1 else { throw SagaLogError.notOwner }
        guard !events.isEmpty else { return }
        let count = try connection.first("SELECT events FROM sagas WHERE id = \(id)") { try $0.int(0) } ?? 0
        for (index, event) in events.enumerated() {
            try connection.execute(
                """
                INSERT INTO saga_events (saga, position, at, kind, step, output, reason)
                VALUES (\(id), \(count - events.count + index), \(at), \(event.kind.rawValue), \(event.step),
                    \(event.output), \(event.reason))
                """)
        }
    }

    package func load(_ id: SagaID) async throws -> SagaHistory? {
        try await database.read { connection in
            let found = try connection.first(
                "SELECT \(Self.summaryColumns) FROM sagas WHERE id = \(id.rawValue)", Self.summary)
            guard let found else { return nil }
            return SagaHistory(summary: found, events: try Self.events(of: id.rawValue, connection))
        }
    }

    package func list(_ filter: SagaFilter) async throws -> [SagaSummary] {
        try await database.read { connection in
            var condition: SQL = "1 = 1"
            if let status = filter.status { condition += " AND status = \(status.rawValue)" }
            if let name = filter.name { condition += " AND name = \(name)" }
            return try connection.map(
                """
                SELECT \(Self.summaryColumns) FROM sagas WHERE \(condition)
                ORDER BY created_at DESC, id LIMIT \(filter.limit)
                """,
                Self.summary)
        }
    }

    package func deleteFinished(before: Duration, limit: Int) async throws -> Int {
        try await database.transaction(durability: .deferred) { connection in
            let root = connection.dialect.firstPart(of: "sagas.id", before: "'.'")
            let done = try connection.map(
                """
                SELECT id FROM sagas WHERE status IN ('completed', 'unwound')
                    AND updated_at < \(Self.microseconds(before))
                    AND NOT EXISTS (
                        SELECT 1 FROM sagas AS parent
                        WHERE parent.id = \(root) AND parent.status = 'running')
                ORDER BY updated_at, id LIMIT \(limit)
                """
            ) { try $0.string(0) }
            try connection.execute("DELETE FROM saga_events WHERE saga IN \(list: done)")
            try connection.execute("DELETE FROM sagas WHERE id IN \(list: done)")
            return done.count
        }
    }

    private static let summaryColumns: SQL = """
        id, name, parameters, created_at, status, owner_place, owner_incarnation, generation, lease_until, updated_at, \
        failed_step, undo_step, reason
        """

    private static func summary(_ row: SQLRow) throws -> SagaSummary {
        let conclusion: SagaConclusion? =
            switch SagaStatus(rawValue: try row.string(4)) {
            case .running: nil
            case .completed: .completed
            case .unwound:
                .unwound(
                    failedStep: try row.optionalString(10) ?? "", reason: try row.optionalString(12) ?? "")
            case .stuck:
                .stuck(
                    failedStep: try row.optionalString(10) ?? "", undoStep: try row.optionalString(11) ?? "",
                    reason: try row.optionalString(12) ?? "")
            case nil: throw DatabaseError.decoding("'\(try row.string(4))' is not a saga status")
            }
        var owner: SagaOwner?
        if let place = try row.optionalString(5), let incarnation = try row.optionalString(6) {
            owner = SagaOwner(place: place, incarnation: incarnation)
        }
        return SagaSummary(
            record: SagaRecord(
                id: SagaID(try row.string(0)), name: try row.string(1), parameters: try row.blob(2),
                created: .microseconds(try row.int64(3))),
            conclusion: conclusion, owner: owner, generation: try row.int64(7),
            leaseUntil: owner == nil ? nil : .microseconds(try row.int64(8)),
            updated: .microseconds(try row.int64(9)))
    }

    private static func events(of id: String, _ connection: SQLConnection) throws -> [SagaHistory.LoggedEvent] {
        try connection.map(
            "SELECT kind, step, output, reason, at FROM saga_events WHERE saga = \(id) ORDER BY position"
        ) { row in
            let step = try row.string(1)
            let reason = try row.optionalString(3) ?? ""
            let event: SagaEvent =
                switch SagaEvent.Kind(rawValue: try row.string(0)) {
                case .started: .started(step: step)
                case .succeeded: .succeeded(step: step, output: try row.optionalBlob(2) ?? [])
                case .failed: .failed(step: step, reason: reason)
                case .undoStarted: .undoStarted(step: step)
                case .undoFinished: .undoFinished(step: step)
                case .undoFailed: .undoFailed(step: step, reason: reason)
                case nil: throw DatabaseError.decoding("'\(try row.string(0))' is not a kind of saga event")
                }
            return SagaHistory.LoggedEvent(event: event, time: .microseconds(try row.int64(4)))
        }
    }

    private static func microseconds(_ duration: Duration) -> Int64 {
        let (seconds, attoseconds) = duration.components
        return seconds * 1_000_000 + attoseconds / 1_000_000_000_000
    }
}
