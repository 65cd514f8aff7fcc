/// The half-open span of microversions in which an endpoint or a field exists.
package struct VersionSpan: Hashable, Sendable {
    /// The first version that has it.
    package let introduced: Microversion
    /// The first version that no longer has it; nil while it stays.
    package let removed: Microversion?

    /// From a version on, for good.
    package static func since(_ version: Microversion) -> Self { .init(introduced: version, removed: nil) }

    /// The same beginning, ended: `version` is the first without it.
    package func until(_ version: Microversion) -> Self { .init(introduced: introduced, removed: version) }

    /// True when it exists at that version.
    package func contains(_ version: Microversion) -> Bool {
        version >= introduced && removed.map { version < $0 } ?? true
    }

    /// True when some version has both.
    package func overlaps(_ other: Self) -> Bool { contains(other.introduced) || other.contains(introduced) }
}

extension VersionSpan: CustomStringConvertible {
    /// "since 2.26" or "2.1 until 2.47".
    package var description: String { removed.map { "\(introduced) until \($0)" } ?? "since \(introduced)" }
}

/// Two entries of one table that claim the same thing in the same version.
package struct TableConflict: Error, Hashable, Sendable, CustomStringConvertible {
    /// Both entries, named, with their spans.
    package let description: String
}
