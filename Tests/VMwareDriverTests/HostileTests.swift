import ComputeModel
import DriverAPI
import DriverConformance
import Foundation
import HostilePeer
import Testing

@testable import VMwareDriver

/// A vCenter that means harm: every answer ends in a typed error, in bounded time and memory, and the driver works
/// again when the vCenter does.
@Suite(
    .enabled(if: VCenterWorld.obstacle == nil, "no vCenter simulator here: \(VCenterWorld.obstacle ?? "")"),
    .timeLimit(.minutes(10)))
struct HostileTests {
    private static let slowness = Double(ProcessInfo.processInfo.environment["KILONOVA_TEST_SCALE"] ?? "") ?? 1
    /// What an answer may come to: the client's limit, and what is under way in buffers.
    private static let sentMax = 64 << 20 + 24 << 20
    private static let memoryMiBMax = 1024

    private let world: VCenterWorld
    private let hostile: HostileServer

    init() throws {
        world = try VCenterWorld()
        hostile = try HostileServer(upstream: "https://127.0.0.1:\(world.port)", certificateIn: world.directory)
    }

    private func driver() async throws -> VMwareDriver {
        try await world.driver(["host_port": "\(hostile.port)", "api_retry_count": "1"])
    }

    private func client() async throws -> VCenterClient {
        let endpoint = VCenterEndpoint(
            host: "127.0.0.1", port: hostile.port, user: VCenterWorld.user, password: VCenterWorld.password,
            trust: .authorities(path: world.directory + "/cert.pem"), retriesMax: 3)
        return try await VCenterClient.connect(endpoint, host: world.host())
    }

    /// The error of a call, which must come within the time and be fit for a log.
    private func failure(
        _ what: String, within limit: Duration = .seconds(20), _ body: () async throws -> Void
    ) async throws -> DriverError? {
        let (begun, before) = (ContinuousClock.now, try residentMiB())
        var failure: DriverError?
        do {
            try await body()
        } catch let error as VimFailure {
            failure = error.driverError
        } catch {
            failure = try #require(error as? DriverError, "\(what): \(error)")
        }
        let took = ContinuousClock.now - begun
        #expect(took < limit * Self.slowness, "\(what) took \(took)")
        let grown = try residentMiB() - before
        #expect(grown < Self.memoryMiBMax, "\(what) took \(grown) MiB")
        if let failure {
            #expect(!failure.message.contains(VCenterWorld.password), "\(what)")
            #expect(failure.message.utf8.count < 8000, "\(what): \(failure.message.prefix(200))")
        }
        return failure
    }

    private static let instance = ManagedReference("ServiceInstance", "ServiceInstance")

    @Test func brokenHTTPIsATypedError() async throws {
        let client = try await client()
        for kind in [
            "close", "silent", "garbage", "truncated", "cut-chunk", "bad-chunk", "two-lengths", "absurd-length",
            "endless-head", "endless-continue", "slow", "slow-head", "gzip-bomb", "redirect", "teapot",
        ] {
            try hostile.turn(kind)
            let error = try await failure(kind) {
                _ = try await client.call("CurrentTime", Self.instance, isRead: true, timeout: .seconds(2))
            }
            #expect(error != nil, "\(kind)")
            let sent = try hostile.sent()
            // Interim answers are thrown away as they come: they cost time, which is bounded, and no memory.
            #expect(sent < Self.sentMax || kind == "endless-continue", "\(kind) sent \(sent) bytes")
            try hostile.turn("proper")
            _ = try await client.call("CurrentTime", Self.instance)
        }
    }

    @Test(arguments: ["\n ", "<Envelope><Body><R>\n<a/>", "<Envelope><Body><R><a>\nx"])
    func anEndlessAnswerIsCutOff(parts: String) async throws {
        let client = try await client()
        try hostile.turn("endless", parts)
        let error = try await failure("endless", within: .seconds(120)) {
            _ = try await client.call("CurrentTime", Self.instance, timeout: .seconds(100))
        }
        guard case .failed(let text) = error else {
            Issue.record("\(String(describing: error))")
            return
        }
        #expect(text.contains("longer than"), "\(text)")
        #expect(try hostile.sent() < Self.sentMax)
    }

    private static func body(_ inside: String) -> String {
        "<Envelope xmlns:xsi='x'><Body><R><returnval>\(inside)</returnval></R></Body></Envelope>"
    }

