import ComputeModel
import DriverAPI
import DriverConformance
import Foundation
import Testing

@testable import FakeDriver

/// Two nodes of one test.
struct Pair {
    let scratch: ScratchDirectory
    let one: Node
    let two: Node
    let source: any ComputeDriver
    let destination: any ComputeDriver

    init(_ options: [String: String] = [:], shared: Bool = false, second: [String: String] = [:]) async throws {
        scratch = try ScratchDirectory()
        var options = options
        if shared { options["shared_storage"] = try scratch.folder("shared") }
        one = try Node(options, name: "one", in: scratch)
        two = try Node(options.merging(second) { $1 }, name: "two", in: scratch)
        source = try await one.start()
        destination = try await two.start()
    }

    /// What the root disk of a guest holds, by a snapshot.
    static func content(
        _ guest: GuestID, _ driver: any ComputeDriver, _ host: ScratchHost, _ number: Int64
    ) async throws -> String {
        let image = ImageID.random()
        let snapshots = try #require(driver.capabilities.snapshots)
        try await snapshots.snapshot(guest, to: SnapshotTarget(image: image, diskFormat: "raw"), .number(number))
        let path = try #require(host.stored(image))
        let data = try Data(contentsOf: URL(filePath: path))
        return String(decoding: data.prefix { $0 != 0 }, as: UTF8.self)
    }
}

