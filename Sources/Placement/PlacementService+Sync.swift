package import ComputeModel
import Database

/// What compute agents report.
extension PlacementService {
    /// Makes a provider, its inventories and its traits be as described; does nothing when they are.
    ///
    /// Traits that others put there stay: custom ones, that of a disabled service, and that of a sharing provider.
    /// Custom classes and traits that nobody has named before come into being.
    ///
    /// - Throws: ``PlacementError/inventoryInUse(resourceClasses:provider:)`` when a class would go that has
    ///   allocations; ``PlacementError/duplicateProvider(_:)`` when another provider has the name.
    package func sync(
        provider: ProviderID, name: String, inventories: [ResourceClass: ResourceInventory], traits: Set<Trait>
    ) async throws {
        let uuid = provider.description
        var records: [String: InventoryRecord] = [:]
        // A class of which there is nothing cannot be offered: it is left out, as agents of the reference do.
        for (resourceClass, inventory) in inventories where inventory.total > 0 {
            records[resourceClass.rawValue] = InventoryRecord(inventory)
        }
        let names = Set(traits.map(\.rawValue))
        if isInSync(uuid: uuid, name: name, records, names, mirror) { return }
        let wanted = records
        try await write { write in
            for name in names.sorted() where name.hasPrefix(StandardNames.customPrefix) {
                _ = try write.ensureTrait(name)
            }
            for name in wanted.keys.sorted() where name.hasPrefix(StandardNames.customPrefix) {
                do { try write.createResourceClass(name) } catch PlacementError.resourceClassExists {}
            }
            if let row = try write.findProvider(uuid) {
                if row.name != name {
                    try write.updateProvider(uuid, name: name, parent: .unchanged, reparentingAllowed: false)
                }
            } else {
                try write.createProvider(uuid: uuid, name: name, parent: nil)
            }
            let (present, presentTraits) = try write.offer(of: uuid)
            if present != wanted { try write.setInventories(uuid, wanted, generation: nil) }
            let kept = presentTraits.filter(Self.isOthers)
            try write.setTraits(uuid, names: names.union(kept).sorted(), generation: nil)
        }
    }

    /// Sets or clears one trait of a provider, such as that of a disabled service.
    package func setTrait(_ trait: Trait, of provider: ProviderID, present: Bool) async throws {
        let uuid = provider.description
        if let slot = mirror.slot(uuid: uuid) {
            // Nodes are reported often and change seldom.
            let isPresent = mirror.traitIDs(slot).contains { mirror.catalog.traitName($0) == trait.rawValue }
            if isPresent == present { return }
        }
        try await write { write in
            var names = try write.offer(of: uuid).traits
            if present { names.insert(trait.rawValue) } else { names.remove(trait.rawValue) }
            try write.setTraits(uuid, names: names.sorted(), generation: nil)
        }
    }

    /// Whether the trait belongs to operators or to another service, not to the agent that reports.
    private static func isOthers(_ trait: String) -> Bool {
        trait.hasPrefix(StandardNames.customPrefix) || trait == "COMPUTE_STATUS_DISABLED"
            || trait == PlacementCatalog.sharingTrait
    }

    private func isInSync(
        uuid: String, name: String, _ records: [String: InventoryRecord], _ traits: Set<String>,
        _ mirror: ProviderMirror
    ) -> Bool {
        guard let slot = mirror.slot(uuid: uuid), mirror.name(slot) == name else { return false }
        var present: [String: InventoryRecord] = [:]
        for inventory in mirror.inventories(slot) {
            present[mirror.catalog.className(inventory.classID)] = InventoryRecord(inventory)
        }
        guard present == records else { return false }
        let presentTraits = Set(mirror.traitIDs(slot).map(mirror.catalog.traitName))
        return traits.isSubset(of: presentTraits) && presentTraits.subtracting(traits).allSatisfy(Self.isOthers)
    }
}

extension InventoryRecord {
    init(_ inventory: ResourceInventory) {
        self.init(
            total: Int64(inventory.total), reserved: Int64(inventory.reserved), minUnit: Int64(inventory.minUnit),
            maxUnit: Int64(inventory.maxUnit), stepSize: Int64(inventory.stepSize),
            allocationRatio: inventory.allocationRatio)
    }

    init(_ image: InventoryImage) {
        self.init(
            total: image.total, reserved: image.reserved, minUnit: image.minUnit, maxUnit: image.maxUnit,
            stepSize: image.stepSize, allocationRatio: image.allocationRatio)
    }
}

extension PlacementWrite {
    /// Inventories and traits of a provider as the tables have them.
    func offer(of uuid: String) throws -> (inventories: [String: InventoryRecord], traits: Set<String>) {
        let row = try provider(uuid)
        let traits = try connection.map(
            """
            SELECT t.name FROM resource_provider_traits m JOIN traits t ON t.id = m.trait_id
            WHERE m.resource_provider_id = \(row.id)
            """
        ) { try $0.string(0) }
        return (try inventories(row.id), Set(traits))
    }
}
