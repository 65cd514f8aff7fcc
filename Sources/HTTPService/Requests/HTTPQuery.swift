/// The names and values of a query, decoded ('+' is a space), in the order they were sent, repeated names kept.
package struct HTTPQuery: Sendable, RandomAccessCollection {
    /// One name with its value; a name without '=' has the empty value.
    package typealias Element = (name: String, value: String)

    private let pairs: [Element]

    /// A query from pairs that are decoded already.
    package init(_ pairs: [Element] = []) { self.pairs = pairs }

    package var startIndex: Int { 0 }
    package var endIndex: Int { pairs.count }
    package subscript(position: Int) -> Element { pairs[position] }

    /// The first value of that name.
    package subscript(name: String) -> String? { pairs.first { $0.name == name }?.value }

    /// All values of that name, in order.
    package func values(_ name: String) -> [String] { pairs.filter { $0.name == name }.map(\.value) }

    /// Whether the name was given at all.
    package func contains(_ name: String) -> Bool { pairs.contains { $0.name == name } }
}
