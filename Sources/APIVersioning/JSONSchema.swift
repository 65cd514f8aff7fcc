package import WireJSON

/// A JSON schema, compiled once, that judges documents in the words of the reference.
///
/// The subset is what nova's and placement's request schemas use: `type`, `properties`, `patternProperties`,
/// `additionalProperties`, `required`, `enum`, `const`, `minimum`, `maximum` and their exclusive forms, lengths and
/// counts, `pattern`, `format`, `uniqueItems`, `items`, `prefixItems`, `oneOf`, `anyOf`, `allOf`, `not`; annotations
/// are kept. As in the reference, keywords are judged in the order in which the schema lists them and the first
/// failure is the answer.
package struct JSONSchema: Sendable, Hashable {
    /// Why a document is no schema of this subset.
    package struct Refusal: Error, Sendable, Hashable, CustomStringConvertible {
        /// The keyword at fault and what is wrong with it.
        package let description: String
    }

    /// The schema as a document, for publishing and for deriving others.
    package let document: JSONValue

    let rules: [SchemaRule]

    /// Compiles a schema document. Refuses unknown keywords, so that nothing is silently not judged.
    package init(_ document: JSONValue) throws(Refusal) {
        self.document = document
        rules = try SchemaCompiler.rules(of: document)
    }

    /// A schema of our own tables. Traps when it does not compile, as that is a mistake in a table.
    init(table document: JSONValue) {
        do {
            try self.init(document)
        } catch {
            preconditionFailure("a schema does not compile: \(error)")
        }
    }

    /// Nil when the document fits, else the first violation.
    package func violation(by document: JSONValue) -> SchemaViolation? {
        for rule in rules {
            if let violation = rule.violation(by: document) { return violation }
        }
        return nil
    }

    /// True when the document fits.
    package func accepts(_ document: JSONValue) -> Bool { violation(by: document) == nil }

    /// Throws the first violation.
    package func validate(_ document: JSONValue) throws(SchemaViolation) {
        if let violation = violation(by: document) { throw violation }
    }

    package static func == (a: Self, b: Self) -> Bool { a.document == b.document }
    package func hash(into hasher: inout Hasher) { hasher.combine(document) }
}

/// The first thing in a document that its schema does not allow.
package struct SchemaViolation: Error, Sendable, Hashable {
    /// A step on the way to a part of a document.
    package enum Step: Sendable, Hashable, CustomStringConvertible {
        case member(String)
        case element(Int)

        /// The name or the number.
        package var description: String {
            switch self {
            case .member(let name): name
            case .element(let index): String(index)
            }
        }
    }

    /// What is wrong, such as `'' should be non-empty`.
    package let message: String
    /// The part of the document that is wrong.
    package let value: JSONValue
    /// True when a name breaks the rules for names; `message` is then the whole text.
    package let isInvalidName: Bool
    /// From the innermost step outwards.
    private var reversedPath: [Step] = []
    /// True when the step to the value is not named, which is so for the schema `false`.
    private var isUnplaced: Bool

    init(_ message: String, _ value: JSONValue, isInvalidName: Bool = false, isUnplaced: Bool = false) {
        (self.message, self.value, self.isInvalidName) = (message, value, isInvalidName)
        self.isUnplaced = isUnplaced
    }

    /// The way from the whole document to the part.
    package var path: [Step] { reversedPath.reversed() }

    func under(_ step: Step) -> Self {
        var copy = self
        if isUnplaced { copy.isUnplaced = false } else { copy.reversedPath.append(step) }
        return copy
    }

    /// The text of the 400 for a body. Names the innermost step, as the reference does.
    package var bodyDetail: String {
        guard !isInvalidName, let last = reversedPath.first else { return message }
        return "Invalid input for field/attribute \(last). Value: \(PythonText.str(value)). \(message)"
    }

    /// The text of the 400 for a query. Names the parameter, which is the outermost step.
    package var queryDetail: String {
        guard !isInvalidName, let first = reversedPath.last else { return message }
        return "Invalid input for query parameters \(first). Value: \(PythonText.str(value)). \(message)"
    }
}
