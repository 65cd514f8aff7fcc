/// A set of small integers kept as machine words; traits are interned to bit numbers.
package struct TraitBits: Hashable, Sendable {
    private(set) var words: [UInt64] = []

    package init() {}

    package init(_ members: some Sequence<Int>) {
        for member in members { insert(member) }
    }

    package mutating func insert(_ member: Int) {
        let word = member >> 6
        while words.count <= word { words.append(0) }
        words[word] |= 1 << UInt64(member & 63)
    }

    package func contains(_ member: Int) -> Bool {
        let word = member >> 6
        return word < words.count && words[word] & (1 << UInt64(member & 63)) != 0
    }

    package func intersects(_ other: TraitBits) -> Bool {
        for index in 0..<min(words.count, other.words.count) where words[index] & other.words[index] != 0 {
            return true
        }
        return false
    }

    package mutating func formUnion(_ other: TraitBits) {
        while words.count < other.words.count { words.append(0) }
        for index in other.words.indices { words[index] |= other.words[index] }
    }

    package var isEmpty: Bool { words.allSatisfy { $0 == 0 } }

    /// Members in ascending order.
    package var members: [Int] {
        var found: [Int] = []
        for (index, word) in words.enumerated() {
            var rest = word
            while rest != 0 {
                found.append(index * 64 + rest.trailingZeroBitCount)
                rest &= rest - 1
            }
        }
        return found
    }

    // Trailing zero words do not count.
    package static func == (left: TraitBits, right: TraitBits) -> Bool {
        let shared = min(left.words.count, right.words.count)
        for index in 0..<shared where left.words[index] != right.words[index] { return false }
        let rest = left.words.count > shared ? left.words[shared...] : right.words[shared...]
        return rest.allSatisfy { $0 == 0 }
    }

    package func hash(into hasher: inout Hasher) {
        var length = words.count
        while length > 0, words[length - 1] == 0 { length -= 1 }
        for index in 0..<length { hasher.combine(words[index]) }
    }
}
