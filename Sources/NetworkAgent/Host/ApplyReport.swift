/// One thing that was done to the host.
package struct HostChange: Hashable, Sendable, CustomStringConvertible {
    /// What was done to it.
    package enum Kind: String, Hashable, Sendable { case made, changed, removed, started, reloaded, stopped }

    package let kind: Kind
    /// The device, namespace, table or process.
    package let subject: String

    package init(_ kind: Kind, _ subject: String) { (self.kind, self.subject) = (kind, subject) }

    package var description: String { "\(kind.rawValue) \(subject)" }
}

/// What came of putting a plan into force, or of making sure that it still is.
package struct ApplyReport: Sendable {
    /// What had to be done, in this order; nothing if the host was as planned.
    package var changes: [HostChange] = []
    /// What of the plan does not work here, one sentence each.
    package var notices: [String] = []
    /// How long it took.
    package var duration: Duration = .zero

    /// Whether the host was as planned.
    package var changedNothing: Bool { changes.isEmpty }
}
