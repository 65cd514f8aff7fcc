import DriverAPI
import Foundation
import Testing

@testable import VMwareDriver

/// The reader of XML, against documents that mean harm.
@Suite struct XMLTests {
    private func parse(_ text: String, limits: XMLLimits = XMLLimits()) throws -> XMLElement {
        try XMLElement(parsing: Array(text.utf8), limits: limits)
    }

    @Test func whatIsWrittenIsReadAgain() throws {
        let written = XMLElement(
            "a", ["xsi:type": "T\"<>&'"],
            [
                XMLElement("b", text: "1 < 2 & 3 > 2 \r\n\t 'x' \u{1F600}"), XMLElement("c"),
                XMLElement("c", text: "]]>"),
            ])
        #expect(try parse(written.serialized) == written)
    }

    @Test func charactersThatXMLCannotCarryAreLeftOut() throws {
        #expect(try parse(XMLElement("a", text: "x\u{0}\u{1}\u{FFFE}y").serialized).text == "xy")
    }

    @Test func everyFormOfTextIsRead() throws {
        let document = try parse(
            "\u{FEFF}<?xml version='1.0'?><!-- c --><n:a xmlns:n='u' n:type=\"T\" type='R'>"
                + "x&lt;&amp;&#65;&#x42;<![CDATA[<b>&amp;]]>y</n:a>\n")
        #expect(document.name == "a")
        #expect(document.attributes == ["xsi:type": "T", "type": "R"])
        #expect(document.text == "x<&AB<b>&amp;y")
    }

    @Test(arguments: [
        "", "   ", "no markup", "<a>", "<a></b>", "<a/><b/>", "<a/>text", "<a b></a>", "<a b=c/>", "<a b='1' b='2'/>",
        "<a b='1'c='2'/>", "<a b='1", "<a", "<", "</a>", "<a><![CDATA[x</a>", "<!-- ", "<a>&unknown;</a>",
        "<a>&#0;</a>",
        "<a>&#xD800;</a>", "<a>&#99999999999;</a>", "<a>&</a>", "<a>\u{1}</a", "<?xml",
        "<!DOCTYPE a [<!ENTITY x SYSTEM 'file:///etc/passwd'>]><a>&x;</a>",
        "<!DOCTYPE l [<!ENTITY a 'ha'><!ENTITY b '&a;&a;&a;&a;'><!ENTITY c '&b;&b;&b;&b;'>]><l>&c;</l>",
        "<a><!ENTITY x 'y'></a>", "<a:/>", "<a:>x</a:>", "<a b:='c'/>",
    ])
    func brokenAndHostileDocumentsAreRefused(text: String) {
        #expect(throws: XMLFailure.self) { try parse(text) }
    }

    @Test func everyTruncationIsRefused() {
        let text = "<?xml version='1.0'?><a b='c'><d>text &amp; more</d><![CDATA[x]]><!-- c --></a>"
        let bytes = Array(text.utf8)
        for count in 0..<bytes.count {
            #expect(throws: XMLFailure.self) { try XMLElement(parsing: Array(bytes.prefix(count))) }
        }
    }

    @Test func invalidUTF8IsRefused() {
        #expect(throws: XMLFailure.self) {
            try XMLElement(parsing: Array("<a>".utf8) + [0xFF, 0xC0] + Array("</a>".utf8))
        }
        #expect(throws: XMLFailure.self) { try XMLElement(parsing: Array("<a".utf8) + [0xFA] + Array("/>".utf8)) }
    }

    @Test func limitsHold() throws {
        let deep = String(repeating: "<a>", count: 100_000)
        let started = ContinuousClock.now
        #expect(throws: XMLFailure.self) { try parse(deep) }
        let long = "<a>" + String(repeating: "x", count: 10 << 20) + "</a>"
        #expect(throws: XMLFailure.self) { try parse(long) }
        let longValue = "<a b='" + String(repeating: "x", count: 10 << 20) + "'/>"
        #expect(throws: XMLFailure.self) { try parse(longValue) }
        let longName = "<" + String(repeating: "x", count: 10 << 20) + "/>"
        #expect(throws: XMLFailure.self) { try parse(longName) }
        let attributes = "<a " + (0..<1000).map { "a\($0)='1' " }.joined() + "/>"
        #expect(throws: XMLFailure.self) { try parse(attributes) }
        #expect(throws: XMLFailure.self) { try parse("<a><b/><b/><b/></a>", limits: XMLLimits(elementsMax: 3)) }
        #expect(throws: XMLFailure.self) { try parse("<a></a>", limits: XMLLimits(bytesMax: 6)) }
        #expect(ContinuousClock.now - started < .seconds(30))
    }

    /// A cheap stand-in for a fuzzer: every mutation of a real answer ends in an answer or a typed error.
    @Test func mutatedAnswersNeverDoMoreThanFail() throws {
        let text = """
            <?xml version="1.0" encoding="UTF-8"?><soapenv:Envelope xmlns:soapenv="u" xmlns:xsi="v"><soapenv:Body>\
            <RetrievePropertiesExResponse xmlns="urn:vim25"><returnval><objects><obj type="VirtualMachine">vm-1</obj>\
            <propSet><name>name</name><val xsi:type="xsd:string">a &amp; b</val></propSet></objects></returnval>\
            </RetrievePropertiesExResponse></soapenv:Body></soapenv:Envelope>
            """
        var generator = SeededGenerator(seed: 20261128)
        let endpoint = VCenterEndpoint(host: "h", port: 1, user: "", password: "", trust: .system, retriesMax: 0)
        for _ in 0..<5000 {
            var bytes = Array(text.utf8)
            for _ in 0..<Int.random(in: 1...8, using: &generator) {
                let at = Int.random(in: 0..<bytes.count, using: &generator)
                switch Int.random(in: 0..<3, using: &generator) {
                case 0: bytes[at] = UInt8.random(in: 0...255, using: &generator)
                case 1: bytes.remove(at: at)
                default: bytes.insert(contentsOf: [UInt8(ascii: "<"), UInt8(ascii: "&")].prefix(1), at: at)
                }
            }
            do throws(VimFailure) {
                _ = try VCenterClient.decode(bytes, "a call", endpoint)
            } catch {
                #expect(!error.driverError.message.isEmpty)
            }
        }
    }
}

/// Numbers that come in the same order every time.
struct SeededGenerator: RandomNumberGenerator {
    private var state: UInt64
    init(seed: UInt64) { state = seed }
    mutating func next() -> UInt64 {
        state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
        return state ^ (state >> 29)
    }
}
