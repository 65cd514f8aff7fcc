/// What a provider offers of one resource class, and how much of it is taken.
package struct InventoryImage: Sendable, Hashable {
    package var classID: Int
    package var total: Int64
    package var reserved: Int64
    package var minUnit: Int64
    package var maxUnit: Int64
    package var stepSize: Int64
    package var allocationRatio: Double
    /// Sum of all allocations of this class on the provider.
    package var used: Int64

    package init(
        classID: Int, total: Int64, reserved: Int64 = 0, minUnit: Int64 = 1, maxUnit: Int64 = Int64(Int32.max),
        stepSize: Int64 = 1, allocationRatio: Double = 1, used: Int64 = 0
    ) {
        (self.classID, self.total, self.reserved, self.minUnit) = (classID, total, reserved, minUnit)
        (self.maxUnit, self.stepSize, self.allocationRatio, self.used) = (maxUnit, stepSize, allocationRatio, used)
    }

    /// What may be allocated in all: (total - reserved) × ratio, cut to an integer. Comparing integers with the
    /// cut product is the same as comparing them with the product itself.
    package var capacity: Int64 { Self.capacity(total: total, reserved: reserved, ratio: allocationRatio) }

    static func capacity(total: Int64, reserved: Int64, ratio: Double) -> Int64 {
        let product = Double(total - reserved) * ratio
        guard product < 9e18, product > -9e18 else { return product > 0 ? Int64.max / 2 : Int64.min / 2 }
        return Int64(product)
    }
}

/// Everything the mirror keeps of one provider, as of one change sequence.
package struct ProviderImage: Sendable, Hashable {
    /// The row's identifier.
    package var id: Int64
    package var uuid: String
    package var name: String
    package var generation: Int64
    /// Row identifier of the parent; `nil` for a root.
    package var parentID: Int64?
    package var rootID: Int64
    /// Seconds since 1970 of the last change.
    package var modifiedAt: Int64
    package var inventories: [InventoryImage]
    /// Trait identifiers.
    package var traits: [Int]
    /// Aggregate UUIDs.
    package var aggregates: [String]

    package init(
        id: Int64, uuid: String, name: String, generation: Int64 = 0, parentID: Int64? = nil, rootID: Int64,
        modifiedAt: Int64 = 0, inventories: [InventoryImage] = [], traits: [Int] = [], aggregates: [String] = []
    ) {
        (self.id, self.uuid, self.name, self.generation) = (id, uuid, name, generation)
        (self.parentID, self.rootID, self.modifiedAt) = (parentID, rootID, modifiedAt)
        (self.inventories, self.traits, self.aggregates) = (inventories, traits, aggregates)
    }
}

/// New usages and generation of a provider whose inventory did not change: what a claim does.
package struct UsageImage: Sendable, Hashable {
    package var id: Int64
    package var generation: Int64
    package var modifiedAt: Int64
    /// Usage per class of every inventory that has any; classes that are not named have none.
    package var used: [Int: Int64]

    package init(id: Int64, generation: Int64, modifiedAt: Int64, used: [Int: Int64]) {
        (self.id, self.generation, self.modifiedAt, self.used) = (id, generation, modifiedAt, used)
    }
}

/// What one committed transaction changed, as absolute values, so that applying it twice does no harm.
package struct MirrorChange: Sendable {
    /// The transaction's number. Committed transactions are numbered without gaps.
    package var sequence: Int64
    package var providers: [ProviderImage] = []
    package var usages: [UsageImage] = []
    package var removed: [Int64] = []
    /// The whole catalog, when a name came or went.
    package var catalog: PlacementCatalog?

    package init(sequence: Int64) { self.sequence = sequence }
}
