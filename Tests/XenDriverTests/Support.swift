import ComputeModel
import DriverAPI
import Foundation

@testable import XenDriver

/// Options with what the host would fill in.
func makeOptions(_ values: [String: String] = [:], stateDirectory: String = "/state") throws(DriverError)
    -> XenOptions
{
    let defaults = XenOptions.declared.compactMap { option in option.defaultValue.map { (option.name, $0) } }
    let all = Dictionary(uniqueKeysWithValues: defaults).merging(values) { $1 }
    return try XenOptions(DriverConfiguration(all), stateDirectory: stateDirectory)
}

/// A guest of two processors and 256 MiB.
func makeSpec() -> GuestSpec {
    GuestSpec(
        id: .random(), name: "test", projectID: "project", userID: "user",
        flavor: FlavorSpec(flavorID: "1", name: "one", vcpus: 2, memoryMiB: 256, rootGiB: 1),
        image: ImageSpec(id: .random(), name: "image", diskFormat: "raw", containerFormat: "bare", sizeBytes: 1),
        interfaces: [])
}

/// An interface with that address and binding.
func makeInterface(_ macAddress: String, _ binding: PortBinding) -> NetworkInterfaceSpec {
    NetworkInterfaceSpec(
        portID: .random(), networkID: .random(), networkName: "net", macAddress: macAddress, mtu: 1500,
        binding: binding, addresses: [])
}

/// A folder of a test's own.
final class Scratch: Sendable {
    let path: String

    init() throws {
        path = FileManager.default.temporaryDirectory.path + "/xen-tests-" + UUIDValue.random().compact
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }

    /// Writes a file and returns its path.
    func file(_ name: String, _ bytes: [UInt8]) throws -> String {
        try Data(bytes).write(to: URL(filePath: "\(path)/\(name)"))
        return "\(path)/\(name)"
    }
}
