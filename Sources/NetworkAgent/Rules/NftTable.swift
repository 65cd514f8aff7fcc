/// A table of nft rules as a value, from which the text of one transaction is made.
package struct NftTable: Hashable, Sendable {
    /// A named set or, with a kind of value, a named map.
    package struct Collection: Hashable, Sendable {
        package var name: String
        package var keys: String
        package var values: String?
        /// Whether the elements may be blocks of addresses.
        package var holdsBlocks = false
        package var elements: [String]
    }

    /// A chain; with a hook it is where packets come in, else it is reached from another chain.
    package struct Chain: Hashable, Sendable {
        package var name: String
        package var hook: String?
        package var rules: [String]
    }

    package var family: String
    package var name: String
    package var collections: [Collection] = []
    package var chains: [Chain] = []

    /// Adds a chain.
    mutating func chain(_ name: String, hook: String? = nil, _ rules: [String]) {
        chains.append(Chain(name: name, hook: hook, rules: rules))
    }

    /// Adds a set of single values.
    mutating func set(_ name: String, of keys: String, _ elements: [String]) {
        collections.append(Collection(name: name, keys: keys, elements: elements))
    }

    /// Adds a map.
    mutating func map(_ name: String, from keys: String, to values: String, _ elements: [String]) {
        collections.append(Collection(name: name, keys: keys, values: values, elements: elements))
    }

    /// The text that puts the table in the place of whatever has its name. Several such texts in one file are one
    /// transaction: packets see all of the old or all of the new.
    package var replacement: String {
        var text = "add table \(family) \(name)\ndelete table \(family) \(name)\ntable \(family) \(name) {\n"
        for collection in collections { text += collection.text }
        for chain in chains {
            text += "\tchain \(chain.name) {\n"
            if let hook = chain.hook { text += "\t\ttype \(hook); policy accept;\n" }
            for rule in chain.rules { text += "\t\t\(rule)\n" }
            text += "\t}\n"
        }
        return text + "}\n"
    }

    /// The text that removes the table, and does nothing if there is none.
    package static func removal(family: String, name: String) -> String {
        "add table \(family) \(name)\ndelete table \(family) \(name)\n"
    }
}

extension NftTable.Collection {
    var text: String {
        var text =
            values == nil
            ? "\tset \(name) {\n\t\ttype \(keys)\n" : "\tmap \(name) {\n\t\ttype \(keys) : \(values ?? "")\n"
        if holdsBlocks { text += "\t\tflags interval\n\t\tauto-merge\n" }
        if !elements.isEmpty { text += "\t\telements = { \(elements.joined(separator: ", ")) }\n" }
        return text + "\t}\n"
    }
}
