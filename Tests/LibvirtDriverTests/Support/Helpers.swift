import ComputeModel
import DriverAPI
import DriverConformance
import Foundation

/// Waits until `condition` holds, looking often.
///
/// - Returns: whether it came to hold before the deadline.
func eventually(
    within limit: Duration = .seconds(20), _ condition: () async throws -> Bool
) async rethrows -> Bool {
    let clock = ContinuousClock()
    let deadline = clock.now + limit
    while clock.now < deadline {
        if try await condition() { return true }
        try? await Task.sleep(for: .milliseconds(50))
    }
    return try await condition()
}

/// The error that `body` throws; `nil` when it throws none.
func driverError(_ body: () async throws -> Void) async -> DriverError? {
    do {
        try await body()
        return nil
    } catch {
        return error as? DriverError
    }
}

/// A specification for tests.
func guestSpec(
    _ image: ImageSpec?, rootGiB: Int = 1, ephemeralGiB: Int = 0, swapMiB: Int = 0, memoryMiB: Int = 128,
    vcpus: Int = 1, interfaces: [NetworkInterfaceSpec] = [], configDrive: [String: [UInt8]]? = nil,
    extraSpecs: [String: String] = [:],
    id: GuestID = .random()
) -> GuestSpec {
    GuestSpec(
        id: id, name: "a <server> & more", projectID: "project", userID: "user",
        flavor: FlavorSpec(
            flavorID: "1", name: "tiny", vcpus: vcpus, memoryMiB: memoryMiB, rootGiB: rootGiB,
            ephemeralGiB: ephemeralGiB, swapMiB: swapMiB, extraSpecs: extraSpecs),
        image: image, interfaces: interfaces, configDrive: configDrive)
}

/// An interface for tests.
func interfaceSpec(
    bridge: String, tap: String, mac: String = "fa:16:3e:00:00:01", mtu: Int = 1450
) -> NetworkInterfaceSpec {
    NetworkInterfaceSpec(
        portID: .random(), networkID: .random(), networkName: "net", macAddress: mac, mtu: mtu,
        binding: .bridge(bridge: bridge, tap: tap), addresses: [])
}

/// A call of that number.
func operation(_ number: Int64) -> DriverCall { DriverCall(operation: number, requestID: "req-test") }

/// Whether the error is of the case that `shape` is, whatever its words.
func isCase(_ error: DriverError?, _ shape: (String) -> DriverError) -> Bool {
    guard let error else { return false }
    return shape(error.message) == error
}
