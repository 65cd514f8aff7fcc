import APIVersioning
import Testing
import WireJSON

@Suite struct JSONSchemaTests {
    @Test(arguments: [
        #"{"$ref": "other"}"#, #"{"type": "strin"}"#, #"{"pattern": "("}"#, #"{"items": [{}]}"#, #"{"maxLength": -1}"#,
        #"{"required": "a"}"#, #"{"properties": []}"#, "[]", #"{"properties": {"a": {"if": {}}}}"#,
    ])
    func whatCannotBeJudgedIsRefusedAtConstruction(text: String) throws {
        let document = try JSONParser.parse(text)
        #expect(throws: JSONSchema.Refusal.self) { try JSONSchema(document) }
    }

    @Test func annotationsAndUnjudgedFormatsAreKept() throws {
        let document: JSONValue = ["title": "t", "description": "d", "format": "mac-address", "x-note": 1]
        let schema = try JSONSchema(document)
        #expect(schema.document == document)
        #expect(schema.accepts("anything"))
    }

    @Test func aLaterVersionIsDerivedFromAnEarlierOne() {
        let first = JSONSchema.object(
            ["server": .object(["name": .name, "old": .anyString], required: ["name", "old"])], required: ["server"])
        let second = first.changing("server") {
            $0.without("old").with(["tags": .array(of: .tag)], required: ["tags"])
        }
        #expect(first.accepts(["server": ["name": "x", "old": "y"]]))
        #expect(!second.accepts(["server": ["name": "x", "old": "y", "tags": []]]))
        #expect(!second.accepts(["server": ["name": "x"]]))
        #expect(second.accepts(["server": ["name": "x", "tags": ["a"]]]))
        #expect(second.allowing(.allowed).accepts(["server": ["name": "x", "tags": []], "more": 1]))
        #expect(second.document["properties"]?["server"]?["required"] == ["name", "tags"])
    }

    @Test func anOpenQueryLosesWhatItsSchemaDoesNotKnow() throws {
        let open = JSONSchema.query(
            ["limit": .multiple(.nonNegativeInteger), "name": .queryPattern], patterns: ["^_": .queryText],
            additional: .allowed)
        let known = try open.knownParameters(
            in: [("limit", "1"), ("x", "y"), ("_s", "1"), ("limit", "2"), ("name", "^a")])
        #expect(known.map { "\($0.name)=\($0.value)" } == ["limit=1", "_s=1", "limit=2", "name=^a"])
        let violation = #expect(throws: SchemaViolation.self) { try open.knownParameters(in: [("name", "(")]) }
        #expect(
            violation?.queryDetail
                == "Invalid input for query parameters name. Value: (. '(' is not a 'regex'")
    }

    @Test func aClosedQueryRefusesWhatItsSchemaDoesNotKnow() throws {
        let closed = JSONSchema.query(["limit": .single(.nonNegativeInteger)], additional: .forbidden)
        #expect(try closed.knownParameters(in: [("limit", "1")]).count == 1)
        let violation = #expect(throws: SchemaViolation.self) { try closed.knownParameters(in: [("x", "1")]) }
        #expect(violation?.queryDetail == "Additional properties are not allowed ('x' was unexpected)")
    }

    @Test func aViolationKnowsItsPlace() throws {
        let schema = JSONSchema.object(["a": .array(of: .object(["b": .integer(minimum: 1)]))])
        let violation = schema.violation(by: ["a": [["b": 1], ["b": 0]]])
        #expect(violation?.path == [.member("a"), .element(1), .member("b")])
        #expect(violation?.value == 0)
    }
}
