import ComputeModel
import DriverAPI
import DriverSupport

/// Images fetched, inspected and made ready once for all guests of this host.
///
/// A file in the cache is complete and inspected: it gets its name only at the end. Files in the making start with
/// `.part-`; those of an earlier run are removed at start.
final class ImageCache: Sendable {
    /// An image ready to be a base.
    struct Base: Hashable, Sendable {
        let path: String
        let format: DiskFormat
        let virtualSize: UInt64
    }

    /// Where the cache is.
    let directory: String
    private let convertsToRaw: Bool
    private let virtualSizeMax: UInt64
    private let qemuImg: QemuImg
    let threads: BlockingThreads
    let host: any DriverHost
    private let flights = SingleFlight<Base>()
    private let lastPart = Locked(0)
    /// How many things are being made on an image at this moment.
    let leases = Locked<[ImageID: Int]>([:])

    /// A cache in a directory that exists.
    init(
        directory: String, convertsToRaw: Bool, virtualSizeMax: UInt64, qemuImg: QemuImg, threads: BlockingThreads,
        host: any DriverHost
    ) {
        self.directory = directory
        self.convertsToRaw = convertsToRaw
        self.virtualSizeMax = virtualSizeMax
        self.qemuImg = qemuImg
        self.threads = threads
        self.host = host
    }

    /// Removes what an interrupted run left.
    func removeParts() {
        for name in namesInDirectory(directory) where name.hasPrefix(".part-") {
            try? removeTree("\(directory)/\(name)")
        }
    }

    /// The base for an image, fetched if it is not there.
    ///
    /// - Parameters:
    ///   - sizeMax: largest virtual size in bytes that the caller can use; `nil` for the cache's own limit.
    ///   - allowsISO: whether the image may be a CD, whose base is then raw.
    /// - Throws: ``DriverError/imageUnacceptable(_:)``, ``DriverError/imageUnavailable(_:)``,
    ///   ``DriverError/insufficientResources(_:)``, ``DriverError/cancelled``. No file remains then.
    func base(
        for image: ImageSpec, sizeMax: UInt64?, allowsISO: Bool = false
    ) async throws(DriverError) -> Base {
        let limit = min(sizeMax ?? virtualSizeMax, virtualSizeMax)
        try Self.checkDeclaration(image, allowsISO: allowsISO)
        // The limit belongs to the key: another guest's smaller disk must not refuse the image for this one.
        let key = "\(try stem(image)) \(limit)"
        return try await flights.value(key) { () async throws(DriverError) in
            if let base = try await self.cached(image, limit: limit) { return base }
            return try await self.fetch(image, limit: limit)
        }
    }

    private static func checkDeclaration(_ image: ImageSpec, allowsISO: Bool) throws(DriverError) {
        let format = DiskFormat(rawValue: image.diskFormat)
        guard let format, DiskFormat.bootable.contains(format) || (allowsISO && format == .iso) else {
            throw .imageUnacceptable(
                "Image \(image.id) has disk format \(image.diskFormat); supported are "
                    + DiskFormat.bootable.map(\.rawValue).sorted().joined(separator: ", "))
        }
        guard image.containerFormat == "bare" else {
            throw .imageUnacceptable(
                "Image \(image.id) has container format \(image.containerFormat); only bare is supported")
        }
    }

    // The checksum is part of the name, so that an image that was uploaded anew is fetched anew.
    private func stem(_ image: ImageSpec) throws(DriverError) -> String {
        let sum = image.hashValue ?? image.checksum ?? "size\(image.sizeBytes)"
        guard sum.utf8.allSatisfy({ (48...57).contains($0) || (65...90).contains($0) || (97...122).contains($0) })
        else {
            throw .imageUnacceptable("Image \(image.id) has the malformed checksum '\(sum)'")
        }
        return "\(image.id)-\(sum.prefix(64))" + Self.trustMark(image)
    }

    // Who wishes for a signature must not get what was fetched without a look at one.
    private static func trustMark(_ image: ImageSpec) -> String {
        guard !image.trustedCertificates.isEmpty else { return "" }
        var digest: UInt64 = 0xcbf2_9ce4_8422_2325
        for byte in image.trustedCertificates.sorted().joined(separator: "\n").utf8 {
            digest = (digest ^ UInt64(byte)) &* 0x0000_0100_0000_01b3
        }
        return "-trusted" + String(digest, radix: 16)
    }

