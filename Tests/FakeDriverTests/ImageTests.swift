import ComputeModel
import DriverAPI
import DriverConformance
import Foundation
import Testing

@testable import FakeDriver

/// Images: fetching, keeping, making.
@Suite(.timeLimit(.minutes(1))) struct ImageTests {
    @Test func aSnapshotIsARawFileOfTheGuestsContent() async throws {
        let node = try Node()
        let driver = try await node.start()
        let snapshots = try #require(driver.capabilities.snapshots)
        let (one, two) = (GuestSpec.test(), GuestSpec.test())
        _ = try await driver.spawn(one, .number(1))
        _ = try await driver.spawn(two, .number(1))
        let before = node.world
        let first = try await Pair.content(one.id, driver, node.host, 2)
        #expect(try await Pair.content(one.id, driver, node.host, 2) == first)
        #expect(try await Pair.content(two.id, driver, node.host, 2) != first)
        #expect(first.hasPrefix("KILONOVA FAKE DISK\nguest \(one.id)"))
        #expect(try await driver.powerState(of: one.id) == .running)
        #expect(node.world == before)
        let odd = SnapshotTarget(image: .random(), diskFormat: "qcow2")
        #expect(await failure { try await snapshots.snapshot(one.id, to: odd, .number(3)) } == "notSupported")
        #expect(await failure { try await snapshots.snapshot(.random(), to: odd, .number(3)) } == "noSuchGuest")
    }

    @Test func whatHasNoRootDiskOrNoAgentHasNoSnapshot() async throws {
        let node = try Node()
        let driver = try await node.start()
        let snapshots = try #require(driver.capabilities.snapshots)
        let fromVolume = GuestSpec.test(volumes: [Make.volume(bootIndex: 0)])
        _ = try await driver.spawn(fromVolume, .number(1))
        let target = SnapshotTarget(image: .random(), diskFormat: "raw")
        #expect(await failure { try await snapshots.snapshot(fromVolume.id, to: target, .number(2)) } == "notSupported")
        let mute = GuestSpec.test(metadata: ["fake:agent": "none"])
        _ = try await driver.spawn(mute, .number(1))
        let quiet = SnapshotTarget(image: .random(), diskFormat: "raw", mustQuiesce: true)
        #expect(await failure { try await snapshots.snapshot(mute.id, to: quiet, .number(2)) } == "notSupported")
        try await snapshots.snapshot(mute.id, to: target, .number(3))
    }

    @Test func imagesAreFetchedOnceAndAge() async throws {
        let node = try Node(["fetch_images": "true"])
        let driver = try await node.start()
        let cache = try #require(driver.capabilities.imageCache)
        let (used, unused) = (try node.image("used"), try node.image("not used"))
        let guests = [GuestSpec.test(image: used), GuestSpec.test(image: used)]
        try await withThrowingTaskGroup(of: Void.self) { group in
            for guest in guests { group.addTask { _ = try await driver.spawn(guest, .number(1)) } }
            try await group.waitForAll()
        }
        try await cache.cache(unused)
        try await cache.cache(unused)
        #expect(node.host.fetches == 2)
        let kept = try await cache.cachedImages()
        #expect(Set(kept.map(\.image)) == [used.id, unused.id])
        #expect(kept.first { $0.image == used.id }?.guests == 2)
        #expect(kept.first { $0.image == unused.id }?.bytes == 8)
        #expect(try await cache.removeImages(unusedFor: .seconds(3600)).isEmpty)
        #expect(try await cache.removeImages(unusedFor: .zero).map(\.image) == [unused.id])
        for guest in guests { try await driver.destroy(guest.id, .number(2)) }
        #expect(try await cache.removeImages(unusedFor: .zero).map(\.image) == [used.id])
        #expect(try await cache.cachedImages().isEmpty)
    }

    @Test func imagesAreLeftWhereTheyAreUnlessSomebodyMustCheckThem() async throws {
        let node = try Node()
        let driver = try await node.start()
        _ = try await driver.spawn(.test(image: try node.image()), .number(1))
        #expect(node.host.fetches == 0)
        var signed = try node.image()
        signed.trustedCertificates = ["one"]
        _ = try await driver.spawn(.test(image: signed), .number(1))
        #expect(node.host.fetches == 1)
    }

    @Test func whatIsInterruptedLeavesNoPart() async throws {
        let node = try Node(["fetch_images": "true"])
        let driver = try await node.start()
        let before = node.world
        let cache = try #require(driver.capabilities.imageCache)
        var lost = try node.image()
        lost.id = .random()
        let missing = lost
        #expect(await failure { try await cache.cache(missing) } == "imageUnavailable")
        node.host.delayFetches(by: .seconds(600))
        let image = try node.image()
        let fetches = node.host.fetches
        let spawn = Task { try await driver.spawn(.test(image: image), .number(1)) }
        try await until { node.host.fetches > fetches }
        spawn.cancel()
        await #expect(throws: DriverError.cancelled) { try await spawn.value }
        #expect(node.world == before)
    }
}
