import ComputeModel
import DriverAPI
import DriverConformance
import Foundation

@testable import FakeDriver

/// A directory that goes with its owner.
final class ScratchDirectory: Sendable {
    let path: String

    init() throws {
        path = FileManager.default.temporaryDirectory.path + "/fake-tests-\(UUIDValue.random())"
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }

    func folder(_ name: String) throws -> String {
        try FileManager.default.createDirectory(atPath: path + "/" + name, withIntermediateDirectories: true)
        return path + "/" + name
    }
}

/// A fake node of a test's own: its state directory, its host, and drivers over them.
final class Node: Sendable {
    let scratch: ScratchDirectory
    let host: ScratchHost
    let name: String
    private let options: [String: String]

    init(_ options: [String: String] = [:], name: String = "one", in scratch: ScratchDirectory? = nil) throws {
        self.scratch = try scratch ?? ScratchDirectory()
        self.options = options
        self.name = name
        host = ScratchHost(stateDirectory: try self.scratch.folder(name), nodeName: name)
    }

    /// A driver over the node's state; again and again, as after restarts of the host's process.
    func start(_ further: [String: String] = [:]) async throws -> any ComputeDriver {
        let factory = FakeNode.factory
        var values: [String: String] = [:]
        for option in factory.options { values[option.name] = option.defaultValue }
        values.merge(options) { $1 }
        return try await factory.makeDriver(DriverConfiguration(values.merging(further) { $1 }), host: host)
    }

    /// What the node holds, seen from outside.
    var world: [String] {
        FakeNode.world(stateDirectory: host.stateDirectory, sharedStorage: options["shared_storage"])
    }

    /// Writes the control file, or removes it.
    func order(_ text: String?) throws {
        let path = FakeNode.controlFile(stateDirectory: host.stateDirectory)
        if let text {
            try Data(text.utf8).write(to: URL(filePath: path))
        } else {
            try FileManager.default.removeItem(atPath: path)
        }
    }

    /// An image that the host can fetch.
    func image(_ text: String = "an image", format: String = "raw") throws -> ImageSpec {
        let path = try scratch.folder("offered") + "/\(UUIDValue.random())"
        try Data(text.utf8).write(to: URL(filePath: path))
        return host.offer(image: path, format: format)
    }

    /// The console log of a guest, as text.
    static func console(of guest: GuestID, _ driver: any ComputeDriver) async throws -> String {
        guard let log = driver.capabilities.consoleLog else { return "" }
        return String(decoding: try await log.consoleLog(of: guest, bytesMax: 65_536), as: UTF8.self)
    }
}

extension GuestSpec {
    static func test(
        _ id: GuestID = .random(), image: ImageSpec? = nil, metadata: [String: String] = [:],
        interfaces: [NetworkInterfaceSpec] = [], volumes: [VolumeSpec] = [], rootGiB: Int = 1
    ) -> GuestSpec {
        GuestSpec(
            id: id, name: "vm", projectID: "p", userID: "u",
            flavor: FlavorSpec(flavorID: "1", name: "m1.nano", vcpus: 1, memoryMiB: 64, rootGiB: rootGiB), image: image,
            interfaces: interfaces, volumes: volumes, metadata: metadata)
    }
}

extension DriverCall {
    static func number(_ operation: Int64) -> DriverCall { DriverCall(operation: operation, requestID: "req-1") }
}

struct NotInTime: Error {}

/// Waits for a condition, at most for so long.
func until(_ limit: Duration = .seconds(20), _ condition: () async throws -> Bool) async throws {
    let end = ContinuousClock.now + limit
    while try await !condition() {
        guard .now < end else { throw NotInTime() }
        try await Task.sleep(for: .milliseconds(2))
    }
}

/// The error of a call by its case: `refused`; `nil` when it succeeds.
func failure(_ body: () async throws -> Void) async -> String? {
    do {
        try await body()
        return nil
    } catch let error as DriverError {
        return "\(error.kind)"
    } catch {
        return "\(error)"
    }
}

extension DriverError {
    /// The name of the case.
    var kind: String {
        switch self {
        case .noSuchGuest: "noSuchGuest"
        case .unreachable: "unreachable"
        case .insufficientResources: "insufficientResources"
        case .imageUnacceptable: "imageUnacceptable"
        case .imageUnavailable: "imageUnavailable"
        case .refused: "refused"
        case .notSupported: "notSupported"
        case .busy: "busy"
        case .timedOut: "timedOut"
        case .cancelled: "cancelled"
        case .stale: "stale"
        case .badConfiguration: "badConfiguration"
        case .failed: "failed"
        }
    }
}
