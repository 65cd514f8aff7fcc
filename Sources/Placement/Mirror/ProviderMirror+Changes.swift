extension ProviderMirror {
    /// Takes over what a committed transaction changed. Values are absolute: applying a change again, or one that a
    /// later read of the tables already contains, leaves the image right as long as sequences do not go back.
    package mutating func apply(_ change: MirrorChange) {
        guard change.sequence >= sequence else { return }
        if let catalog = change.catalog { replaceCatalog(catalog) }
        for id in change.removed { remove(id) }
        if !change.providers.isEmpty { place(change.providers) }
        for usage in change.usages { apply(usage) }
        sequence = change.sequence
        if abandonedRows > 1024, abandonedRows > rowClass.count / 2 { compactRows() }
        let setsMax = 2 * slotByID.count + 64
        if traitSets.count > setsMax || aggregateSets.count > setsMax { compactSets() }
    }

    private mutating func apply(_ usage: UsageImage) {
        guard let slot = slotByID[usage.id] else { return }
        generations[Int(slot)] = usage.generation
        modified[Int(slot)] = usage.modifiedAt
        for row in rows(slot) { rowUsed[row] = usage.used[Int(rowClass[row])] ?? 0 }
    }

    // MARK: Providers

    private mutating func place(_ images: [ProviderImage]) {
        let bulk = images.count > 16
        if !bulk {
            for image in images { if let slot = slotByID[image.id] { leaveTree(slot) } }
        }
        for image in images { fill(image) }
        for image in images {
            guard let slot = slotByID[image.id] else { continue }
            parents[Int(slot)] = image.parentID.flatMap { slotByID[$0] } ?? -1
            roots[Int(slot)] = slotByID[image.rootID] ?? slot
        }
        if bulk {
            rebuildTrees()
        } else {
            for image in images { if let slot = slotByID[image.id] { joinTree(slot) } }
        }
    }

    /// Writes all columns but the tree's.
    private mutating func fill(_ image: ProviderImage) {
        let slot = slotByID[image.id] ?? newSlot(image.id)
        let index = Int(slot)
        if uuids[index] != image.uuid {
            slotByUUID[uuids[index]] = nil
            uuids[index] = image.uuid
            slotByUUID[image.uuid] = slot
        }
        names[index] = image.name
        generations[index] = image.generation
        modified[index] = image.modifiedAt
        traitSetOf[index] = internTraits(TraitBits(image.traits))
        aggregateSetOf[index] = internAggregates(image.aggregates)
        fillRows(slot, image.inventories.sorted { $0.classID < $1.classID })
    }

    private mutating func newSlot(_ id: Int64) -> Slot {
        let slot: Slot
        if let free = freeSlots.popLast() {
            slot = free
        } else {
            slot = Slot(ids.count)
            ids.append(0)
            uuids.append("")
            names.append("")
            generations.append(0)
            modified.append(0)
            parents.append(-1)
            roots.append(slot)
            traitSetOf.append(0)
            aggregateSetOf.append(0)
            firstRow.append(0)
            rowCount.append(0)
        }
        ids[Int(slot)] = id
        parents[Int(slot)] = -1
        roots[Int(slot)] = slot
        slotByID[id] = slot
        return slot
    }

    private mutating func remove(_ id: Int64) {
        guard let slot = slotByID[id] else { return }
        leaveTree(slot)
        let index = Int(slot)
        slotByID[id] = nil
        slotByUUID[uuids[index]] = nil
        ids[index] = 0
        uuids[index] = ""
        names[index] = ""
        abandonedRows += Int(rowCount[index])
        rowCount[index] = 0
        traitSetOf[index] = 0
        aggregateSetOf[index] = 0
        freeSlots.append(slot)
    }

    // MARK: Rows

    private mutating func fillRows(_ slot: Slot, _ inventories: [InventoryImage]) {
        if inventories.count != Int(rowCount[Int(slot)]) {
            abandonedRows += Int(rowCount[Int(slot)])
            firstRow[Int(slot)] = Int32(rowClass.count)
            rowCount[Int(slot)] = Int32(inventories.count)
            for inventory in inventories { appendRow(inventory) }
            return
        }
        for (row, inventory) in zip(rows(slot), inventories) {
            rowClass[row] = Int32(inventory.classID)
            rowTotal[row] = inventory.total
            rowReserved[row] = inventory.reserved
            rowMin[row] = inventory.minUnit
            rowMax[row] = inventory.maxUnit
            rowStep[row] = inventory.stepSize
            rowRatio[row] = inventory.allocationRatio
            rowCapacity[row] = inventory.capacity
            rowUsed[row] = inventory.used
        }
    }

    private mutating func appendRow(_ inventory: InventoryImage) {
        rowClass.append(Int32(inventory.classID))
        rowTotal.append(inventory.total)
        rowReserved.append(inventory.reserved)
        rowMin.append(inventory.minUnit)
        rowMax.append(inventory.maxUnit)
        rowStep.append(inventory.stepSize)
        rowRatio.append(inventory.allocationRatio)
        rowCapacity.append(inventory.capacity)
        rowUsed.append(inventory.used)
    }

    /// Closes the gaps that changed and removed inventories left.
    private mutating func compactRows() {
        let kept = slotByID.values.sorted().map { ($0, inventories($0)) }
        rowClass.removeAll(keepingCapacity: true)
        rowTotal.removeAll(keepingCapacity: true)
        rowReserved.removeAll(keepingCapacity: true)
        rowMin.removeAll(keepingCapacity: true)
        rowMax.removeAll(keepingCapacity: true)
        rowStep.removeAll(keepingCapacity: true)
        rowRatio.removeAll(keepingCapacity: true)
        rowCapacity.removeAll(keepingCapacity: true)
        rowUsed.removeAll(keepingCapacity: true)
        for (slot, inventories) in kept {
            firstRow[Int(slot)] = Int32(rowClass.count)
            for inventory in inventories { appendRow(inventory) }
        }
        abandonedRows = 0
    }

    // MARK: Trees

    private func comesBefore(_ left: Slot, _ right: Slot) -> Bool {
        let (leftName, rightName) = (names[Int(left)], names[Int(right)])
        return leftName == rightName ? ids[Int(left)] < ids[Int(right)] : leftName < rightName
    }

    private mutating func joinTree(_ slot: Slot) {
        let root = roots[Int(slot)]
        if root == slot { Self.insert(slot, into: &orderedRoots, before: comesBefore) }
        if root != slot || treeMembers[root] != nil {
            var members = treeMembers[root] ?? [root]
            if !members.contains(slot) { Self.insert(slot, into: &members) { ids[Int($0)] < ids[Int($1)] } }
            treeMembers[root] = members
        }
        if isSharing(slot) { Self.insert(slot, into: &sharing) { ids[Int($0)] < ids[Int($1)] } }
    }

    private mutating func leaveTree(_ slot: Slot) {
        let root = roots[Int(slot)]
        if root == slot, let place = orderedRoots.firstIndex(of: slot) { orderedRoots.remove(at: place) }
        if var members = treeMembers[root] {
            members.removeAll { $0 == slot }
            treeMembers[root] = members.isEmpty || members == [root] ? nil : members
        }
        if let place = sharing.firstIndex(of: slot) { sharing.remove(at: place) }
    }

    private mutating func rebuildTrees() {
        let all = slotByID.sorted { $0.key < $1.key }.map(\.value)
        treeMembers.removeAll(keepingCapacity: true)
        for slot in all where roots[Int(slot)] != slot { treeMembers[roots[Int(slot)]] = [] }
        for slot in all where treeMembers[roots[Int(slot)]] != nil { treeMembers[roots[Int(slot)]]?.append(slot) }
        orderedRoots = all.filter { roots[Int($0)] == $0 }.sorted(by: comesBefore)
        sharing = all.filter(isSharing)
    }

    private func isSharing(_ slot: Slot) -> Bool {
        guard let trait = catalog.traitID(PlacementCatalog.sharingTrait), aggregateSetOf[Int(slot)] != 0 else {
            return false
        }
        return traitSets[Int(traitSetOf[Int(slot)])].bits.contains(trait)
    }

    private static func insert(_ slot: Slot, into list: inout [Slot], before: (Slot, Slot) -> Bool) {
        var (low, high) = (0, list.count)
        while low < high {
            let middle = (low + high) / 2
            if before(list[middle], slot) { low = middle + 1 } else { high = middle }
        }
        list.insert(slot, at: low)
    }

    // MARK: Interned sets

    private mutating func internTraits(_ bits: TraitBits) -> Int32 {
        if let number = traitSetNumber[bits] { return number }
        let number = Int32(traitSets.count)
        traitSets.append(TraitSet(bits: bits, json: traitsJSON(bits)))
        traitSetNumber[bits] = number
        return number
    }

    private func traitsJSON(_ bits: TraitBits) -> [UInt8] {
        // Trait names hold no character that JSON escapes.
        let names = bits.members.map(catalog.traitName).filter { !$0.isEmpty }
        return Array(("[" + names.map { "\"\($0)\"" }.joined(separator: ",") + "]").utf8)
    }

    private mutating func internAggregates(_ uuids: [String]) -> Int32 {
        var numbers: [Int32] = []
        for uuid in uuids {
            if let number = aggregateNumber[uuid] {
                numbers.append(number)
            } else {
                aggregateNumber[uuid] = Int32(aggregateNames.count)
                numbers.append(Int32(aggregateNames.count))
                aggregateNames.append(uuid)
            }
        }
        numbers.sort()
        if let number = aggregateSetNumber[numbers] { return number }
        let number = Int32(aggregateSets.count)
        aggregateSets.append(numbers)
        aggregateSetNumber[numbers] = number
        return number
    }

    private mutating func replaceCatalog(_ catalog: PlacementCatalog) {
        self.catalog = catalog
        traitSets = traitSets.map { TraitSet(bits: $0.bits, json: traitsJSON($0.bits)) }
        sharing = slotByID.sorted { $0.key < $1.key }.map(\.value).filter(isSharing)
    }

    /// Forgets sets that no provider has any more.
    private mutating func compactSets() {
        let kept = slotByID.values.map { ($0, traitSets[Int(traitSetOf[Int($0)])].bits, aggregates($0)) }
        traitSets = [TraitSet(bits: TraitBits(), json: Array("[]".utf8))]
        traitSetNumber = [TraitBits(): 0]
        (aggregateSets, aggregateSetNumber) = ([[]], [[]: 0])
        (aggregateNames, aggregateNumber) = ([], [:])
        for (slot, traits, aggregates) in kept {
            traitSetOf[Int(slot)] = internTraits(traits)
            aggregateSetOf[Int(slot)] = internAggregates(aggregates)
        }
    }
}
