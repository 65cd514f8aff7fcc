import Database

extension PlacementWrite {
    /// One amount of one provider for one consumer; 0 gives back.
    private struct Wish {
        let provider: ProviderRow
        let consumer: Int
        let className: String
        let classID: Int
        let amount: Int64
    }

    private struct Consumer {
        let uuid: String
        let id: Int64?
        let generation: Int64
    }

    private struct Place: Hashable {
        let provider: Int64
        let classID: Int
    }

    private struct Stock {
        let inventory: InventoryRecord
        /// Without what the claiming consumers held.
        let used: Int64
        /// With it.
        let usedBefore: Int64
    }

    /// Replaces what all these consumers hold, or nothing at all. Capacity is tested on the end state.
    mutating func replaceAllocations(_ claims: [ConsumerClaim]) throws {
        var consumers: [Consumer] = []
        for claim in claims { consumers.append(try consumer(of: claim)) }
        var providers: [String: ProviderRow] = [:]
        let wishes = try wishes(of: claims, &providers)
        try noteHolders(claims.map(\.consumerUUID))
        guard !wishes.isEmpty else { return }
        let claiming = Set(wishes.map(\.consumer)).map { claims[$0].consumerUUID }
        let stocks = try stocks(wishes, without: claiming)
        try connection.execute("DELETE FROM allocations WHERE consumer_id IN \(list: claiming)")
        try checkCapacity(wishes, stocks)
        for wish in wishes where wish.amount > 0 {
            try connection.execute(
                """
                INSERT INTO allocations (resource_provider_id, consumer_id, resource_class_id, used, created_at)
                VALUES (\(wish.provider.id), \(claims[wish.consumer].consumerUUID), \(wish.classID), \(wish.amount),
                    \(now))
                """)
            used.insert(wish.provider.id)
        }
        for uuid in Set(wishes.map(\.provider.uuid)).sorted() {
            if let row = providers[uuid] { try raiseGeneration(row) }
        }
        for index in Set(wishes.map(\.consumer)).sorted() {
            let holds = wishes.contains { $0.consumer == index && $0.amount > 0 }
            try write(consumers[index], claims[index], holds: holds)
        }
    }

    /// The consumer as it is, its generation checked.
    private func consumer(of claim: ConsumerClaim) throws -> Consumer {
        let found = try connection.first(
            "SELECT id, generation FROM consumers WHERE uuid = \(claim.consumerUUID)"
        ) { Consumer(uuid: claim.consumerUUID, id: try $0.int64(0), generation: try $0.int64(1)) }
        if case .expect(let given) = claim.generation, given != found?.generation {
            throw PlacementError.consumerGenerationConflict(expected: found?.generation, given: given)
        }
        return found ?? Consumer(uuid: claim.consumerUUID, id: nil, generation: 0)
    }

    private func wishes(of claims: [ConsumerClaim], _ providers: inout [String: ProviderRow]) throws -> [Wish] {
        var wishes: [Wish] = []
        for (index, claim) in claims.enumerated() {
            for share in claim.shares {
                let row = try providers[share.providerUUID] ?? provider(share.providerUUID)
                providers[share.providerUUID] = row
                for amount in share.amounts {
                    wishes.append(
                        Wish(
                            provider: row, consumer: index, className: amount.resourceClass,
                            classID: try classID(amount.resourceClass), amount: amount.amount))
                }
            }
            guard claim.shares.isEmpty else { continue }
            for held in try PlacementReading.allocations(connection, consumer: claim.consumerUUID) {
                let row = try providers[held.providerUUID] ?? provider(held.providerUUID)
                providers[held.providerUUID] = row
                wishes.append(
                    Wish(
                        provider: row, consumer: index, className: held.resourceClass,
                        classID: try classID(held.resourceClass), amount: 0))
            }
        }
        return wishes
    }

    /// Providers that these consumers held something of have new usages afterwards.
    private mutating func noteHolders(_ consumers: [String]) throws {
        used.formUnion(
            try connection.map(
                "SELECT DISTINCT resource_provider_id FROM allocations WHERE consumer_id IN \(list: consumers)"
            ) { try $0.int64(0) })
    }

    private func stocks(_ wishes: [Wish], without consumers: [String]) throws -> [Place: Stock] {
        let providers = Set(wishes.map(\.provider.id)).sorted()
        let classes = Set(wishes.map(\.classID)).sorted()
        var usedBefore: [Place: Int64] = [:]
        var usedByClaimers: [Place: Int64] = [:]
        let scope: SQL = "resource_provider_id IN \(list: providers) AND resource_class_id IN \(list: classes)"
        try connection.forEach(
            """
            SELECT resource_provider_id, resource_class_id, SUM(used) FROM allocations WHERE \(scope)
            GROUP BY resource_provider_id, resource_class_id
            """
        ) { usedBefore[Place(provider: try $0.int64(0), classID: try $0.int(1))] = try $0.int64(2) }
        try connection.forEach(
            """
            SELECT resource_provider_id, resource_class_id, SUM(used) FROM allocations
            WHERE consumer_id IN \(list: consumers) GROUP BY resource_provider_id, resource_class_id
            """
        ) { usedByClaimers[Place(provider: try $0.int64(0), classID: try $0.int(1))] = try $0.int64(2) }
        var stocks: [Place: Stock] = [:]
        try connection.forEach(
            """
            SELECT resource_provider_id, resource_class_id, total, reserved, min_unit, max_unit, step_size,
                allocation_ratio FROM inventories WHERE \(scope)
            """
        ) { row in
            let place = Place(provider: try row.int64(0), classID: try row.int(1))
            let before = usedBefore[place] ?? 0
            stocks[place] = Stock(
                inventory: InventoryRecord(
                    total: try row.int64(2), reserved: try row.int64(3), minUnit: try row.int64(4),
                    maxUnit: try row.int64(5), stepSize: try row.int64(6), allocationRatio: try row.double(7)),
                used: before - (usedByClaimers[place] ?? 0), usedBefore: before)
        }
        return stocks
    }

