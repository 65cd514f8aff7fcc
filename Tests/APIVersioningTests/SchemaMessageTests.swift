import APIVersioning
import Testing
import WireJSON

/// Verdicts and texts as the reference (nova 34.0 with jsonschema 4.26) gives them.
@Suite struct SchemaMessageTests {
    static let body = JSONSchema.object(
        [
            "server": .object(
                [
                    "name": .name, "count": .positiveInteger,
                    "tags": .array(of: .tag, count: 0...2, unique: true),
                ], required: ["name"])
        ], required: ["server"])

    @Test(arguments: [
        ("{}", "'server' is a required property"),
        (#"{"server": {}}"#, "Invalid input for field/attribute server. Value: {}. 'name' is a required property"),
        (#"{"server": {"name": ""}}"#, "Invalid input for field/attribute name. Value: . '' should be non-empty"),
        (#"{"server": {"name": "ok"}}"#, nil),
        (#"{"server": {"name": 1}}"#, "Invalid input for field/attribute name. Value: 1. 1 is not of type 'string'"),
        (
            #"{"server": {"name": null}}"#,
            "Invalid input for field/attribute name. Value: None. None is not of type 'string'"
        ),
        (
            #"{"server": {"name": "x", "b": 1, "a": 2}}"#,
            "Invalid input for field/attribute server. Value: {'name': 'x', 'b': 1, 'a': 2}. Ad"
                + "ditional properties are not allowed ('a', 'b' were unexpected)"
        ),
        (
            #"{"server": {"name": "x", "a": 1}}"#,
            "Invalid input for field/attribute server. Value: {'name': 'x', 'a': 1}. Additional"
                + " properties are not allowed ('a' was unexpected)"
        ),
        (#"{"server": []}"#, "Invalid input for field/attribute server. Value: []. [] is not of type 'object'"),
        (#"{"server": {"name": "x"}, "extra": 1}"#, "Additional properties are not allowed ('extra' was unexpected)"),
        ("[]", "[] is not of type 'object'"),
        (
            #"{"server": {"name": " x"}}"#,
            "An invalid 'name' value was provided. The name must be: printable characters. Can "
                + "not start or end with whitespace."
        ),
        (
            #"{"server": {"name": "x\u0001"}}"#,
            "An invalid 'name' value was provided. The name must be: printable characters. Can "
                + "not start or end with whitespace."
        ),
        (
            #"{"server": {"name": "x", "count": "0"}}"#,
            "Invalid input for field/attribute count. Value: 0. 0 is less than the minimum of 1"
        ),
        (
            #"{"server": {"name": "x", "count": 0}}"#,
            "Invalid input for field/attribute count. Value: 0. 0 is less than the minimum of 1"
        ),
        (
            #"{"server": {"name": "x", "count": ""}}"#,
            "Invalid input for field/attribute count. Value: . '' should be non-empty"
        ),
        (
            #"{"server": {"name": "x", "count": "a"}}"#,
            "Invalid input for field/attribute count. Value: a. 'a' does not match '^[0-9]*$'"
        ),
        (
            #"{"server": {"name": "x", "count": 1.5}}"#,
            "Invalid input for field/attribute count. Value: 1.5. 1.5 is not of type 'integer', 'string'"
        ),
        (
            #"{"server": {"name": "x", "count": true}}"#,
            "Invalid input for field/attribute count. Value: True. True is not of type 'integer', 'string'"
        ),
        (
            #"{"server": {"name": "x", "tags": ["a", "a"]}}"#,
            "Invalid input for field/attribute tags. Value: ['a', 'a']. ['a', 'a'] has non-unique elements"
        ),
        (
            #"{"server": {"name": "x", "tags": ["a", "b", "c"]}}"#,
            "Invalid input for field/attribute tags. Value: ['a', 'b', 'c']. ['a', 'b', 'c'] is too long"
        ),
        (
            #"{"server": {"name": "x", "tags": ["a", "b/c"]}}"#,
            "Invalid input for field/attribute 1. Value: b/c. 'b/c' does not match '^[^,/]*$'"
        ),
        (
            #"{"server": {"name": "x", "tags": [""]}}"#,
            "Invalid input for field/attribute 0. Value: . '' should be non-empty"
        ),
        (
            #"{"server": {"name": "x", "tags": "a"}}"#,
            "Invalid input for field/attribute tags. Value: a. 'a' is not of type 'array'"
        ),
    ] as [(String, String?)])
    func bodiesAreJudgedAsByTheReference(document: String, detail: String?) throws {
        #expect(Self.body.violation(by: try JSONParser.parse(document))?.bodyDetail == detail)
    }

    @Test(arguments: [
        (#"{"limit": ["a"]}"#, "Invalid input for query parameters limit. Value: a. 'a' does not match '^[0-9]*$'"),
        (
            #"{"limit": ["1", "-1"]}"#,
            "Invalid input for query parameters limit. Value: -1. '-1' does not match '^[0-9]*$'"
        ),
        (#"{"limit": [""]}"#, "Invalid input for query parameters limit. Value: . '' should be non-empty"),
        (
            #"{"marker": ["a", "b"]}"#,
            "Invalid input for query parameters marker. Value: ['a', 'b']. ['a', 'b'] is too long"
        ),
        (#"{"since": ["x"]}"#, "Invalid input for query parameters since. Value: x. 'x' is not a 'date-time'"),
        (#"{"other": ["1"]}"#, "Additional properties are not allowed ('other' was unexpected)"),
        (#"{"limit": ["10"], "marker": ["z"]}"#, nil),
    ] as [(String, String?)])
    func queriesAreJudgedAsByTheReference(document: String, detail: String?) throws {
        let schema = JSONSchema.query(
            [
                "limit": .multiple(.nonNegativeInteger), "marker": .single(.anyString),
                "since": .multiple(.string(format: "date-time")),
            ], additional: .forbidden)
        #expect(schema.violation(by: try JSONParser.parse(document))?.queryDetail == detail)
    }
}
