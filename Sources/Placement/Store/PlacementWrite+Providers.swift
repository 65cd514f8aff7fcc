import Database

/// What to do with a provider's parent.
package enum ParentChange: Sendable, Hashable {
    case unchanged
    /// `nil` makes the provider a root.
    case set(String?)
}

extension PlacementWrite {
    /// Adds a provider; with a parent it joins that tree.
    mutating func createProvider(uuid: String, name: String, parent: String?) throws {
        var duplicates: [String] = []
        if try findProvider(uuid) != nil { duplicates.append("uuid: \(uuid)") }
        if try isNameTaken(name, except: nil) { duplicates.append("name: \(name)") }
        guard duplicates.isEmpty else { throw PlacementError.duplicateProvider(duplicates) }
        var parentRow: ProviderRow?
        if let parent {
            guard parent != uuid else {
                throw PlacementError.parentRefused(
                    action: "create",
                    reason: "parent provider UUID cannot be same as UUID. Please set parent "
                        + "provider UUID to None if there is no parent.")
            }
            parentRow = try findProvider(parent)
            guard parentRow != nil else {
                throw PlacementError.parentRefused(action: "create", reason: "parent provider UUID does not exist.")
            }
        }
        let id = try connection.insert(
            """
            INSERT INTO resource_providers
                (uuid, name, generation, root_provider_id, parent_provider_id, created_at, change_sequence)
            VALUES (\(uuid), \(name), 0, \(parentRow?.rootID ?? 0), \(parentRow?.id), \(now), 0)
            """, numbering: "id")
        if parentRow == nil {
            try connection.execute("UPDATE resource_providers SET root_provider_id = \(id) WHERE id = \(id)")
        }
        changed.insert(id)
    }

    /// Renames a provider or moves it, with all below it, to another place in a tree.
    mutating func updateProvider(
        _ uuid: String, name: String, parent: ParentChange, reparentingAllowed: Bool
    ) throws {
        let row = try provider(uuid)
        if try isNameTaken(name, except: row.id) { throw PlacementError.duplicateProvider([name]) }
        if case .set(let wanted) = parent {
            if let wanted {
                try move(row, under: wanted, reparentingAllowed: reparentingAllowed)
            } else if row.parentID != nil {
                guard reparentingAllowed else {
                    throw PlacementError.parentRefused(
                        action: "update", reason: "un-parenting a provider is not currently allowed.")
                }
                try place(row, parent: nil, root: row.id)
            }
        }
        try connection.execute("UPDATE resource_providers SET name = \(name), updated_at = \(now) WHERE id = \(row.id)")
        changed.insert(row.id)
    }

    private mutating func move(_ row: ProviderRow, under uuid: String, reparentingAllowed: Bool) throws {
        guard let parent = try findProvider(uuid) else {
            throw PlacementError.parentRefused(action: "create", reason: "parent provider UUID does not exist.")
        }
        guard row.parentID == nil || row.parentID == parent.id || reparentingAllowed else {
            throw PlacementError.parentRefused(
                action: "update", reason: "re-parenting a provider is not currently allowed.")
        }
        guard try !subtree(row).contains(parent.id) else {
            throw PlacementError.parentRefused(
                action: "update", reason: "creating loop in the provider tree is not allowed.")
        }
        try place(row, parent: parent.id, root: parent.rootID)
    }

    private mutating func place(_ row: ProviderRow, parent: Int64?, root: Int64) throws {
        let moved = try subtree(row)
        try connection.execute(
            "UPDATE resource_providers SET root_provider_id = \(root) WHERE id IN \(list: moved)")
        try connection.execute("UPDATE resource_providers SET parent_provider_id = \(parent) WHERE id = \(row.id)")
        changed.formUnion(moved)
    }

    /// The provider and all below it.
    private func subtree(_ row: ProviderRow) throws -> [Int64] {
        var children: [Int64: [Int64]] = [:]
        try connection.forEach(
            """
            SELECT id, parent_provider_id FROM resource_providers
            WHERE root_provider_id = \(row.rootID) AND parent_provider_id IS NOT NULL
            """
        ) { children[try $0.int64(1), default: []].append(try $0.int64(0)) }
        var found = [row.id]
        var next = 0
        while next < found.count {
            found += children[found[next]] ?? []
            next += 1
        }
        return found
    }

