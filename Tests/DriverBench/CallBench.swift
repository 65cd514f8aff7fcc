import ComputeModel
import DriverAPI
import DriverConformance
import FakeDriver
import Foundation

/// What it costs to call a driver. The fake driver does next to nothing, so that the way to it shows.
///
/// Linked and loaded are measured in processes of their own: one program must not hold the driver twice.
enum CallBench {
    private static let batch = 2000
    private static let batches = 60

    static func run(isLoaded: Bool) async throws {
        let factory = isLoaded ? try loadedFactory("fake") : FakeNode.factory
        let host = try BenchHost()
        let driver = try await factory.makeDriver(
            factory.configuration(["persistent": "false"]), host: host.scratch())
        let specs = (0..<100).map { number in
            GuestSpec(
                id: .random(), name: "guest \(number)", projectID: "p", userID: "u",
                flavor: FlavorSpec(
                    flavorID: "1", name: "m", vcpus: 1, memoryMiB: 64, rootGiB: 1, ephemeralGiB: 0, swapMiB: 0),
                image: ImageSpec(
                    id: .random(), name: "i", diskFormat: "raw", containerFormat: "bare", sizeBytes: 1, checksum: "",
                    properties: [:]),
                interfaces: [], volumes: [], configDrive: nil)
        }
        for spec in specs { _ = try await driver.spawn(spec, DriverCall(operation: 1, requestID: "bench")) }
        let first = specs[0].id
        let again = DriverCall(operation: 2, requestID: "bench")
        let figures = [
            "state of one guest, ns": try await nanoseconds { _ = try await driver.powerState(of: first) },
            "power on, ns": try await nanoseconds { try await driver.powerOn(first, again) },
            "list of 100 guests, ns": try await nanoseconds(batch: 50) { _ = try await driver.guests() },
        ]
        try tell(figures)
        await driver.shutDown()
        await host.end()
    }

    /// The least time of a batch, per call: whatever else the machine does only ever adds.
    private static func nanoseconds(batch: Int = batch, _ body: () async throws -> Void) async throws -> Double {
        var least = Double.infinity
        for _ in 0..<batches {
            let took = try await time { for _ in 0..<batch { try await body() } }
            least = min(least, took.nanoseconds / Double(batch))
        }
        return least
    }
}
