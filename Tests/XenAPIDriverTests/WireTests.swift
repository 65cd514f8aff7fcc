import DriverAPI
import Testing

@testable import XenAPIDriver

/// The parsers, with what a proper server sends and with what a hostile one may.
@Suite struct WireTests {
    @Test func aValueSurvivesJSON() throws {
        let value: XenValue = [
            "text": "a \"quoted\" \\ line\n\u{1}é😀", "truth": true, "list": ["1", false, .nothing, .integer(-7)],
            "number": .number(0.5), "map": ["inner": [:]],
        ]
        #expect(try JSONText.read(JSONText.write(value)) == value)
    }

    @Test func wholeDoublesKeepTheirFraction() {
        #expect(String(decoding: JSONText.write(.number(30)), as: UTF8.self) == "30.0")
    }

    @Test func escapesAndSurrogatesAreUnderstood() throws {
        let text = #"{"a": "\u0041\u00e9\ud83d\ude00\/\b"}"#
        #expect(try JSONText.read(Array(text.utf8))["a"].text == "Aé😀/\u{8}")
    }

    @Test(arguments: [
        "", "{", "[1,]", "{\"a\":1,}", "{\"a\" 1}", "\"open", "\"\\q\"", "\"\\ud800\"", "\"\\ud800\\u0041\"", "01x",
        "tru",
        "nul", "[1] [2]", "{\"a\":1,\"a\":2}", "\"tab\tin text\"", "+1", "NaN", "1e999", "\"\\u00g0\"", "--1", "[", "]",
    ])
    func brokenJSONIsRefused(text: String) {
        #expect(throws: WireTrouble.self) { try JSONText.read(Array(text.utf8)) }
    }

    @Test func invalidUTF8IsRefused() {
        #expect(throws: WireTrouble.self) { try JSONText.read([0x22, 0xff, 0xfe, 0x22]) }
        let xml =
            Array("<methodResponse><params><param><value><string>".utf8) + [0xff]
            + Array("</string></value></param></params></methodResponse>".utf8)
        #expect(throws: WireTrouble.self) { try XMLRPC.answer(xml) }
    }

    @Test func deepNestingIsRefusedAndNotFollowed() {
        let json = String(repeating: "[", count: 1_000_000)
        #expect(throws: WireTrouble.self) { try JSONText.read(Array(json.utf8)) }
        let xml =
            "<methodResponse><params><param>"
            + String(repeating: "<value><array><data>", count: 200_000)
        #expect(throws: WireTrouble.self) { try XMLRPC.answer(Array(xml.utf8)) }
    }

    @Test func tooManyValuesAreRefused() {
        let limits = WireLimits(depthMax: 64, valuesMax: 100)
        let json = "[" + Array(repeating: "1", count: 200).joined(separator: ",") + "]"
        #expect(throws: WireTrouble.self) { try JSONText.read(Array(json.utf8), limits: limits) }
        let xml = Self.answer(
            "<array><data>" + String(repeating: "<value>1</value>", count: 200) + "</data></array>")
        #expect(throws: WireTrouble.self) { try XMLRPC.answer(Array(xml.utf8), limits: limits) }
    }

    @Test func aTextOfTenMegabytesIsTaken() throws {
        let text = String(repeating: "x", count: 10 << 20)
        #expect(try JSONText.read(JSONText.write(.text(text))).text.utf8.count == 10 << 20)
        #expect(try XMLRPC.answer(Array(Self.answer("<string>\(text)</string>").utf8)).text.utf8.count == 10 << 20)
    }

    private static func answer(_ value: String) -> String {
        "<?xml version=\"1.0\"?><methodResponse><params><param><value>\(value)</value></param></params>"
            + "</methodResponse>"
    }

