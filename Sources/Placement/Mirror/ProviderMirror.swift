/// An image in memory of providers, inventories, usages, traits and aggregates, laid out for the candidate search.
///
/// Columns instead of objects: a provider is a slot number, a class and a trait small integers. Equal sets of traits
/// (and of aggregates) are stored once and tested once per search, whatever the number of providers that have them.
/// A value: whoever searches keeps its own consistent copy at no cost, and the writer copies columns only then.
package struct ProviderMirror: Sendable {
    /// A provider's place in the columns. Reused after the provider is removed.
    package typealias Slot = Int32

    /// One distinct set of traits.
    package struct TraitSet: Sendable {
        package let bits: TraitBits
        /// The names as the text of a JSON array, in the order of their identifiers.
        package let json: [UInt8]
    }

    /// Number of the last transaction that is part of the image.
    package internal(set) var sequence: Int64 = 0
    package internal(set) var catalog = PlacementCatalog()

    // Providers, by slot; a free slot has the identifier 0.
    var ids: [Int64] = []
    var uuids: [String] = []
    var names: [String] = []
    var generations: [Int64] = []
    var modified: [Int64] = []
    var parents: [Slot] = []
    var roots: [Slot] = []
    var traitSetOf: [Int32] = []
    var aggregateSetOf: [Int32] = []
    var firstRow: [Int32] = []
    var rowCount: [Int32] = []
    var freeSlots: [Slot] = []
    var slotByID: [Int64: Slot] = [:]
    var slotByUUID: [String: Slot] = [:]

    // Inventories, by row; the rows of one provider lie side by side.
    var rowClass: [Int32] = []
    var rowTotal: [Int64] = []
    var rowReserved: [Int64] = []
    var rowMin: [Int64] = []
    var rowMax: [Int64] = []
    var rowStep: [Int64] = []
    var rowRatio: [Double] = []
    var rowCapacity: [Int64] = []
    var rowUsed: [Int64] = []
    var abandonedRows = 0

    // Trees.
    /// Members of every tree with more than one, ordered by provider identifier.
    var treeMembers: [Slot: [Slot]] = [:]
    /// All roots ordered by name: the order of anchors in a search.
    var orderedRoots: [Slot] = []
    /// Providers that share and are in an aggregate, ordered by identifier.
    var sharing: [Slot] = []

    // Interned sets; number 0 is the empty set.
    var traitSets: [TraitSet] = [TraitSet(bits: TraitBits(), json: Array("[]".utf8))]
    var traitSetNumber: [TraitBits: Int32] = [TraitBits(): 0]
    var aggregateSets: [[Int32]] = [[]]
    var aggregateSetNumber: [[Int32]: Int32] = [[]: 0]
    var aggregateNames: [String] = []
    var aggregateNumber: [String: Int32] = [:]

    package init() {}
}

// Reading.
extension ProviderMirror {
    /// Number of providers.
    package var count: Int { slotByID.count }
    /// Whether any tree has more than one provider.
    package var hasNestedProviders: Bool { !treeMembers.isEmpty }
    /// All providers, ordered by identifier.
    package var slots: [Slot] { slotByID.sorted { $0.key < $1.key }.map(\.value) }

    package func slot(uuid: String) -> Slot? { slotByUUID[uuid] }
    package func slot(id: Int64) -> Slot? { slotByID[id] }
    package func id(_ slot: Slot) -> Int64 { ids[Int(slot)] }
    package func uuid(_ slot: Slot) -> String { uuids[Int(slot)] }
    package func name(_ slot: Slot) -> String { names[Int(slot)] }
    package func generation(_ slot: Slot) -> Int64 { generations[Int(slot)] }
    package func modifiedAt(_ slot: Slot) -> Int64 { modified[Int(slot)] }
    package func root(_ slot: Slot) -> Slot { roots[Int(slot)] }
    package func parent(_ slot: Slot) -> Slot? { parents[Int(slot)] < 0 ? nil : parents[Int(slot)] }
    package func traitSet(_ slot: Slot) -> TraitSet { traitSets[Int(traitSetOf[Int(slot)])] }
    package func traitIDs(_ slot: Slot) -> [Int] { traitSet(slot).bits.members }
    package func aggregates(_ slot: Slot) -> [String] {
        aggregateSets[Int(aggregateSetOf[Int(slot)])].map { aggregateNames[Int($0)] }
    }

    /// Members of the tree of `root`, ordered by provider identifier.
    package func members(ofTree root: Slot) -> [Slot] { treeMembers[root] ?? [root] }

    /// Rows of the inventory columns that belong to the provider.
    package func rows(_ slot: Slot) -> Range<Int> {
        let first = Int(firstRow[Int(slot)])
        return first..<first + Int(rowCount[Int(slot)])
    }

    package func inventories(_ slot: Slot) -> [InventoryImage] { rows(slot).map(inventory(row:)) }

    package func inventory(row: Int) -> InventoryImage {
        InventoryImage(
            classID: Int(rowClass[row]), total: rowTotal[row], reserved: rowReserved[row], minUnit: rowMin[row],
            maxUnit: rowMax[row], stepSize: rowStep[row], allocationRatio: rowRatio[row], used: rowUsed[row])
    }

    package func classID(row: Int) -> Int { Int(rowClass[row]) }
    package func capacity(row: Int) -> Int64 { rowCapacity[row] }
    package func used(row: Int) -> Int64 { rowUsed[row] }

    package func image(_ slot: Slot) -> ProviderImage {
        ProviderImage(
            id: id(slot), uuid: uuid(slot), name: name(slot), generation: generation(slot),
            parentID: parent(slot).map(id), rootID: id(root(slot)), modifiedAt: modifiedAt(slot),
            inventories: inventories(slot), traits: traitIDs(slot), aggregates: aggregates(slot))
    }

    /// Whether the provider can give this amount of the class.
    package func offers(_ slot: Slot, classID: Int, amount: Int64) -> Bool {
        fits(slot, classID: Int32(classID), amount: min(amount, 1 << 40))
    }

    /// The row of the class on the provider.
    @inline(__always)
    func row(_ slot: Slot, classID: Int32) -> Int? {
        let first = Int(firstRow[Int(slot)])
        for row in first..<first + Int(rowCount[Int(slot)]) where rowClass[row] == classID { return row }
        return nil
    }

    /// Whether the provider can give this amount of the class: enough left, within the unit limits, a whole
    /// number of steps.
    @inline(__always)
    func fits(_ slot: Slot, classID: Int32, amount: Int64) -> Bool {
        guard let row = row(slot, classID: classID) else { return false }
        return rowUsed[row] + amount <= rowCapacity[row] && rowMin[row] <= amount && amount <= rowMax[row]
            && amount % rowStep[row] == 0
    }

    /// Whether `ancestor` is `slot` itself or above it.
    func isAncestorOrSelf(_ ancestor: Slot, of slot: Slot) -> Bool {
        var current = slot
        while current >= 0 {
            if current == ancestor { return true }
            current = parents[Int(current)]
        }
        return false
    }
}