    private func cached(_ image: ImageSpec, limit: UInt64) async throws(DriverError) -> Base? {
        let stem = try stem(image)
        let directory = directory
        let found: Result<Base, ImageRefusal>? = await threads.run {
            for format in DiskFormat.bootable {
                let path = "\(directory)/\(stem).\(format.rawValue)"
                guard exists(path) else { continue }
                return Result { () throws(ImageRefusal) in
                    // A base in raw form may hold anything at all, and is never opened as anything but raw.
                    guard format != .raw else {
                        return Base(path: path, format: .raw, virtualSize: fileSize(path) ?? 0)
                    }
                    let image = try ImageInspector.inspect(path, declared: format.rawValue)
                    return Base(path: path, format: format, virtualSize: image.virtualSize)
                }
            }
            return nil
        }
        do throws(ImageRefusal) {
            guard let base = try found?.get() else { return nil }
            guard base.virtualSize <= limit else { throw .tooLarge(virtualSize: base.virtualSize, limit: limit) }
            return base
        } catch {
            throw Self.refusal(image, error)
        }
    }

    private static func refusal(_ image: ImageSpec, _ reason: ImageRefusal) -> DriverError {
        .imageUnacceptable("Image \(image.id) is unacceptable: \(reason.message)")
    }

    private func fetch(_ image: ImageSpec, limit: UInt64) async throws(DriverError) -> Base {
        let directory = directory
        let stem = try stem(image)
        let number = lastPart.with { last in
            last += 1
            return last
        }
        let part = "\(directory)/.part-\(image.id)-\(number)"
        do throws(DriverError) {
            let space = try await fileCall { () throws(FileFailure) in try diskSpace(directory) }
            guard space.free > UInt64(clamping: image.sizeBytes) else {
                throw .insufficientResources(
                    "\(directory) has \(space.free >> 20) MiB free, image \(image.id) needs \(image.sizeBytes >> 20)")
            }
            try await host.fetchImage(image, to: part)
            let inspected = await threads.run {
                Result { () throws(ImageRefusal) in try ImageInspector.inspect(part, declared: image.diskFormat) }
            }
            let found: InspectedImage
            do throws(ImageRefusal) {
                found = try inspected.get()
                guard found.virtualSize <= limit else { throw .tooLarge(virtualSize: found.virtualSize, limit: limit) }
            } catch {
                throw Self.refusal(image, error)
            }
            let base = try await makeReady(part, found, stem: stem)
            host.log(
                .info, "image cached",
                ["image.id": image.id.description, "format": base.format.rawValue, "found": found.format.rawValue])
            return base
        } catch {
            await threads.run { for name in [part, "\(part)-converted"] { try? removeTree(name) } }
            throw error
        }
    }

    /// Converts where needed, and gives the file its name.
    private func makeReady(_ part: String, _ found: InspectedImage, stem: String) async throws(DriverError) -> Base {
        let isPlain = found.format == .raw || found.format == .iso
        let keeps = isPlain || (found.format == .qcow2 && !convertsToRaw)
        let format = keeps && !isPlain ? found.format : .raw
        var ready = part
        if !keeps {
            ready = "\(part)-converted"
            try await qemuImg.convert(part, found.format, to: ready, .raw, virtualSize: found.virtualSize)
        }
        let path = "\(directory)/\(stem).\(format.rawValue)"
        let source = ready
        if Task.isCancelled { throw .cancelled }
        return try await fileCall { () throws(FileFailure) in
            syncFile(source)
            try moveDurably(source, to: path)
            if source != part { try removeTree(part) }
            let size = format == .raw ? fileSize(path) ?? found.virtualSize : found.virtualSize
            return Base(path: path, format: format, virtualSize: size)
        }
    }

    private func fileCall<Value: Sendable>(
        _ body: @escaping @Sendable () throws(FileFailure) -> Value
    ) async throws(DriverError) -> Value {
        do throws(FileFailure) { return try await threads.run(body) } catch { throw error.driverError }
    }
}
