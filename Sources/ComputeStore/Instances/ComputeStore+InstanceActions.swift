package import ComputeModel
import Database

/// One entry of a server's history of actions.
package struct ActionRecord: Sendable {
    package var number: Int64
    package var instance: InstanceID
    /// `create`, `reboot`, …
    package var action: String
    package var requestID: String
    package var userID: String
    package var projectID: String
    package var startedAt: Timestamp
    package var updatedAt: Timestamp
    package var finishedAt: Timestamp?
    /// `Error` after a failure.
    package var message: String?
}

/// One part of an action.
package struct ActionEventRecord: Sendable {
    package var event: String
    package var startedAt: Timestamp
    package var finishedAt: Timestamp?
    /// `Success` or `Error`.
    package var result: String?
    package var host: String?
    /// For users (2.84).
    package var details: String?
    /// For administrators.
    package var trace: String?
}

extension ComputeStore {
    /// Takes a user's action on a server: checks the table of allowed states, stores the new task, the record of the
    /// action and the saga that will carry it out, in one transaction.
    ///
    /// - Throws: `ActionRefused` (409), ``StoreError/notFound(_:)``.
    package func begin(
        _ action: InstanceAction, on id: InstanceID, saga: NewSaga, origin: ActionOrigin
    ) async throws {
        let at = now()
        try await database.transaction { connection in
            let found = try connection.first(
                "SELECT vm_state, task_state FROM instances WHERE uuid = \(id) AND deleted = 0"
            ) { try InstanceRecord.status($0, vm: 0, task: 1) }
            guard let status = found else { throw StoreError.notFound("Instance \(id) could not be found.") }
            let next = try status.beginning(action)
            do {
                try Self.compareAndSwap(id, from: status, to: next, at: at, connection)
            } catch StoreError.changedMeanwhile {
                // Another writer was faster: the transaction is run again, and decides by what is there then.
                throw DatabaseError.busy("instance \(id) changed meanwhile, again and again")
            }
            try Self.recordAction(action.recordedName, on: id, origin: origin, at: at, connection)
            try Self.insert(saga, at: at, connection)
        }
    }

    /// Changes a server's status if it still is what the caller read.
    ///
    /// - Throws: ``StoreError/changedMeanwhile``.
    package func compareAndSwap(_ id: InstanceID, from old: InstanceStatus, to new: InstanceStatus) async throws {
        let at = now()
        try await database.transaction { try Self.compareAndSwap(id, from: old, to: new, at: at, $0) }
    }

    static func compareAndSwap(
        _ id: InstanceID, from old: InstanceStatus, to new: InstanceStatus, at: Timestamp, _ connection: SQLConnection
    ) throws {
        let task: SQL = old.task.map { "task_state = \($0.rawValue)" } ?? "task_state IS NULL"
        let changed = try connection.execute(
            """
            UPDATE instances SET vm_state = \(new.vm.rawValue), task_state = \(new.task?.rawValue),
                updated_at = \(at), \(InstanceStamp.renewal)
            WHERE uuid = \(id) AND deleted = 0 AND vm_state = \(old.vm.rawValue) AND \(task)
            """)
        guard changed.rowsChanged == 1 else { throw StoreError.changedMeanwhile }
    }

    static func recordAction(
        _ name: String, on id: InstanceID, origin: ActionOrigin, at: Timestamp, _ connection: SQLConnection
    ) throws {
        try connection.execute(
            """
            INSERT INTO instance_actions (
                instance, action, request_id, user_id, project_id, started_at, updated_at)
            VALUES (\(id), \(name), \(origin.requestID), \(origin.userID), \(origin.projectID), \(at), \(at))
            """)
    }

    /// Records a finished action without a saga (lock, unlock).
    package func recordFinishedAction(_ name: String, on id: InstanceID, origin: ActionOrigin) async throws {
        let at = now()
        try await database.transaction { connection in
            try Self.recordAction(name, on: id, origin: origin, at: at, connection)
            try connection.execute(
                """
                UPDATE instance_actions SET finished_at = \(at)
                WHERE instance = \(id) AND request_id = \(origin.requestID) AND finished_at IS NULL
                """)
        }
    }

