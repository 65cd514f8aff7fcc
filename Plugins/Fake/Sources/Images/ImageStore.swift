import ComputeModel
import DriverAPI
import FoundationEssentials
import Glibc

/// Images kept on the node: a file each, named by the image; its time of change is when it was last needed. What is
/// still coming has another name and is removed at start.
final class ImageStore: Sendable {
    private static let partSuffix = ".part"
    private let folder: String
    private let host: any DriverHost
    private let mutation: Mutation?
    private let now: @Sendable () -> Timestamp
    private let turns = KeyedLocks<ImageID>()

    init(folder: String, host: any DriverHost, mutation: Mutation?, now: @escaping @Sendable () -> Timestamp) {
        self.folder = folder
        self.host = host
        self.mutation = mutation
        self.now = now
        for name in names where name.hasSuffix(Self.partSuffix) { _ = unlink(folder + "/" + name) }
    }

    /// Makes sure that an image is here. If it throws, nothing of it is.
    func fetch(_ image: ImageSpec) async throws(DriverError) {
        try await turns.alone(with: image.id) { () async throws(DriverError) in
            let path = self.path(image.id)
            if access(path, F_OK) == 0 { return self.touch(path) }
            try self.makeFolder()
            let part = path + Self.partSuffix
            _ = unlink(part)
            do throws(DriverError) {
                try await self.fetch(image, to: part)
                try ImageSignature.check(image, at: part)
            } catch {
                if self.mutation == .cacheFailureLeavesPart {
                    try? Data("part".utf8).write(to: URL(filePath: part))
                } else {
                    _ = unlink(part)
                }
                throw error
            }
            guard rename(part, path) == 0 else {
                let reason = String(cString: strerror(errno))
                _ = unlink(part)
                throw .insufficientResources("the image \(image.id) cannot be kept at \(path): \(reason)")
            }
            self.touch(path)
        }
    }

    private func fetch(_ image: ImageSpec, to path: String) async throws(DriverError) {
        guard mutation == .cancelIgnored else { return try await host.fetchImage(image, to: path) }
        let host = host
        let alone = Task { () -> DriverError? in
            do throws(DriverError) {
                try await host.fetchImage(image, to: path)
                return nil
            } catch {
                return error
            }
        }
        if let error = await alone.value { throw error }
    }

    /// Notes that an image is needed now; nothing for one that is not here.
    func use(_ image: ImageID) { touch(path(image)) }

    /// What is kept, with how many of the given guests lean on each.
    func list(_ guests: [ImageID: Int]) -> [CachedImage] {
        names.compactMap { name in ImageID(name).flatMap { entry($0, guests) } }.sorted { $0.image < $1.image }
    }

    /// Removes what nobody leans on and was not needed for so long.
    func remove(unusedFor age: Duration, guests: @Sendable () -> [ImageID: Int]) async throws(DriverError)
        -> [CachedImage]
    {
        var removed: [CachedImage] = []
        for name in names {
            guard let image = ImageID(name) else { continue }
            let gone: CachedImage? = try await turns.alone(with: image) { () async throws(DriverError) in
                // Looked at again in its turn: a guest may have come to need it.
                guard let entry = self.entry(image, guests()) else { return nil }
                guard entry.guests == 0 || self.mutation == .cacheEvictsUsed else { return nil }
                guard self.now() - entry.lastUsed >= age else { return nil }
                return unlink(self.path(image)) == 0 ? entry : nil
            }
            if let gone { removed.append(gone) }
        }
        return removed
    }

    private var names: [String] { (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? [] }

    private func path(_ image: ImageID) -> String { folder + "/" + image.description }

    private func entry(_ image: ImageID, _ guests: [ImageID: Int]) -> CachedImage? {
        var facts = stat()
        guard stat(path(image), &facts) == 0 else { return nil }
        let used = Int64(facts.st_mtim.tv_sec) * 1_000_000 + Int64(facts.st_mtim.tv_nsec) / 1_000
        return CachedImage(
            image: image, bytes: UInt64(max(0, facts.st_size)), guests: guests[image] ?? 0,
            lastUsed: Timestamp(microseconds: used))
    }

    private func touch(_ path: String) {
        let moment = now().microseconds
        let time = timespec(tv_sec: Int(moment / 1_000_000), tv_nsec: Int(moment % 1_000_000) * 1_000)
        _ = [time, time].withUnsafeBufferPointer { utimensat(AT_FDCWD, path, $0.baseAddress, 0) }
    }

    private func makeFolder() throws(DriverError) {
        guard mkdir(folder, 0o700) == 0 || errno == EEXIST else {
            throw .insufficientResources("the folder \(folder) cannot be made: \(String(cString: strerror(errno)))")
        }
    }
}
