import ComputeModel
import DriverAPI
import DriverConformance
import Foundation
import Testing

@testable import FakeDriver

/// Live migration between two drivers.
@Suite(.timeLimit(.minutes(1))) struct LiveMoveTests {
    private let guest = GuestID.random()

    private func move(copiesDisks: Bool? = nil, mayPostCopy: Bool = false) -> LiveMove {
        LiveMove(source: "one", destination: "two", copiesDisks: copiesDisks, mayPostCopy: mayPostCopy)
    }

    private struct Moving {
        let pair: Pair
        let leaving: any LiveMigratingGuests
        let coming: any LiveMigratingGuests
        let spec: GuestSpec

        init(_ guest: GuestID, _ pair: Pair, metadata: [String: String] = [:]) async throws {
            self.pair = pair
            leaving = try #require(pair.source.capabilities.liveMigration)
            coming = try #require(pair.destination.capabilities.liveMigration)
            spec = GuestSpec.test(guest, metadata: metadata, interfaces: [Make.interface()])
            _ = try await pair.source.spawn(spec, .number(1))
        }

        func prepare(_ move: LiveMove) async throws -> MovePackage {
            let offer = try await coming.offer(for: spec, move)
            let checked = try await leaving.check(spec.id, move, offer)
            let prepared = try await coming.prepareArrival(of: spec, move, checked, .number(2))
            #expect(try await coming.prepareArrival(of: spec, move, checked, .number(2)) == prepared)
            return prepared
        }
    }

    @Test(arguments: [false, true]) func aGuestMovesWhileItRuns(shared: Bool) async throws {
        let pair = try await Pair(["live_migration_duration": "0.05"], shared: shared)
        let moving = try await Moving(guest, pair)
        let content = try await Pair.content(guest, pair.source, pair.one.host, 1)
        let package = try await moving.prepare(move())
        for _ in 0..<2 {
            #expect(try await moving.leaving.migrate(guest, move(), package, .number(3)) == .moved)
        }
        #expect(await failure { _ = try await pair.source.powerState(of: guest) } == "noSuchGuest")
        #expect(try await pair.destination.powerState(of: guest) == .running)
        for _ in 0..<2 {
            let handle = try await moving.coming.finishArrival(of: moving.spec, package, .number(4))
            #expect(handle == FakeDriver.handle(of: guest))
        }
        for _ in 0..<2 { try await moving.leaving.finishDeparture(of: guest, package, .number(5)) }
        #expect(pair.one.world.filter { !$0.hasPrefix("shared") }.isEmpty)
        #expect(try await Pair.content(guest, pair.destination, pair.two.host, 6) == content)
        #expect(try await !Node.console(of: guest, pair.destination).contains("boot 2"))
        #expect(pair.one.host.progress.contains { $0.phase == "migrating memory and disks" && $0.percent == 100 })
        try await pair.destination.destroy(guest, .number(7))
        #expect(pair.two.world.isEmpty)
    }

    @Test func anAbortedMoveLeavesTheGuest() async throws {
        let moving = try await Moving(guest, Pair(), metadata: ["fake:migrate:duration": "600"])
        let before = moving.pair.one.world
        let package = try await moving.prepare(move())
        #expect(await failure { try await moving.leaving.abort(guest) } == "refused")
        let end = Task { try await moving.leaving.migrate(guest, move(), package, .number(3)) }
        try await until { await failure { try await moving.leaving.abort(guest) } == nil }
        #expect(try await end.value == .stayed)
        #expect(try await moving.leaving.migrate(guest, move(), package, .number(3)) == .stayed)
        for _ in 0..<2 { try await moving.coming.abandonArrival(of: guest, package, .number(4)) }
        #expect(moving.pair.one.world == before)
        #expect(moving.pair.two.world.isEmpty)
        #expect(moving.pair.one.host.logged.contains { $0.contains("aborted") })
    }

    @Test func aStuckMoveIsForcedToItsEnd() async throws {
        let moving = try await Moving(guest, Pair(), metadata: ["fake:migrate:stuck": "true"])
        let package = try await moving.prepare(move(mayPostCopy: true))
        #expect(await failure { try await moving.leaving.forceComplete(guest) } == "refused")
        let end = Task { try await moving.leaving.migrate(guest, move(mayPostCopy: true), package, .number(3)) }
        try await until { await failure { try await moving.leaving.forceComplete(guest) } == nil }
        #expect(try await end.value == .moved)
    }

    @Test func aGuestThatMayBeSlowedDownIsCaughtUpWith() async throws {
        let moving = try await Moving(guest, Pair(), metadata: ["fake:migrate:stuck": "true"])
        var slowing = move()
        slowing.mayThrottle = true
        let package = try await moving.prepare(slowing)
        #expect(try await moving.leaving.migrate(guest, slowing, package, .number(3)) == .moved)
    }

    @Test func strangersAtTheDoorAreSentAway() async throws {
        let moving = try await Moving(guest, Pair())
        let package = try await moving.prepare(move())
        let port = try LivePackage(package)
        for text in ["hello\n", "{}\n", "{\"token\":\"x\",\"guest\":{}}\n"] {
            let stranger = try #require(Connection(host: port.host, port: port.port, limitSeconds: 10))
            #expect(stranger.write(Array(text.utf8)) && stranger.read() == nil)
        }
        let known = try #require((moving.pair.source as? FakeDriver)?.hypervisor.world[guest])
        let forged = Landing(token: "not the one", guest: known)
        #expect(try LiveMoveDesk.hand(forged, to: port.host, port.port)?.contains("not awaited") == true)
        #expect(try await moving.pair.destination.guests().isEmpty)
    }

    @Test func aCancelledMoveLeavesTheGuest() async throws {
        let moving = try await Moving(guest, Pair(), metadata: ["fake:migrate:duration": "600"])
        let package = try await moving.prepare(move())
        let end = Task { try await moving.leaving.migrate(guest, move(), package, .number(3)) }
        try await until { !moving.pair.one.host.progress.isEmpty }
        end.cancel()
        await #expect(throws: DriverError.cancelled) { try await end.value }
        #expect(try await moving.pair.source.powerState(of: guest) == .running)
        #expect(await failure { try await moving.leaving.abort(guest) } == "refused")
        // It may be tried again.
        #expect(await failure { _ = try await moving.pair.destination.powerState(of: guest) } == "noSuchGuest")
    }

    @Test func failuresOfTheWayAreAnAnswer() async throws {
        let moving = try await Moving(guest, Pair(), metadata: ["fake:migrate:fail": "failed"])
        let package = try await moving.prepare(move())
        #expect(try await moving.leaving.migrate(guest, move(), package, .number(3)) == .stayed)
        #expect(try await moving.pair.source.powerState(of: guest) == .running)
    }

    @Test func aDestinationThatDiesKeepsNobody() async throws {
        let moving = try await Moving(guest, Pair())
        let package = try await moving.prepare(move())
        try moving.pair.two.order("down")
        #expect(try await moving.leaving.migrate(guest, move(), package, .number(3)) == .stayed)
        try moving.pair.two.order(nil)
        await moving.pair.destination.shutDown()
        #expect(try await moving.leaving.migrate(guest, move(), package, .number(4)) == .stayed)
        #expect(try await moving.pair.source.powerState(of: guest) == .running)
        // The next driver of that node knows what was prepared, and gives it up.
        let next = try #require(try await moving.pair.two.start().capabilities.liveMigration)
        try await next.abandonArrival(of: guest, package, .number(5))
        #expect(moving.pair.two.world.isEmpty)
    }

    @Test func aRestartedSourceGoesOn() async throws {
        let moving = try await Moving(guest, Pair(), metadata: ["fake:migrate:duration": "0.1"])
        let package = try await moving.prepare(move())
        let killed = Task { try await moving.leaving.migrate(guest, move(), package, .number(3)) }
        try await until { !moving.pair.one.host.progress.isEmpty }
        killed.cancel()
        _ = await killed.result
        let next = try #require(try await moving.pair.one.start().capabilities.liveMigration)
        #expect(try await next.migrate(guest, move(), package, .number(3)) == .moved)
        let last = try #require(try await moving.pair.one.start().capabilities.liveMigration)
        #expect(try await last.migrate(guest, move(), package, .number(3)) == .moved)
    }

    @Test func whatCannotMoveIsRefused() async throws {
        let pair = try await Pair()
        let moving = try await Moving(guest, pair)
        let offer = try await moving.coming.offer(for: moving.spec, move())
        #expect(await failure { _ = try await moving.leaving.check(.random(), move(), offer) } == "noSuchGuest")
        let copyless = move(copiesDisks: false)
        #expect(await failure { _ = try await moving.leaving.check(guest, copyless, offer) } == "refused")
        try await pair.source.powerOff(guest, within: .zero, .number(2))
        #expect(await failure { _ = try await moving.leaving.check(guest, move(), offer) } == "refused")
        #expect(await failure { _ = try await moving.leaving.offer(for: moving.spec, move()) } == "refused")
        #expect(
            await failure {
                _ = try await moving.coming.prepareArrival(of: moving.spec, move(), offer, .number(3))
            } == "refused")
        #expect(pair.two.world.isEmpty)
        let alien = try await Pair(second: ["cpu_model": "other"])
        let aliens = try await Moving(.random(), alien)
        let other = try await aliens.coming.offer(for: aliens.spec, move())
        #expect(await failure { _ = try await aliens.leaving.check(aliens.spec.id, move(), other) } == "refused")
        let both = try await Moving(.random(), try await Pair(shared: true))
        let seen = try await both.coming.offer(for: both.spec, move())
        #expect(
            await failure { _ = try await both.leaving.check(both.spec.id, move(copiesDisks: true), seen) }
                == "refused")
    }
}
