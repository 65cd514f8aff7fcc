import ComputeModel
import DriverAPI
import DriverConformance
import Foundation
import Testing

@testable import FakeDriver

/// Every seeded bug can be seen from outside: a tour through all calls ends otherwise with it than without. That the
/// conformance suite sees it too is shown there.
@Suite(.timeLimit(.minutes(3))) struct MutationTests {
    @Test func mutantsAreManyAndSayWhatIsWrong() {
        #expect(FakeNode.mutations.count >= 44)
        #expect(Set(FakeNode.mutations.map(\.summary)).count == FakeNode.mutations.count)
        #expect(FakeNode.mutations.allSatisfy { $0.name.allSatisfy { $0.isLowercase || $0 == "-" } })
    }

    @Test func theTourIsTheSameEveryTime() async throws {
        let difference = try await Tour.difference("", from: Tour.usual.value)
        #expect(difference == nil)
    }

    @Test(arguments: Mutation.allCases) func theTourShows(_ mutation: Mutation) async throws {
        let difference = try await Tour.difference(mutation.rawValue, from: Tour.usual.value)
        #expect(difference != nil, "\(mutation.rawValue) changes nothing that the tour looks at")
    }
}

/// A tour through the calls of two nodes, and what it saw.
struct Tour {
    /// Without any bug.
    static let usual = Task { try await run("") }

    let mutation: String
    let scratch: ScratchDirectory
    let one: Node
    let two: Node
    private(set) var lines: [String] = []
    private var names: [String: Int] = [:]
    private var numbers: [GuestID: Int64] = [:]

    /// The stages, in order.
    private static let stages: [@Sendable (inout Tour) async throws -> Void] = [
        { try await $0.core() }, { try await $0.states() }, { try await $0.devices() }, { try await $0.images() },
        { try await $0.coldMoves() }, { try await $0.liveMoves() }, { try await $0.host() },
        { try await $0.failures() },
    ]

    /// All that the tour sees.
    private static func run(_ mutation: String) async throws -> [String] {
        var tour = try Tour(mutation)
        for stage in stages { try await stage(&tour) }
        return tour.lines
    }

    /// The first line that is not as usual; `nil` when there is none. Goes no further than needed.
    static func difference(_ mutation: String, from usual: [String]) async throws -> String? {
        var tour = try Tour(mutation)
        for stage in stages {
            do { try await stage(&tour) } catch { return "the tour ends with \(error)" }
            for (index, line) in tour.lines.enumerated() where index >= usual.count || usual[index] != line {
                return line
            }
        }
        return tour.lines.count == usual.count ? nil : "fewer lines"
    }

    private init(_ mutation: String) throws {
        self.mutation = mutation
        scratch = try ScratchDirectory()
        let options = [
            "mutation": mutation, "shared_storage": try scratch.folder("shared"), "quiesce_limit": "0.001",
            "foreign_guests": "\(Self.guest(99))",
        ]
        one = try Node(options, name: "one", in: scratch)
        two = try Node(options.merging(["foreign_guests": ""]) { $1 }, name: "two", in: scratch)
    }

    static func guest(_ number: Int) -> GuestID {
        GuestID(UUIDValue(high: 0x4000, low: 0x8000_0000_0000_0000 + UInt64(number)))
    }

    /// Keeps a line, with numbers in the place of what is drawn by chance, in the order of appearance.
    private mutating func add(_ line: String) {
        var names = names
        let normal = line.replacing(#/[0-9a-f]{32}|[0-9a-f]{8}-[0-9a-f-]{27}/#) { match in
            let known = names[String(match.output)] ?? names.count
            names[String(match.output)] = known
            return "#\(known)"
        }
        self.names = names
        lines.append(normal)
    }

    private mutating func next(_ guest: GuestID) -> DriverCall {
        numbers[guest, default: 0] += 1
        return .number(numbers[guest] ?? 0)
    }

    private mutating func note(_ label: String, _ body: () async throws -> Any) async {
        do {
            add("\(label): \(try await body())")
        } catch let error as DriverError {
            add("\(label): \(error.kind)")
        } catch {
            add("\(label): \(error)")
        }
    }

    private mutating func look(_ label: String, _ node: Node? = nil) {
        for line in (node ?? one).world { add("\(label) | \(line)") }
    }

