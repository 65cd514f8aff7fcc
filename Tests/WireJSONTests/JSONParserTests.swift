import Testing
import WireJSON

@Suite struct JSONParserTests {
    @Test func everyKindOfValueIsRead() throws {
        let text = #" {"a": [1, -2, 0, 1.5, 1e3, -0.25E-2], "b": {"c": null}, "d": true, "e": false, "f": "x"} "#
        let value = try JSONParser.parse(text)
        #expect(value["a"] == [1, -2, 0, 1.5, 1000.0, -0.0025])
        #expect(value["b"]?["c"]?.isNull == true)
        #expect(value["d"]?.bool == true)
        #expect(value["e"]?.bool == false)
        #expect(value["f"]?.string == "x")
        #expect(value["a"]?[1]?.int == -2)
        #expect(value["a"]?[9] == nil)
        #expect(value.object?.keys == ["a", "b", "d", "e", "f"])
    }

    @Test func escapesAndSurrogatePairsBecomeCharacters() throws {
        let value = try JSONParser.parse(#""a\"\\\/\b\f\n\r\t\u00e9\uD83D\uDE00\u0000ß""#)
        #expect(value.string == "a\"\\/\u{8}\u{C}\n\r\té😀\u{0}ß")
    }

    @Test func aCombiningMarkAfterAnEscapeStaysOneByteForByteText() throws {
        let value = try JSONParser.parse("\"\\u0065\u{301}\"")
        #expect(Array(try #require(value.string).unicodeScalars) == ["e", "\u{301}"])
    }

    @Test func theLastOfTwoMembersWithOneNameWins() throws {
        let value = try JSONParser.parse(#"{"a": 1, "b": 2, "a": 3}"#)
        #expect(value == ["a": 3, "b": 2])
        #expect(value.object?.keys == ["a", "b"])
    }

    @Test func wholeNumbersBeyond64BitsBecomeDoubles() throws {
        #expect(try JSONParser.parse("9223372036854775807") == .int(.max))
        #expect(try JSONParser.parse("-9223372036854775808") == .int(.min))
        #expect(try JSONParser.parse("9223372036854775808") == .double(9_223_372_036_854_775_808))
    }

    @Test(arguments: [
        ("", "expected a value but found the end of the text at line 1, column 1 (byte 0)"),
        ("{\n \"a\" 1}", "expected ':' but found '1' at line 2, column 6 (byte 7)"),
        ("[1 2]", "expected ',' or ']' but found '2' at line 1, column 4 (byte 3)"),
        ("[1,]", "expected a value but found ']' at line 1, column 4 (byte 3)"),
        ("{\"a\":1,}", "expected a member's name in double quotes but found '}' at line 1, column 8 (byte 7)"),
        ("{a:1}", "expected a member's name in double quotes but found 'a' at line 1, column 2 (byte 1)"),
        ("{\"a\":1", "expected ',' or '}' but found the end of the text at line 1, column 7 (byte 6)"),
        ("tru", "expected 'true' but found the end of the text at line 1, column 4 (byte 3)"),
        ("nulL", "expected 'null' but found 'L' at line 1, column 4 (byte 3)"),
        ("01", "expected the end of the text but found '1' at line 1, column 2 (byte 1)"),
        ("-", "expected a digit but found the end of the text at line 1, column 2 (byte 1)"),
        ("1.", "expected a digit but found the end of the text at line 1, column 3 (byte 2)"),
        ("1e+", "expected a digit but found the end of the text at line 1, column 4 (byte 3)"),
        (".5", "expected a value but found '.' at line 1, column 1 (byte 0)"),
        ("NaN", "expected a value but found 'N' at line 1, column 1 (byte 0)"),
        ("1e400", "the number is out of range at line 1, column 1 (byte 0)"),
        ("\"a", "expected '\"' to end the string but found the end of the text at line 1, column 3 (byte 2)"),
        (
            "\"a\nb\"",
            "expected a character (control characters are escaped) but found byte 0x0A at line 1, column 3 (byte 2)"
        ),
        ("\"\\x\"", "expected one of \"\\/bfnrtu after '\\' but found 'x' at line 1, column 3 (byte 2)"),
        ("\"\\", "expected one of \"\\/bfnrtu after '\\' but found the end of the text at line 1, column 3 (byte 2)"),
        ("\"\\u12g4\"", "expected four hexadecimal digits after '\\u' but found 'g' at line 1, column 6 (byte 5)"),
        ("\"\\ud800\"", "an escaped surrogate has no counterpart at line 1, column 2 (byte 1)"),
        ("\"\\udc00\"", "an escaped surrogate has no counterpart at line 1, column 2 (byte 1)"),
        ("\"\\ud800\\u0041\"", "an escaped surrogate has no counterpart at line 1, column 2 (byte 1)"),
        ("\u{FEFF}1", "expected a value but found byte 0xEF at line 1, column 1 (byte 0)"),
    ])
    func whatIsNotJSONIsRefusedWithItsPlace(text: String, message: String) {
        let error = #expect(throws: JSONParseError.self) { try JSONParser.parse(text) }
        #expect(error?.description == message)
    }

    @Test(arguments: [
        [0x22, 0x61, 0xFF, 0x22], [0x22, 0x61, 0xC0, 0x80, 0x22], [0x22, 0x61, 0xED, 0xA0, 0x80, 0x22],
        [0x22, 0x61, 0xE2, 0x82, 0x22], [0x22, 0x61, 0xF5, 0x80, 0x80, 0x80, 0x22],
    ] as [[UInt8]])
    func bytesThatAreNotUTF8AreRefused(bytes: [UInt8]) {
        let error = #expect(throws: JSONParseError.self) { try JSONParser.parse(bytes) }
        #expect(error?.reason == .notUTF8)
        #expect(error?.offset == 2)
    }

    @Test func depthSizeAndNumberLengthAreLimited() throws {
        let deep = String(repeating: "[", count: 64) + String(repeating: "]", count: 64)
        _ = try JSONParser.parse(deep)
        #expect(throws: JSONParseError.self) { try JSONParser.parse("[\(deep)]") }
        let bomb = String(repeating: "{\"a\":", count: 1_000_000)
        let error = #expect(throws: JSONParseError.self) { try JSONParser.parse(bomb) }
        #expect(error?.reason == .tooDeep(max: 64))
        let tooLong = #expect(throws: JSONParseError.self) {
            try JSONParser.parse("[1,2,3]", limits: JSONLimits(bytesMax: 6))
        }
        #expect(tooLong?.reason == .tooLong(max: 6))
        let digits = String(repeating: "1", count: 401)
        #expect(throws: JSONParseError.self) { try JSONParser.parse(digits) }
        // Siblings do not add up to depth.
        _ = try JSONParser.parse("[" + Array(repeating: "[[]]", count: 500).joined(separator: ",") + "]")
    }
}
