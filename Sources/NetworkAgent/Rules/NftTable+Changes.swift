extension NftTable {
    /// The text that makes this table of an earlier one which is in force: one transaction, and much shorter than the
    /// whole where little changed. Empty if nothing did.
    ///
    /// Tables of the same family and name are expected.
    func changes(from old: NftTable) -> String {
        let oldChains = Dictionary(uniqueKeysWithValues: old.chains.map { ($0.name, $0) })
        let newChains = Dictionary(uniqueKeysWithValues: chains.map { ($0.name, $0) })
        let oldSets = Dictionary(uniqueKeysWithValues: old.collections.map { ($0.name, $0) })
        let newSets = Dictionary(uniqueKeysWithValues: collections.map { ($0.name, $0) })
        // A chain with another hook, or a set of another type, is another one.
        let goneChains = old.chains.filter { newChains[$0.name]?.hook != $0.hook || newChains[$0.name] == nil }
        let goneSets = old.collections.filter { !$0.isOfTheSameType(as: newSets[$0.name]) }
        let freshChains = chains.filter { oldChains[$0.name] == nil || oldChains[$0.name]?.hook != $0.hook }
        let freshSets = collections.filter { !$0.isOfTheSameType(as: oldSets[$0.name]) }
        let fresh = Set(freshChains.map(\.name))
        let keptChains = chains.filter { !fresh.contains($0.name) && oldChains[$0.name]?.rules != $0.rules }
        let keptSets = collections.filter { $0.isOfTheSameType(as: oldSets[$0.name]) }

        let place = "\(family) \(name)"
        var lines: [String] = []
        // What refers goes before what is referred to.
        for set in keptSets { lines += set.removals(from: oldSets[set.name]?.elements ?? [], place) }
        for set in goneSets where !set.elements.isEmpty { lines.append("flush \(set.word) \(place) \(set.name)") }
        for chain in keptChains + goneChains { lines.append("flush chain \(place) \(chain.name)") }
        lines += goneChains.map { "delete chain \(place) \($0.name)" }
        lines += goneSets.map { "delete \($0.word) \(place) \($0.name)" }
        // And the other way round.
        for chain in freshChains {
            let hook = chain.hook.map { " { type \($0); policy accept; }" } ?? ""
            lines.append("add chain \(place) \(chain.name)\(hook)")
        }
        for set in freshSets { lines.append("add \(set.word) \(place) \(set.name) \(set.body)") }
        for set in keptSets { lines += set.additions(to: oldSets[set.name]?.elements ?? [], place) }
        for chain in keptChains + freshChains {
            lines += chain.rules.map { "add rule \(place) \(chain.name) \($0)" }
        }
        return lines.map { $0 + "\n" }.joined()
    }
}

extension NftTable.Collection {
    fileprivate var word: String { values == nil ? "set" : "map" }

    /// Whether one can become the other by changing elements only. Merged blocks cannot: what the kernel has is not
    /// what was put in.
    fileprivate func isOfTheSameType(as other: Self?) -> Bool {
        guard let other else { return false }
        let isSame = (keys, values, holdsBlocks) == (other.keys, other.values, other.holdsBlocks)
        return isSame && (!holdsBlocks || elements == other.elements)
    }

    /// The element without what a map has for it.
    private static func key(_ element: String) -> String {
        var key = ""
        for part in element.split(separator: " ", omittingEmptySubsequences: false) {
            if part == ":" { break }
            key += (key.isEmpty ? "" : " ") + part
        }
        return key
    }

    fileprivate func removals(from old: [String], _ place: String) -> [String] {
        let kept = Set(elements)
        let gone = old.filter { !kept.contains($0) }.map(Self.key)
        return gone.isEmpty ? [] : ["delete element \(place) \(name) { \(gone.joined(separator: ", ")) }"]
    }

    fileprivate func additions(to old: [String], _ place: String) -> [String] {
        let known = Set(old)
        let fresh = elements.filter { !known.contains($0) }
        return fresh.isEmpty ? [] : ["add element \(place) \(name) { \(fresh.joined(separator: ", ")) }"]
    }

    /// The type and the elements on one line.
    fileprivate var body: String {
        var parts = [values.map { "type \(keys) : \($0)" } ?? "type \(keys)"]
        if holdsBlocks { parts += ["flags interval", "auto-merge"] }
        if !elements.isEmpty { parts.append("elements = { \(elements.joined(separator: ", ")) }") }
        return "{ " + parts.joined(separator: "; ") + "; }"
    }
}
