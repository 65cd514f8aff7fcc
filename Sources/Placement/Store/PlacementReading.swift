import Database

/// Reads of placement's tables that serve the mirror and the API.
enum PlacementReading {
    // MARK: For the mirror

    static func catalog(_ connection: SQLConnection) throws -> PlacementCatalog {
        func entry(_ row: SQLRow) throws -> PlacementCatalog.Entry {
            PlacementCatalog.Entry(
                id: try row.int(0), name: try row.string(1), modifiedAt: try row.optionalInt64(3) ?? row.int64(2))
        }
        return PlacementCatalog(
            classes: try connection.map("SELECT id, name, created_at, updated_at FROM resource_classes", entry),
            traits: try connection.map("SELECT id, name, created_at, updated_at FROM traits", entry))
    }

    /// Images of these providers, or of all.
    static func images(_ connection: SQLConnection, ids: [Int64]?) throws -> [ProviderImage] {
        if let ids, ids.isEmpty { return [] }
        if let ids, ids.count > 1000 {
            return try stride(from: 0, to: ids.count, by: 1000).flatMap {
                try Self.images(connection, ids: Array(ids[$0..<min($0 + 1000, ids.count)]))
            }
        }
        func condition(_ column: String) -> SQL { ids.map { " WHERE \(ident: column) IN \(list: $0)" as SQL } ?? "" }
        var found: [ProviderImage] = try connection.map(
            """
            SELECT id, uuid, name, generation, parent_provider_id, root_provider_id, created_at, updated_at
            FROM resource_providers\(condition("id"))
            """
        ) { row in
            ProviderImage(
                id: try row.int64(0), uuid: try row.string(1), name: try row.string(2), generation: try row.int64(3),
                parentID: try row.optionalInt64(4), rootID: try row.int64(5),
                modifiedAt: try row.optionalInt64(7) ?? row.int64(6))
        }
        let places = Dictionary(uniqueKeysWithValues: found.indices.map { (found[$0].id, $0) })
        var used: [UsageKey: Int64] = [:]
        try connection.forEach(
            """
            SELECT resource_provider_id, resource_class_id, SUM(used)
            FROM allocations\(condition("resource_provider_id"))
            GROUP BY resource_provider_id, resource_class_id
            """
        ) { used[UsageKey(provider: try $0.int64(0), classID: try $0.int(1))] = try $0.int64(2) }
        try connection.forEach(
            """
            SELECT resource_provider_id, resource_class_id, total, reserved, min_unit, max_unit, step_size,
                allocation_ratio FROM inventories\(condition("resource_provider_id"))
            """
        ) { row in
            guard let place = places[try row.int64(0)] else { return }
            let classID = try row.int(1)
            found[place].inventories.append(
                InventoryImage(
                    classID: classID, total: try row.int64(2), reserved: try row.int64(3), minUnit: try row.int64(4),
                    maxUnit: try row.int64(5), stepSize: try row.int64(6), allocationRatio: try row.double(7),
                    used: used[UsageKey(provider: found[place].id, classID: classID)] ?? 0))
        }
        try connection.forEach(
            "SELECT resource_provider_id, trait_id FROM resource_provider_traits\(condition("resource_provider_id"))"
        ) { row in
            if let place = places[try row.int64(0)] { found[place].traits.append(try row.int(1)) }
        }
        try connection.forEach(
            """
            SELECT m.resource_provider_id, a.uuid FROM resource_provider_aggregates m
            JOIN placement_aggregates a ON a.id = m.aggregate_id\(condition("resource_provider_id"))
            """
        ) { row in
            if let place = places[try row.int64(0)] { found[place].aggregates.append(try row.string(1)) }
        }
        return found
    }

    static func usages(_ connection: SQLConnection, ids: [Int64]) throws -> [UsageImage] {
        guard !ids.isEmpty else { return [] }
        var images: [Int64: UsageImage] = [:]
        try connection.forEach(
            """
            SELECT id, generation, created_at, updated_at FROM resource_providers WHERE id IN \(list: ids)
            """
        ) { row in
            images[try row.int64(0)] = UsageImage(
                id: try row.int64(0), generation: try row.int64(1),
                modifiedAt: try row.optionalInt64(3) ?? row.int64(2), used: [:])
        }
        try connection.forEach(
            """
            SELECT resource_provider_id, resource_class_id, SUM(used) FROM allocations
            WHERE resource_provider_id IN \(list: ids) GROUP BY resource_provider_id, resource_class_id
            """
        ) { images[try $0.int64(0)]?.used[try $0.int(1)] = try $0.int64(2) }
        return ids.compactMap { images[$0] }
    }

