import ComputeModel
import DriverAPI
import Testing

@testable import ComputeAgent

@Suite(.timeLimit(.minutes(1))) struct DriverProbeTests {
    private func probe(_ driver: ScriptedDriver) -> DriverProbe {
        DriverProbe(driver, name: "scripted", within: .milliseconds(100))
    }

    @Test func aGoodDriverIsSeenAsItIs() async throws {
        let driver = ScriptedDriver()
        driver.inventoryBroadcast.send(NonsenseTests.good)
        driver.state.with { $0.guests[.random()] = .running }
        let findings = try await probe(driver).examine()
        #expect(findings.trouble == nil)
        #expect(findings.inventory == NonsenseTests.good && findings.guests.count == 1)
        #expect(findings.capabilities.consoleLog != nil)
    }

    @Test func whatIsWrongIsSaidInOneSentence() async throws {
        let driver = ScriptedDriver(health: .unhealthy("libvirtd is away"))
        var inventory = NonsenseTests.good
        inventory.diskFreeGiB = -1
        driver.inventoryBroadcast.send(inventory)
        #expect(try await probe(driver).examine().trouble == "the hypervisor cannot be used: libvirtd is away")
        driver.healthBroadcast.send(.healthy)
        #expect(
            try await probe(driver).examine().trouble?.hasPrefix(
                "the driver's inventory is refused: free disk space in GiB is -1") == true)
    }

    @Test func aDriverThatSaysNothingIsNotWaitedForForEver() async throws {
        let driver = ScriptedDriver()
        await #expect(
            throws: DriverError.timedOut("the driver 'scripted' did not end inventory within 100 ms")
        ) { try await probe(driver).examine() }
        driver.inventoryBroadcast.finish()
        await #expect(
            throws: DriverError.failed("the driver's stream of inventory ended without a word")
        ) { try await probe(driver).examine() }
    }
}
