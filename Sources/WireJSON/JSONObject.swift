/// The members of a JSON object, in the order in which they were first set.
///
/// Lookup is linear while the object is small and by hash beyond that. Two objects are equal when they have
/// equal members, in whatever order.
package struct JSONObject: Sendable {
    /// Above this many members a lookup goes through the index.
    private static let linearMax = 8

    /// The members in order. Every key occurs once.
    package private(set) var members: [(key: String, value: JSONValue)] = []

    /// Position of each key; nil while the object is small.
    private var positions: [String: Int]?

    /// An empty object.
    package init() {}

    /// The members in the given order; of several with one key the last value wins, in the first one's place.
    package init(_ members: some Sequence<(String, JSONValue)>) {
        self.members.reserveCapacity(members.underestimatedCount)
        for (key, value) in members { set(key, value) }
    }

    /// The keys in order.
    package var keys: [String] { members.map(\.key) }

    /// The values in order.
    package var values: [JSONValue] { members.map(\.value) }

    /// The number of members.
    package var count: Int { members.count }

    /// True when there is no member.
    package var isEmpty: Bool { members.isEmpty }

    /// The value of a member; nil when absent. Setting nil removes the member.
    package subscript(key: String) -> JSONValue? {
        get { position(of: key).map { members[$0].value } }
        set {
            if let newValue { set(key, newValue) } else { remove(key) }
        }
    }

    /// True when there is a member of that name, be it null.
    package func contains(_ key: String) -> Bool { position(of: key) != nil }

    /// Replaces the value of the member in its place, or appends a member.
    package mutating func set(_ key: String, _ value: JSONValue) {
        if let position = position(of: key) {
            members[position].value = value
            return
        }
        members.append((key, value))
        if positions != nil {
            positions?[key] = members.count - 1
        } else if members.count > Self.linearMax {
            reindex()
        }
    }

    /// Removes a member and answers its value; nil when there was none. Takes time linear in the count.
    @discardableResult
    package mutating func remove(_ key: String) -> JSONValue? {
        guard let position = position(of: key) else { return nil }
        let value = members.remove(at: position).value
        if members.count > Self.linearMax { reindex() } else { positions = nil }
        return value
    }

    private func position(of key: String) -> Int? {
        if let positions { return positions[key] }
        return members.firstIndex { $0.key == key }
    }

    private mutating func reindex() {
        var fresh: [String: Int] = Dictionary(minimumCapacity: members.count)
        for (position, member) in members.enumerated() { fresh[member.key] = position }
        positions = fresh
    }
}

extension JSONObject: Hashable {
    package static func == (a: Self, b: Self) -> Bool {
        a.count == b.count && a.members.allSatisfy { b[$0.key] == $0.value }
    }

    package func hash(into hasher: inout Hasher) {
        var sum = 0
        for (key, value) in members {
            var one = Hasher()
            one.combine(key)
            one.combine(value)
            sum &+= one.finalize()
        }
        hasher.combine(count)
        hasher.combine(sum)
    }
}

extension JSONObject: Sequence {
    package func makeIterator() -> IndexingIterator<[(key: String, value: JSONValue)]> { members.makeIterator() }
    package var underestimatedCount: Int { members.count }
}

extension JSONObject: ExpressibleByDictionaryLiteral {
    package init(dictionaryLiteral elements: (String, JSONValue)...) { self.init(elements) }
}

extension JSONObject: CustomStringConvertible {
    /// The JSON text.
    package var description: String { JSONValue.object(self).text }
}
