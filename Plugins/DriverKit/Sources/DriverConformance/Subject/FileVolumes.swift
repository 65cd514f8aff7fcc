public import ComputeModel
import Foundation

/// Volumes that are sparse files in a folder.
public struct FileVolumes: ConformanceVolumes {
    private let directory: String

    /// - Parameter directory: absolute; made where it does not exist.
    public init(directory: String) {
        self.directory = directory
        try? FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
    }

    private struct NoFile: Error, CustomStringConvertible {
        let description: String
    }

    public func make(_ kind: VolumeConnection.Kind?, sizeGiB: Int) async throws -> VolumeSpec? {
        guard kind == nil || kind == .file else { return nil }
        let id = VolumeID.random()
        let path = directory + "/volume-" + id.description
        guard FileManager.default.createFile(atPath: path, contents: nil) else {
            throw NoFile(description: "\(path) cannot be made")
        }
        let volume = VolumeSpec(id: id, connection: .file(path: path, format: "raw"), sizeGiB: sizeGiB)
        try await grow(volume, toGiB: sizeGiB)
        return volume
    }

    public func remove(_ volume: VolumeSpec) async throws {
        try FileManager.default.removeItem(atPath: path(volume))
    }

    public func grow(_ volume: VolumeSpec, toGiB sizeGiB: Int) async throws {
        let file = try FileHandle(forUpdating: URL(filePath: path(volume)))
        try file.truncate(atOffset: UInt64(sizeGiB) << 30)
        try file.close()
    }

    public func write(_ bytes: [UInt8], to volume: VolumeSpec) async throws {
        let file = try FileHandle(forUpdating: URL(filePath: path(volume)))
        try file.write(contentsOf: Data(bytes))
        try file.close()
    }

    public func read(_ count: Int, from volume: VolumeSpec) async throws -> [UInt8]? {
        let file = try FileHandle(forReadingFrom: URL(filePath: path(volume)))
        let data = try file.read(upToCount: count)
        try file.close()
        return Array(data ?? Data())
    }

    /// Whether a volume is one of these files.
    public func holds(_ volume: VolumeSpec) -> Bool {
        guard case .file(let path, _) = volume.connection else { return false }
        return path == directory + "/volume-" + volume.id.description
    }

    private func path(_ volume: VolumeSpec) throws -> String {
        guard case .file(let path, _) = volume.connection else {
            throw NoFile(description: "volume \(volume.id) is no file")
        }
        return path
    }
}