/// Cold moves and evacuation.
@Suite(.timeLimit(.minutes(1))) struct MoveTests {
    private let guest = GuestID.random()

    private func move(_ flavor: FlavorSpec, to node: String = "two", stays: Bool = false) -> ColdMove {
        ColdMove(destination: node, staysOnNode: stays, flavor: flavor, grace: .zero)
    }

    private var small: GuestSpec { .test(guest) }
    private var large: GuestSpec {
        var spec = small
        (spec.flavor.rootGiB, spec.flavor.vcpus, spec.flavor.memoryMiB) = (4, 2, 128)
        return spec
    }

    @Test(arguments: [false, true]) func aColdMoveIsConfirmed(shared: Bool) async throws {
        let pair = try await Pair(shared: shared)
        let (leaving, coming) = (
            try #require(pair.source.capabilities.resizing), try #require(pair.destination.capabilities.resizing)
        )
        _ = try await pair.source.spawn(small, .number(1))
        let content = try await Pair.content(guest, pair.source, pair.one.host, 2)
        let package = try await leaving.depart(guest, move(large.flavor), .number(3))
        #expect(try await leaving.depart(guest, move(large.flavor), .number(3)) == package)
        #expect(try await pair.source.powerState(of: guest) == .shutdown)
        #expect(await failure { try await pair.source.powerOn(guest, .number(4)) } == "refused")
        for _ in 0..<2 { _ = try await coming.arrive(large, with: package, .number(5)) }
        #expect(try await pair.destination.powerState(of: guest) == .running)
        #expect(try await Pair.content(guest, pair.destination, pair.two.host, 6) == content)
        let snapshot = pair.two.world
        for _ in 0..<2 { try await leaving.confirmDeparture(of: guest, package, .number(7)) }
        #expect(try await pair.source.guests().isEmpty)
        #expect(pair.one.world.filter { !$0.hasPrefix("shared") }.isEmpty)
        #expect(pair.two.world == snapshot)
        #expect(snapshot.contains { $0.contains("2 processors 128 MiB") })
        try await pair.destination.destroy(guest, .number(8))
        #expect(pair.two.world.isEmpty)
    }

    @Test(arguments: [false, true]) func aColdMoveIsReverted(shared: Bool) async throws {
        let pair = try await Pair(shared: shared)
        let (leaving, coming) = (
            try #require(pair.source.capabilities.resizing), try #require(pair.destination.capabilities.resizing)
        )
        _ = try await pair.source.spawn(small, .number(1))
        let (before, content) = (pair.one.world, try await Pair.content(guest, pair.source, pair.one.host, 2))
        let package = try await leaving.depart(guest, move(large.flavor), .number(3))
        _ = try await coming.arrive(large, with: package, .number(4))
        for _ in 0..<2 { try await coming.abandonArrival(of: guest, package, .number(5)) }
        #expect(try await pair.destination.guests().isEmpty)
        for _ in 0..<2 { _ = try await leaving.takeBack(small, package, .number(6)) }
        #expect(try await pair.source.powerState(of: guest) == .running)
        #expect(pair.one.world == before)
        #expect(try await Pair.content(guest, pair.source, pair.one.host, 7) == content)
        try await pair.source.destroy(guest, .number(8))
        #expect(pair.one.world.isEmpty && pair.two.world.isEmpty)
    }

    @Test(arguments: [true, false]) func aResizeInPlaceIsConfirmedOrReverted(isConfirmed: Bool) async throws {
        let node = try Node()
        let driver = try await node.start()
        let resizing = try #require(driver.capabilities.resizing)
        #expect(resizing.canStayOnNode)
        _ = try await driver.spawn(small, .number(1))
        let before = node.world
        let package = try await resizing.depart(guest, move(large.flavor, to: "one", stays: true), .number(2))
        _ = try await resizing.arrive(large, with: package, .number(3))
        #expect(node.world.contains { $0.contains("2 processors 128 MiB") && $0.contains("running") })
        // A restart of the driver in between changes nothing.
        let next = try #require(try await node.start().capabilities.resizing)
        if isConfirmed {
            for _ in 0..<2 { try await next.confirmDeparture(of: guest, package, .number(4)) }
            #expect(node.world.count == 2)
            #expect(node.world.contains { $0.hasPrefix("disk \(guest)/root 4 GiB") })
            #expect(node.world.contains { $0.contains("2 processors") && $0.contains("running") })
        } else {
            for _ in 0..<2 { try await next.abandonArrival(of: guest, package, .number(4)) }
            #expect(node.world.contains { $0.contains("set aside") })
            for _ in 0..<2 { _ = try await next.takeBack(small, package, .number(5)) }
            #expect(node.world == before)
        }
    }

    @Test func disksNeverShrink() async throws {
        let pair = try await Pair()
        let leaving = try #require(pair.source.capabilities.resizing)
        _ = try await pair.source.spawn(large, .number(1))
        let before = pair.one.world
        #expect(await failure { _ = try await leaving.depart(guest, move(small.flavor), .number(2)) } == "refused")
        #expect(pair.one.world == before)
        let nobody = GuestID.random()
        #expect(await failure { _ = try await leaving.depart(nobody, move(small.flavor), .number(2)) } == "noSuchGuest")
    }

    @Test func anArrivalThatFailsLeavesNothing() async throws {
        let pair = try await Pair(second: ["rehearse": "arrive:fail=insufficient_resources"])
        let (leaving, coming) = (
            try #require(pair.source.capabilities.resizing), try #require(pair.destination.capabilities.resizing)
        )
        _ = try await pair.source.spawn(small, .number(1))
        let package = try await leaving.depart(guest, move(large.flavor), .number(2))
        #expect(
            await failure { _ = try await coming.arrive(large, with: package, .number(3)) }
                == "insufficientResources")
        #expect(pair.two.world.isEmpty)
        let strange = MovePackage(version: 7, data: [])
        #expect(await failure { _ = try await coming.arrive(large, with: strange, .number(4)) } == "refused")
        let nonsense = MovePackage(version: 1, data: Array("{}".utf8))
        #expect(await failure { _ = try await coming.arrive(large, with: nonsense, .number(5)) } == "refused")
    }

    @Test func abandoningAnotherMoveHarmsNobody() async throws {
        let pair = try await Pair()
        let (leaving, coming) = (
            try #require(pair.source.capabilities.resizing), try #require(pair.destination.capabilities.resizing)
        )
        _ = try await pair.source.spawn(small, .number(1))
        let old = try await leaving.depart(guest, move(large.flavor), .number(2))
        _ = try await leaving.takeBack(small, old, .number(3))
        let new = try await leaving.depart(guest, move(large.flavor), .number(4))
        _ = try await coming.arrive(large, with: new, .number(5))
        try await coming.abandonArrival(of: guest, old, .number(6))
        #expect(try await pair.destination.powerState(of: guest) == .running)
    }

    @Test func destroyingWhatHasLeftSparesTheDiskThatNodesShare() async throws {
        let pair = try await Pair(shared: true)
        let leaving = try #require(pair.source.capabilities.resizing)
        let coming = try #require(pair.destination.capabilities.resizing)
        _ = try await pair.source.spawn(small, .number(1))
        let package = try await leaving.depart(guest, move(large.flavor), .number(2))
        _ = try await coming.arrive(large, with: package, .number(3))
        try await pair.source.destroy(guest, .number(4))
        #expect(try await pair.destination.capabilities.evacuation?.holdsDisks(of: guest) == true)
        try await pair.destination.destroy(guest, .number(5))
        #expect(pair.one.world.isEmpty && pair.two.world.isEmpty)
    }

    @Test(arguments: [false, true]) func destroyingWhatHasNotArrivedRemovesTheDisk(isAbandoned: Bool) async throws {
        let pair = try await Pair(shared: true)
        let leaving = try #require(pair.source.capabilities.resizing)
        let coming = try #require(pair.destination.capabilities.resizing)
        _ = try await pair.source.spawn(small, .number(1))
        let package = try await leaving.depart(guest, move(large.flavor), .number(2))
        if isAbandoned {
            _ = try await coming.arrive(large, with: package, .number(3))
            try await coming.abandonArrival(of: guest, package, .number(4))
        }
        try await pair.source.destroy(guest, .number(5))
        #expect(pair.one.world.isEmpty && pair.two.world.isEmpty)
    }

    @Test func guestsOfADeadNodeAreAdopted() async throws {
        let pair = try await Pair(shared: true)
        let (dead, living) = (
            try #require(pair.source.capabilities.evacuation), try #require(pair.destination.capabilities.evacuation)
        )
        #expect(try await !living.holdsDisks(of: guest))
        #expect(await failure { _ = try await living.adopt(small, .number(1)) } == "refused")
        _ = try await pair.source.spawn(small, .number(1))
        let content = try await Pair.content(guest, pair.source, pair.one.host, 2)
        #expect(try await living.holdsDisks(of: guest))
        for _ in 0..<2 { _ = try await living.adopt(small, .number(3)) }
        #expect(try await Pair.content(guest, pair.destination, pair.two.host, 4) == content)
        for _ in 0..<2 { try await dead.forget(guest, .number(5)) }
        // Also when the node that came back goes on where it was: the disk is the other one's now.
        try await pair.source.destroy(guest, .number(5))
        #expect(try await pair.source.guests().isEmpty)
        #expect(try await living.holdsDisks(of: guest))
        try await pair.destination.destroy(guest, .number(6))
        #expect(pair.two.world.isEmpty)
    }
}
