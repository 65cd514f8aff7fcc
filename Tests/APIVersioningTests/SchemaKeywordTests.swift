import APIVersioning
import Testing
import WireJSON

/// Verdicts and texts as the reference (nova 34.0 with jsonschema 4.26) gives them: schema, document, text of the 400.
@Suite struct SchemaKeywordTests {
    @Test(arguments: [
        (#"{"maxLength": 3}"#, #""abcd""#, "'abcd' is too long"),
        (#"{"minLength": 2}"#, #""a""#, "'a' is too short"),
        (#"{"maxLength": 0}"#, #""a""#, "'a' is expected to be empty"),
        (#"{"minItems": 1}"#, "[]", "[] should be non-empty"),
        (#"{"minItems": 2}"#, "[1]", "[1] is too short"),
        (#"{"maxItems": 0}"#, "[1]", "[1] is expected to be empty"),
        (#"{"minProperties": 1}"#, "{}", "{} should be non-empty"),
        (#"{"minProperties": 2}"#, #"{"a": 1}"#, "{'a': 1} does not have enough properties"),
        (#"{"maxProperties": 1}"#, #"{"a": 1, "b": null}"#, "{'a': 1, 'b': None} has too many properties"),
        (#"{"enum": ["a", 1, null, true]}"#, #""b""#, "'b' is not one of ['a', 1, None, True]"),
        (#"{"enum": [0]}"#, "false", "False is not one of [0]"),
        (#"{"enum": [1]}"#, "1.0", nil),
        (#"{"const": "x"}"#, #""y""#, "'x' was expected"),
        (#"{"const": null}"#, "null", nil),
        (#"{"minimum": 1}"#, #""0""#, "0 is less than the minimum of 1"),
        (
            #"{"maximum": 2147483647}"#,
            #""99999999999999999999999999""#,
            "99999999999999999999999999 is greater than the maximum of 2147483647"
        ),
        (#"{"maximum": 5}"#, "5.9", nil),
        (#"{"maximum": 5}"#, "6.9", "6 is greater than the maximum of 5"),
        (#"{"exclusiveMinimum": 0}"#, "0", "0 is less than or equal to the minimum of 0"),
        (#"{"exclusiveMinimum": 0}"#, #""0""#, nil),
        (#"{"exclusiveMaximum": 5}"#, "5", "5 is greater than or equal to the maximum of 5"),
        (#"{"minimum": 1}"#, #""junk""#, nil),
        (#"{"minimum": 1}"#, "[0]", nil),
        (#"{"type": ["integer", "null"]}"#, #""1""#, "'1' is not of type 'integer', 'null'"),
        (#"{"type": "number"}"#, "true", "True is not of type 'number'"),
        (
            #"{"oneOf": [{"type": "integer"}, {"minimum": 2}]}"#,
            "3",
            "3 is valid under each of {'minimum': 2}, {'type': 'integer'}"
        ),
        (
            #"{"oneOf": [{"type": "integer"}, {"type": "null"}]}"#,
            #""x""#,
            "'x' is not valid under any of the given schemas"
        ),
        (
            #"{"anyOf": [{"type": "integer"}, {"type": "null"}]}"#,
            #"{"a": "b"}"#,
            "{'a': 'b'} is not valid under any of the given schemas"
        ),
        (#"{"allOf": [{"type": "string"}, {"maxLength": 2}]}"#, #""abc""#, "'abc' is too long"),
        (#"{"not": {"type": "string"}}"#, #""x""#, "'x' should not be valid under {'type': 'string'}"),
        (
            #"{"patternProperties": {"^[a-z]+$": {"type": "string"}}, "additionalProperties": false}"#,
            #"{"A": 1, "B": 2}"#,
            "'A', 'B' do not match any of the regexes: '^[a-z]+$'"
        ),
        (
            #"{"patternProperties": {"^[a-z]+$": {"type": "string"}}, "additionalProperties": false}"#,
            #"{"a": 1}"#,
            "Invalid input for field/attribute a. Value: 1. 1 is not of type 'string'"
        ),
        (
            #"{"additionalProperties": {"type": "string"}}"#,
            #"{"a": 1}"#,
            "Invalid input for field/attribute a. Value: 1. 1 is not of type 'string'"
        ),
        (
            #"{"prefixItems": [{"type": "string"}], "items": false}"#,
            #"["a", "b"]"#,
            "Expected at most 1 item but found 1 extra: 'b'"
        ),
        (
            #"{"prefixItems": [{"type": "string"}], "items": false}"#,
            #"["a", "b", "c"]"#,
            "Expected at most 1 item but found 2 extra: ['b', 'c']"
        ),
        (
            #"{"prefixItems": [{"type": "string"}], "items": {"type": "integer"}}"#,
            #"["a", "b"]"#,
            "Invalid input for field/attribute 1. Value: b. 'b' is not of type 'integer'"
        ),
        (#"{"properties": {"a": false}}"#, #"{"a": 1}"#, "False schema does not allow 1"),
    ] as [(String, String, String?)])
    func everyKeywordHasTheReferencesWords(schema: String, document: String, detail: String?) throws {
        let schema = try JSONSchema(JSONParser.parse(schema))
        #expect(schema.violation(by: try JSONParser.parse(document))?.bodyDetail == detail)
    }

    @Test(arguments: [
        (#"{"format": "uuid"}"#, #""x""#, "'x' is not a 'uuid'"),
        (#"{"format": "uuid"}"#, #""E2C5C5A46D2E4F1C9A530F6B0B7E9A10""#, nil),
        (#"{"format": "ipv4"}"#, #""1.2.3.04""#, "'1.2.3.04' is not a 'ipv4'"),
        (#"{"format": "ipv4"}"#, #""1.2.3.4""#, nil),
        (#"{"format": "ipv6"}"#, #""fe80::1%eth0""#, "'fe80::1%eth0' is not a 'ipv6'"),
        (#"{"format": "ipv6"}"#, #""::ffff:1.2.3.4""#, nil),
        (#"{"format": "cidr"}"#, #""10.0.0.0""#, "'10.0.0.0' is not a 'cidr'"),
        (#"{"format": "cidr"}"#, #""10.0.0.0/255.0.0.0""#, nil),
        (#"{"format": "cidr"}"#, #""10.0.0.0/33""#, "'10.0.0.0/33' is not a 'cidr'"),
        (#"{"format": "date-time"}"#, #""2001-02-30""#, "'2001-02-30' is not a 'date-time'"),
        (#"{"format": "date-time"}"#, #""2001-02-03 04:05""#, nil),
        (#"{"format": "date-time"}"#, #""200101""#, "'200101' is not a 'date-time'"),
        (#"{"format": "uri"}"#, #""/rel""#, "'/rel' is not a 'uri'"),
        (#"{"format": "uri"}"#, #""http://h/x""#, nil),
        (#"{"format": "base64"}"#, #""YQ=""#, "'YQ=' is not a 'base64'"),
        (#"{"format": "base64"}"#, #""YQ==""#, nil),
        (#"{"format": "regex"}"#, #""""#, "'' is not a 'regex'"),
        (#"{"format": "regex"}"#, #""a**""#, "'a**' is not a 'regex'"),
        (#"{"format": "regex"}"#, #""(?P<n>a)(?P=n)""#, nil),
        (#"{"format": "mac-address"}"#, #""anything""#, nil),
        (
            #"{"format": "az_name"}"#,
            #""a:b""#,
            "An invalid 'name' value was provided. The name must be: printable characters excep"
                + "t :.Can not start or end with whitespace."
        ),
        (
            #"{"format": "az_name_with_leading_trailing_spaces"}"#,
            #"" :""#,
            "An invalid 'name' value was provided. The name must be: printable characters excep"
                + "t :, with at least one non space character"
        ),
        (
            #"{"format": "name_with_leading_trailing_spaces"}"#,
            #""  ""#,
            "An invalid 'name' value was provided. The name must be: printable characters with "
                + "at least one non space character"
        ),
        (#"{"format": "name_with_leading_trailing_spaces"}"#, #"" a ""#, nil),
        (
            #"{"format": "name"}"#,
            "5",
            "An invalid 'name' value was provided. The name must be: printable characters. Can "
                + "not start or end with whitespace."
        ),
    ] as [(String, String, String?)])
    func formatsAreAsLenientAsTheReferences(schema: String, document: String, detail: String?) throws {
        let schema = try JSONSchema(JSONParser.parse(schema))
        #expect(schema.violation(by: try JSONParser.parse(document))?.bodyDetail == detail)
    }

    @Test(arguments: [
        (#"{"type": "integer"}"#, "1.0", nil),
        (#"{"type": "integer"}"#, "1e+22", nil),
        (#"{"type": "integer"}"#, #""it's""#, #""it's" is not of type 'integer'"#),
        (#"{"type": "integer"}"#, #""say \"x\"""#, #"'say "x"' is not of type 'integer'"#),
        (#"{"type": "integer"}"#, #""both ' and \"""#, #"'both \' and "' is not of type 'integer'"#),
        (#"{"type": "integer"}"#, #""back\\slash""#, #"'back\\slash' is not of type 'integer'"#),
        (#"{"type": "integer"}"#, #""tab\tnl\ncr\r""#, #"'tab\tnl\ncr\r' is not of type 'integer'"#),
        (
            #"{"type": "integer"}"#,
            #""\u0000\u007f\u0080\u00e9\u200b\u3000\ud83d\ude00\udb40\udc01""#,
            "'\\x00\\x7f\\x80\u{E9}\\u200b\\u3000\u{1F600}\\U000e0001' is not of type 'integer'"
        ),
        (#"{"const": "no"}"#, "null", "'no' was expected"),
        (#"{"const": "no"}"#, "true", "'no' was expected"),
        (#"{"const": "no"}"#, "1.0", "'no' was expected"),
        (#"{"const": "no"}"#, "-0.0", "'no' was expected"),
        (#"{"const": "no"}"#, "1e+16", "'no' was expected"),
        (#"{"const": "no"}"#, "1.2345678901234568e+17", "'no' was expected"),
        (#"{"const": "no"}"#, "1e+22", "'no' was expected"),
        (#"{"const": "no"}"#, "1e-05", "'no' was expected"),
        (#"{"const": "no"}"#, "0.0001", "'no' was expected"),
        (#"{"const": "no"}"#, "[1, [null]]", "'no' was expected"),
        (#"{"const": "no"}"#, #"{"a": {"b": false}}"#, "'no' was expected"),
    ] as [(String, String, String?)])
    func valuesAreQuotedAsPythonPrintsThem(schema: String, document: String, detail: String?) throws {
        let schema = try JSONSchema(JSONParser.parse(schema))
        #expect(schema.violation(by: try JSONParser.parse(document))?.bodyDetail == detail)
    }
}