    /// Marks the beginning of a part of an action; repeating it keeps the first time and takes the last host.
    ///
    /// This and what marks the ends is written by steps of sagas, which write it again if it is lost: see
    /// ``Durability/deferred``.
    package func beginEvent(_ event: String, on id: InstanceID, requestID: String, host: String?) async throws {
        let at = now()
        try await database.transaction(durability: .deferred) { connection in
            guard let action = try Self.action(id, requestID, connection) else { return }
            let known = try connection.first(
                "SELECT number FROM instance_action_events WHERE action = \(action) AND event = \(event)"
            ) { try $0.int64(0) }
            if known == nil {
                try connection.execute(
                    """
                    INSERT INTO instance_action_events (action, event, started_at, host)
                    VALUES (\(action), \(event), \(at), \(host))
                    """)
            } else if let host {
                try connection.execute(
                    "UPDATE instance_action_events SET host = \(host) WHERE action = \(action) AND event = \(event)")
            }
            try connection.execute("UPDATE instance_actions SET updated_at = \(at) WHERE number = \(action)")
        }
    }

    /// Marks the end of a part of an action.
    package func endEvent(
        _ event: String, on id: InstanceID, requestID: String, failure: (details: String, trace: String)? = nil
    ) async throws {
        let at = now()
        try await database.transaction(durability: .deferred) { connection in
            guard let action = try Self.action(id, requestID, connection) else { return }
            try connection.execute(
                """
                UPDATE instance_action_events SET finished_at = \(at),
                    result = \(failure == nil ? "Success" : "Error"), details = \(failure?.details),
                    trace = \(failure?.trace)
                WHERE action = \(action) AND event = \(event)
                """)
            try connection.execute("UPDATE instance_actions SET updated_at = \(at) WHERE number = \(action)")
        }
    }

    /// Marks the end of an action; `failed` leaves the message `Error`, as Nova does.
    package func finishAction(on id: InstanceID, requestID: String, failed: Bool) async throws {
        let at = now()
        try await database.transaction(durability: .deferred) { connection in
            guard let action = try Self.action(id, requestID, connection) else { return }
            let message: String? = failed ? "Error" : nil
            try connection.execute(
                """
                UPDATE instance_actions SET finished_at = \(at), updated_at = \(at), message = \(message)
                WHERE number = \(action)
                """)
        }
    }

    private static func action(_ id: InstanceID, _ requestID: String, _ connection: SQLConnection) throws -> Int64? {
        try connection.first(
            """
            SELECT number FROM instance_actions WHERE instance = \(id) AND request_id = \(requestID)
            ORDER BY number DESC LIMIT 1
            """
        ) { try $0.int64(0) }
    }

    /// A server's actions, newest first.
    ///
    /// - Parameter marker: begin after the action of this request.
    package func actions(
        of id: InstanceID, since: Timestamp? = nil, before: Timestamp? = nil, marker: String? = nil, limit: Int = 1000
    ) async throws -> [ActionRecord] {
        try await database.read { connection in
            var condition: SQL = "instance = \(id)"
            if let since { condition += " AND updated_at >= \(since)" }
            if let before { condition += " AND updated_at <= \(before)" }
            if let marker {
                guard let number = try Self.action(id, marker, connection) else {
                    throw StoreError.notFound("marker [\(marker)] not found")
                }
                condition += " AND number < \(number)"
            }
            return try connection.map(
                """
                SELECT number, instance, action, request_id, user_id, project_id, started_at, updated_at,
                    finished_at, message
                FROM instance_actions WHERE \(condition) ORDER BY number DESC LIMIT \(limit)
                """,
                ActionRecord.init(row:))
        }
    }

    /// One action with its events in order; `nil` if the server has none of that request.
    package func action(of id: InstanceID, requestID: String) async throws -> (ActionRecord, [ActionEventRecord])? {
        try await database.read { connection in
            guard let number = try Self.action(id, requestID, connection) else { return nil }
            let action = try connection.first(
                """
                SELECT number, instance, action, request_id, user_id, project_id, started_at, updated_at,
                    finished_at, message
                FROM instance_actions WHERE number = \(number)
                """,
                ActionRecord.init(row:))
            guard let action else { return nil }
            let events = try connection.map(
                """
                SELECT event, started_at, finished_at, result, host, details, trace
                FROM instance_action_events WHERE action = \(number) ORDER BY number
                """
            ) { row in
                ActionEventRecord(
                    event: try row.string(0), startedAt: try row.timestamp(1),
                    finishedAt: try row.optionalTimestamp(2), result: try row.optionalString(3),
                    host: try row.optionalString(4), details: try row.optionalString(5),
                    trace: try row.optionalString(6))
            }
            return (action, events)
        }
    }
}

extension ActionRecord {
    init(row: SQLRow) throws {
        self.init(
            number: try row.int64(0), instance: try row.identifier(1), action: try row.string(2),
            requestID: try row.string(3), userID: try row.string(4), projectID: try row.string(5),
            startedAt: try row.timestamp(6), updatedAt: try row.timestamp(7),
            finishedAt: try row.optionalTimestamp(8), message: try row.optionalString(9))
    }
}
