import WireJSON

/// The types of JSON Schema. Whole doubles are integers too.
enum SchemaType: String, Sendable {
    case null, boolean, integer, number, string, array, object

    func includes(_ value: JSONValue) -> Bool {
        switch (self, value) {
        case (.null, .null), (.boolean, .bool), (.integer, .int), (.number, .int), (.number, .double),
            (.string, .string), (.array, .array), (.object, .object):
            true
        case (.integer, .double(let number)): number.rounded(.towardZero) == number
        default: false
        }
    }
}

/// What `additionalProperties` says about members that neither `properties` nor `patternProperties` names.
struct AdditionalMembers: Sendable {
    let known: Set<String>
    let patterns: [TextPattern]
    /// Nil: there must be none.
    let schema: JSONSchema?

    func isExtra(_ name: String) -> Bool {
        !known.contains(name) && !patterns.contains { $0.matches(name) }
    }

    func violation(by members: JSONObject, _ value: JSONValue) -> SchemaViolation? {
        guard let schema else { return forbidden(members, value) }
        for (name, member) in members.members where isExtra(name) {
            if let violation = schema.violation(by: member) { return violation.under(.member(name)) }
        }
        return nil
    }

    private func forbidden(_ members: JSONObject, _ value: JSONValue) -> SchemaViolation? {
        let extras = members.keys.filter(isExtra).sorted(by: PythonText.precedes)
        if extras.isEmpty { return nil }
        let names = extras.map(PythonText.repr).joined(separator: ", ")
        guard !patterns.isEmpty else {
            let verb = extras.count == 1 ? "was" : "were"
            return SchemaViolation("Additional properties are not allowed (\(names) \(verb) unexpected)", value)
        }
        let verb = extras.count == 1 ? "does" : "do"
        let regexes = patterns.map(\.source).sorted(by: PythonText.precedes).map(PythonText.repr)
        return SchemaViolation(
            "\(names) \(verb) not match any of the regexes: \(regexes.joined(separator: ", "))", value)
    }
}

/// One keyword of a schema, ready to judge.
enum SchemaRule: Sendable {
    case never
    case type([SchemaType])
    case properties([(name: String, schema: JSONSchema)])
    case patternProperties([(pattern: TextPattern, schema: JSONSchema)])
    case additionalProperties(AdditionalMembers)
    case required([String])
    case enumeration([JSONValue])
    case constant(JSONValue)
    case minimum(JSONValue)
    case maximum(JSONValue)
    case exclusiveMinimum(JSONValue)
    case exclusiveMaximum(JSONValue)
    case length(SchemaBound)
    case itemCount(SchemaBound)
    case memberCount(SchemaBound)
    case pattern(TextPattern)
    case format(SchemaFormat)
    case uniqueItems
    case items(JSONSchema, from: Int)
    case noItems(after: Int)
    case prefixItems([JSONSchema])
    case allOf([JSONSchema])
    case anyOf([JSONSchema])
    case oneOf([JSONSchema])
    case not(JSONSchema)

    func violation(by value: JSONValue) -> SchemaViolation? {
        switch self {
        case .properties, .patternProperties, .additionalProperties, .required, .memberCount:
            guard case .object(let members) = value else { return nil }
            return violation(by: members, value)
        case .itemCount, .uniqueItems, .items, .noItems, .prefixItems:
            guard case .array(let elements) = value else { return nil }
            return violation(by: elements, value)
        case .minimum, .maximum, .exclusiveMinimum, .exclusiveMaximum:
            return numberViolation(by: value)
        case .allOf, .anyOf, .oneOf, .not:
            return combinationViolation(by: value)
        case .length(let bound):
            guard case .string(let text) = value else { return nil }
            return bound.message(for: text.unicodeScalars.count, value).map { SchemaViolation($0, value) }
        case .pattern(let pattern):
            guard case .string(let text) = value, !pattern.matches(text) else { return nil }
            return .init("\(PythonText.repr(text)) does not match \(PythonText.repr(pattern.source))", value)
        case .format(let format):
            return format.violation(by: value)
        case .never:
            return .init("False schema does not allow \(PythonText.repr(value))", value, isUnplaced: true)
        case .type(let types):
            if types.contains(where: { $0.includes(value) }) { return nil }
            let names = types.map { PythonText.repr($0.rawValue) }.joined(separator: ", ")
            return .init("\(PythonText.repr(value)) is not of type \(names)", value)
        case .enumeration(let choices):
            if choices.contains(where: { SchemaEquality.equal($0, value) }) { return nil }
            return .init("\(PythonText.repr(value)) is not one of \(PythonText.repr(.array(choices)))", value)
        case .constant(let constant):
            return SchemaEquality.equal(constant, value)
                ? nil : .init("\(PythonText.repr(constant)) was expected", value)
        }
    }

    // MARK: Objects

    private func violation(by members: JSONObject, _ value: JSONValue) -> SchemaViolation? {
        switch self {
        case .properties(let properties):
            for (name, schema) in properties {
                if let member = members[name], let violation = schema.violation(by: member) {
                    return violation.under(.member(name))
                }
            }
        case .patternProperties(let patterns):
            for (pattern, schema) in patterns {
                for (name, member) in members.members where pattern.matches(name) {
                    if let violation = schema.violation(by: member) { return violation.under(.member(name)) }
                }
            }
        case .additionalProperties(let additional):
            return additional.violation(by: members, value)
        case .required(let names):
            if let missing = names.first(where: { !members.contains($0) }) {
                return .init("\(PythonText.repr(missing)) is a required property", value)
            }
        case .memberCount(let bound):
            return bound.message(for: members.count, value).map { SchemaViolation($0, value) }
        default: break
        }
        return nil
    }

