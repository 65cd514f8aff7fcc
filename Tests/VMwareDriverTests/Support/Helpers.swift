import ComputeModel
import DriverAPI
import DriverConformance
import Foundation

/// Waits until `condition` holds, looking often.
///
/// - Returns: whether it came to hold before the deadline.
func eventually(
    within limit: Duration = .seconds(30), _ condition: () async throws -> Bool
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

func call(_ operation: Int64) -> DriverCall { DriverCall(operation: operation, requestID: "req-\(operation)") }

/// A specification for tests.
func guestSpec(
    _ image: ImageSpec?, rootGiB: Int = 1, ephemeralGiB: Int = 0, swapMiB: Int = 0,
    interfaces: [NetworkInterfaceSpec] = [], volumes: [VolumeSpec] = [], configDrive: [String: [UInt8]]? = nil,
    extraSpecs: [String: String] = [:], name: String = "a <server> & more", id: GuestID = .random()
) -> GuestSpec {
    GuestSpec(
        id: id, name: name, projectID: "project", userID: "user",
        flavor: FlavorSpec(
            flavorID: "1", name: "tiny", vcpus: 1, memoryMiB: 128, rootGiB: rootGiB, ephemeralGiB: ephemeralGiB,
            swapMiB: swapMiB, extraSpecs: extraSpecs),
        image: image, interfaces: interfaces, volumes: volumes, configDrive: configDrive)
}

func interfaceSpec(mac: String = "fa:16:3e:00:00:01", binding: PortBinding = .unbound) -> NetworkInterfaceSpec {
    NetworkInterfaceSpec(
        portID: .random(), networkID: .random(), networkName: "net", macAddress: mac, mtu: 1450, binding: binding,
        addresses: [])
}

/// Makes image files of a known content.
enum TestImage {
    /// What the disk holds: something at its beginning, in its middle and at its end.
    static let bytes: [UInt8] = {
        var bytes = [UInt8](repeating: 0, count: 4 << 20)
        for (at, text) in [(0, "begin"), (1 << 20, "middle"), ((4 << 20) - 8, "the end.")] {
            bytes.replaceSubrange(at..<at + text.utf8.count, with: Array(text.utf8))
        }
        for index in 0..<65536 { bytes[2 << 20 + index] = UInt8(truncatingIfNeeded: index &* 31 >> 3) }
        return bytes
    }()

    static func raw(_ folder: String) throws -> String {
        let path = "\(folder)/\(UUID().uuidString).raw"
        try Data(bytes).write(to: URL(filePath: path))
        return path
    }

    /// Converted by QEMU's tool, which knows VMware's formats independently of us.
    static func vmdk(_ folder: String, subformat: String) throws -> String {
        let (source, path) = (try raw(folder), "\(folder)/\(UUID().uuidString).vmdk")
        let (status, text) = VCenterWorld.run(
            "/usr/bin/qemu-img",
            ["convert", "-f", "raw", "-O", "vmdk", "-o", "subformat=\(subformat)", source, path])
        guard status == 0 else { throw VCenterWorld.Failure(description: text) }
        return path
    }
}
