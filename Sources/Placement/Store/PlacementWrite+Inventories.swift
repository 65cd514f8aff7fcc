import Database

extension PlacementWrite {
    /// Adds inventory of a class that the provider has none of.
    mutating func addInventory(_ uuid: String, resourceClass: String, _ record: InventoryRecord) throws {
        let row = try provider(uuid)
        let classID = try classID(resourceClass)
        guard try !inventoryClasses(row.id).contains(classID) else {
            throw PlacementError.inventoryExists(resourceClass: resourceClass)
        }
        try insert(record, classID: classID, provider: row.id)
        try raiseGeneration(row)
        changed.insert(row.id)
    }

    /// Replaces the values of one class.
    mutating func updateInventory(
        _ uuid: String, resourceClass: String, _ record: InventoryRecord, generation: Int64?
    ) throws {
        let row = try provider(uuid)
        try check(row, generation: generation)
        let classID = try classID(resourceClass)
        guard try update(record, classID: classID, provider: row.id) else {
            throw PlacementError.inventoryNotFound(resourceClass: resourceClass)
        }
        try raiseGeneration(row, from: generation)
        changed.insert(row.id)
    }

    /// Replaces all inventory; what has allocations cannot be removed.
    mutating func setInventories(_ uuid: String, _ records: [String: InventoryRecord], generation: Int64?) throws {
        let row = try provider(uuid)
        try check(row, generation: generation)
        try replaceInventories(row, records, generation: generation ?? row.generation)
    }

    mutating func replaceInventories(
        _ row: ProviderRow, _ records: [String: InventoryRecord], generation: Int64
    ) throws {
        let present = try inventoryClasses(row.id)
        var wanted: [Int: InventoryRecord] = [:]
        for (name, record) in records { wanted[try classID(name)] = record }
        try removeInventories(row, present.filter { wanted[$0] == nil })
        for (classID, record) in wanted.sorted(by: { $0.key < $1.key }) {
            if present.contains(classID) {
                _ = try update(record, classID: classID, provider: row.id)
            } else {
                try insert(record, classID: classID, provider: row.id)
            }
        }
        try raiseGeneration(row, from: generation)
        changed.insert(row.id)
    }

    /// Removes the inventory of one class.
    mutating func deleteInventory(_ uuid: String, resourceClass: String) throws {
        let row = try provider(uuid)
        let classID = try classID(resourceClass)
        try removeInventories(row, [classID], mustExist: resourceClass)
        try raiseGeneration(row)
        changed.insert(row.id)
    }

    private func removeInventories(_ row: ProviderRow, _ classes: some Collection<Int>, mustExist: String? = nil) throws
    {
        guard !classes.isEmpty else { return }
        let inUse = try connection.map(
            """
            SELECT DISTINCT r.id, r.name FROM allocations a JOIN resource_classes r ON r.id = a.resource_class_id
            WHERE a.resource_provider_id = \(row.id) AND a.resource_class_id IN \(list: classes) ORDER BY r.id
            """
        ) { try $0.string(1) }
        guard inUse.isEmpty else { throw PlacementError.inventoryInUse(resourceClasses: inUse, provider: row.uuid) }
        let result = try connection.execute(
            """
            DELETE FROM inventories WHERE resource_provider_id = \(row.id) AND resource_class_id IN \(list: classes)
            """)
        if let mustExist, result.rowsChanged == 0 { throw PlacementError.inventoryNotFound(resourceClass: mustExist) }
    }

    func inventoryClasses(_ provider: Int64) throws -> Set<Int> {
        Set(
            try connection.map(
                "SELECT resource_class_id FROM inventories WHERE resource_provider_id = \(provider)"
            ) { try $0.int(0) })
    }

    private func insert(_ record: InventoryRecord, classID: Int, provider: Int64) throws {
        try connection.execute(
            """
            INSERT INTO inventories (resource_provider_id, resource_class_id, total, reserved, min_unit, max_unit,
                step_size, allocation_ratio)
            VALUES (\(provider), \(classID), \(record.total), \(record.reserved), \(record.minUnit), \(record.maxUnit),
                \(record.stepSize), \(record.allocationRatio))
            """)
    }

