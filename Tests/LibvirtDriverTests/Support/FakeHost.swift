import ComputeModel
import DriverAPI
import Foundation

/// A host for tests: images come from a dictionary of files, log lines are kept.
final class FakeHost: DriverHost {
    let nodeName = "test-node"
    let stateDirectory: String
    private let images = Locked<[ImageID: String]>([:])
    private let fetched = Locked(0)
    private let lines = Locked<[String]>([])
    private let delay: Duration

    init(stateDirectory: String, fetchTakes delay: Duration = .zero) {
        self.stateDirectory = stateDirectory
        self.delay = delay
    }

    /// How often an image was fetched.
    var fetches: Int { fetched.with { $0 } }
    /// What was logged.
    var logged: [String] { lines.with { $0 } }

    /// Makes a file available as an image.
    func offer(
        _ path: String, format: String = "raw", properties: [String: String] = [:], container: String = "bare"
    ) -> ImageSpec {
        let id = ImageID.random()
        images.with { $0[id] = path }
        let size = (try? FileManager.default.attributesOfItem(atPath: path)[.size] as? Int) ?? 0
        return ImageSpec(
            id: id, name: "test", diskFormat: format, containerFormat: container, sizeBytes: Int64(size),
            checksum: "0123456789abcdef0123456789abcdef", properties: properties)
    }

    func log(_ level: DriverLogLevel, _ message: String, _ facts: [String: String]) {
        lines.with { $0.append("\(level.rawValue) \(message) \(facts)") }
    }

    func report(_ progress: DriverProgress) {}

    func fetchImage(_ image: ImageSpec, to path: String) async throws(DriverError) {
        fetched.with { $0 += 1 }
        if delay > .zero {
            do { try await Task.sleep(for: delay) } catch { throw .cancelled }
        }
        guard let source = images.with({ $0[image.id] }) else { throw .imageUnavailable("no image \(image.id)") }
        do {
            try FileManager.default.copyItem(atPath: source, toPath: path)
        } catch {
            throw .imageUnavailable("\(error)")
        }
    }
}

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
    interfaces: [NetworkInterfaceSpec] = [], configDrive: [String: [UInt8]]? = nil, extraSpecs: [String: String] = [:],
    id: GuestID = .random()
) -> GuestSpec {
    GuestSpec(
        id: id, name: "a <server> & more", projectID: "project", userID: "user",
        flavor: FlavorSpec(
            flavorID: "1", name: "tiny", vcpus: 1, memoryMiB: memoryMiB, rootGiB: rootGiB, ephemeralGiB: ephemeralGiB,
            swapMiB: swapMiB, extraSpecs: extraSpecs),
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