    private mutating func core() async throws {
        let driver = try await one.start()
        let (first, second, deaf, foreign) = (Self.guest(1), Self.guest(2), Self.guest(3), Self.guest(99))
        let events = Locked<[String]>([])
        let reader = Task {
            for await event in driver.events() { events.with { $0.append("\(event)") } }
        }
        await note("inventory") {
            let found = await Self.first(of: driver.inventory())
            return found?.resources[.memoryMiB]?.total ?? -1
        }
        let number = next(first)
        await note("spawn") { try await driver.spawn(.test(first), number) }
        await note("spawn again") { try await driver.spawn(.test(first), number) }
        await note("power") { try await driver.powerState(of: first) }
        await note("list") { try await driver.guests().count }
        var call = next(second)
        await note("spawn two") { try await driver.spawn(.test(second), call) }
        await note("list two") { try await driver.guests().count }
        let handles = [first, second].reduce(into: [GuestID: GuestHandle]()) { $0[$1] = FakeDriver.handle(of: $1) }
        let gone = Self.guest(50)
        let asked = handles.merging([gone: FakeDriver.handle(of: gone)]) { $1 }
        await note("recover") { try await driver.recover(asked).keys.sorted() }
        await note("recover again") { try await driver.recover(driver.recover(asked)).keys.sorted() }
        call = next(first)
        await note("power off") { try await driver.powerOff(first, within: .zero, call) }
        await note("off") { try await driver.powerState(of: first) }
        await note("other") { try await driver.powerState(of: second) }
        call = next(first)
        await note("hard reboot of a stopped guest") { try await driver.reboot(first, .hard, within: .zero, call) }
        await note("after that") { try await driver.powerState(of: first) }
        await note("hard reboot repeated") { try await driver.reboot(first, .hard, within: .zero, call) }
        call = next(first)
        await note("power on a running guest") { try await driver.powerOn(first, call) }
        await note("stale") { try await driver.powerOff(first, within: .zero, .number(1)) }
        await note("console") { try await Node.console(of: first, driver) }
        await note("end of console") {
            try await driver.capabilities.consoleLog?.consoleLog(of: first, bytesMax: 5) ?? []
        }
        call = next(deaf)
        await note("spawn deaf") { try await driver.spawn(.test(deaf, metadata: ["fake:deaf": "true"]), call) }
        call = next(deaf)
        await note("soft reboot") { try await driver.reboot(deaf, .soft, within: .milliseconds(1), call) }
        await note("console of deaf") { try await Node.console(of: deaf, driver) }
        await note("foreign") { try await driver.guests().first { $0.id == foreign }?.isOurs ?? true }
        await note("stop foreign") { try await driver.powerOff(foreign, within: .zero, .number(1)) }
        await note("absent") { try await driver.powerState(of: gone) }
        await note("destroy absent") { try await driver.destroy(gone, .number(1)) }
        try? await until(.milliseconds(100)) { events.with { $0.count >= 3 } }
        await note("events") { events.with { $0.isEmpty } }
        reader.cancel()
        let again = try await one.start()
        await note("restarted") { try await again.powerState(of: second) }
        call = next(second)
        await note("destroy") { try await again.destroy(second, call) }
        await note("spawn too late") { try await again.spawn(.test(second), .number(1)) }
        look("core")
    }

    private mutating func failures() async throws {
        let driver = try await one.start(["fetch_images": "true"])
        let guest = Self.guest(10)
        var unknown = try one.image()
        unknown.id = .random()
        let lost = unknown
        var call = next(guest)
        await note("failing spawn") { try await driver.spawn(.test(guest, image: lost), call) }
        look("failed")
        call = next(guest)
        await note("clear") { try await driver.destroy(guest, call) }
        call = next(guest)
        let slow = Task { [call] in
            try await driver.spawn(.test(guest, metadata: ["fake:spawn:delay": "0.05"]), call)
        }
        slow.cancel()
        await note("cancelled") { try await slow.value }
        look("cancelled")
        call = next(guest)
        await note("clear") { try await driver.destroy(guest, call) }
        try one.order("down")
        await note("down") { try await driver.guests() }
        await note("health") { await Self.first(of: driver.health()) == .healthy }
        try one.order(nil)
        try await until { await failure { _ = try await driver.guests() } == nil }
    }

