import ComputeModel
import DriverAPI
import DriverConformance
import Foundation

/// The vSphere client: how many calls it makes, and what an inventory takes.
enum ClientBench {
    private static let callers = 16

    /// Reads one guest's state again and again, in several tasks, which is two calls each time.
    static func calls(_ values: [String: String]) async throws {
        var options = values
        let seconds = options.removeValue(forKey: "seconds").flatMap(Double.init) ?? 5
        guard let guest = options.removeValue(forKey: "guest").flatMap({ GuestID($0) }) else {
            throw DriverError.refused("guest=UUID is missing")
        }
        let (host, factory) = (try BenchHost(), try loadedFactory("vmware"))
        let driver = try await factory.makeDriver(factory.configuration(options), host: host.scratch())
        // Connections are made and code is loaded before the clock starts.
        try await call(driver, guest, for: .milliseconds(500))
        let (calls, processor) = (host.exchangesBegun, Usage.processorSeconds)
        let took = try await time { try await call(driver, guest, for: .seconds(seconds)) }
        let made = Double(host.exchangesBegun - calls)
        let busy = Usage.processorSeconds - processor
        await driver.shutDown()
        await host.end()
        try tell([
            "calls": made, "calls per second": made / (took / .seconds(1)), "calls per processor second": made / busy,
        ])
    }

    private static func call(_ driver: any ComputeDriver, _ guest: GuestID, for limit: Duration) async throws {
        let end = ContinuousClock.now + limit
        try await withThrowingTaskGroup(of: Void.self) { group in
            for _ in 0..<callers {
                group.addTask { while ContinuousClock.now < end { _ = try await driver.powerState(of: guest) } }
            }
            try await group.waitForAll()
        }
    }

    /// What the process has once a driver has started and listed its guests.
    static func memory(_ values: [String: String]) async throws {
        let (host, factory) = (try BenchHost(), try loadedFactory("vmware"))
        let driver = try await factory.makeDriver(factory.configuration(values), host: host.scratch())
        // Inventory and events flow; nobody asks for lists, as in a node at rest.
        var inventory = driver.inventory().makeAsyncIterator()
        _ = await inventory.next()
        let figures = [
            "resident, MiB": try Usage.memoryMiB("VmRSS"), "most, MiB": try Usage.memoryMiB("VmHWM"),
        ]
        await driver.shutDown()
        await host.end()
        try tell(figures)
    }
}
