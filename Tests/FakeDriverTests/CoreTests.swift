import ComputeModel
import DriverAPI
import DriverConformance
import Foundation
import Testing

@testable import FakeDriver

/// Life, power, numbers, listing.
@Suite(.timeLimit(.minutes(1))) struct CoreTests {
    @Test func everyCallRunsAndNothingRemains() async throws {
        let node = try Node()
        let driver = try await node.start()
        let before = node.world
        let spec = GuestSpec.test()
        let handle = try await driver.spawn(spec, .number(1))
        #expect(try await driver.powerState(of: spec.id) == .running)
        #expect(try await driver.guests() == [GuestSummary(id: spec.id, name: "vm", power: .running, isOurs: true)])
        #expect(try await driver.recover([spec.id: handle, .random(): handle]) == [spec.id: handle])
        try await driver.powerOff(spec.id, within: .zero, .number(2))
        #expect(try await driver.powerState(of: spec.id) == .shutdown)
        try await driver.powerOn(spec.id, .number(3))
        try await driver.reboot(spec.id, .soft, within: .zero, .number(4))
        try await driver.reboot(spec.id, .hard, within: .zero, .number(5))
        let console = try await Node.console(of: spec.id, driver)
        #expect(console.contains("boot 4 of vm") && !console.contains("boot 5"))
        try await driver.destroy(spec.id, .number(6))
        try await driver.destroy(spec.id, .number(7))
        #expect(node.world == before)
        await driver.shutDown()
    }

    @Test func aRepeatedNumberEndsAsTheFirstDid() async throws {
        let node = try Node()
        let driver = try await node.start()
        let spec = GuestSpec.test()
        let first = try await driver.spawn(spec, .number(1))
        #expect(try await driver.spawn(spec, .number(1)) == first)
        for _ in 0..<3 { try await driver.reboot(spec.id, .hard, within: .zero, .number(2)) }
        // Also after a restart of the driver's process, which nobody announced.
        let again = try await node.start()
        try await again.reboot(spec.id, .hard, within: .zero, .number(2))
        let console = try await Node.console(of: spec.id, again)
        #expect(console.contains("boot 2 of") && !console.contains("boot 3 of"))
    }

    @Test func aRepeatedFailureMayEndWell() async throws {
        let driver = try await Node().start()
        let spec = GuestSpec.test(metadata: ["fake:pause:fail": "busy", "fake:pause:fail_first": "1"])
        _ = try await driver.spawn(spec, .number(1))
        let pausing = try #require(driver.capabilities.pausing)
        #expect(await failure { try await pausing.pause(spec.id, .number(2)) } == "busy")
        try await pausing.pause(spec.id, .number(2))
        #expect(try await driver.powerState(of: spec.id) == .paused)
    }

    @Test func aLowerNumberIsStaleAfterFailuresAndRemovalsToo() async throws {
        let node = try Node()
        let driver = try await node.start()
        let spec = GuestSpec.test(metadata: ["fake:pause:fail": "failed"])
        _ = try await driver.spawn(spec, .number(5))
        #expect(await failure { _ = try await driver.spawn(spec, .number(4)) } == "stale")
        let pausing = try #require(driver.capabilities.pausing)
        #expect(await failure { try await pausing.pause(spec.id, .number(8)) } == "failed")
        #expect(await failure { try await driver.powerOff(spec.id, within: .zero, .number(7)) } == "stale")
        try await driver.destroy(spec.id, .number(9))
        #expect(await failure { _ = try await driver.spawn(spec, .number(8)) } == "stale")
        #expect(await failure { try await driver.powerOn(spec.id, .number(8)) } == "stale")
        #expect(await failure { try await driver.powerOn(spec.id, .number(10)) } == "noSuchGuest")
        await driver.shutDown()
        let again = try await node.start()
        #expect(await failure { _ = try await again.spawn(spec, .number(8)) } == "stale")
    }

    @Test func aSpawnThatFailedHasBeenSeen() async throws {
        let driver = try await Node().start()
        let spec = GuestSpec.test(metadata: ["fake:spawn:fail": "failed"])
        #expect(await failure { _ = try await driver.spawn(spec, .number(5)) } == "failed")
        #expect(await failure { _ = try await driver.spawn(.test(spec.id), .number(4)) } == "stale")
        _ = try await driver.spawn(.test(spec.id), .number(5))
    }

    @Test func anotherOperationDoesNotSpawnAGuestTwice() async throws {
        let driver = try await Node().start()
        let spec = GuestSpec.test()
        _ = try await driver.spawn(spec, .number(1))
        #expect(await failure { _ = try await driver.spawn(spec, .number(2)) } == "refused")
        #expect(try await driver.guests().count == 1)
    }

    @Test func aSpawnThatIsNotToRunIsOff() async throws {
        let driver = try await Node().start()
        var spec = GuestSpec.test()
        spec.isRunning = false
        _ = try await driver.spawn(spec, .number(1))
        #expect(try await driver.powerState(of: spec.id) == .shutdown)
    }

    @Test func whatCannotBeIsRefused() async throws {
        let node = try Node(["fetch_images": "true"])
        let driver = try await node.start()
        let before = node.world
        func error(_ spec: GuestSpec) async -> String? {
            await failure { _ = try await driver.spawn(spec, .number(1)) }
        }
        #expect(await error(.test(image: try node.image(format: "tape"))) == "imageUnacceptable")
        var large = try node.image()
        large.minDiskGiB = 2
        #expect(await error(.test(image: large)) == "imageUnacceptable")
        #expect(await error(.test(image: try node.image("not really", format: "qcow2"))) == "imageUnacceptable")
        #expect(node.host.fetches == 1)
        var unknown = try node.image()
        unknown.id = .random()
        #expect(await error(.test(image: unknown)) == "imageUnavailable")
        let port = Make.interface(binding: .bridge(bridge: "br0", tap: "tap0"))
        #expect(await error(.test(interfaces: [port])) == "refused")
        let volume = Make.volume(name: "/dev/vdb")
        let clash = [volume, Make.volume(name: "/dev/vdb")]
        #expect(await error(.test(image: try node.image(), volumes: clash)) == "refused")
        #expect(await error(.test(volumes: [volume])) == "refused")
        var pinned = GuestSpec.test()
        pinned.topology = GuestTopology(cells: [GuestTopology.Cell(hostCell: 0, vcpus: [0], memoryMiB: 64)])
        #expect(await error(pinned) == "refused")
        var devices = GuestSpec.test()
        devices.pciDevices = ["0000:81:00.1"]
        #expect(await error(devices) == "refused")
        #expect(node.world == before)
    }

    @Test func aDeafGuestLosesItsPowerAfterTheGrace() async throws {
        let driver = try await Node().start()
        let spec = GuestSpec.test(metadata: ["fake:deaf": "true"])
        _ = try await driver.spawn(spec, .number(1))
        let begin = ContinuousClock.now
        try await driver.powerOff(spec.id, within: .milliseconds(50), .number(2))
        #expect(.now - begin >= .milliseconds(50))
        #expect(try await driver.powerState(of: spec.id) == .shutdown)
        try await driver.powerOn(spec.id, .number(3))
        try await driver.reboot(spec.id, .soft, within: .milliseconds(10), .number(4))
        #expect(try await Node.console(of: spec.id, driver).contains("boot 3 of"))
    }

    @Test func foreignGuestsAreListedAndLeftAlone() async throws {
        let foreign = GuestID.random()
        let driver = try await Node(["foreign_guests": "\(foreign)"]).start()
        #expect(try await driver.guests().map(\.isOurs) == [false])
        #expect(await failure { try await driver.destroy(foreign, .number(1)) } == "refused")
        #expect(await failure { try await driver.powerOff(foreign, within: .zero, .number(1)) } == "refused")
        #expect(await failure { _ = try await driver.spawn(.test(foreign), .number(1)) } == "refused")
        #expect(try await driver.recover([foreign: FakeDriver.handle(of: foreign)]).isEmpty)
        #expect(try await driver.powerState(of: foreign) == .running)
    }

    @Test func recoverTakesOnlyTheHandleOfThatGuest() async throws {
        let node = try Node()
        let driver = try await node.start()
        let (one, two) = (GuestSpec.test(), GuestSpec.test())
        let (first, second) = (
            try await driver.spawn(one, .number(1)), try await driver.spawn(two, .number(1))
        )
        #expect(try await driver.recover([one.id: second, two.id: second]) == [two.id: second])
        #expect(try await driver.recover([one.id: GuestHandle(version: 2, data: first.data)]).isEmpty)
    }

    @Test func callsOnOneGuestTakeTurns() async throws {
        let driver = try await Node().start()
        let spec = GuestSpec.test(metadata: ["fake:reboot:delay": "0.05"])
        _ = try await driver.spawn(spec, .number(1))
        // Two messengers bring the same order; the second finds it done.
        try await withThrowingTaskGroup(of: Void.self) { group in
            for _ in 0..<4 {
                group.addTask { try await driver.reboot(spec.id, .hard, within: .zero, .number(2)) }
            }
            try await group.waitForAll()
        }
        let console = try await Node.console(of: spec.id, driver)
        #expect(console.contains("boot 2 of") && !console.contains("boot 3 of"))
    }

    @Test func waitingForAGuestCanBeCancelled() async throws {
        let driver = try await Node().start()
        let spec = GuestSpec.test(metadata: ["fake:reboot:delay": "600"])
        _ = try await driver.spawn(spec, .number(1))
        let first = Task { try await driver.reboot(spec.id, .hard, within: .zero, .number(2)) }
        let second = Task { try await driver.powerOff(spec.id, within: .zero, .number(3)) }
        second.cancel()
        await #expect(throws: DriverError.cancelled) { try await second.value }
        first.cancel()
        await #expect(throws: DriverError.cancelled) { try await first.value }
        try await driver.powerOff(spec.id, within: .zero, .number(4))
    }

    @Test func oldJournalsAreRead() async throws {
        let node = try Node()
        let id = GuestID.random()
        let line = """
            {"put":{"id":"\(id)","name":"old","power":1,"operation":3,"metadata":{},"boots":2}}
            {"removed":"\(GuestID.random())","operation":9}

            """
        try Data(line.utf8).write(to: URL(filePath: node.host.stateDirectory + "/guests.jsonl"))
        let driver = try await node.start()
        #expect(try await driver.powerState(of: id) == .running)
        try await driver.powerOff(id, within: .zero, .number(4))
    }

    @Test func onlyTheOwnerReadsTheJournal() async throws {
        let node = try Node()
        _ = try await node.start()
        let facts = try FileManager.default.attributesOfItem(atPath: node.host.stateDirectory + "/guests.jsonl")
        #expect(facts[.posixPermissions] as? Int == 0o600)
    }
}