    @Test func everyTypeOfXMLRPCIsRead() throws {
        let text = Self.answer(
            """
            <struct><member><name>Status</name><value>Success</value></member>
            <member><name>Value</name><value><array><data><value><string>a &lt;&#65;&#x42;&amp; </string></value>
            <value><boolean>1</boolean></value><value><int>5</int></value><value><i8>-9</i8></value>
            <value><double>0.25</double></value><value><nil/></value><value><string/></value>
            <value><dateTime.iso8601>20261128T01:02:03Z</dateTime.iso8601></value><value></value>
            <value><![CDATA[<raw>]]></value></data></array></value></member></struct>
            """)
        let value = try XMLRPC.answer(Array(text.utf8))
        #expect(value["Status"].text == "Success")
        #expect(
            value["Value"].list == [
                "a <AB& ", true, .integer(5), .integer(-9), .number(0.25), .nothing, "", "20261128T01:02:03Z", "",
                "<raw>",
            ])
    }

    @Test func aCallIsWrittenAsXMLRPC() throws {
        let bytes = XMLRPC.call("VM.start", ["a<b>&", true, .number(30), ["k": ["v"]], .nothing])
        let text = String(decoding: bytes, as: UTF8.self)
        #expect(text.contains("<methodName>VM.start</methodName>"))
        #expect(text.contains("<value><string>a&lt;b&gt;&amp;</string></value>"))
        #expect(text.contains("<value><boolean>1</boolean></value>"))
        #expect(text.contains("<value><double>30.0</double></value>"))
        #expect(text.contains("<member><name>k</name><value><array><data><value><string>v</string></value>"))
    }

    @Test(arguments: [
        "", "<methodResponse>", "<methodResponse></methodCall>", "<a/><b/>", "text", "<methodResponse/>",
        "<!DOCTYPE a [<!ENTITY x \"y\">]><methodResponse/>",
        "<methodResponse><params><param><value><string>&unknown;</string></value></param></params></methodResponse>",
        "<methodResponse><params><param><value><string>&#0;</string></value></param></params></methodResponse>",
        "<methodResponse><params><param><value><string>& </string></value></param></params></methodResponse>",
        "<methodResponse><params><param><value><int>x</int></value></param></params></methodResponse>",
        "<methodResponse><params><param><value><boolean>2</boolean></value></param></params></methodResponse>",
        "<methodResponse><params><param><value><hat>1</hat></value></param></params></methodResponse>",
        "<methodResponse><params><param><value><string>a<b/></string></value></param></params></methodResponse>",
        "<methodResponse><params><param><value><int>1</int>2</value></param></params></methodResponse>",
        "<methodResponse><params><param><value>1</value></param></params></methodResponse><more/>",
        "<methodResponse a=b><params/></methodResponse>", "<methodResponse a=\"b><params/></methodResponse>",
        "<!-- never ends", "<![CDATA[x]]>", "<methodResponse><fault><value>1</value></fault></methodResponse>",
    ])
    func brokenXMLIsRefused(text: String) {
        #expect(throws: WireTrouble.self) { try XMLRPC.answer(Array(text.utf8)) }
    }

    @Test func entitiesThatWouldExplodeAreRefusedAtOnce() {
        var text = "<?xml version=\"1.0\"?><!DOCTYPE bomb [<!ENTITY a0 \"x\">"
        for level in 1...50 { text += "<!ENTITY a\(level) \"&a\(level - 1);&a\(level - 1);\">" }
        text += "]><methodResponse><params><param><value>&a50;</value></param></params></methodResponse>"
        #expect(throws: WireTrouble.self) { try XMLRPC.answer(Array(text.utf8)) }
    }

    @Test func parsersSurviveEveryTruncationAndManyChanges() throws {
        let json = JSONText.write(["a": ["b", .number(1.5), true, ["c": .nothing]], "d": "\u{1}é"])
        let xml = Array(Self.answer("<struct><member><name>a</name><value><int>1</int></value></member></struct>").utf8)
        for count in 0..<json.count { #expect(throws: WireTrouble.self) { try JSONText.read(Array(json[..<count])) } }
        for count in 0..<xml.count { #expect(throws: WireTrouble.self) { try XMLRPC.answer(Array(xml[..<count])) } }
        var generator = SystemRandomNumberGenerator()
        for _ in 0..<5000 {
            var (one, other) = (json, xml)
            one[Int.random(in: 0..<one.count, using: &generator)] = UInt8.random(in: 0...255, using: &generator)
            other[Int.random(in: 0..<other.count, using: &generator)] = UInt8.random(in: 0...255, using: &generator)
            _ = try? JSONText.read(one)
            _ = try? XMLRPC.answer(other)
        }
    }

    @Test(arguments: [
        ("http://a", "http://a:80"), ("https://a/x?y", "https://a:443"), ("https://a:8443", "https://a:8443"),
        ("http://[::1]:80/", "http://[::1]:80"), ("http://[fe80::1]", "http://[fe80::1]:80"),
    ])
    func addressesAreRead(url: String, expected: String) {
        #expect(XenEndpoint(url)?.description == expected)
    }

    @Test(arguments: [
        "", "a", "ftp://a", "http://", "http://a:0", "http://a:x", "http://u:p@a", "http://[::1",
        "http://[[]", "http://a]",
    ])
    func wrongAddressesAreRefused(url: String) {
        #expect(XenEndpoint(url) == nil)
    }

    @Test func filtersOfStorageAreRead() {
        #expect(RepositoryFilter("default-sr:true") == .poolDefault)
        #expect(
            RepositoryFilter("other-config:i18n-key=local-storage")
                == .otherConfig(key: "i18n-key", value: "local-storage"))
        #expect(RepositoryFilter("name-label:Fast") == .name("Fast"))
        #expect(RepositoryFilter("nonsense") == nil)
        #expect(RepositoryFilter("other-config:=x") == nil)
    }

    @Test func placesOfDisksFollowDeviceNames() throws {
        #expect(DiskPlaces.place(ofDevice: "/dev/vdb") == "1")
        #expect(DiskPlaces.place(ofDevice: "xvdp") == "15")
        #expect(DiskPlaces.place(ofDevice: "/dev/sdq") == nil)
        #expect(DiskPlaces.place(ofDevice: "/dev/nvme0n1") == nil)
        var places = DiskPlaces()
        #expect(try places.take(forDevice: nil) == "4")
        #expect(throws: (any Error).self) { try places.take(forDevice: "/dev/xvde") }
        for _ in 5..<16 { _ = try places.take(forDevice: nil) }
        #expect(throws: (any Error).self) { try places.take(forDevice: nil) }
    }

    @Test func failuresSayWhatToDo() {
        let doing = "start the guest"
        #expect(XenFailure("SR_FULL", ["1", "0"]).driverError(doing).remedy == .reschedule)
        #expect(XenFailure("OTHER_OPERATION_IN_PROGRESS").driverError(doing).remedy == .retry)
        #expect(XenFailure("VM_BAD_POWER_STATE").driverError(doing).remedy == .giveUp)
        #expect(XenFailure("HOST_IS_SLAVE", ["10.0.0.1"]).driverError(doing).remedy == .retry)
        #expect(XenFailure("TASK_CANCELLED").driverError(doing) == .cancelled)
        #expect(XenFailure("SESSION_INVALID", ["OpaqueRef:secret"]).text == "SESSION_INVALID")
        #expect(XenFailure("X", ["a", "", "b"]).driverError(doing).message.contains("X (a, b)"))
    }
}