    /// Units hold for each amount; capacity for their sum. A provider that is over its capacity already may be
    /// claimed from as long as its usage does not rise.
    private func checkCapacity(_ wishes: [Wish], _ stocks: [Place: Stock]) throws {
        let stocked = Set(stocks.keys.map(\.provider))
        if let bare = wishes.first(where: { !stocked.contains($0.provider.id) }) {
            throw PlacementError.nothingToAllocate(
                resourceClasses: Set(wishes.map(\.className)).sorted(), provider: bare.provider.uuid)
        }
        var sums: [Place: Int64] = [:]
        for wish in wishes where wish.amount > 0 {
            let place = Place(provider: wish.provider.id, classID: wish.classID)
            guard let stock = stocks[place] else {
                throw PlacementError.nothingToAllocate(
                    resourceClasses: [wish.className], provider: wish.provider.uuid)
            }
            let inventory = stock.inventory
            guard wish.amount >= inventory.minUnit, wish.amount <= inventory.maxUnit,
                wish.amount % inventory.stepSize == 0
            else { throw PlacementError.unitsViolated(resourceClass: wish.className, provider: wish.provider.uuid) }
            let sum = sums[place, default: 0] + wish.amount
            sums[place] = sum
            if stock.used + sum > inventory.capacity, stock.used + sum > stock.usedBefore {
                throw PlacementError.capacityExceeded(resourceClass: wish.className, provider: wish.provider.uuid)
            }
        }
    }

    /// Writes or removes the consumer's own row.
    private func write(_ consumer: Consumer, _ claim: ConsumerClaim, holds: Bool) throws {
        guard holds else {
            try connection.execute("DELETE FROM consumers WHERE uuid = \(consumer.uuid)")
            return
        }
        let type = try claim.type.map(consumerTypeID)
        guard let id = consumer.id else {
            try connection.execute(
                """
                INSERT INTO consumers (uuid, project_id, user_id, generation, consumer_type_id, created_at)
                VALUES (\(consumer.uuid), \(claim.projectID), \(claim.userID), 1, \(type), \(now))
                """)
            return
        }
        let typed: SQL = type.map { ", consumer_type_id = \($0)" } ?? ""
        let result = try connection.execute(
            """
            UPDATE consumers SET generation = generation + 1, project_id = \(claim.projectID),
                user_id = \(claim.userID), updated_at = \(now)\(typed)
            WHERE id = \(id) AND generation = \(consumer.generation)
            """)
        guard result.rowsChanged == 1 else {
            throw PlacementError.consumerGenerationConflict(expected: nil, given: consumer.generation)
        }
    }

    private func consumerTypeID(_ name: String) throws -> Int64 {
        let find: SQL = "SELECT id FROM consumer_types WHERE name = \(name)"
        if let id = try connection.first(find, { try $0.int64(0) }) { return id }
        return try connection.insert("INSERT INTO consumer_types (name) VALUES (\(name))", numbering: "id")
    }

    /// Takes everything from a consumer. `false` when it holds nothing. Raises no generation, as in the reference.
    mutating func deleteAllocations(consumer uuid: String) throws -> Bool {
        let before = used
        try noteHolders([uuid])
        guard used != before else { return false }
        try connection.execute("DELETE FROM allocations WHERE consumer_id = \(uuid)")
        try connection.execute("DELETE FROM consumers WHERE uuid = \(uuid)")
        return true
    }

    // MARK: Reshape

    /// Replaces the inventories of these providers and the allocations of these consumers together. New inventory is
    /// there before the allocations are, and what goes away goes after them: so only the end state must be right.
    mutating func reshape(_ providers: [ReshapedProvider], _ claims: [ConsumerClaim]) throws {
        for wanted in providers {
            let row = try provider(wanted.uuid)
            try check(row, generation: wanted.generation)
            guard !wanted.inventories.isEmpty else { continue }
            var merged = try inventories(row.id)
            merged.merge(wanted.inventories) { _, new in new }
            try replaceInventories(row, merged, generation: wanted.generation)
        }
        try replaceAllocations(claims)
        for wanted in providers {
            let row = try provider(wanted.uuid)
            try replaceInventories(row, wanted.inventories, generation: row.generation)
        }
    }

    func inventories(_ provider: Int64) throws -> [String: InventoryRecord] {
        var records: [String: InventoryRecord] = [:]
        try connection.forEach(
            """
            SELECT r.name, i.total, i.reserved, i.min_unit, i.max_unit, i.step_size, i.allocation_ratio
            FROM inventories i JOIN resource_classes r ON r.id = i.resource_class_id
            WHERE i.resource_provider_id = \(provider)
            """
        ) { row in
            records[try row.string(0)] = InventoryRecord(
                total: try row.int64(1), reserved: try row.int64(2), minUnit: try row.int64(3),
                maxUnit: try row.int64(4), stepSize: try row.int64(5), allocationRatio: try row.double(6))
        }
        return records
    }
}
