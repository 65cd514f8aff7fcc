import ComputeModel
import DriverAPI
import DriverSupport
import Glibc

extension ImageCache {
    /// Lends the base for an image while something is made that leans on it; it is not removed meanwhile, and its
    /// time of last use is now.
    func withBase<Value: Sendable>(
        for image: ImageSpec, sizeMax: UInt64?, allowsISO: Bool = false,
        _ body: (Base) async throws(DriverError) -> Value
    ) async throws(DriverError) -> Value {
        // The lease is taken first: between the answer and a later lease the file could go.
        leases.with { $0[image.id, default: 0] += 1 }
        do throws(DriverError) {
            let base = try await base(for: image, sizeMax: sizeMax, allowsISO: allowsISO)
            let path = base.path
            await threads.run { _ = utimes(path, nil) }
            let value = try await body(base)
            leases.with { $0[image.id, default: 1] -= 1 }
            return value
        } catch {
            leases.with { $0[image.id, default: 1] -= 1 }
            throw error
        }
    }

    /// Lends a file of the cache by its name, fetched from another node's cache when it is not there.
    ///
    /// - Parameter offer: the other node's; `nil` when it offers none.
    func withFile<Value: Sendable>(
        _ name: String, offer: FileOffer?, _ body: (String) async throws(DriverError) -> Value
    ) async throws(DriverError) -> Value {
        guard let image = Self.image(ofFile: name), !name.contains("/") else {
            throw .refused("'\(name)' is no file of an image cache")
        }
        leases.with { $0[image, default: 0] += 1 }
        do throws(DriverError) {
            let path = "\(directory)/\(name)"
            try await bring(name, to: path, offer)
            await threads.run { _ = utimes(path, nil) }
            let value = try await body(path)
            leases.with { $0[image, default: 1] -= 1 }
            return value
        } catch {
            leases.with { $0[image, default: 1] -= 1 }
            throw error
        }
    }

    private func bring(_ name: String, to path: String, _ offer: FileOffer?) async throws(DriverError) {
        if await threads.run({ exists(path) }) { return }
        guard let offer else { throw .imageUnavailable("the base \(name) is neither here nor offered") }
        let part = "\(directory)/.part-\(UUIDValue.random())"
        try await host.fetchFile(offer, to: part)
        do throws(FileFailure) {
            try await threads.run { () throws(FileFailure) in
                syncFile(part)
                try moveDurably(part, to: path)
            }
        } catch {
            throw error.driverError
        }
    }

    /// The image that a file of the cache is; `nil` for a file in the making.
    static func image(ofFile name: String) -> ImageID? { name.count > 36 ? ImageID(name.prefix(36)) : nil }
}
