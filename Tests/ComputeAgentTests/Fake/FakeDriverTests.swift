import ComputeModel
import DriverAPI
import Foundation
import Testing

/// The fake driver, through the library that the product loads.
@Suite(.timeLimit(.minutes(2))) struct FakeDriverTests {
    @Test func everyCoreCall() async throws {
        let driver = try await Fake.driver(in: ScratchDirectory())
        let spec = GuestSpec.test()
        let handle = try await driver.spawn(spec, .number(1))
        #expect(try await driver.powerState(of: spec.id) == .running)
        #expect(
            try await driver.guests() == [GuestSummary(id: spec.id, name: "vm", power: .running, isOurs: true)])
        #expect(try await driver.recover([spec.id: handle, .random(): handle]) == [spec.id: handle])
        try await driver.powerOff(spec.id, within: .zero, .number(2))
        #expect(try await driver.powerState(of: spec.id) == .shutdown)
        try await driver.powerOn(spec.id, .number(3))
        #expect(try await driver.powerState(of: spec.id) == .running)
        try await driver.reboot(spec.id, .soft, within: .zero, .number(4))
        try await driver.powerOff(spec.id, within: .seconds(1), .number(5))
        try await driver.reboot(spec.id, .hard, within: .zero, .number(6))
        #expect(try await driver.powerState(of: spec.id) == .running)
        try await driver.destroy(spec.id, .number(7))
        #expect(try await driver.guests().isEmpty)
        await #expect(throws: DriverError.noSuchGuest(spec.id)) { try await driver.powerState(of: spec.id) }
        await driver.shutDown()
    }

    @Test func aRepeatedCallChangesNothing() async throws {
        let driver = try await Fake.driver(in: ScratchDirectory())
        let spec = GuestSpec.test()
        let console = try #require(driver.capabilities.consoleLog)
        let first = try await driver.spawn(spec, .number(1))
        #expect(try await driver.spawn(spec, .number(1)) == first)
        for _ in 0..<3 { try await driver.reboot(spec.id, .hard, within: .zero, .number(2)) }
        let text = String(decoding: try await console.consoleLog(of: spec.id, bytesMax: 4096), as: UTF8.self)
        #expect(text.contains("boot 2 of") && !text.contains("boot 3 of"))
        for _ in 0..<3 { try await driver.destroy(spec.id, .number(3)) }
        await driver.shutDown()
    }

    @Test func aStaleNumberIsRefused() async throws {
        let scratch = try ScratchDirectory()
        let driver = try await Fake.driver(in: scratch)
        let spec = GuestSpec.test()
        _ = try await driver.spawn(spec, .number(5))
        let isStale = { (error: any Error) in if case .stale? = error as? DriverError { true } else { false } }
        await #expect(performing: { _ = try await driver.spawn(spec, .number(4)) }, throws: isStale)
        await #expect(performing: { try await driver.powerOff(spec.id, within: .zero, .number(4)) }, throws: isStale)
        await #expect(performing: { try await driver.destroy(spec.id, .number(4)) }, throws: isStale)
        #expect(try await driver.powerState(of: spec.id) == .running)
        try await driver.destroy(spec.id, .number(6))
        await #expect(performing: { _ = try await driver.spawn(spec, .number(5)) }, throws: isStale)
        await driver.shutDown()
        let again = try await Fake.driver(in: scratch)
        await #expect(performing: { _ = try await again.spawn(spec, .number(5)) }, throws: isStale)
        await again.shutDown()
    }

    private static let failures: [(String, @Sendable (String) -> DriverError)] = [
        ("insufficient_resources", { .insufficientResources($0) }), ("refused", { .refused($0) }),
        ("image_unacceptable", { .imageUnacceptable($0) }), ("image_unavailable", { .imageUnavailable($0) }),
        ("not_supported", { .notSupported($0) }), ("unreachable", { .unreachable($0) }),
        ("busy", { .busy($0) }), ("timed_out", { .timedOut($0) }), ("failed", { .failed($0) }),
    ]

    @Test func failuresAreRehearsedByMetadataAndByOptions() async throws {
        for (kind, make) in Self.failures {
            let spec = GuestSpec.test(metadata: ["fake:spawn:fail": kind])
            let expected = make("rehearsed spawn failure of guest \(spec.id), attempt 1")
            let byMetadata = try await Fake.driver(in: ScratchDirectory())
            await #expect(throws: expected) { try await byMetadata.spawn(spec, .number(1)) }
            #expect(try await byMetadata.guests().isEmpty)
            let byOption = try await Fake.driver(in: ScratchDirectory(), ["spawn_failure": kind])
            let plain = GuestSpec.test(spec.id)
            await #expect(throws: expected) { try await byOption.spawn(plain, .number(1)) }
        }
    }

    @Test func onlyTheFirstAttemptsFail() async throws {
        let driver = try await Fake.driver(in: ScratchDirectory())
        let spec = GuestSpec.test(metadata: ["fake:spawn:fail": "busy", "fake:spawn:fail_first": "2"])
        for _ in 0..<2 {
            await #expect(throws: DriverError.self) { try await driver.spawn(spec, .number(1)) }
        }
        _ = try await driver.spawn(spec, .number(1))
    }

    @Test(arguments: [true, false]) func aCancelledSpawnLeavesNothing(byMetadata: Bool) async throws {
        let driver = try await Fake.driver(in: ScratchDirectory(), byMetadata ? [:] : ["spawn_delay": "600"])
        let spec = GuestSpec.test(metadata: byMetadata ? ["fake:spawn:delay": "600"] : [:])
        let begun = ContinuousClock.now
        let task = Task { try await driver.spawn(spec, .number(1)) }
        try await Task.sleep(for: .milliseconds(10))
        task.cancel()
        await #expect(throws: DriverError.cancelled) { try await task.value }
        // Far from the 600 seconds asked for, and far from what a busy machine adds.
        #expect(.now - begun < .seconds(60))
        #expect(try await driver.guests().isEmpty)
    }

    @Test func guestsSurviveAKill() async throws {
        let scratch = try ScratchDirectory()
        let killed = try await Fake.driver(in: scratch)
        let (kept, removed) = (GuestSpec.test(), GuestSpec.test())
        let handle = try await killed.spawn(kept, .number(1))
        _ = try await killed.spawn(removed, .number(1))
        try await killed.powerOff(kept.id, within: .zero, .number(2))
        try await killed.destroy(removed.id, .number(2))
        // The kill comes while a line is being written.
        let journal = scratch.path + "/guests.jsonl"
        let file = try #require(FileHandle(forWritingAtPath: journal))
        try file.seekToEnd()
        try file.write(contentsOf: Data(#"{"put":{"id":"00000000-0000"#.utf8))
        try file.close()
        for _ in 0..<2 {
            let driver = try await Fake.driver(in: scratch)
            #expect(try await driver.guests().map(\.id) == [kept.id])
            #expect(try await driver.powerState(of: kept.id) == .shutdown)
            #expect(try await driver.recover([kept.id: handle, removed.id: handle]) == [kept.id: handle])
            try await driver.powerOff(kept.id, within: .zero, .number(2))
            await driver.shutDown()
        }
    }

    @Test func withoutPersistenceNothingIsKept() async throws {
        let scratch = try ScratchDirectory()
        let driver = try await Fake.driver(in: scratch, ["persistent": "false"])
        _ = try await driver.spawn(.test(), .number(1))
        #expect(try FileManager.default.contentsOfDirectory(atPath: scratch.path).isEmpty)
    }

    @Test func fiveThousandGuests() async throws {
        let scratch = try ScratchDirectory()
        let driver = try await Fake.driver(in: scratch)
        try await withThrowingTaskGroup(of: Void.self) { group in
            for _ in 0..<5_000 { group.addTask { _ = try await driver.spawn(.test(), .number(1)) } }
            try await group.waitForAll()
        }
        #expect(try await driver.guests().count == 5_000)
        await driver.shutDown()
        let again = try await Fake.driver(in: scratch)
        #expect(try await again.guests().count == 5_000)
        await again.shutDown()
    }

    @Test func theConsoleLogIsCutFromTheFront() async throws {
        let driver = try await Fake.driver(in: ScratchDirectory())
        let spec = GuestSpec.test()
        let console = try #require(driver.capabilities.consoleLog)
        await #expect(throws: DriverError.noSuchGuest(spec.id)) {
            try await console.consoleLog(of: spec.id, bytesMax: 10)
        }
        _ = try await driver.spawn(spec, .number(1))
        #expect(String(decoding: try await console.consoleLog(of: spec.id, bytesMax: 7), as: UTF8.self) == "login: ")
        #expect(try await console.consoleLog(of: spec.id, bytesMax: 0).isEmpty)
        #expect(try await console.consoleLog(of: spec.id, bytesMax: -1).isEmpty)
    }

    @Test func streamsBeginWithWhatIsAndEndWithTheDriver() async throws {
        let driver = try await Fake.driver(in: ScratchDirectory(), ["vcpus": "7", "cpu_allocation_ratio": "2"])
        var health = driver.health().makeAsyncIterator()
        #expect(await health.next() == .healthy)
        var inventory = driver.inventory().makeAsyncIterator()
        let node = try #require(await inventory.next())
        #expect(node.hypervisorHostname == "test-node")
        #expect(node.resources[.vcpu]?.total == 7 && node.resources[.vcpu]?.allocationRatio == 2)
        var events = driver.events().makeAsyncIterator()
        let spec = GuestSpec.test()
        _ = try await driver.spawn(spec, .number(1))
        try await driver.powerOff(spec.id, within: .zero, .number(2))
        #expect(await events.next() == .power(spec.id, .shutdown))
        await driver.shutDown()
        #expect(await health.next() == nil)
        #expect(await inventory.next() == nil)
        #expect(await events.next() == nil)
    }

    @Test func aReaderThatFallsBehindIsTold() async throws {
        let broadcast = GuestEventBroadcast(bufferMax: 4)
        var events = broadcast.stream().makeAsyncIterator()
        let guest = GuestID.random()
        for _ in 0..<10 { broadcast.send(.power(guest, .running)) }
        for _ in 0..<4 { #expect(await events.next() == .power(guest, .running)) }
        broadcast.send(.power(guest, .shutdown))
        #expect(await events.next() == .missed)
        #expect(await events.next() == .power(guest, .shutdown))
    }
}