    // MARK: Arrays

    private func violation(by elements: [JSONValue], _ value: JSONValue) -> SchemaViolation? {
        switch self {
        case .itemCount(let bound):
            return bound.message(for: elements.count, value).map { SchemaViolation($0, value) }
        case .uniqueItems:
            if SchemaEquality.areUnique(elements) { return nil }
            return .init("\(PythonText.repr(value)) has non-unique elements", value)
        case .items(let schema, let start):
            for (index, element) in elements.enumerated().dropFirst(start) {
                if let violation = schema.violation(by: element) { return violation.under(.element(index)) }
            }
        case .prefixItems(let schemas):
            for (index, (element, schema)) in zip(elements, schemas).enumerated() {
                if let violation = schema.violation(by: element) { return violation.under(.element(index)) }
            }
        case .noItems(let count):
            let extra = elements.count - count
            guard extra > 0 else { return nil }
            let rest = extra == 1 ? elements[count] : .array(Array(elements[count...]))
            let noun = count == 1 ? "item" : "items"
            return .init(
                "Expected at most \(count) \(noun) but found \(extra) extra: \(PythonText.repr(rest))", value)
        default: break
        }
        return nil
    }

    // MARK: Numbers

    /// The inclusive limits also judge strings of digits, booleans and fractions cut to whole numbers, as nova's do.
    private func numberViolation(by value: JSONValue) -> SchemaViolation? {
        let (number, limit, isBroken, words): (PythonNumber?, JSONValue, (Int) -> Bool, String)
        switch self {
        case .minimum(let minimum):
            (number, limit, isBroken) = (PythonNumber(converting: value), minimum, { $0 < 0 })
            words = "is less than the minimum of"
        case .maximum(let maximum):
            (number, limit, isBroken) = (PythonNumber(converting: value), maximum, { $0 > 0 })
            words = "is greater than the maximum of"
        case .exclusiveMinimum(let minimum):
            (number, limit, isBroken) = (PythonNumber(value), minimum, { $0 <= 0 })
            words = "is less than or equal to the minimum of"
        case .exclusiveMaximum(let maximum):
            (number, limit, isBroken) = (PythonNumber(value), maximum, { $0 >= 0 })
            words = "is greater than or equal to the maximum of"
        default: return nil
        }
        guard let number, let order = number.compared(with: limit), isBroken(order) else { return nil }
        return .init("\(number.repr) \(words) \(PythonText.repr(limit))", value)
    }

    // MARK: Combinations

    private func combinationViolation(by value: JSONValue) -> SchemaViolation? {
        switch self {
        case .allOf(let schemas):
            for schema in schemas {
                if let violation = schema.violation(by: value) { return violation }
            }
            return nil
        case .anyOf(let schemas):
            return schemas.contains { $0.accepts(value) } ? nil : noneFits(value)
        case .oneOf(let schemas):
            let fitting = schemas.filter { $0.accepts(value) }
            guard let first = fitting.first else { return noneFits(value) }
            guard fitting.count > 1 else { return nil }
            let listed = (fitting.dropFirst() + [first]).map { PythonText.repr($0.document) }
            return .init(
                "\(PythonText.repr(value)) is valid under each of \(listed.joined(separator: ", "))", value)
        case .not(let schema):
            guard schema.accepts(value) else { return nil }
            return .init(
                "\(PythonText.repr(value)) should not be valid under \(PythonText.repr(schema.document))", value)
        default: return nil
        }
    }

    private func noneFits(_ value: JSONValue) -> SchemaViolation {
        .init("\(PythonText.repr(value)) is not valid under any of the given schemas", value)
    }
}

/// A limit on a count, with the words for breaking it.
struct SchemaBound: Sendable {
    let limit: Int
    let isMaximum: Bool
    /// True for members of objects, which have words of their own.
    let countsMembers: Bool

    func message(for count: Int, _ value: JSONValue) -> String? {
        guard isMaximum ? count > limit : count < limit else { return nil }
        let words =
            switch (isMaximum, limit) {
            case (false, 1): "should be non-empty"
            case (true, 0): "is expected to be empty"
            case (false, _): countsMembers ? "does not have enough properties" : "is too short"
            case (true, _): countsMembers ? "has too many properties" : "is too long"
            }
        return "\(PythonText.repr(value)) \(words)"
    }
}

/// Equality as JSON Schema has it: 1 is 1.0 but not true.
enum SchemaEquality {
    static func equal(_ a: JSONValue, _ b: JSONValue) -> Bool {
        switch (a, b) {
        case (.int(let a), .double(let b)): Double(a) == b
        case (.double(let a), .int(let b)): a == Double(b)
        case (.array(let a), .array(let b)): a.count == b.count && zip(a, b).allSatisfy { equal($0, $1) }
        case (.object(let a), .object(let b)):
            a.count == b.count
                && a.members.allSatisfy { member in b[member.key].map { equal(member.value, $0) } ?? false }
        case (.string(let a), .string(let b)): a.utf8.elementsEqual(b.utf8)
        default: a == b
        }
    }

    /// Linear in the common case of strings; quadratic, but bounded by the body's size limit, for mixed numbers.
    static func areUnique(_ elements: [JSONValue]) -> Bool {
        let isPlain = elements.allSatisfy { if case .string = $0 { true } else { false } }
        if isPlain { return Set(elements.map { Array(($0.string ?? "").utf8) }).count == elements.count }
        return elements.indices.allSatisfy { index in
            !elements[..<index].contains { equal($0, elements[index]) }
        }
    }
}
