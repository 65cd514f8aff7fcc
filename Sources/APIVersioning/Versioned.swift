/// A value that changes at given microversions.
///
/// Only the starting versions are written down, so ranges can neither overlap nor leave a gap.
package struct Versioned<Value: Sendable>: Sendable {
    /// The values with the version from which each holds, in ascending order.
    package private(set) var entries: [(since: Microversion, value: Value)]

    /// A value that holds from a version on.
    package init(since first: Microversion, _ value: Value) { entries = [(first, value)] }

    /// The same history with one more change at its end. Traps unless versions ascend, as that is a mistake in a table.
    package func then(since next: Microversion, _ value: Value) -> Self {
        precondition(entries.allSatisfy { $0.since < next }, "versions must ascend: \(next) comes too late")
        var copy = self
        copy.entries.append((next, value))
        return copy
    }

    /// The value that holds at a version; nil before the first.
    package subscript(version: Microversion) -> Value? { entries.last { $0.since <= version }?.value }

    /// The same history of what `transform` makes of each value.
    package func map<Other: Sendable>(_ transform: (Value) -> Other) -> Versioned<Other> {
        var result = Versioned<Other>(since: entries[0].since, transform(entries[0].value))
        for entry in entries.dropFirst() { result = result.then(since: entry.since, transform(entry.value)) }
        return result
    }
}
