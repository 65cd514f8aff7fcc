import ComputeModel
import DriverAPI
import DriverConformance
import DriverSupport
import Foundation
import Testing

@testable import LibvirtDriver

/// Moves between two nodes, each with a daemon of its own.
@Suite(
    .serialized, .enabled(if: LibvirtDaemon.obstacle == nil, "no libvirt daemon here: \(LibvirtDaemon.obstacle ?? "")"))
struct MoveTests {
    private func flavor(_ spec: GuestSpec, rootGiB: Int, ephemeralGiB: Int = 0, swapMiB: Int = 0) -> FlavorSpec {
        var flavor = spec.flavor
        (flavor.rootGiB, flavor.ephemeralGiB, flavor.swapMiB) = (rootGiB, ephemeralGiB, swapMiB)
        return flavor
    }

    private func sectors(_ driver: LibvirtDriver, _ guest: GuestID) async throws -> UInt64 {
        try #require(try await driver.rootDisk(guest)).header.virtualSize >> 30
    }

    @Test func aGuestIsResizedOnItsNodeAndBack() async throws {
        let real = try await RealHost()
        let driver = real.driver
        let resizing = try #require(driver.capabilities.resizing)
        #expect(resizing.canStayOnNode)
        let spec = guestSpec(real.blank, ephemeralGiB: 1, configDrive: ["a": [1]])
        let id = spec.id
        _ = try await driver.spawn(spec, operation(1))
        let small = ColdMove(
            destination: "test-node", staysOnNode: true, flavor: flavor(spec, rootGiB: 1), grace: .zero)
        #expect(isCase(
            await driverError { _ = try await resizing.depart(id, small, operation(2)) }, DriverError.refused))
        #expect(try await driver.powerState(of: id) == .running, "a refusal changes nothing")

        var larger = spec
        larger.flavor = flavor(spec, rootGiB: 3, ephemeralGiB: 2, swapMiB: 8)
        let move = ColdMove(
            destination: "test-node", staysOnNode: true, flavor: larger.flavor, grace: .milliseconds(200))
        let package = try await resizing.depart(id, move, operation(3))
        #expect(try await resizing.depart(id, move, operation(3)) == package)
        #expect(await driverError { _ = try await driver.powerState(of: id) } == .noSuchGuest(id))
        let handle = try await resizing.arrive(larger, with: package, operation(3))
        #expect(try await resizing.arrive(larger, with: package, operation(3)) == handle)
        #expect(try await driver.powerState(of: id) == .running)
        #expect(try await sectors(driver, id) == 3)
        #expect(fileSize(driver.directory(of: id).ephemeralDisk) == 2 << 30)
        for _ in 1...2 { try await resizing.abandonArrival(of: id, package, operation(4)) }
        for _ in 1...2 { _ = try await resizing.takeBack(spec, package, operation(4)) }
        #expect(try await driver.powerState(of: id) == .running)
        #expect(try await sectors(driver, id) == 1)
        // An arrival given up once more comes too late to harm.
        try await resizing.abandonArrival(of: id, package, operation(4))
        #expect(try await driver.powerState(of: id) == .running)
        #expect(real.host.openOffers.isEmpty)

        let second = try await resizing.depart(id, move, operation(5))
        _ = try await resizing.arrive(larger, with: second, operation(5))
        for _ in 1...2 { try await resizing.confirmDeparture(of: id, second, operation(6)) }
        #expect(try await sectors(driver, id) == 3)
        #expect(namesInDirectory(driver.options.instancesPath).filter { $0.hasSuffix("_resize") }.isEmpty)
        #expect(real.host.openOffers.isEmpty)
        try await driver.destroy(id, operation(7))
        #expect(try await real.traces(of: id).isEmpty)
        await driver.shutDown()
    }

    @Test func aGuestMovesColdToAnotherNodeAndFromADeadOne() async throws {
        let one = try await RealHost(node: "one")
        let two = try await RealHost(node: "two")
        let (source, destination) = (
            try #require(one.driver.capabilities.resizing), try #require(two.driver.capabilities.resizing)
        )
        var spec = guestSpec(one.blank)
        spec.isRunning = false
        let id = spec.id
        _ = try await one.driver.spawn(spec, operation(1))
        try one.daemon.run(
            "qemu-io -f qcow2 -c 'write -P 0x5a 1M 64k' \(one.driver.directory(of: id).rootDisk) >/dev/null")
        var larger = spec
        larger.flavor.rootGiB = 2
        let move = ColdMove(destination: "two", staysOnNode: false, flavor: larger.flavor, grace: .zero)
        let package = try await source.depart(id, move, operation(2))
        // A destination that fails leaves nothing and can be asked again.
        var lost = package
        lost.files.removeAll { $0.name != "disk" }
        let broken = lost
        #expect(await driverError { _ = try await destination.arrive(larger, with: broken, operation(2)) } != nil)
        #expect(try await two.traces(of: id).isEmpty)
        _ = try await destination.arrive(larger, with: package, operation(3))
        #expect(try await two.driver.powerState(of: id) == .shutdown)
        let check = "qemu-io -U -r -f qcow2 -c 'read -P 0x5a 1M 64k' \(two.driver.directory(of: id).rootDisk)"
        #expect(try !two.daemon.run(check).contains("failed"), "what the guest wrote came along")
        #expect(try await sectors(two.driver, id) == 2)
        try await source.confirmDeparture(of: id, package, operation(4))
        #expect(try await one.traces(of: id).isEmpty)
        #expect(one.host.openOffers.isEmpty)
        try await two.driver.powerOn(id, operation(5))

        // Node two dies; one of its name sees the same instances directory.
        let evacuation = try #require(one.driver.capabilities.evacuation)
        #expect(try await !evacuation.holdsDisks(of: id))
        let elsewhere = larger
        #expect(isCase(
            await driverError { _ = try await evacuation.adopt(elsewhere, operation(6)) }, DriverError.refused))
        let path = two.driver.options.instancesPath
        let shared = try await RealHost(on: one.daemon, node: "three") { $0.instancesPath = path }
        let heir = try #require(shared.driver.capabilities.evacuation)
        #expect(try await heir.holdsDisks(of: id))
        try two.daemon.stopDaemon()
        try two.daemon.run("pkill -9 -f 'qemu-system.*\(id)'")
        larger.isRunning = true
        let adopted = larger
        let handle = try await heir.adopt(adopted, operation(6))
        #expect(try await heir.adopt(adopted, operation(6)) == handle)
        #expect(try await shared.driver.powerState(of: id) == .running)
        let old = try #require(two.driver.capabilities.evacuation)
        // The dead node comes back and is told that its guest is elsewhere.
        try two.daemon.startDaemon()
        let forgotten = await eventually { await driverError { try await old.forget(id, operation(7)) } == nil }
        #expect(forgotten)
        try await old.forget(id, operation(7))
        #expect(await driverError { _ = try await two.driver.powerState(of: id) } == .noSuchGuest(id))
        #expect(try await shared.driver.powerState(of: id) == .running)
        #expect(exists(shared.driver.directory(of: id).rootDisk))
        try await shared.driver.destroy(id, operation(8))
        for driver in [one.driver, two.driver, shared.driver] { await driver.shutDown() }
    }
}

