package import ComputeModel
package import DriverAPI
import Logging

/// Looks at a driver that has started as an agent would, once: what it says of its hypervisor, its node and its guests.
package struct DriverProbe: Sendable {
    /// What was found.
    package struct Findings: Sendable {
        /// What the driver says of its hypervisor.
        package var health: DriverHealth
        /// What the node offers.
        package var inventory: NodeInventory
        /// Why an agent would refuse that; `nil` when it would not.
        package var inventoryTrouble: String?
        /// The guests that the hypervisor holds.
        package var guests: [GuestSummary]
        /// Why an agent would refuse that list; `nil` when it would not.
        package var guestsTrouble: String?
        /// What the driver can do.
        package var capabilities: Capabilities

        /// What stands in the way of using the driver, in one sentence; `nil` for nothing.
        package var trouble: String? {
            if case .unhealthy(let reason) = health { return "the hypervisor cannot be used: \(reason)" }
            if let inventoryTrouble { return "the driver's inventory is refused: \(inventoryTrouble)" }
            return guestsTrouble.map { "the driver's list of guests is refused: \($0)" }
        }
    }

    private let supervisor: DriverSupervisor

    /// - Parameter limit: how long each answer may take.
    package init(_ driver: any ComputeDriver, name: String, within limit: Duration) {
        var deadlines = CallDeadlines()
        deadlines.ordinary = limit
        var logger = Logger(label: "driver-probe")
        logger.logLevel = .critical
        supervisor = DriverSupervisor(
            driver, name: name, deadlines: deadlines, troubles: NodeTroubles(), logger: logger)
    }

    /// Asks the driver for everything that it says without being told to do something.
    ///
    /// - Throws: what the driver throws, or ``DriverError/timedOut(_:)`` when it does not answer.
    package func examine() async throws(DriverError) -> Findings {
        let health = try await first(.health) { $0.health() }
        let inventory = try await first(.inventory) { $0.inventory() }
        let guests = try await supervisor.call(.guests) { driver throws(DriverError) in try await driver.guests() }
        return Findings(
            health: health, inventory: inventory,
            inventoryTrouble: NonsenseCheck.trouble(in: inventory, capabilities: supervisor.capabilities),
            guests: guests, guestsTrouble: NonsenseCheck.trouble(in: guests), capabilities: supervisor.capabilities)
    }

    private func first<Element: Sendable>(
        _ name: DriverCallName, _ open: @escaping @Sendable (any ComputeDriver) -> AsyncStream<Element>
    ) async throws(DriverError) -> Element {
        try await supervisor.call(name) { driver throws(DriverError) in
            for await element in open(driver) { return element }
            if Task.isCancelled { throw .cancelled }
            throw .failed("the driver's stream of \(name.rawValue) ended without a word")
        }
    }
}