    private mutating func states() async throws {
        let driver = try await one.start()
        let guest = Self.guest(20)
        var call = next(guest)
        await note("spawn") { try await driver.spawn(.test(guest, metadata: ["fake:agent": "none"]), call) }
        let capabilities = driver.capabilities
        call = next(guest)
        await note("password") { try await capabilities.passwords?.setPassword("x", user: nil, of: guest, call) as Any }
        let steps: [(String, @Sendable (DriverCall) async throws -> Void)] = [
            ("pause", { try await capabilities.pausing?.pause(guest, $0) }),
            ("unpause", { try await capabilities.pausing?.unpause(guest, $0) }),
            ("suspend", { try await capabilities.suspending?.suspend(guest, $0) }),
            ("resume", { try await capabilities.suspending?.resume(guest, $0) }),
            ("power off", { try await driver.powerOff(guest, within: .zero, $0) }),
            ("pause off", { try await capabilities.pausing?.pause(guest, $0) }),
        ]
        for (label, step) in steps {
            let call = next(guest)
            await note(label) { try await step(call) }
            await note("\(label) leaves") { try await driver.powerState(of: guest) }
            look(label)
        }
        await note("console log") { try await Node.console(of: guest, driver) }
        await note("console off") { try await capabilities.consoles?.console(.serial, of: guest).host as Any }
        await note("diagnostics") { try await capabilities.diagnostics?.diagnostics(of: guest).memoryUsedMiB as Any }
        await note("diagnostics of nobody") {
            try await capabilities.diagnostics?.diagnostics(of: Self.guest(50)) as Any
        }
        let frozen = Self.guest(21)
        call = next(frozen)
        await note("spawn") { try await driver.spawn(.test(frozen), call) }
        call = next(frozen)
        await note("quiesce") { try await capabilities.quiescing?.quiesce(frozen, call) as Any }
        try? await until(.milliseconds(100)) { try await Node.console(of: frozen, driver).contains("themselves") }
        await note("thawed") { try await Node.console(of: frozen, driver) }
        await driver.shutDown()
    }

    private mutating func devices() async throws {
        let driver = try await one.start()
        let (guest, other) = (Self.guest(30), Self.guest(31))
        for guest in [guest, other] {
            let call = next(guest)
            await note("spawn") { try await driver.spawn(.test(guest), call) }
        }
        let capabilities = driver.capabilities
        let folder = try scratch.folder("volumes")
        for name in ["old", "new"] { try Data(name.utf8).write(to: URL(filePath: folder + "/" + name)) }
        let old = Make.volume(path: folder + "/old", sizeGiB: 2)
        let new = Make.volume(path: folder + "/new", sizeGiB: 4)
        let port = Make.interface()
        let steps: [(String, @Sendable (DriverCall) async throws -> Void)] = [
            ("attach", { try await capabilities.volumes?.attach(old, to: guest, $0) }),
            ("attach again", { try await capabilities.volumes?.attach(old, to: guest, $0) }),
            ("detach another", { try await capabilities.volumes?.detach(new.id, from: guest, $0) }),
            ("extend", { try await capabilities.volumeExtending?.extend(old.id, of: guest, toGiB: 3, $0) }),
            ("shrink", { try await capabilities.volumeExtending?.extend(old.id, of: guest, toGiB: 1, $0) }),
            ("swap", { try await capabilities.volumeSwapping?.swap(old.id, for: new, of: guest, $0) }),
            ("detach", { try await capabilities.volumes?.detach(new.id, from: guest, $0) }),
            ("attach port", { try await capabilities.interfaces?.attach(port, to: guest, $0) }),
            ("detach port", { try await capabilities.interfaces?.detach(port.portID, from: guest, $0) }),
        ]
        for (label, step) in steps {
            let call = next(guest)
            await note(label) { try await step(call) }
            await note("volumes of other") { try await capabilities.volumes?.volumes(of: other).count as Any }
            look(label)
        }
        await note("content") { try String(contentsOfFile: folder + "/new", encoding: .utf8) }
    }

    private mutating func images() async throws {
        let driver = try await one.start(["fetch_images": "true"])
        let guest = Self.guest(40)
        let image = try one.image()
        var call = next(guest)
        await note("spawn") { try await driver.spawn(.test(guest, image: image), call) }
        let capabilities = driver.capabilities
        for format in ["raw", "qcow2"] {
            call = next(guest)
            let target = SnapshotTarget(image: .random(), diskFormat: format)
            await note("snapshot") { try await capabilities.snapshots?.snapshot(guest, to: target, call) as Any }
            look("snapshot")
        }
        call = next(guest)
        await note("rescue") {
            try await capabilities.rescue?.rescue(guest, with: RescueSpec(image: image), call) as Any
        }
        look("rescue")
        call = next(guest)
        await note("unrescue") { try await capabilities.rescue?.unrescue(guest, call) as Any }
        look("unrescue")
        await note("evict") { try await capabilities.imageCache?.removeImages(unusedFor: .zero).count as Any }
        var unknown = image
        unknown.id = .random()
        let lost = unknown
        await note("cache") { try await capabilities.imageCache?.cache(lost) as Any }
        look("cache")
    }

