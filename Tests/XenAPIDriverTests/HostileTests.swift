import ComputeModel
import DriverAPI
import DriverConformance
import Foundation
import HostilePeer
import Testing

@testable import XenAPIDriver

/// A pool that means harm: every answer ends in a typed error, in bounded time and memory, in both encodings, and the
/// driver works again when the pool does.
@Suite(.serialized, .timeLimit(.minutes(10))) struct HostileTests {
    enum Encoding: String, CaseIterable, Sendable {
        case json, xml
        var arguments: [String] { self == .json ? [] : ["--no-jsonrpc"] }
    }
    /// What an answer may come to: the client's limit, and what is under way in buffers.
    private static let sentMax = 128 << 20 + 24 << 20
    private static let memoryMiBMax = 1024

    private func with(
        _ encoding: Encoding, _ body: (Pool, HostileServer) async throws -> Void
    ) async throws {
        try await Pool.with(encoding.arguments) { pool in
            try await body(pool, try HostileServer(upstream: pool.simulator.urls[0]))
        }
    }

    private func client(_ pool: Pool, _ hostile: HostileServer, timeout: String = "60") throws -> XenClient {
        let options = ["call_timeout": timeout, "login_timeout": timeout]
        return XenClient(
            options: try XenAPIOptions(Pool.configuration("http://127.0.0.1:\(hostile.port)", options)),
            host: pool.host())
    }

    /// A driver that meets the hostile server in the host's place.
    private func driver(_ pool: Pool, _ hostile: HostileServer) async throws -> XenAPIDriver {
        try await pool.driver([
            "connection_url": "http://127.0.0.1:\(hostile.port)", "pool_host": "pool-1", "call_timeout": "20",
        ])
    }

    /// The error of a call, which must come within the time and be fit for a log.
    private func refusal(
        _ what: String, within limit: Double = 20, _ body: () async throws -> Void
    ) async throws -> DriverError? {
        let (begun, before) = (ContinuousClock.now, try residentMiB())
        var refusal: DriverError?
        do {
            try await body()
        } catch {
            refusal = try #require(error as? DriverError, "\(what): \(error)")
        }
        let took = ContinuousClock.now - begun
        #expect(took < .seconds(limit * slowness), "\(what) took \(took)")
        let grown = try residentMiB() - before
        #expect(grown < Self.memoryMiBMax, "\(what) took \(grown) MiB")
        if let refusal {
            #expect(!refusal.message.contains("secret"), "\(what)")
            #expect(refusal.message.utf8.count < 40_000, "\(what): \(refusal.message.prefix(200))")
        }
        return refusal
    }

    static let kinds = [
        "close", "silent", "garbage", "truncated", "cut-chunk", "bad-chunk", "two-lengths", "absurd-length",
        "endless-head", "endless-continue", "slow", "slow-head", "gzip-bomb", "redirect", "teapot",
    ]

    @Test(arguments: Encoding.allCases) func brokenHTTPIsATypedError(encoding: Encoding) async throws {
        try await with(encoding) { pool, hostile in
            let client = try client(pool, hostile, timeout: "2")
            _ = try await client.call("host.get_all", [])
            #expect(client.encodingName == encoding.rawValue)
            for kind in Self.kinds {
                try hostile.turn(kind)
                let error = try await refusal(kind) { _ = try await client.call("host.get_all", []) }
                #expect(error != nil, "\(kind)")
                let sent = try hostile.sent()
                // Interim answers are thrown away as they come: they cost time, which is bounded, and no memory.
                #expect(sent < Self.sentMax || kind == "endless-continue", "\(kind) sent \(sent) bytes")
                try hostile.turn("proper")
                #expect(try await client.call("host.get_all", []).list.count == 1, "after \(kind)")
            }
        }
    }

    @Test(arguments: [
        (Encoding.json, "{\"id\": 1, \"result\": [\n1,"), (.xml, "<methodResponse>\n<a>"),
    ])
    func anEndlessAnswerIsCutOff(encoding: Encoding, parts: String) async throws {
        try await with(encoding) { pool, hostile in
            let client = try client(pool, hostile, timeout: "150")
            _ = try await client.call("host.get_all", [])
            try hostile.turn("endless", parts)
            let error = try await refusal("endless", within: 160) { _ = try await client.call("host.get_all", []) }
            guard case .failed(let text) = error else {
                Issue.record("\(String(describing: error))")
                return
            }
            #expect(text.contains("longer than"), "\(text)")
            #expect(try hostile.sent() < Self.sentMax)
        }
    }

    private static let long = String(repeating: "x", count: 10 << 20)
    private static func xml(_ value: String) -> String {
        "<methodResponse><params><param><value>\(value)</value></param></params></methodResponse>"
    }
    private static func json(_ result: String) -> String { "{\"jsonrpc\": \"2.0\", \"id\": $ID, \(result)}" }

    private static let documents: [(Encoding, String, String)] = [
        (.json, "nothing", ""), (.json, "a number", "5"), (.json, "XML", xml("5")),
        (.json, "another call", "{\"id\": 0}"),
        (.json, "no result", json("\"x\": 1")), (.json, "an error that is none", json("\"error\": 5")),
        (.json, "a nameless error", json("\"error\": {}")),
        (.json, "an error of lists", json("\"error\": {\"message\": [[]], \"data\": {\"a\": 1}}")),
        (.json, "a long error", json("\"error\": {\"message\": \"\(long)\", \"data\": [\"\(long)\"]}")),
        (
            .json, "an error of many words",
            json("\"error\": {\"message\": \"X\", \"data\": [\(String(repeating: "\"y\",", count: 1_000_000))\"z\"]}")
        ),
        (.json, "a cut text", "{\"id\": $ID, \"result\": \"\(long)"),
        (.json, "deep nesting", json("\"result\": " + String(repeating: "[", count: 2_000_000))),
        (.json, "many values", json("\"result\": [" + String(repeating: "1,", count: 3_100_000) + "1]")),
        (.json, "many maps", json("\"result\": [" + String(repeating: "{\"a\":{}},", count: 1_600_000) + "1]")),
        (.json, "many escapes, then no end", "\"" + String(repeating: "\\n", count: 2_000_000)),
        (.xml, "nothing", ""), (.xml, "JSON", "{\"id\": 1}"), (.xml, "no struct", xml("<string>a</string>")),
        (.xml, "an entity bomb", "<!DOCTYPE l [<!ENTITY a 'ha'><!ENTITY b '&a;&a;&a;&a;'>]><l>&b;</l>"),
        (.xml, "an entity from elsewhere", "<!DOCTYPE l [<!ENTITY a SYSTEM 'file:///etc/passwd'>]><l>&a;</l>"),
        (.xml, "a fault", "<methodResponse><fault><value>x</value></fault></methodResponse>"),
        (.xml, "deep nesting", String(repeating: "<value><array><data>", count: 200_000)),
        (
            .xml, "many values",
            xml("<array><data>\(String(repeating: "<value/>", count: 3_100_000))</data></array>")
        ),
        (.xml, "a long text", xml("<int>\(long)</int>")), (.xml, "a long name", "<\(long)/>"),
        (
            .xml, "a long failure",
            xml(
                "<struct><member><name>Status</name><value>Failure</value></member><member><name>ErrorDescription"
                    + "</name><value><array><data><value>\(long)</value></data></array></value></member></struct>")
        ),
        (.xml, "many references, then no end", "<methodResponse>" + String(repeating: "&amp;", count: 2_000_000)),
    ]

    @Test(arguments: Encoding.allCases) func hostileDocumentsAreTypedErrors(encoding: Encoding) async throws {
        try await with(encoding) { pool, hostile in
            let client = try client(pool, hostile)
            _ = try await client.call("host.get_all", [])
            for (_, name, document) in Self.documents.filter({ $0.0 == encoding }) {
                try hostile.turn("text", document)
                let error = try await refusal(name, within: 60) { _ = try await client.call("host.get_all", []) }
                #expect(error != nil, "\(name)")
                try hostile.turn("proper")
                #expect(try await client.call("host.get_all", []).list.count == 1, "after \(name)")
            }
        }
    }

    /// Every value of real answers replaced by nonsense, while the driver reads, lists, makes and removes.
    @Test(arguments: [
        (Encoding.json, "\"\""), (.json, "\"x\""), (.json, "null"), (.json, "true"), (.json, "-1"), (.json, "1e308"),
        (.json, "9223372036854775807"), (.json, "-9223372036854775808"), (.json, "[]"), (.json, "{}"),
        (.json, "\"1e999\""), (.json, "\"OpaqueRef:NULL\""), (.json, "\"\(String(repeating: "v", count: 100_000))\""),
        (.xml, "x"), (.xml, "-1"), (.xml, "9223372036854775807"), (.xml, "nan"), (.xml, "Success"),
    ])
    func wrongValuesNeverDoMoreThanFail(encoding: Encoding, value: String) async throws {
        try await with(encoding) { pool, hostile in
            let driver = try await driver(pool, hostile)
            let spec = pool.spec(try pool.rawImage())
            try hostile.turn("values", value)
            try await useEverything(driver, spec, pool, "value \(value.prefix(30))")
            try hostile.turn("proper")
            try await eventually(within: 60, "the driver lists again") { (try? await driver.guests()) != nil }
        }
    }

    @Test(arguments: Encoding.allCases)
    func wrongShapesNeverDoMoreThanFail(encoding: Encoding) async throws {
        try await with(encoding) { pool, hostile in
            let driver = try await driver(pool, hostile)
            let spec = pool.spec(try pool.rawImage())
            try hostile.turn("shapes")
            try await useEverything(driver, spec, pool, "shapes")
            try hostile.turn("proper")
            try await eventually(within: 60, "the driver lists again") { (try? await driver.guests()) != nil }
        }
    }

    private func useEverything(_ driver: XenAPIDriver, _ spec: GuestSpec, _ pool: Pool, _ what: String) async throws {
        let operations = [pool.call, pool.call, pool.call]
        let calls: [(String, @Sendable () async throws -> Void)] = [
            ("list", { _ = try await driver.guests() }),
            ("state", { _ = try await driver.powerState(of: spec.id) }),
            ("recover", { _ = try await driver.recover([spec.id: GuestHandle(version: 1, data: [1])]) }),
            ("power on", { try await driver.powerOn(spec.id, operations[0]) }),
            ("diagnose", { _ = try await driver.capabilities.diagnostics?.diagnostics(of: spec.id) }),
            ("console", { _ = try await driver.capabilities.consoles?.console(.vnc, of: spec.id) }),
            ("spawn", { _ = try await driver.spawn(spec, operations[1]) }),
            ("destroy", { try await driver.destroy(spec.id, operations[2]) }),
        ]
        for (name, body) in calls {
            let begun = ContinuousClock.now
            let doing = Task { try await body() }
            let watch = Task {
                try await Task.sleep(for: .seconds(5))
                doing.cancel()
            }
            let result = await doing.result
            watch.cancel()
            #expect(ContinuousClock.now - begun < .seconds(20 * slowness), "\(name), \(what)")
            if case .failure(let error) = result { #expect(error is DriverError, "\(name), \(what): \(error)") }
        }
    }

    @Test func numbersThatNobodyCountsAreNoNumbers() {
        #expect(XenValue.integer(.max).integer == nil)
        #expect(XenValue.text("-9223372036854775808").integer == nil)
        #expect(XenValue.number(1e300).integer == nil)
        #expect(XenValue.text("nan").number == nil && XenValue.text("inf").number == nil)
        #expect(XenValue.number(1e300).percent == 100 && XenValue.number(-1).percent == 0)
        #expect(InventorySource.version("99999999999999999999.99999999999999.1") == 999_001)
    }
}
