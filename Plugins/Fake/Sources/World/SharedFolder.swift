import DriverAPI
import FoundationEssentials
import Glibc

/// Storage that several nodes see: a folder with a small file for each root disk, which says which node uses it. A node
/// never removes what another one uses: the guest may have moved, or have been evacuated, without its knowing.
struct SharedFolder: Sendable {
    let path: String
    private let node: String

    /// - Parameter node: this one's name.
    /// - Throws: ``DriverError/badConfiguration(_:)`` when the folder is not there.
    init(_ path: String, node: String = "") throws(DriverError) {
        var isFolder = false
        guard path.hasPrefix("/"), FileManager.default.fileExists(atPath: path, isDirectory: &isFolder), isFolder else {
            throw .badConfiguration(
                "[fake] shared_storage = \(path) is not a folder; name one by its absolute path that all nodes see")
        }
        self.path = path
        self.node = node
    }

    /// The disk; `nil` when it is not there.
    func read(_ name: DiskName) throws(DriverError) -> FakeDisk? {
        let file = file(name)
        guard FileManager.default.fileExists(atPath: file) else { return nil }
        do {
            return try JSONDecoder().decode(FakeDisk.self, from: Data(contentsOf: URL(filePath: file)))
        } catch {
            throw .failed("the shared disk \(file) cannot be read: \(error)")
        }
    }

    /// Writes the disk, which this node uses from now on, or the one given.
    func write(_ disk: FakeDisk, for user: String? = nil) throws(DriverError) {
        let file = file(disk.name)
        var disk = disk
        disk.node = user ?? node
        do {
            try JSONEncoder().encode(disk).write(to: URL(filePath: file), options: .atomic)
        } catch {
            throw .insufficientResources("the shared disk \(file) cannot be written: \(error)")
        }
    }

    /// Removes the disk, unless another node uses it; succeeds when it is not there.
    func remove(_ name: DiskName) throws(DriverError) {
        guard let disk = try read(name), disk.node == node else { return }
        try erase(name)
    }

    /// Removes the disk whoever uses it.
    func erase(_ name: DiskName) throws(DriverError) {
        let file = file(name)
        guard unlink(file) == 0 || errno == ENOENT else {
            throw .failed("the shared disk \(file) cannot be removed: \(String(cString: strerror(errno)))")
        }
    }

    private func file(_ name: DiskName) -> String { "\(path)/\(name.guest).\(name.role.rawValue).json" }
}
