import WireJSON

/// Queries: every parameter is an array of strings, in the order in which they were sent.
extension JSONSchema {
    /// A parameter that may be given several times.
    package static func multiple(_ value: JSONSchema) -> JSONSchema {
        JSONSchema(table: ["type": "array", "items": value.document])
    }

    /// A parameter that may be given once.
    package static func single(_ value: JSONSchema) -> JSONSchema {
        JSONSchema(table: ["type": "array", "items": value.document, "maxItems": 1])
    }

    /// A parameter whose value is not looked at.
    package static let queryText = multiple(anyString)

    /// A parameter whose values are regular expressions.
    package static let queryPattern = multiple(string(format: "regex"))

    /// A query. Unknown parameters are dropped where additional ones are allowed, else refused.
    package static func query(
        _ parameters: KeyValuePairs<String, JSONSchema>,
        patterns: KeyValuePairs<String, JSONSchema> = [:],
        additional: AdditionalProperties
    ) -> JSONSchema {
        object(parameters, patterns: patterns, additional: additional)
    }

    /// Judges a query and answers the parameters that the schema knows, in the order in which they were sent.
    ///
    /// With `additionalProperties: true`, as most schemas before 2.75 have it, unknown parameters are dropped here.
    package func knownParameters(
        in query: [(name: String, value: String)]
    ) throws(SchemaViolation) -> [(name: String, value: String)] {
        var arrays = JSONObject()
        for (name, value) in query {
            arrays.set(name, .array((arrays[name]?.array ?? []) + [.string(value)]))
        }
        try validate(.object(arrays))
        let isOpen = document["additionalProperties"].map { $0 != .bool(false) } ?? true
        guard isOpen else { return query }
        var known: Set<String> = Set(document["properties"]?.object?.keys ?? [])
        for case .patternProperties(let patterns) in rules {
            known.formUnion(arrays.keys.filter { name in patterns.contains { $0.pattern.matches(name) } })
        }
        return query.filter { known.contains($0.name) }
    }
}
