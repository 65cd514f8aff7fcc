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
            var conditions = query.conditions.map(\.sql)
            let order = Self.completed(query.order)
            if let marker = query.marker {
                conditions.append(try Self.after(marker, order: order, query: query, connection))
            }
            let condition: SQL = conditions.isEmpty ? "1 = 1" : conditions.joined(separator: " AND ")
            let sorting = order.map { part -> SQL in
                "\(raw: part.key.rawValue) \(connection.dialect.order(ascending: part.ascending))"
            }.joined(separator: ", ")
            return try connection.map(
                """
                SELECT \(InstanceRecord.columns) FROM instances WHERE \(condition)
                ORDER BY \(sorting) LIMIT \(query.limit)
                """
            ) { try InstanceRecord(row: $0) }
        }
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
