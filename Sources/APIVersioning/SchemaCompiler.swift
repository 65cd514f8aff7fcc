import WireJSON

/// Reads a schema document into rules, in the document's order.
enum SchemaCompiler {
    /// What says nothing about validity. `additionalItems` of the older drafts is among it, because some of the
    /// reference's schemas still carry it while the draft they are read by does not know it.
    private static let annotations: Set<String> = [
        "title", "description", "default", "examples", "deprecated", "readOnly", "writeOnly", "$schema", "$id",
        "$comment", "additionalItems",
    ]

    static func rules(of document: JSONValue) throws(JSONSchema.Refusal) -> [SchemaRule] {
        switch document {
        case .bool(let isOpen): return isOpen ? [] : [.never]
        case .object(let keywords):
            var rules: [SchemaRule] = []
            for (keyword, value) in keywords.members
            where !annotations.contains(keyword) && !keyword.hasPrefix("x-") {
                if let rule = try rule(keyword, value, in: keywords) { rules.append(rule) }
            }
            return rules
        default: throw refusal("schema", "must be an object or a boolean")
        }
    }

    /// Nil for a keyword that asks nothing, such as `additionalProperties: true`.
    private static func rule(
        _ keyword: String, _ value: JSONValue, in keywords: JSONObject
    ) throws(JSONSchema.Refusal) -> SchemaRule? {
        switch keyword {
        case "type": return .type(try types(value))
        case "enum": return .enumeration(try array(keyword, value))
        case "const": return .constant(value)
        case "minimum": return .minimum(try number(keyword, value))
        case "maximum": return .maximum(try number(keyword, value))
        case "exclusiveMinimum": return .exclusiveMinimum(try number(keyword, value))
        case "exclusiveMaximum": return .exclusiveMaximum(try number(keyword, value))
        case "minLength", "maxLength": return .length(try bound(keyword, value))
        case "minItems", "maxItems": return .itemCount(try bound(keyword, value))
        case "minProperties", "maxProperties": return .memberCount(try bound(keyword, value))
        case "pattern": return .pattern(try pattern(keyword, value))
        case "format":
            guard let name = value.string else { throw refusal(keyword, "must be a string") }
            return SchemaFormat(name: name).map { .format($0) }
        case "uniqueItems": return value.bool == true ? .uniqueItems : nil
        case "allOf": return .allOf(try schemas(keyword, value))
        case "anyOf": return .anyOf(try schemas(keyword, value))
        case "oneOf": return .oneOf(try schemas(keyword, value))
        case "not": return .not(try JSONSchema(value))
        default: return try containerRule(keyword, value, in: keywords)
        }
    }

    private static func containerRule(
        _ keyword: String, _ value: JSONValue, in keywords: JSONObject
    ) throws(JSONSchema.Refusal) -> SchemaRule? {
        switch keyword {
        case "properties":
            var properties: [(name: String, schema: JSONSchema)] = []
            for (name, schema) in try object(keyword, value).members {
                properties.append((name, try JSONSchema(schema)))
            }
            return .properties(properties)
        case "patternProperties":
            var patterns: [(pattern: TextPattern, schema: JSONSchema)] = []
            for (source, schema) in try object(keyword, value).members {
                patterns.append((try pattern(keyword, .string(source)), try JSONSchema(schema)))
            }
            return .patternProperties(patterns)
        case "additionalProperties":
            return try additionalProperties(value, in: keywords)
        case "required":
            var names: [String] = []
            for name in try array(keyword, value) {
                guard let name = name.string else { throw refusal(keyword, "must be a list of strings") }
                names.append(name)
            }
            return .required(names)
        case "items":
            // A list is the positional form of the older drafts, which the reference no longer uses.
            guard value.array == nil else { throw refusal(keyword, "positional items are written as prefixItems") }
            let start = keywords["prefixItems"]?.array?.count ?? 0
            return value.bool == false ? .noItems(after: start) : .items(try JSONSchema(value), from: start)
        case "prefixItems": return .prefixItems(try schemas(keyword, value))
        default: throw refusal(keyword, "is not supported")
        }
    }

    private static func additionalProperties(
        _ value: JSONValue, in keywords: JSONObject
    ) throws(JSONSchema.Refusal) -> SchemaRule? {
        if value == .bool(true) { return nil }
        var patterns: [TextPattern] = []
        for source in keywords["patternProperties"]?.object?.keys ?? [] {
            patterns.append(try pattern("patternProperties", .string(source)))
        }
        let known = Set(keywords["properties"]?.object?.keys ?? [])
        let schema = value == .bool(false) ? nil : try JSONSchema(value)
        return .additionalProperties(AdditionalMembers(known: known, patterns: patterns, schema: schema))
    }

    // MARK: Parts

    private static func types(_ value: JSONValue) throws(JSONSchema.Refusal) -> [SchemaType] {
        var types: [SchemaType] = []
        for name in value.array ?? [value] {
            guard let type = name.string.flatMap(SchemaType.init(rawValue:)) else {
                throw refusal("type", "\(name) is not a type")
            }
            types.append(type)
        }
        return types
    }

    private static func schemas(
        _ keyword: String, _ value: JSONValue
    ) throws(JSONSchema.Refusal) -> [JSONSchema] {
        var schemas: [JSONSchema] = []
        for schema in try array(keyword, value) { schemas.append(try JSONSchema(schema)) }
        return schemas
    }

    private static func bound(_ keyword: String, _ value: JSONValue) throws(JSONSchema.Refusal) -> SchemaBound {
        guard let limit = value.int, limit >= 0 else { throw refusal(keyword, "must be a count") }
        return SchemaBound(
            limit: limit, isMaximum: keyword.hasPrefix("max"), countsMembers: keyword.hasSuffix("Properties"))
    }

    private static func pattern(
        _ keyword: String, _ value: JSONValue
    ) throws(JSONSchema.Refusal) -> TextPattern {
        guard let source = value.string else { throw refusal(keyword, "must be a string") }
        do {
            return try TextPattern(source)
        } catch {
            throw refusal(keyword, "'\(source)': \(error)")
        }
    }

    private static func number(_ keyword: String, _ value: JSONValue) throws(JSONSchema.Refusal) -> JSONValue {
        guard value.double != nil else { throw refusal(keyword, "must be a number") }
        return value
    }

    private static func array(_ keyword: String, _ value: JSONValue) throws(JSONSchema.Refusal) -> [JSONValue] {
        guard let elements = value.array else { throw refusal(keyword, "must be a list") }
        return elements
    }

    private static func object(_ keyword: String, _ value: JSONValue) throws(JSONSchema.Refusal) -> JSONObject {
        guard let members = value.object else { throw refusal(keyword, "must be an object") }
        return members
    }

    private static func refusal(_ keyword: String, _ reason: String) -> JSONSchema.Refusal {
        .init(description: "\(keyword): \(reason)")
    }
}