/// Moves of guests that run.
@Suite(
    .serialized, .enabled(if: LibvirtDaemon.obstacle == nil, "no libvirt daemon here: \(LibvirtDaemon.obstacle ?? "")"))
struct LiveMoveTests {
    /// Two nodes that reach each other.
    private struct Pair {
        let one: RealHost
        let two: RealHost

        init(sharing: Bool) async throws {
            let daemons = (
                try LibvirtDaemon(name: "kn-one", listens: true), try LibvirtDaemon(name: "kn-two", listens: true)
            )
            try LibvirtDaemon.join(daemons.0, daemons.1)
            one = try await RealHost(on: daemons.0, node: "one") { $0.migrationAddress = "10.77.0.1" }
            let path = one.driver.options.instancesPath
            two = try await RealHost(on: daemons.1, node: "two") {
                $0.migrationAddress = "10.77.0.2"
                if sharing { $0.instancesPath = path }
            }
        }

        /// Everything that comes before the move itself.
        func prepare(
            _ spec: GuestSpec, _ move: LiveMove, _ number: Int64, back: Bool = false
        ) async throws -> MovePackage {
            let (from, to) = back ? (two, one) : (one, two)
            let source = try #require(from.driver.capabilities.liveMigration)
            let destination = try #require(to.driver.capabilities.liveMigration)
            let offer = try await destination.offer(for: spec, move)
            let checked = try await source.check(spec.id, move, offer)
            let prepared = try await destination.prepareArrival(of: spec, move, checked, operation(number))
            return try await destination.prepareArrival(of: spec, move, prepared, operation(number))
        }

