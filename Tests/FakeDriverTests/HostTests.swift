import ComputeModel
import DriverAPI
import DriverConformance
import Foundation
import Testing

@testable import FakeDriver

/// The node itself.
@Suite(.timeLimit(.minutes(1))) struct HostTests {
    @Test func aNodeThatIsOffAnswersNothingUntilItIsStarted() async throws {
        let node = try Node()
        let driver = try await node.start()
        let hostPower = try #require(driver.capabilities.hostPower)
        let guest = GuestSpec.test()
        _ = try await driver.spawn(guest, .number(1))
        var events = driver.events().makeAsyncIterator()
        try await hostPower.shutDownHost()
        #expect(await events.next() == .power(guest.id, .shutdown))
        #expect(await failure { _ = try await driver.guests() } == "unreachable")
        // Also for the next driver.
        let next = try await node.start()
        var health = next.health().makeAsyncIterator()
        #expect(await health.next() != .healthy)
        try await next.capabilities.hostPower?.startUp()
        try await next.capabilities.hostPower?.startUp()
        #expect(await health.next() == .healthy)
        #expect(try await next.powerState(of: guest.id) == .shutdown)
    }

    @Test func aRebootOfTheNodeStopsItsGuests() async throws {
        let driver = try await Node().start()
        let guest = GuestSpec.test()
        _ = try await driver.spawn(guest, .number(1))
        try await driver.capabilities.hostPower?.reboot()
        #expect(try await driver.powerState(of: guest.id) == .shutdown)
    }

    @Test func maintenanceWaitsForGuestsAndTakesNone() async throws {
        let node = try Node()
        let driver = try await node.start()
        let maintenance = try #require(driver.capabilities.hostMaintenance)
        let guest = GuestSpec.test()
        _ = try await driver.spawn(guest, .number(1))
        #expect(await failure { try await maintenance.setMaintenance(true, .number(1)) } == "refused")
        try await driver.powerOff(guest.id, within: .zero, .number(2))
        for _ in 0..<2 { try await maintenance.setMaintenance(true, .number(2)) }
        let next = try await node.start()
        #expect(try await next.capabilities.hostMaintenance?.isInMaintenance() == true)
        #expect(await failure { _ = try await next.spawn(.test(), .number(1)) } == "insufficientResources")
        try await next.capabilities.hostMaintenance?.setMaintenance(false, .number(3))
        _ = try await next.spawn(.test(), .number(1))
    }
}
