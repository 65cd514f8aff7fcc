package import ComputeModel
import Database

extension ComputeStore {
    /// One server, deleted or not; `nil` if there is none of that identifier in the project.
    ///
    /// - Parameter project: only a server of this project; `nil` for any.
    package func instance(_ id: InstanceID, project: String? = nil, includingDeleted: Bool = false) async throws
        -> InstanceRecord?
    {
        try await database.read { connection in
            var condition: SQL = "uuid = \(id)"
            if let project { condition += " AND project_id = \(project)" }
            if !includingDeleted { condition += " AND deleted = 0" }
            return try connection.first("SELECT \(InstanceRecord.columns) FROM instances WHERE \(condition)") {
                try InstanceRecord(row: $0)
            }
        }
    }

    /// The servers that a query asks for.
    ///
    /// - Throws: ``StoreError/notFound(_:)`` when the marker is not a server that the query's project conditions
    ///   allow.
    package func instances(_ query: InstanceQuery) async throws -> [InstanceRecord] {
        try await database.read { connection in
            try connection.map(try Self.select(InstanceRecord.columns, query, connection)) {
                try InstanceRecord(row: $0)
            }
        }
    }

    /// Identifiers and names of the servers that a query asks for.
    ///
    /// - Throws: as ``instances(_:)``.
    package func instanceNames(_ query: InstanceQuery) async throws -> [InstanceName] {
        try await database.read { connection in
            try connection.map(try Self.select("uuid, display_name", query, connection)) {
                InstanceName(id: try $0.identifier(0), name: try $0.string(1))
            }
        }
    }

    /// The servers that a query asks for, reading whole rows only of those that the caller does not know already.
    ///
    /// - Parameter known: what the caller keeps of a server at that stamp; `nil` for nothing. Called on a thread of
    ///   the database's, so it must be quick.
    /// - Returns: the servers in the query's order, all as of one moment.
    /// - Throws: as ``instances(_:)``.
    package func instances<Known: Sendable>(
        _ query: InstanceQuery, known: @escaping @Sendable (InstanceStamp) -> Known?
    ) async throws -> [ListedInstance<Known>] {
        try await database.read { connection in
            let stamps = try connection.map(try Self.select(InstanceStamp.columns, query, connection)) {
                try InstanceStamp(row: $0)
            }
            let found = stamps.map(known)
            let rows = try Self.rows(zip(stamps, found).filter { $1 == nil }.map(\.0.number), connection)
            return zip(stamps, found).compactMap { stamp, known in
                if let known { return .known(known) }
                return rows[stamp.number].map { .row($0, stamp) }
            }
        }
    }

    /// Whole rows by their numbers, some hundred with one statement.
    private static func rows(_ numbers: [Int64], _ connection: SQLConnection) throws -> [Int64: InstanceRecord] {
        var rows: [Int64: InstanceRecord] = [:]
        rows.reserveCapacity(numbers.count)
        for start in stride(from: 0, to: numbers.count, by: 250) {
            let some = Array(numbers[start..<min(start + 250, numbers.count)])
            try connection.forEach("SELECT \(InstanceRecord.columns) FROM instances WHERE number IN \(list: some)") {
                let record = try InstanceRecord(row: $0)
                rows[record.number] = record
            }
        }
        return rows
    }

    private static func select(
        _ columns: SQL, _ query: InstanceQuery, _ connection: SQLConnection
    ) throws -> SQL {
        var conditions = query.conditions.map(\.sql)
        let order = completed(query.order)
        if let marker = query.marker {
            conditions.append(try after(marker, order: order, query: query, connection))
        }
        let condition: SQL = conditions.isEmpty ? "1 = 1" : conditions.joined(separator: " AND ")
        let sorting = order.map { part -> SQL in
            "\(raw: part.key.rawValue) \(connection.dialect.order(ascending: part.ascending))"
        }.joined(separator: ", ")
        return """
            SELECT \(columns) FROM instances WHERE \(condition)
            ORDER BY \(sorting) LIMIT \(query.limit)
            """
    }

    /// How many servers satisfy the query's conditions; order, marker and limit do not matter.
    package func countInstances(_ query: InstanceQuery) async throws -> Int {
        try await database.read { connection in
            let condition: SQL =
                query.conditions.isEmpty ? "1 = 1" : query.conditions.map(\.sql).joined(separator: " AND ")
            return try connection.first("SELECT COUNT(*) FROM instances WHERE \(condition)") { try $0.int(0) } ?? 0
        }
    }

    /// Nova's default order is newest first; the row's number makes every order total, so that pages never overlap.
    private static func completed(_ order: [(key: InstanceQuery.SortKey, ascending: Bool)])
        -> [(key: InstanceQuery.SortKey, ascending: Bool)]
    {
        var completed = order.isEmpty ? [(key: InstanceQuery.SortKey.createdAt, ascending: false)] : order
        if !completed.contains(where: { $0.key == .id || $0.key == .uuid }) {
            completed.append((key: .id, ascending: completed.last?.ascending ?? false))
        }
        return completed
    }

    /// The condition of standing after the marker in the order. Absent values sort first.
    private static func after(
        _ marker: InstanceID, order: [(key: InstanceQuery.SortKey, ascending: Bool)], query: InstanceQuery,
        _ connection: SQLConnection
    ) throws -> SQL {
        let names = order.map(\.key.rawValue)
        var visible: SQL = "uuid = \(marker)"
        for condition in query.conditions {
            if case .project = condition { visible += " AND \(condition.sql)" }
        }
        let found = try connection.first("SELECT \(idents: names) FROM instances WHERE \(visible)") { $0.values }
        guard let values = found else { throw StoreError.notFound("marker [\(marker)] not found") }
        var alternatives: [SQL] = []
        for (index, part) in order.enumerated() {
            var terms: [SQL] = zip(names, values).prefix(index).map { name, value in
                value == .null ? "\(ident: name) IS NULL" : "\(ident: name) = \(value)"
            }
            let name = names[index]
            switch (values[index], part.ascending) {
            case (.null, true): terms.append("\(ident: name) IS NOT NULL")
            case (.null, false): continue
            case (let value, true): terms.append("\(ident: name) > \(value)")
            case (let value, false): terms.append("(\(ident: name) < \(value) OR \(ident: name) IS NULL)")
            }
            alternatives.append("(\(terms.joined(separator: " AND ")))")
        }
        return alternatives.isEmpty ? "1 = 0" : "(\(alternatives.joined(separator: " OR ")))"
    }
}