    private mutating func coldMoves() async throws {
        let (source, destination) = (try await one.start(), try await two.start())
        let guest = Self.guest(60)
        var large = GuestSpec.test(guest)
        (large.flavor.vcpus, large.flavor.rootGiB) = (2, 2)
        let spec = large
        var call = next(guest)
        await note("spawn") { try await source.spawn(.test(guest), call) }
        let here = try #require(source.capabilities.resizing)
        let there = try #require(destination.capabilities.resizing)
        // There and back, then in place.
        let away = ColdMove(destination: "two", staysOnNode: false, flavor: spec.flavor, grace: .zero)
        call = next(guest)
        let package = try await here.depart(guest, away, call)
        look("depart")
        call = next(guest)
        await note("arrive") { try await there.arrive(spec, with: package, call) }
        look("arrive", two)
        call = next(guest)
        await note("abandon") { try await there.abandonArrival(of: guest, package, call) }
        look("abandon", two)
        call = next(guest)
        await note("take back") { try await here.takeBack(.test(guest), package, call) }
        look("take back")
        let content = try? await Pair.content(guest, source, one.host, next(guest).operation)
        let inPlace = ColdMove(destination: "one", staysOnNode: true, flavor: spec.flavor, grace: .zero)
        call = next(guest)
        let second = try await here.depart(guest, inPlace, call)
        call = next(guest)
        await note("arrive in place") { try await here.arrive(spec, with: second, call) }
        let moved = try? await Pair.content(guest, source, one.host, next(guest).operation)
        await note("same content") { moved == content }
        call = next(guest)
        await note("confirm") { try await here.confirmDeparture(of: guest, second, call) }
        look("confirm")
        let evacuation = try #require(destination.capabilities.evacuation)
        await note("adopt nothing") { try await evacuation.adopt(.test(Self.guest(61)), .number(1)) }
        let dead = try #require(source.capabilities.evacuation)
        call = next(Self.guest(62))
        await note("spawn") { try await source.spawn(.test(Self.guest(62)), call) }
        call = next(Self.guest(62))
        await note("forget") { try await dead.forget(Self.guest(62), call) }
        await note("holds disks") { try await evacuation.holdsDisks(of: Self.guest(62)) }
    }

    private mutating func liveMoves() async throws {
        let (source, destination) = (try await one.start(), try await two.start())
        let guest = Self.guest(70)
        let spec = GuestSpec.test(guest, metadata: ["fake:migrate:duration": "0.05"])
        var call = next(guest)
        await note("spawn") { try await source.spawn(spec, call) }
        let leaving = try #require(source.capabilities.liveMigration)
        let coming = try #require(destination.capabilities.liveMigration)
        let move = LiveMove(source: "one", destination: "two")
        for aborts in [true, false] {
            let offer = try await coming.offer(for: spec, move)
            let checked = try await leaving.check(guest, move, offer)
            call = next(guest)
            let package = try await coming.prepareArrival(of: spec, move, checked, call)
            call = next(guest)
            let end = Task { [call] in try await leaving.migrate(guest, move, package, call) }
            if aborts { try await until { await failure { try await leaving.abort(guest) } == nil } }
            await note("end") { try await end.value }
            await note("at the source") { try await source.powerState(of: guest) }
            await note("at the destination") { try await destination.powerState(of: guest) }
            // A guest that moved although it should not have ends the tour of moves.
            if await failure({ _ = try await destination.powerState(of: guest) }) == nil { return }
            call = next(guest)
            await note("abandon") { try await coming.abandonArrival(of: guest, package, call) }
        }
    }

    private mutating func host() async throws {
        let driver = try await two.start()
        let guest = Self.guest(80)
        let call = next(guest)
        await note("spawn") { try await driver.spawn(.test(guest), call) }
        await note("maintenance") {
            try await driver.capabilities.hostMaintenance?.setMaintenance(true, .number(1)) as Any
        }
    }

    private static func first<Value: Sendable>(of stream: AsyncStream<Value>) async -> Value? {
        await withTaskGroup(of: Value?.self) { group in
            group.addTask {
                var iterator = stream.makeAsyncIterator()
                return await iterator.next()
            }
            group.addTask {
                try? await Task.sleep(for: .milliseconds(100))
                return nil
            }
            let found = await group.next() ?? nil
            group.cancelAll()
            return found
        }
    }
}