    /// What a mirror that has everything up to `sequence` lacks, or everything when it is too far behind.
    static func changes(_ connection: SQLConnection, since sequence: Int64?) throws -> MirrorReload {
        let state =
            try connection.first(
                "SELECT sequence, catalog_sequence, removed_before FROM placement_state WHERE id = 1"
            ) { (try $0.int64(0), try $0.int64(1), try $0.int64(2)) } ?? (0, 0, 0)
        var change = MirrorChange(sequence: state.0)
        guard let sequence, sequence >= state.2, sequence <= state.0 else {
            change.catalog = try catalog(connection)
            change.providers = try images(connection, ids: nil)
            return MirrorReload(change: change, isWhole: true)
        }
        guard sequence < state.0 else { return MirrorReload(change: change, isWhole: false) }
        if state.1 > sequence { change.catalog = try catalog(connection) }
        change.removed = try connection.map(
            "SELECT id FROM removed_providers WHERE change_sequence > \(sequence)"
        ) { try $0.int64(0) }
        let ids = try connection.map(
            "SELECT id FROM resource_providers WHERE change_sequence > \(sequence)"
        ) { try $0.int64(0) }
        change.providers = try images(connection, ids: ids)
        return MirrorReload(change: change, isWhole: false)
    }

    private struct UsageKey: Hashable {
        let provider: Int64
        let classID: Int
    }

    // MARK: For the API

    private static let allocationColumns: SQL = """
        SELECT p.uuid, p.generation, a.consumer_id, c.generation, r.name, a.used, a.created_at FROM allocations a
        JOIN resource_providers p ON p.id = a.resource_provider_id
        JOIN consumers c ON c.uuid = a.consumer_id
        JOIN resource_classes r ON r.id = a.resource_class_id
        """

    private static func allocation(_ row: SQLRow) throws -> AllocationRecord {
        AllocationRecord(
            providerUUID: try row.string(0), providerGeneration: try row.int64(1), consumerUUID: try row.string(2),
            consumerGeneration: try row.int64(3), resourceClass: try row.string(4), used: try row.int64(5),
            createdAt: try row.int64(6))
    }

    static func allocations(_ connection: SQLConnection, consumer: String) throws -> [AllocationRecord] {
        try connection.map("\(allocationColumns) WHERE a.consumer_id = \(consumer) ORDER BY a.id", allocation)
    }

    static func allocations(_ connection: SQLConnection, provider: String) throws -> [AllocationRecord] {
        try connection.map("\(allocationColumns) WHERE p.uuid = \(provider) ORDER BY a.id", allocation)
    }

    static func consumer(_ connection: SQLConnection, _ uuid: String) throws -> ConsumerRecord? {
        try connection.first(
            """
            SELECT c.uuid, c.project_id, c.user_id, c.generation, t.name FROM consumers c
            LEFT JOIN consumer_types t ON t.id = c.consumer_type_id WHERE c.uuid = \(uuid)
            """
        ) { row in
            ConsumerRecord(
                uuid: try row.string(0), projectID: try row.string(1), userID: try row.string(2),
                generation: try row.int64(3), type: try row.optionalString(4))
        }
    }

    /// Usages of a project, per consumer type and class.
    static func usages(_ connection: SQLConnection, project: String, user: String?) throws -> [ProjectUsage] {
        let owner: SQL = user.map { "c.project_id = \(project) AND c.user_id = \($0)" } ?? "c.project_id = \(project)"
        var consumers: [String?: Int] = [:]
        try connection.forEach(
            """
            SELECT t.name, COUNT(DISTINCT a.consumer_id) FROM allocations a JOIN consumers c ON c.uuid = a.consumer_id
            LEFT JOIN consumer_types t ON t.id = c.consumer_type_id WHERE \(owner) GROUP BY t.name
            """
        ) { consumers[try $0.optionalString(0)] = try $0.int(1) }
        return try connection.map(
            """
            SELECT t.name, r.name, SUM(a.used) FROM allocations a JOIN consumers c ON c.uuid = a.consumer_id
            JOIN resource_classes r ON r.id = a.resource_class_id
            LEFT JOIN consumer_types t ON t.id = c.consumer_type_id WHERE \(owner) GROUP BY t.name, r.name
            ORDER BY t.name, r.name
            """
        ) { row in
            let type = try row.optionalString(0)
            return ProjectUsage(
                consumerType: type, resourceClass: try row.string(1), used: try row.int64(2),
                consumers: consumers[type] ?? 0)
        }
    }

    /// Identifiers of the traits that any provider has.
    static func associatedTraits(_ connection: SQLConnection) throws -> Set<Int> {
        Set(try connection.map("SELECT DISTINCT trait_id FROM resource_provider_traits") { try $0.int(0) })
    }
}

/// What brings a mirror up to date.
struct MirrorReload: Sendable {
    let change: MirrorChange
    /// The change holds every provider; whatever else the mirror has is gone.
    let isWhole: Bool
}
