package import WireJSON

/// One member of an answer: its name, the microversions that show it, and how its value is written.
package struct ViewField<Subject>: Sendable {
    /// The member's name.
    package let name: String
    /// The versions that have it.
    package let span: VersionSpan
    let isShown: (@Sendable (Subject) -> Bool)?
    let write: @Sendable (Subject, inout JSONWriter) -> Void

    /// - Parameters:
    ///   - isShown: false leaves the member out for that subject, for example because the caller may not see it.
    ///   - write: writes exactly one value; the name is already written.
    package init(
        _ name: String, _ span: VersionSpan,
        when isShown: (@Sendable (Subject) -> Bool)? = nil,
        _ write: @escaping @Sendable (Subject, inout JSONWriter) -> Void
    ) {
        (self.name, self.span, self.isShown, self.write) = (name, span, isShown, write)
    }
}

/// An answer's members as a table over the API's history.
///
/// For each stretch of versions between two changes the members are listed once, at construction, so that
/// writing a subject is a plain loop:
///
///     let plan = serverView.plan(at: version)
///     writer.array("servers") { w in for server in servers { plan.write(server, to: &w) } }
package struct View<Subject>: Sendable {
    /// The members at one microversion, ready to be written.
    package struct Plan: Sendable {
        struct Step: Sendable {
            let key: JSONKey
            let isShown: (@Sendable (Subject) -> Bool)?
            let write: @Sendable (Subject, inout JSONWriter) -> Void
        }
        let steps: [Step]

        /// The names in the order in which they are written.
        package var names: [String] { steps.map(\.key.name) }

        /// Writes the subject as an object.
        package func write(_ subject: Subject, to writer: inout JSONWriter) {
            writer.object { writer in writeMembers(subject, to: &writer) }
        }

        /// Writes the members into an object that is already open.
        package func writeMembers(_ subject: Subject, to writer: inout JSONWriter) {
            for step in steps {
                if let isShown = step.isShown, !isShown(subject) { continue }
                writer.key(step.key)
                step.write(subject, &writer)
            }
        }
    }

    /// The table.
    package let fields: [ViewField<Subject>]

    /// Each version at which a member comes or goes, ascending, with the members from there on.
    private let plans: [(since: Microversion, plan: Plan)]

    /// Traps when two members of one name exist in one version, as that is a mistake in a table.
    package init(_ fields: [ViewField<Subject>]) {
        if let conflict = Self.conflict(in: fields) { preconditionFailure(conflict.description) }
        self.init(sound: fields)
    }

    /// Refuses two members of one name that exist in one version.
    package init(checking fields: [ViewField<Subject>]) throws(TableConflict) {
        if let conflict = Self.conflict(in: fields) { throw conflict }
        self.init(sound: fields)
    }

    private init(sound fields: [ViewField<Subject>]) {
        self.fields = fields
        let changes = Set(fields.map(\.span.introduced) + fields.compactMap(\.span.removed)).sorted()
        plans = changes.map { version in
            let present = fields.filter { $0.span.contains(version) }
            return (
                version,
                Plan(steps: present.map { .init(key: JSONKey($0.name), isShown: $0.isShown, write: $0.write) })
            )
        }
    }

    /// The members at that version.
    package func plan(at version: Microversion) -> Plan {
        plans.last { $0.since <= version }?.plan ?? Plan(steps: [])
    }

    /// Writes one subject as an object. For many subjects take the plan once.
    package func write(_ subject: Subject, at version: Microversion, to writer: inout JSONWriter) {
        plan(at: version).write(subject, to: &writer)
    }

    private static func conflict(in fields: [ViewField<Subject>]) -> TableConflict? {
        for (position, field) in fields.enumerated() {
            for other in fields[..<position] where other.name == field.name && other.span.overlaps(field.span) {
                return TableConflict(
                    description: "two fields named '\(field.name)': \(other.span) and \(field.span) overlap")
            }
        }
        return nil
    }
}
