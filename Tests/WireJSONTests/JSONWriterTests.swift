import Testing
import WireJSON

@Suite struct JSONWriterTests {
    @Test func commasStandBetweenMembersAndElementsOnly() {
        var writer = JSONWriter(capacity: 16)
        writer.object { w in
            w.field("a", "x")
            w.field("b", nil as String?)
            w.field("n", 12)
            w.field("big", Int64.min)
            w.field("yes", true)
            w.field("d", 0.1)
            w.array("list") { w in
                w.int(1)
                w.object { _ in }
                w.array { _ in }
                w.array { w in
                    w.bool(false)
                    w.null()
                }
            }
            w.field("tags", ["p", "q"])
            w.field("tree", ["k": [1, 2]] as JSONValue)
            w.object("o") { w in w.field("z", 7 as Int?) }
            w.key("raw")
            w.raw(#"{"already":1}"#)
            w.key(JSONKey("pre\"pared"))
            w.raw(Array("[]".utf8))
        }
        #expect(
            String(decoding: writer.bytes, as: UTF8.self)
                == #"{"a":"x","b":null,"n":12,"big":-9223372036854775808,"yes":true,"d":0.1,"list":[1,{},[],"#
                + #"[false,null]],"tags":["p","q"],"tree":{"k":[1,2]},"o":{"z":7},"raw":{"already":1},"#
                + #""pre\"pared":[]}"#)
    }

    @Test func everyEscapedByteIsFoundAtEveryPosition() throws {
        for escaped in Array(UInt8(0)..<0x20) + [0x22, 0x5C] {
            for length in 1...20 {
                for position in 0..<length {
                    var bytes = Array(repeating: UInt8(ascii: "a"), count: length)
                    bytes[position] = escaped
                    let text = String(decoding: bytes, as: UTF8.self)
                    #expect(try JSONParser.parse(JSONValue.string(text).serialized()) == .string(text))
                }
            }
        }
        let mixed = JSONValue.string("a\"\\\u{8}\u{C}\n\r\t\u{1}\u{1F}é😀\u{7F}")
        #expect(mixed.text == #""a\"\\\b\f\n\r\t\u0001\u001fé😀"# + "\u{7F}\"")
    }

    @Test(arguments: [
        (0.0, "0.0"), (-0.0, "-0.0"), (1.0, "1.0"), (0.1, "0.1"), (1e21, "1e+21"), (1e-7, "1e-07"),
        (.leastNonzeroMagnitude, "5e-324"), (Double.greatestFiniteMagnitude, "1.7976931348623157e+308"),
        (.infinity, "null"), (-.infinity, "null"), (.nan, "null"),
    ])
    func doublesAreShortAndExact(number: Double, text: String) {
        #expect(JSONValue.double(number).text == text)
    }

    @Test(arguments: [0, 9, 10, -1, -10, 99, 100, Int64.max, Int64.min])
    func wholeNumbersAreWrittenInDecimal(number: Int64) {
        #expect(JSONValue.int(number).text == String(number))
    }

    @Test func anErrorInABodyReachesTheCaller() {
        struct Broken: Error {}
        var writer = JSONWriter()
        #expect(throws: Broken.self) { try writer.object { _ throws(Broken) in throw Broken() } }
    }
}
