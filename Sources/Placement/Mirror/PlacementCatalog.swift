/// The names of resource classes and traits with the small integers that stand for them in the mirror and the tables.
package struct PlacementCatalog: Sendable {
    /// One name in the catalog.
    package struct Entry: Sendable, Hashable {
        package let id: Int
        package let name: String
        /// Seconds since 1970 of the name's creation or last change.
        package let modifiedAt: Int64

        package init(id: Int, name: String, modifiedAt: Int64) {
            (self.id, self.name, self.modifiedAt) = (id, name, modifiedAt)
        }
    }

    /// Resource classes in the order of their identifiers.
    package let classes: [Entry]
    /// Traits in the order of their identifiers.
    package let traits: [Entry]
    private let classByName: [String: Int]
    private let traitByName: [String: Int]
    private let classNames: [String?]
    private let traitNames: [String?]

    /// The trait of a provider that lends its inventory to the trees it shares an aggregate with.
    package static let sharingTrait = "MISC_SHARES_VIA_AGGREGATE"
    /// Identifiers from here on belong to custom resource classes; those below to the standard ones.
    package static let firstCustomClassID = 10_000

    package init(classes: [Entry] = [], traits: [Entry] = []) {
        self.classes = classes.sorted { $0.id < $1.id }
        self.traits = traits.sorted { $0.id < $1.id }
        classByName = Dictionary(classes.map { ($0.name, $0.id) }, uniquingKeysWith: { first, _ in first })
        traitByName = Dictionary(traits.map { ($0.name, $0.id) }, uniquingKeysWith: { first, _ in first })
        classNames = Self.table(self.classes)
        traitNames = Self.table(self.traits)
    }

    package func classID(_ name: String) -> Int? { classByName[name] }
    package func traitID(_ name: String) -> Int? { traitByName[name] }
    package func className(_ id: Int) -> String { id < classNames.count ? classNames[id] ?? "" : "" }
    package func traitName(_ id: Int) -> String { id < traitNames.count ? traitNames[id] ?? "" : "" }

    private static func table(_ entries: [Entry]) -> [String?] {
        var names = [String?](repeating: nil, count: (entries.last?.id ?? -1) + 1)
        for entry in entries { names[entry.id] = entry.name }
        return names
    }
}