    private func update(_ record: InventoryRecord, classID: Int, provider: Int64) throws -> Bool {
        try connection.execute(
            """
            UPDATE inventories SET total = \(record.total), reserved = \(record.reserved), min_unit = \(record.minUnit),
                max_unit = \(record.maxUnit), step_size = \(record.stepSize),
                allocation_ratio = \(record.allocationRatio)
            WHERE resource_provider_id = \(provider) AND resource_class_id = \(classID)
            """
        ).rowsChanged == 1
    }

    // MARK: Names

    /// Adds a custom class. The caller has checked its form.
    mutating func createResourceClass(_ name: String) throws {
        let find: SQL = "SELECT id FROM resource_classes WHERE name = \(name)"
        guard try connection.first(find, { try $0.int(0) }) == nil else {
            throw PlacementError.resourceClassExists(name)
        }
        let largest = try connection.first("SELECT MAX(id) FROM resource_classes") { try $0.optionalInt(0) } ?? nil
        let id = max((largest ?? 0) + 1, PlacementCatalog.firstCustomClassID)
        try connection.execute("INSERT INTO resource_classes (id, name, created_at) VALUES (\(id), \(name), \(now))")
        catalogChanged = true
    }

    mutating func renameResourceClass(_ name: String, to newName: String) throws {
        let id = try classID(name)
        guard id >= PlacementCatalog.firstCustomClassID else { throw PlacementError.resourceClassIsStandard(name) }
        let owner = try connection.first("SELECT id FROM resource_classes WHERE name = \(newName)") { try $0.int(0) }
        guard owner == nil || owner == id else { throw PlacementError.resourceClassExists(newName) }
        try connection.execute("UPDATE resource_classes SET name = \(newName), updated_at = \(now) WHERE id = \(id)")
        catalogChanged = true
    }

    mutating func deleteResourceClass(_ name: String) throws {
        let id = try classID(name)
        guard id >= PlacementCatalog.firstCustomClassID else { throw PlacementError.resourceClassIsStandard(name) }
        let user = try connection.first("SELECT 1 FROM inventories WHERE resource_class_id = \(id) LIMIT 1") {
            try $0.int(0)
        }
        guard user == nil else { throw PlacementError.resourceClassInUse(name) }
        try connection.execute("DELETE FROM resource_classes WHERE id = \(id)")
        catalogChanged = true
    }

    /// Adds a trait unless it is there. `true` when it is new.
    mutating func ensureTrait(_ name: String) throws -> Bool {
        guard try connection.first("SELECT id FROM traits WHERE name = \(name)", { try $0.int(0) }) == nil else {
            return false
        }
        try connection.execute("INSERT INTO traits (name, created_at) VALUES (\(name), \(now))")
        catalogChanged = true
        return true
    }

    mutating func deleteTrait(_ name: String) throws {
        guard let id = try connection.first("SELECT id FROM traits WHERE name = \(name)", { try $0.int(0) }) else {
            throw PlacementError.traitsNotFound([name])
        }
        guard name.hasPrefix(StandardNames.customPrefix) else { throw PlacementError.traitIsStandard(name) }
        let user = try connection.first("SELECT 1 FROM resource_provider_traits WHERE trait_id = \(id) LIMIT 1") {
            try $0.int(0)
        }
        guard user == nil else { throw PlacementError.traitInUse(name) }
        try connection.execute("DELETE FROM traits WHERE id = \(id)")
        catalogChanged = true
    }

    /// Adds the standard names that are missing.
    mutating func ensureStandardNames() throws {
        let catalog = try PlacementReading.catalog(connection)
        for (id, name) in StandardNames.resourceClasses.enumerated() where catalog.classID(name) == nil {
            try connection.execute(
                "INSERT INTO resource_classes (id, name, created_at) VALUES (\(id), \(name), \(now))")
            catalogChanged = true
        }
        for name in StandardNames.traits where catalog.traitID(name) == nil {
            try connection.execute("INSERT INTO traits (name, created_at) VALUES (\(name), \(now))")
            catalogChanged = true
        }
    }
}
