import Database

/// A transaction on placement's tables. Notes which providers it changed, and at its end numbers itself and reads
/// their images, so that the mirror takes over exactly what was committed.
struct PlacementWrite {
    let connection: SQLConnection
    /// Seconds since 1970.
    let now: Int64
    /// Providers whose image changed.
    var changed: Set<Int64> = []
    /// Providers of which only generation and usages changed.
    var used: Set<Int64> = []
    var removed: [Int64] = []
    var catalogChanged = false

    /// Removals are remembered for so many transactions; a mirror that is further behind is read anew.
    static let removalsKept: Int64 = 100_000

    init(_ connection: SQLConnection, now: Int64) {
        (self.connection, self.now) = (connection, now)
    }

    /// Numbers the transaction and reads what it changed. `nil` when it changed nothing.
    func finish() throws -> MirrorChange? {
        guard !(changed.isEmpty && used.isEmpty && removed.isEmpty && !catalogChanged) else { return nil }
        try connection.execute("UPDATE placement_state SET sequence = sequence + 1 WHERE id = 1")
        let sequence =
            try connection.first("SELECT sequence FROM placement_state WHERE id = 1") { try $0.int64(0) } ?? 0
        var change = MirrorChange(sequence: sequence)
        let gone = Set(removed)
        let touched = changed.union(used).subtracting(gone).sorted()
        if !touched.isEmpty {
            try connection.execute(
                "UPDATE resource_providers SET change_sequence = \(sequence) WHERE id IN \(list: touched)")
        }
        if !removed.isEmpty { try rememberRemovals(sequence) }
        if catalogChanged {
            try connection.execute("UPDATE placement_state SET catalog_sequence = \(sequence) WHERE id = 1")
            change.catalog = try PlacementReading.catalog(connection)
        }
        change.removed = removed
        change.providers = try PlacementReading.images(connection, ids: changed.subtracting(gone).sorted())
        change.usages = try PlacementReading.usages(
            connection, ids: used.subtracting(changed).subtracting(gone).sorted())
        return change
    }

    private func rememberRemovals(_ sequence: Int64) throws {
        for id in removed {
            try connection.execute("INSERT INTO removed_providers (id, change_sequence) VALUES (\(id), \(sequence))")
        }
        let oldest = sequence - Self.removalsKept
        guard oldest > 0 else { return }
        try connection.execute("DELETE FROM removed_providers WHERE change_sequence <= \(oldest)")
        try connection.execute("UPDATE placement_state SET removed_before = \(oldest) WHERE id = 1")
    }

    // MARK: Rows that many operations need

    struct ProviderRow {
        let id: Int64
        let uuid: String
        let name: String
        let generation: Int64
        let parentID: Int64?
        let rootID: Int64
    }

    func provider(_ uuid: String) throws -> ProviderRow {
        guard let row = try findProvider(uuid) else { throw PlacementError.providerNotFound(uuid) }
        return row
    }

    func findProvider(_ uuid: String) throws -> ProviderRow? {
        try connection.first(
            """
            SELECT id, uuid, name, generation, parent_provider_id, root_provider_id FROM resource_providers
            WHERE uuid = \(uuid)
            """
        ) { row in
            ProviderRow(
                id: try row.int64(0), uuid: try row.string(1), name: try row.string(2), generation: try row.int64(3),
                parentID: try row.optionalInt64(4), rootID: try row.int64(5))
        }
    }

    func classID(_ name: String) throws -> Int {
        guard let id = try connection.first("SELECT id FROM resource_classes WHERE name = \(name)", { try $0.int(0) })
        else {
            throw PlacementError.resourceClassNotFound(name)
        }
        return id
    }

    func className(_ id: Int) throws -> String {
        try connection.first("SELECT name FROM resource_classes WHERE id = \(id)") { try $0.string(0) } ?? ""
    }

    /// Raises the generation from the value that was read.
    mutating func raiseGeneration(_ provider: ProviderRow, from generation: Int64? = nil) throws {
        let expected = generation ?? provider.generation
        let result = try connection.execute(
            """
            UPDATE resource_providers SET generation = generation + 1, updated_at = \(now)
            WHERE id = \(provider.id) AND generation = \(expected)
            """)
        guard result.rowsChanged == 1 else {
            throw PlacementError.providerGenerationConflict(
                provider: provider.uuid, actual: provider.generation, given: expected)
        }
    }

    func check(_ provider: ProviderRow, generation: Int64?) throws {
        guard let generation, generation != provider.generation else { return }
        throw PlacementError.providerGenerationConflict(
            provider: provider.uuid, actual: provider.generation, given: generation)
    }
}
