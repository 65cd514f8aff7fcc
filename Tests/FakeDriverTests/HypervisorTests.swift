import ComputeModel
import DriverAPI
import DriverConformance
import Foundation
import Testing

@testable import FakeDriver

/// The hypervisor that dies, hangs, comes back; guests that befall things; streams.
@Suite(.timeLimit(.minutes(1))) struct HypervisorTests {
    @Test func aDeadHypervisorIsUnreachableAndComesBack() async throws {
        let node = try Node()
        let driver = try await node.start()
        let spec = GuestSpec.test()
        _ = try await driver.spawn(spec, .number(1))
        var health = driver.health().makeAsyncIterator()
        var events = driver.events().makeAsyncIterator()
        #expect(await health.next() == .healthy)
        try node.order("down")
        #expect(await failure { _ = try await driver.powerState(of: spec.id) } == "unreachable")
        #expect(await failure { _ = try await driver.guests() } == "unreachable")
        #expect(await failure { try await driver.powerOff(spec.id, within: .zero, .number(2)) } == "unreachable")
        let cache = try #require(driver.capabilities.imageCache)
        #expect(await failure { _ = try await cache.cachedImages() } == "unreachable")
        guard case .unhealthy(let reason)? = await health.next() else {
            Issue.record("the node stays healthy")
            return
        }
        #expect(reason.contains("hypervisor"))
        try node.order(nil)
        #expect(await health.next() == .healthy)
        #expect(await events.next() == .missed)
        #expect(try await driver.powerState(of: spec.id) == .running)
        try await driver.powerOff(spec.id, within: .zero, .number(2))
    }

    @Test func healthTellsWithoutAnyCall() async throws {
        let node = try Node()
        let driver = try await node.start()
        var health = driver.health().makeAsyncIterator()
        #expect(await health.next() == .healthy)
        try node.order("down")
        #expect(await health.next() != .healthy)
        try node.order(nil)
        #expect(await health.next() == .healthy)
    }

    @Test func aCallInFlightFailsWhenTheHypervisorDies() async throws {
        let node = try Node()
        let driver = try await node.start()
        let before = node.world
        let spec = GuestSpec.test(metadata: ["fake:spawn:delay": "600"])
        let spawn = Task { try await driver.spawn(spec, .number(1)) }
        try await Task.sleep(for: .milliseconds(20))
        try node.order("down")
        #expect(await failure { _ = try await spawn.value } == "unreachable")
        try node.order(nil)
        #expect(node.world == before)
    }

    @Test func aHangingHypervisorAnswersLater() async throws {
        let node = try Node()
        let driver = try await node.start()
        let spec = GuestSpec.test()
        _ = try await driver.spawn(spec, .number(1))
        try node.order("hang")
        let waiting = Task { try await driver.powerState(of: spec.id) }
        let givenUp = Task { try await driver.powerOff(spec.id, within: .zero, .number(2)) }
        try await Task.sleep(for: .milliseconds(20))
        givenUp.cancel()
        await #expect(throws: DriverError.cancelled) { try await givenUp.value }
        try node.order(nil)
        #expect(try await waiting.value == .running)
    }

    @Test func guestsCrashAndStopByThemselves() async throws {
        let node = try Node()
        let driver = try await node.start()
        let spec = GuestSpec.test()
        _ = try await driver.spawn(spec, .number(1))
        var events = driver.events().makeAsyncIterator()
        try node.order("crash \(spec.id)")
        #expect(await events.next() == .power(spec.id, .crashed))
        #expect(try await driver.powerState(of: spec.id) == .crashed)
        let file = FakeNode.controlFile(stateDirectory: node.host.stateDirectory)
        try await until { !FileManager.default.fileExists(atPath: file) }
        try await driver.reboot(spec.id, .hard, within: .zero, .number(2))
        #expect(await events.next() == .power(spec.id, .running))
        try node.order("stop \(spec.id)")
        #expect(await events.next() == .power(spec.id, .shutdown))
    }

    @Test func streamsBeginWithWhatIsAndEndWithTheDriver() async throws {
        let options = [
            "vcpus": "8", "cpu_allocation_ratio": "2", "numa_cells": "2", "cpu_traits": "HW_CPU_X86_AVX2",
        ]
        let driver = try await Node(options).start()
        var inventory = driver.inventory().makeAsyncIterator()
        let found = try #require(await inventory.next())
        #expect(found.hypervisorHostname == "one")
        #expect(found.resources[.vcpu]?.total == 8 && found.resources[.vcpu]?.allocationRatio == 2)
        #expect(found.uptime?.contains(" up 0 min,") == true)
        #expect(found.traits == [Trait("HW_CPU_X86_AVX2")])
        #expect(found.topology?.cells.map(\.cpus) == [[0, 1, 2, 3], [4, 5, 6, 7]])
        var health = driver.health().makeAsyncIterator()
        #expect(await health.next() == .healthy)
        var events = driver.events().makeAsyncIterator()
        await driver.shutDown()
        #expect(await health.next() == nil)
        #expect(await inventory.next() == nil)
        #expect(await events.next() == nil)
    }

    @Test(arguments: [
        (30, " 00:00:30 up 0 min,"), (3_660, " 01:01:00 up 1:01,"), (90_000, " 01:00:00 up 1 day, 1:00,"),
        (172_860, " 00:01:00 up 2 days, 1 min,"),
    ]) func uptimeIsToldLikeUptimeDoes(_ seconds: Int64, _ begin: String) {
        let text = InventorySource.uptime(at: Timestamp(seconds: seconds), after: .seconds(seconds))
        #expect(text == begin + "  0 users,  load average: 0.00, 0.00, 0.00")
    }

    @Test func whatIsNotThereIsNotAdvertised() async throws {
        let plain = try await Node().start()
        #expect(plain.capabilities.offered == CapabilityName.allCases)
        #expect(plain.capabilities.facts.isDisjoint(with: [.topology, .pciPassthrough]))
        let rich = try await Node(["numa_cells": "1", "pci_devices": "0000:81:00.1 8086 1520 type-VF 0"]).start()
        #expect(rich.capabilities.facts == Set(CapabilityFact.allCases))
    }

    @Test(arguments: [
        ["rehearse": "spwan:delay=2"], ["rehearse": "spawn:delay=soon"], ["rehearse": "spawn:fail=badly"],
        ["rehearse": "spawn"], ["rehearse": "spawn:count=3"], ["shared_storage": "/nowhere/at/all"],
        ["pci_devices": "0000:81:00.1"], ["foreign_guests": "one"], ["numa_cells": "9", "vcpus": "8"],
        ["spice_console": "here"], ["mutation": "none-such"], ["console_address": "localhost"],
        ["console_address": "0.0.0.0"],
        ["cpu_traits": "avx2"],
    ]) func badOptionsAreNamed(_ options: [String: String]) async throws {
        let node = try Node(options)
        do {
            _ = try await node.start()
            Issue.record("the driver starts with \(options)")
        } catch DriverError.badConfiguration(let text) {
            let words = options.filter { $0.key != "vcpus" }
            for (name, value) in words { #expect(text.contains("[fake] \(name)") && text.contains(value)) }
        }
    }

    @Test func anOptionRehearsesAnyCall() async throws {
        let driver = try await Node(["rehearse": "pause:fail=busy, guests:fail=timed_out, guests:fail_first=1"]).start()
        let spec = GuestSpec.test()
        _ = try await driver.spawn(spec, .number(1))
        let pausing = try #require(driver.capabilities.pausing)
        #expect(await failure { try await pausing.pause(spec.id, .number(2)) } == "busy")
        #expect(await failure { _ = try await driver.guests() } == "timedOut")
        #expect(try await driver.guests().count == 1)
    }

    @Test func tenThousandGuestsAreListedAtOnce() async throws {
        let node = try Node()
        let driver = try await node.start()
        for _ in 0..<10_000 { _ = try await driver.spawn(.test(), .number(1)) }
        var best = Duration.seconds(60)
        for _ in 0..<5 {
            let begin = ContinuousClock.now
            #expect(try await driver.guests().count == 10_000)
            best = min(best, .now - begin)
        }
        #expect(best < .milliseconds(20), "the list took \(best)")
        await driver.shutDown()
        #expect(try await node.start().guests().count == 10_000)
    }

    @Test func theJournalDoesNotGrowForEver() throws {
        let scratch = try ScratchDirectory()
        let path = scratch.path + "/guests.jsonl"
        let world = try GuestWorld(journal: path, sharedFolder: nil)
        var guest = FakeGuest(
            id: .random(), name: "vm", power: .running, operation: 1,
            metadata: ["filler": String(repeating: "x", count: 100_000)], boots: 1)
        var longest = 0
        for number in 2...300 {
            guest.operation = Int64(number)
            let now = guest
            try world.change { _, change throws(DriverError) in change.put = now }
            longest = max(longest, (try FileManager.default.attributesOfItem(atPath: path)[.size] as? Int) ?? 0)
        }
        #expect(longest < 10 << 20)
        #expect(Journal.read(path).state.guests[guest.id]?.operation == 300)
        // Where it cannot be written anew it goes on.
        try FileManager.default.createDirectory(atPath: path + ".new", withIntermediateDirectories: true)
        for number in 301...500 {
            guest.operation = Int64(number)
            let now = guest
            try world.change { _, change throws(DriverError) in change.put = now }
        }
        #expect(Journal.read(path).state.guests[guest.id]?.operation == 500)
    }
}