        func shutDown() async {
            await one.driver.shutDown()
            await two.driver.shutDown()
        }
    }

    @Test func aGuestMovesAndComesBackOnSharedDisks() async throws {
        let pair = try await Pair(sharing: true)
        let (one, two) = (pair.one.driver, pair.two.driver)
        let there = try #require(one.capabilities.liveMigration)
        let here = try #require(two.capabilities.liveMigration)
        var held = guestSpec(pair.one.blank, interfaces: [interfaceSpec(bridge: "br-test", tap: "tap-move")])
        let volume = VolumeSpec(
            id: .random(), connection: .file(path: try pair.one.volumeFile("held"), format: "raw"), sizeGiB: 1)
        held.volumes = [volume]
        let spec = held
        let id = spec.id
        _ = try await one.spawn(spec, operation(1))
        var move = LiveMove(source: "one", destination: "two", mayPostCopy: true, mayThrottle: true)
        let offer = try await here.offer(for: spec, move)
        var wrong = move
        wrong.copiesDisks = true
        let copying = wrong
        #expect(isCase(await driverError { _ = try await there.check(id, copying, offer) }, DriverError.refused))
        let package = try await pair.prepare(spec, move, 2)
        #expect(try await there.migrate(id, move, package, operation(2)) == .moved)
        // Repeated because the answer was lost: it finds out how it ended.
        #expect(try await there.migrate(id, move, package, operation(2)) == .moved)
        for _ in 1...2 { _ = try await here.finishArrival(of: spec, package, operation(2)) }
        for _ in 1...2 { try await there.finishDeparture(of: id, package, operation(2)) }
        #expect(try await two.powerState(of: id) == .running)
        #expect(try await two.capabilities.volumes?.volumes(of: id) == [volume.id])
        #expect(await driverError { _ = try await one.powerState(of: id) } == .noSuchGuest(id))
        #expect(try pair.two.daemon.run("ip -o link show tap-move").contains("br-test"))
        try await two.reboot(id, .hard, within: .zero, operation(3))
        #expect(try await two.powerState(of: id) == .running)
        // And back.
        (move.source, move.destination) = ("two", "one")
        let back = try await pair.prepare(spec, move, 4, back: true)
        #expect(try await here.migrate(id, move, back, operation(4)) == .moved)
        _ = try await there.finishArrival(of: spec, back, operation(4))
        try await here.finishDeparture(of: id, back, operation(4))
        #expect(try await one.powerState(of: id) == .running)
        #expect(isCase(await driverError { try await there.abort(id) }, DriverError.refused))
        #expect(isCase(await driverError { try await there.forceComplete(id) }, DriverError.refused))
        try await one.destroy(id, operation(5))
        #expect(try await pair.one.traces(of: id).isEmpty)
        #expect(try await pair.two.traces(of: id).isEmpty)
        await pair.shutDown()
    }

