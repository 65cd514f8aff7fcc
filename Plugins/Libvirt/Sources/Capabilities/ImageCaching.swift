import ComputeModel
import DriverAPI
import DriverSupport
import Glibc

/// Keeps images on the node: lists them, fetches them early, removes those that nobody leans on.
struct ImageCaching: CachingImages {
    let driver: LibvirtDriver

    func cachedImages() async throws(DriverError) -> [CachedImage] {
        let (cache, instances) = (driver.disks.cache.directory, driver.options.instancesPath)
        return await driver.threads.run { Self.list(cache: cache, instancesPath: instances).map(\.image) }
    }

    func cache(_ image: ImageSpec) async throws(DriverError) {
        try await driver.disks.cache.withBase(for: image, sizeMax: nil) { _ async throws(DriverError) in }
    }

    @discardableResult
    func removeImages(unusedFor age: Duration) async throws(DriverError) -> [CachedImage] {
        let (cache, instances) = (driver.disks.cache, driver.options.instancesPath)
        return try await driver.files { () throws(FileFailure) in
            var removed: [CachedImage] = []
            let now = Int64(time(nil))
            for entry in Self.list(cache: cache.directory, instancesPath: instances) {
                let unused = now - entry.lastUsedSeconds
                guard entry.image.guests == 0, unused >= age.components.seconds else { continue }
                // Out of sight while nobody can take a lease, then removed.
                let hidden = "\(cache.directory)/.part-removed-\(entry.image.image)"
                let isOurs = cache.leases.with { leases in
                    leases[entry.image.image, default: 0] == 0 && rename(entry.path, hidden) == 0
                }
                guard isOurs else { continue }
                try removeTree(hidden)
                removed.append(entry.image)
            }
            return removed
        }
    }

    private struct Entry: Sendable {
        var image: CachedImage
        var path: String
        var lastUsedSeconds: Int64
    }

    /// What is in the cache, with how many guests of this directory lean on each.
    private static func list(cache: String, instancesPath: String) -> [Entry] {
        let leaning = guestsByBase(instancesPath)
        return namesInDirectory(cache).compactMap { name in
            guard let image = ImageCache.image(ofFile: name) else { return nil }
            let path = "\(cache)/\(name)"
            var information = stat()
            guard stat(path, &information) == 0 else { return nil }
            let used = Int64(information.st_mtim.tv_sec)
            let entry = CachedImage(
                image: image, bytes: UInt64(information.st_blocks) * 512, guests: leaning[path]?.count ?? 0,
                lastUsed: Timestamp(seconds: used))
            return Entry(image: entry, path: path, lastUsedSeconds: used)
        }
    }

    /// For each base the directories of guests, departed ones too, with a disk that leans on it.
    private static func guestsByBase(_ instancesPath: String) -> [String: Set<String>] {
        var found: [String: Set<String>] = [:]
        for name in namesInDirectory(instancesPath) where GuestID(name.prefix(36)) != nil {
            for file in namesInDirectory("\(instancesPath)/\(name)") where file.hasPrefix("disk") {
                // Only disks that the driver made as qcow2 have a header; of raw ones nothing is believed but that
                // a file may be kept too long.
                guard let base = DiskHeader("\(instancesPath)/\(name)/\(file)", .qcow2)?.base else { continue }
                found[base, default: []].insert(name)
            }
        }
        return found
    }
}