    private static let documents: [(String, String)] = [
        ("an entity bomb", "<!DOCTYPE l [<!ENTITY a 'ha'><!ENTITY b '&a;&a;&a;&a;&a;&a;&a;'>]><l>&b;</l>"),
        ("an entity from elsewhere", "<!DOCTYPE l [<!ENTITY a SYSTEM 'file:///etc/passwd'>]><l>&a;</l>"),
        ("nothing", ""), ("no SOAP", "{\"result\": 1}"), ("a web page", "<html><body><br></body></html>"),
        ("a cut document", "<Envelope><Body><R><returnval><objects>"), ("NUL", "<Envelope>\0</Envelope>"),
        ("deep nesting", String(repeating: "<a>", count: 1_000_000)),
        ("many elements", body(String(repeating: "<a/>", count: 1_200_000))),
        ("many texts", body(String(repeating: "<a>x</a>", count: 1_200_000))),
        ("many attributes", body(String(repeating: "<a b='c' d='e'/>", count: 600_000))),
        ("many references", "<Envelope><Body><R>" + String(repeating: "&amp;", count: 2_000_000)),
        ("a text of 10 MB", body("<objects><obj type='Folder'>\(String(repeating: "x", count: 10 << 20))</obj>")),
        ("an attribute of 10 MB", body("<objects><obj type='\(String(repeating: "x", count: 10 << 20))'/>")),
        ("a name of 10 MB", "<\(String(repeating: "x", count: 10 << 20))/>"),
        (
            "a fault of 7 MB",
            "<Envelope><Body><Fault><faultstring>\(String(repeating: "y", count: 7 << 20))</faultstring><detail>"
                + "<\(String(repeating: "T", count: 250))Fault/></detail></Fault></Body></Envelope>"
        ),
    ]

    @Test func hostileDocumentsAreTypedErrors() async throws {
        let driver = try await driver()
        for (name, document) in Self.documents {
            try hostile.turn("text", document)
            let error = try await failure(name, within: .seconds(60)) { _ = try await driver.powerState(of: .random()) }
            #expect(error != nil, "\(name)")
        }
        try hostile.turn("proper")
        #expect(await eventually(within: .seconds(60)) { (try? await driver.guests()) != nil })
        await driver.shutDown()
    }

    /// Every value of real answers replaced by nonsense, while the driver reads, lists, makes and removes.
    @Test(arguments: [
        "", "x", "-1", "9223372036854775807", "-9223372036854775808", "99999999999999999999", "1e999", "nan", "true",
        "&#x10FFFF;", String(repeating: "v", count: 100_000),
    ])
    func wrongValuesNeverDoMoreThanFail(value: String) async throws {
        let driver = try await driver()
        let host = world.host()
        let image = host.offer(image: try TestImage.raw(world.directory), format: "vmdk")
        try hostile.turn("values", value)
        try await useEverything(driver, guestSpec(image), "value \(value.prefix(30))")
        try hostile.turn("proper")
        #expect(await eventually(within: .seconds(60)) { (try? await driver.guests()) != nil })
        await driver.shutDown()
    }

    @Test func wrongShapesNeverDoMoreThanFail() async throws {
        let driver = try await driver()
        let host = world.host()
        let image = host.offer(image: try TestImage.raw(world.directory), format: "vmdk")
        try hostile.turn("shapes")
        try await useEverything(driver, guestSpec(image), "shapes")
        try hostile.turn("proper")
        #expect(await eventually(within: .seconds(60)) { (try? await driver.guests()) != nil })
        await driver.shutDown()
    }