    @Test func disksAreCopiedAndAbortedMovesLeaveTheGuestWhereItIs() async throws {
        let pair = try await Pair(sharing: false)
        let (one, two) = (pair.one.driver, pair.two.driver)
        let there = try #require(one.capabilities.liveMigration)
        let here = try #require(two.capabilities.liveMigration)
        let spec = guestSpec(pair.one.blank, swapMiB: 64, configDrive: ["a": [1]])
        let id = spec.id
        var stopped = spec
        stopped.isRunning = false
        _ = try await one.spawn(stopped, operation(1))
        // Enough on the disk that a slow copy takes long.
        let disk = one.directory(of: id).rootDisk
        try pair.one.daemon.run("qemu-io -f qcow2 -c 'write -P 0x5a 1M 48M' \(disk) >/dev/null")
        try await one.powerOn(id, operation(2))
        var slow = LiveMove(source: "one", destination: "two", bandwidthMiB: 1)
        slow.copiesDisks = false
        let shared = slow
        let offer = try await here.offer(for: spec, slow)
        #expect(isCase(await driverError { _ = try await there.check(id, shared, offer) }, DriverError.refused))
        slow.copiesDisks = nil
        let move = slow

        let package = try await pair.prepare(spec, move, 3)
        let running = Task { try await there.migrate(id, move, package, operation(3)) }
        let aborted = await eventually(within: .seconds(60 * TestGuest.scale)) {
            await driverError { try await there.abort(id) } == nil
        }
        #expect(aborted)
        #expect(try await running.value == .stayed)
        for _ in 1...2 { try await here.abandonArrival(of: id, package, operation(3)) }
        #expect(try await one.powerState(of: id) == .running)
        #expect(try await pair.two.traces(of: id).isEmpty)
        #expect(pair.one.host.openOffers.isEmpty)

        // Cancelled: it ends soon, with the guest where it is.
        let cancelled = try await pair.prepare(spec, move, 3)
        let task = Task { try await there.migrate(id, move, cancelled, operation(3)) }
        let begun = await eventually(within: .seconds(60 * TestGuest.scale)) {
            (try? await one.session.change(id) { connection throws(LibvirtFailure) in
                try connection.domain(id)?.job()?.isMigration == true
            }) == true
        }
        #expect(begun)
        let moment = ContinuousClock.now
        task.cancel()
        #expect(try await task.value == .stayed)
        #expect(ContinuousClock.now - moment < .seconds(10 * TestGuest.scale))
        try await here.abandonArrival(of: id, cancelled, operation(3))

        // The other node's daemon is away: the guest stays.
        let unlucky = try await pair.prepare(spec, move, 4)
        try pair.two.daemon.stopDaemon()
        #expect(try await there.migrate(id, move, unlucky, operation(4)) == .stayed)
        try pair.two.daemon.startDaemon()
        let restored = await eventually {
            await driverError { try await here.abandonArrival(of: id, unlucky, operation(4)) } == nil
        }
        #expect(restored)

        let fast = LiveMove(source: "one", destination: "two")
        let last = try await pair.prepare(spec, fast, 5)
        #expect(try await there.migrate(id, fast, last, operation(5)) == .moved)
        _ = try await here.finishArrival(of: spec, last, operation(5))
        try await there.finishDeparture(of: id, last, operation(5))
        #expect(try await two.powerState(of: id) == .running)
        #expect(try await pair.one.traces(of: id).isEmpty)
        let moved = two.directory(of: id)
        let read = "qemu-io -U -r -f qcow2 -c 'read -P 0x5a 1M 48M' \(moved.rootDisk)"
        #expect(try !pair.two.daemon.run(read).contains("failed"))
        #expect(exists(moved.configDrive) && exists(moved.swapDisk))
        #expect(try await two.document(of: id, .live).disks.allSatisfy {
            $0.child("source")?["file"]?.hasPrefix(moved.path) == true
        })
        try await two.reboot(id, .hard, within: .zero, operation(6))
        #expect(try await two.powerState(of: id) == .running)
        try await two.destroy(id, operation(7))
        await pair.shutDown()
    }

    @Test func anImpatientOperatorEndsASlowMove() async throws {
        let pair = try await Pair(sharing: true)
        let there = try #require(pair.one.driver.capabilities.liveMigration)
        let here = try #require(pair.two.driver.capabilities.liveMigration)
        let spec = guestSpec(pair.one.blank)
        let id = spec.id
        _ = try await pair.one.driver.spawn(spec, operation(1))
        let move = LiveMove(source: "one", destination: "two", mayPostCopy: true, bandwidthMiB: 1)
        let package = try await pair.prepare(spec, move, 2)
        let running = Task { try await there.migrate(id, move, package, operation(2)) }
        // Another process's driver is asked the same, finds the move under way and waits for its end.
        let later = try await LibvirtDriver.start(pair.one.driver.options, host: pair.one.host)
        let repeated = try #require(later.capabilities.liveMigration)
        let begun = await eventually(within: .seconds(60 * TestGuest.scale)) {
            (try? await later.session.change(id) { connection throws(LibvirtFailure) in
                try connection.domain(id)?.job()?.isMigration == true
            }) == true
        }
        #expect(begun)
        let second = Task { try await repeated.migrate(id, move, package, operation(2)) }
        let forced = await eventually(within: .seconds(60 * TestGuest.scale)) {
            await driverError { try await there.forceComplete(id) } == nil
        }
        #expect(forced)
        #expect(try await running.value == .moved)
        #expect(try await second.value == .moved)
        await later.shutDown()
        _ = try await here.finishArrival(of: spec, package, operation(2))
        try await there.finishDeparture(of: id, package, operation(2))
        #expect(await eventually { (try? await pair.two.driver.powerState(of: id)) == .running })
        try await pair.two.driver.destroy(id, operation(3))
        await pair.shutDown()
    }
}