    /// Removes a provider that has neither children nor allocations.
    mutating func deleteProvider(_ uuid: String) throws {
        let row = try provider(uuid)
        let children = try connection.first(
            "SELECT 1 FROM resource_providers WHERE parent_provider_id = \(row.id) LIMIT 1"
        ) { try $0.int(0) }
        guard children == nil else { throw PlacementError.providerHasChildren }
        let allocations = try connection.first(
            "SELECT 1 FROM allocations WHERE resource_provider_id = \(row.id) LIMIT 1"
        ) { try $0.int(0) }
        guard allocations == nil else { throw PlacementError.providerInUse }
        for table in ["inventories", "resource_provider_aggregates", "resource_provider_traits"] {
            try connection.execute("DELETE FROM \(ident: table) WHERE resource_provider_id = \(row.id)")
        }
        try connection.execute("DELETE FROM resource_providers WHERE id = \(row.id)")
        removed.append(row.id)
    }

    private func isNameTaken(_ name: String, except id: Int64?) throws -> Bool {
        let owner = try connection.first("SELECT id FROM resource_providers WHERE name = \(name)") { try $0.int64(0) }
        return owner != nil && owner != id
    }

    // MARK: Traits and aggregates of a provider

    /// Replaces the traits. The generation rises only when something changes.
    mutating func setTraits(_ uuid: String, names: [String], generation: Int64?) throws {
        let row = try provider(uuid)
        try check(row, generation: generation)
        let wanted = Set(try traitIDs(names))
        let present = Set(
            try connection.map(
                "SELECT trait_id FROM resource_provider_traits WHERE resource_provider_id = \(row.id)"
            ) { try $0.int64(0) })
        guard wanted != present else { return }
        let gone = present.subtracting(wanted).sorted()
        if !gone.isEmpty {
            try connection.execute(
                """
                DELETE FROM resource_provider_traits
                WHERE resource_provider_id = \(row.id) AND trait_id IN \(list: gone)
                """)
        }
        for trait in wanted.subtracting(present).sorted() {
            try connection.execute(
                "INSERT INTO resource_provider_traits (resource_provider_id, trait_id) VALUES (\(row.id), \(trait))")
        }
        try raiseGeneration(row, from: generation)
        changed.insert(row.id)
    }

    private func traitIDs(_ names: [String]) throws -> [Int64] {
        guard !names.isEmpty else { return [] }
        var ids: [String: Int64] = [:]
        try connection.forEach("SELECT name, id FROM traits WHERE name IN \(list: names)") {
            ids[try $0.string(0)] = try $0.int64(1)
        }
        let unknown = Set(names).filter { ids[$0] == nil }.sorted()
        guard unknown.isEmpty else { throw PlacementError.traitsNotFound(unknown) }
        return names.compactMap { ids[$0] }
    }

    /// Replaces the aggregates; those that nobody has named before come into being.
    mutating func setAggregates(_ uuid: String, aggregates: [String], generation: Int64?, raisesGeneration: Bool) throws
    {
        let row = try provider(uuid)
        try check(row, generation: generation)
        var wanted: Set<Int64> = []
        for aggregate in Set(aggregates).sorted() { wanted.insert(try aggregateID(aggregate)) }
        let present = Set(
            try connection.map(
                "SELECT aggregate_id FROM resource_provider_aggregates WHERE resource_provider_id = \(row.id)"
            ) { try $0.int64(0) })
        let gone = present.subtracting(wanted).sorted()
        if !gone.isEmpty {
            try connection.execute(
                """
                DELETE FROM resource_provider_aggregates
                WHERE resource_provider_id = \(row.id) AND aggregate_id IN \(list: gone)
                """)
        }
        for aggregate in wanted.subtracting(present).sorted() {
            try connection.execute(
                """
                INSERT INTO resource_provider_aggregates (resource_provider_id, aggregate_id)
                VALUES (\(row.id), \(aggregate))
                """)
        }
        if raisesGeneration { try raiseGeneration(row, from: generation) }
        if raisesGeneration || wanted != present { changed.insert(row.id) }
    }

    private func aggregateID(_ uuid: String) throws -> Int64 {
        let find: SQL = "SELECT id FROM placement_aggregates WHERE uuid = \(uuid)"
        if let id = try connection.first(find, { try $0.int64(0) }) { return id }
        return try connection.insert("INSERT INTO placement_aggregates (uuid) VALUES (\(uuid))", numbering: "id")
    }
}
