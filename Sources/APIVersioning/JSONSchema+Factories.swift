package import WireJSON

/// What an object may have beside the members that its schema names.
package enum AdditionalProperties: Sendable {
    case forbidden
    case allowed
    case fitting(JSONSchema)

    var document: JSONValue {
        switch self {
        case .forbidden: .bool(false)
        case .allowed: .bool(true)
        case .fitting(let schema): schema.document
        }
    }
}

extension JSONSchema {
    /// An object. Other members than those named are refused unless said otherwise.
    package static func object(
        _ properties: KeyValuePairs<String, JSONSchema> = [:],
        patterns: KeyValuePairs<String, JSONSchema> = [:],
        required: [String] = [],
        additional: AdditionalProperties = .forbidden,
        count: ClosedRange<Int>? = nil
    ) -> JSONSchema {
        var document: JSONObject = ["type": "object"]
        if !properties.isEmpty || patterns.isEmpty { document.set("properties", documents(properties)) }
        if !patterns.isEmpty { document.set("patternProperties", documents(patterns)) }
        if !required.isEmpty { document.set("required", JSONValue(required)) }
        document.set("additionalProperties", additional.document)
        if let count { set(count, "Properties", in: &document) }
        return JSONSchema(table: .object(document))
    }

    /// An array of elements that all fit one schema.
    package static func array(
        of element: JSONSchema, count: ClosedRange<Int>? = nil, unique: Bool = false, nullable: Bool = false
    ) -> JSONSchema {
        var document: JSONObject = ["type": nullable ? ["array", "null"] : "array"]
        document.set("items", element.document)
        if let count { set(count, "Items", in: &document) }
        if unique { document.set("uniqueItems", true) }
        return JSONSchema(table: .object(document))
    }

    /// A string, its length in characters.
    package static func string(
        length: ClosedRange<Int>? = nil, pattern: String? = nil, format: String? = nil, nullable: Bool = false
    ) -> JSONSchema {
        var document: JSONObject = ["type": nullable ? ["string", "null"] : "string"]
        if let pattern { document.set("pattern", .string(pattern)) }
        if let format { document.set("format", .string(format)) }
        if let length { set(length, "Length", in: &document) }
        return JSONSchema(table: .object(document))
    }

    /// A whole number, with limits as given.
    package static func integer(minimum: Int? = nil, maximum: Int? = nil) -> JSONSchema {
        JSONSchema(table: .object(limited(["type": "integer"], minimum, maximum)))
    }

    /// A whole number or a string that matches `pattern`; strings too are held to the limits.
    package static func integerOrString(
        pattern: String, minimum: Int? = nil, maximum: Int? = nil, length: ClosedRange<Int>? = nil
    ) -> JSONSchema {
        var document = limited(["type": ["integer", "string"], "pattern": .string(pattern)], minimum, maximum)
        if let length { set(length, "Length", in: &document) }
        return JSONSchema(table: .object(document))
    }

    /// One of the given values, of whatever type.
    package static func oneOf(values: [JSONValue]) -> JSONSchema {
        JSONSchema(table: ["enum": .array(values)])
    }

    /// One of the given strings.
    package static func choice(_ values: [String]) -> JSONSchema {
        JSONSchema(table: ["type": "string", "enum": JSONValue(values)])
    }

    /// Exactly that value.
    package static func constant(_ value: JSONValue) -> JSONSchema { JSONSchema(table: ["const": value]) }

    /// Fits exactly one of the schemas.
    package static func oneOf(_ schemas: JSONSchema...) -> JSONSchema { combined("oneOf", schemas) }

    /// Fits at least one of the schemas.
    package static func anyOf(_ schemas: JSONSchema...) -> JSONSchema { combined("anyOf", schemas) }

    /// Fits all of the schemas.
    package static func allOf(_ schemas: JSONSchema...) -> JSONSchema { combined("allOf", schemas) }

    /// `null`.
    package static let null = JSONSchema(table: ["type": "null"])

    /// `true` or `false` and no other spelling.
    package static let strictBoolean = JSONSchema(table: ["type": "boolean"])

    /// Any document.
    package static let anything = JSONSchema(table: [:])

    /// Any object.
    package static let anyObject = JSONSchema(table: ["type": "object"])

    /// Any string.
    package static let anyString = JSONSchema(table: ["type": "string"])

    // MARK: Deriving the next version

    /// The same object schema with members added or replaced, and more of them required.
    package func with(_ properties: KeyValuePairs<String, JSONSchema>, required: [String] = []) -> JSONSchema {
        edited { document in
            var known = document["properties"]?.object ?? JSONObject()
            for (name, schema) in properties { known.set(name, schema.document) }
            document.set("properties", .object(known))
            let names = (document["required"]?.array ?? []) + required.map { .string($0) }
            if !names.isEmpty { document.set("required", .array(names)) }
        }
    }

    /// The same object schema without those members.
    package func without(_ names: String...) -> JSONSchema {
        edited { document in
            var known = document["properties"]?.object ?? JSONObject()
            for name in names { known.remove(name) }
            document.set("properties", .object(known))
            let stillRequired = (document["required"]?.array ?? []).filter { !names.contains($0.string ?? "") }
            document["required"] = stillRequired.isEmpty ? nil : .array(stillRequired)
        }
    }

    /// The same object schema with that answer for members that it does not name.
    package func allowing(_ additional: AdditionalProperties) -> JSONSchema {
        edited { $0.set("additionalProperties", additional.document) }
    }

    /// The same object schema with one member's schema changed. Traps when there is no such member.
    package func changing(_ name: String, _ change: (JSONSchema) -> JSONSchema) -> JSONSchema {
        edited { document in
            var known = document["properties"]?.object ?? JSONObject()
            guard let member = known[name] else { preconditionFailure("no member '\(name)' to change") }
            known.set(name, change(JSONSchema(table: member)).document)
            document.set("properties", .object(known))
        }
    }

    private func edited(_ edit: (inout JSONObject) -> Void) -> JSONSchema {
        var document = document.object ?? JSONObject()
        edit(&document)
        return JSONSchema(table: .object(document))
    }

    // MARK: Parts

    private static func combined(_ keyword: String, _ schemas: [JSONSchema]) -> JSONSchema {
        JSONSchema(table: .object([keyword: .array(schemas.map(\.document))]))
    }

    private static func documents(_ schemas: KeyValuePairs<String, JSONSchema>) -> JSONValue {
        .object(JSONObject(schemas.map { ($0.key, $0.value.document) }))
    }

    private static func limited(_ document: JSONObject, _ minimum: Int?, _ maximum: Int?) -> JSONObject {
        var document = document
        if let minimum { document.set("minimum", JSONValue(minimum)) }
        if let maximum { document.set("maximum", JSONValue(maximum)) }
        return document
    }

    /// A lower limit of 0 and an upper one of `Int.max` say nothing and are left out.
    private static func set(_ range: ClosedRange<Int>, _ noun: String, in document: inout JSONObject) {
        if range.lowerBound > 0 { document.set("min\(noun)", JSONValue(range.lowerBound)) }
        if range.upperBound < .max { document.set("max\(noun)", JSONValue(range.upperBound)) }
    }
}