    private func useEverything(_ driver: VMwareDriver, _ spec: GuestSpec, _ what: String) async throws {
        let calls: [(String, @Sendable () async throws -> Void)] = [
            ("list", { _ = try await driver.guests() }),
            ("state", { _ = try await driver.powerState(of: spec.id) }),
            ("recover", { _ = try await driver.recover([spec.id: GuestHandle(version: 1, data: [1])]) }),
            ("power on", { try await driver.powerOn(spec.id, call(1)) }),
            ("diagnose", { _ = try await driver.capabilities.diagnostics?.diagnostics(of: spec.id) }),
            ("console", { _ = try await driver.capabilities.consoles?.console(.vnc, of: spec.id) }),
            ("spawn", { _ = try await driver.spawn(spec, call(2)) }),
            ("destroy", { try await driver.destroy(spec.id, call(3)) }),
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
            #expect(ContinuousClock.now - begun < .seconds(15) * Self.slowness, "\(name), \(what)")
            if case .failure(let error) = result { #expect(error is DriverError, "\(name), \(what): \(error)") }
        }
    }

    @Test func aListWithoutEndIsGivenUp() async throws {
        let driver = try await driver()
        try hostile.turn("text", Self.body("<token>more</token>"))
        let error = try await failure("pages without objects") { _ = try await driver.guests() }
        #expect(error?.message.contains("no list that ends") == true, "\(String(describing: error))")
        let object = "<objects><obj type='VirtualMachine'>vm-1</obj></objects>"
        try hostile.turn("text", Self.body("<token>more</token>" + String(repeating: object, count: 30_000)))
        let endless = try await failure("pages of objects", within: .seconds(120)) { _ = try await driver.guests() }
        #expect(endless?.message.contains("no list that ends") == true, "\(String(describing: endless))")
        await driver.shutDown()
    }

    /// A vCenter in a few lines: the same answer to every wait for updates.
    private func watch(answering updates: String, counting waits: Locked<Int>) async throws -> InventoryWatch {
        let directory = world.directory + "/watch-" + UUID().uuidString
        let host = ScratchHost(stateDirectory: directory) { request async throws(DriverError) in
            guard case .bytes(let bytes) = request.body else { throw .failed("no body") }
            let text = String(decoding: bytes, as: UTF8.self)
            var answer = "<returnval type='PropertyCollector'>x</returnval>"
            if text.contains("<RetrieveServiceContent") {
                let names = [
                    "rootFolder", "propertyCollector", "sessionManager", "viewManager", "searchIndex", "fileManager",
                    "virtualDiskManager",
                ]
                let references = names.map { "<\($0) type='X'>x</\($0)>" }.joined()
                answer =
                    "<returnval>\(references)<about><apiType>VirtualCenter</apiType><apiVersion>8.0</apiVersion>"
                    + "</about></returnval>"
            } else if text.contains("<WaitForUpdatesEx") {
                waits.with { $0 += 1 }
                answer = "<returnval>\(updates)</returnval>"
            }
            return DriverHTTPAnswer(
                status: 200, headers: [.init("Set-Cookie", "vmware_soap_session=1")],
                body: Array("<Envelope><Body><R>\(answer)</R></Body></Envelope>".utf8))
        }
        let endpoint = VCenterEndpoint(host: "h", port: 1, user: "", password: "", trust: .system, retriesMax: 0)
        let client = try await VCenterClient.connect(endpoint, host: host)
        return InventoryWatch(client, ManagedReference("ClusterComputeResource", "c"), host: host) { _ in }
    }

    @Test func aPictureWithoutEndIsGivenUp() async throws {
        let endless = try await watch(
            answering: "<version>1</version><truncated>true</truncated>", counting: Locked(0))
        let error = try await failure("a picture") { try await endless.start() }
        #expect(error?.message.contains("no picture that ends") == true, "\(String(describing: error))")
    }

    @Test func aServerThatAnswersWaitsAtOnceKeepsNobodyBusy() async throws {
        let waits = Locked(0)
        let calm = try await watch(answering: "<version>1</version>", counting: waits)
        try await calm.start()
        #expect(await eventually { waits.with { $0 } > 2 })
        let (before, begun) = (waits.with { $0 }, ContinuousClock.now)
        #expect(await eventually { ContinuousClock.now - begun > .seconds(1) })
        #expect(waits.with { $0 } - before < 20)
        await calm.stop()
    }

    @Test func ancestorsInACircleAreNotFollowedForEver() async throws {
        let client = try await client()
        func object(_ type: String, _ value: String, _ parent: String) -> String {
            "<objects><obj type='\(type)'>\(value)</obj><propSet><name>name</name><val>DC0_C0</val></propSet><propSet>"
                + "<name>parent</name><val type='Folder'>\(parent)</val></propSet></objects>"
        }
        let circle =
            object("Folder", "a", "b") + object("Folder", "b", "a") + object("ClusterComputeResource", "c", "a")
        try hostile.turn("text", Self.body(circle))
        let error = try await failure("a circle") { _ = try await Cluster.find("DC0_C0", in: client) }
        #expect(error?.message.contains("in no datacenter") == true, "\(String(describing: error))")
    }

    @Test func numbersThatNobodyCountsAreNoNumbers() {
        #expect(XMLElement("a", "9223372036854775807").int == nil)
        #expect(XMLElement("a", "-9223372036854775808").int == nil)
        #expect(XMLElement("a", "4503599627370496").int == 1 << 52)
        #expect(TaskProgress(["info.progress": XMLElement("val", "1000")]).percent == 100)
        #expect(InventorySource.number("99999999999999999.1.2") == 999_001_002)
    }
}
