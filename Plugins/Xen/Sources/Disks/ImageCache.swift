import ComputeModel
import DriverAPI
import DriverSupport
import Glibc

/// Images fetched, looked at and made raw once for all guests of this host.
///
/// A file in the cache is complete: it gets its name only at the end. Files in the making start with `.part-`; those of
/// an earlier run are removed at start.
final class ImageCache: Sendable {
    private let directory: String
    private let virtualSizeMax: UInt64
    private let conversionTimeout: Duration
    private let threads: BlockingThreads
    private let host: any DriverHost
    private let flights = SingleFlight<String>()

    /// A cache in a directory that exists.
    init(
        directory: String, virtualSizeMax: UInt64, conversionTimeout: Duration, threads: BlockingThreads,
        host: any DriverHost
    ) {
        self.directory = directory
        self.virtualSizeMax = virtualSizeMax
        self.conversionTimeout = conversionTimeout
        self.threads = threads
        self.host = host
    }

    /// Formats of images: qcow2 only where it can be converted.
    static func formats() -> Set<String> { Subprocess.find("qemu-img") == nil ? ["raw"] : ["raw", "qcow2"] }

    /// Removes what an interrupted run left.
    func removeParts() {
        for name in namesInDirectory(directory) where name.hasPrefix(".part-") {
            try? removeTree("\(directory)/\(name)")
        }
    }

    /// The raw file of an image, fetched if it is not there.
    ///
    /// - Parameter sizeMax: the largest disk that the caller can use, in bytes; `nil` for the cache's own limit.
    func base(for image: ImageSpec, sizeMax: UInt64?) async throws(DriverError) -> String {
        guard Self.formats().contains(image.diskFormat) else {
            let known = Self.formats().sorted().joined(separator: ", ")
            throw .imageUnacceptable(
                "Image \(image.id) has disk format \(image.diskFormat); supported are \(known)")
        }
        guard image.containerFormat == "bare" else {
            throw .imageUnacceptable(
                "Image \(image.id) has container format \(image.containerFormat); only bare is supported")
        }
        let limit = min(sizeMax ?? virtualSizeMax, virtualSizeMax)
        let stem = try Self.stem(image)
        let path = "\(directory)/\(stem).raw"
        let ready = try await flights.value("\(stem) \(limit)") { () async throws(DriverError) in
            if await self.threads.run({ exists(path) }) { return path }
            return try await self.fetch(image, to: path, limit: limit)
        }
        let size = await threads.run { fileSize(ready) ?? 0 }
        guard size <= limit else { throw Self.tooLarge(image, size, limit) }
        return ready
    }

    private static func tooLarge(_ image: ImageSpec, _ size: UInt64, _ limit: UInt64) -> DriverError {
        .imageUnacceptable(
            "Image \(image.id) describes a disk of \(size) bytes, larger than the \(limit) bytes allowed")
    }

    // The checksum is part of the name, so that an image that was uploaded anew is fetched anew; so is a wish for a
    // signature, so that who has one never gets what was fetched without a look at it.
    static func stem(_ image: ImageSpec) throws(DriverError) -> String {
        let sum = image.hashValue ?? image.checksum ?? "size\(image.sizeBytes)"
        guard sum.utf8.allSatisfy({ (48...57).contains($0) || (65...90).contains($0) || (97...122).contains($0) })
        else { throw .imageUnacceptable("Image \(image.id) has the malformed checksum '\(sum)'") }
        var digest: UInt64 = 0xcbf2_9ce4_8422_2325
        for byte in image.trustedCertificates.sorted().joined(separator: "\n").utf8 {
            digest = (digest ^ UInt64(byte)) &* 0x0000_0100_0000_01b3
        }
        let trust = image.trustedCertificates.isEmpty ? "" : "-trusted" + String(digest, radix: 16)
        return "\(image.id)-\(sum.prefix(64))\(trust)"
    }

    private func fetch(_ image: ImageSpec, to path: String, limit: UInt64) async throws(DriverError) -> String {
        let part = "\(directory)/.part-\(UUIDValue.random())"
        do throws(DriverError) {
            try await host.fetchImage(image, to: part)
            let looked = await threads.run {
                Result { () throws(ImageLook.Refusal) in try ImageLook.look(part, declared: image.diskFormat) }
            }
            let size: UInt64
            do throws(ImageLook.Refusal) {
                size = try looked.get()
            } catch {
                throw .imageUnacceptable("Image \(image.id) is unacceptable: \(error.reason)")
            }
            guard size <= limit else { throw Self.tooLarge(image, size, limit) }
            var ready = part
            if image.diskFormat != "raw" {
                ready = "\(part)-raw"
                try await convert(part, image.diskFormat, to: ready, "raw", sizeMax: size)
            }
            if Task.isCancelled { throw .cancelled }
            let source = ready
            do throws(FileFailure) {
                try await threads.run { () throws(FileFailure) in
                    syncFile(source)
                    try moveDurably(source, to: path)
                    try removeTree(part)
                }
            } catch {
                throw error.driverError
            }
            host.log(.info, "image cached", ["image.id": image.id.description, "format": image.diskFormat])
            return path
        } catch {
            await threads.run { for name in [part, "\(part)-raw"] { try? removeTree(name) } }
            throw error
        }
    }

    /// Converts a disk by qemu-img, under limits and with both formats named.
    func convert(
        _ source: String, _ format: String, to target: String, _ targetFormat: String, sizeMax: UInt64
    ) async throws(DriverError) {
        var work = Subprocess(
            "qemu-img", ["convert", "-q", "-f", format, "-O", targetFormat, source, target], timeout: conversionTimeout)
        work.addressSpaceMax = 2 << 30
        work.fileSizeMax = sizeMax + sizeMax / 100 + (16 << 20)
        do throws(Subprocess.Failure) {
            _ = try await work.run(on: threads)
        } catch {
            await threads.run { try? removeTree(target) }
            switch error {
            case .cancelled: throw .cancelled
            case .failed: throw .imageUnacceptable("The image cannot be converted: \(error.message)")
            default: throw .failed(error.message)
            }
        }
    }
}

/// A look at an image's header: it must be what was declared and refer to nothing outside itself.
enum ImageLook {
    /// Why an image is refused, in words for users.
    struct Refusal: Error, Hashable, Sendable {
        let reason: String
    }
    private static let marks: [(format: String, offset: Int, bytes: [UInt8])] = [
        ("qcow2", 0, [0x51, 0x46, 0x49, 0xfb]), ("vmdk", 0, Array("KDMV".utf8)), ("vhdx", 0, Array("vhdxfile".utf8)),
        ("vhd", 0, Array("conectix".utf8)), ("qed", 0, [0x51, 0x45, 0x44, 0x00]), ("vdi", 64, [0x7f, 0x10, 0xda, 0xbe]),
        ("luks", 0, [0x4c, 0x55, 0x4b, 0x53, 0xba, 0xbe]), ("iso", 0x8001, Array("CD001".utf8)),
    ]

    /// The size in bytes of the disk that the file describes.
    static func look(_ path: String, declared: String) throws(Refusal) -> UInt64 {
        let head: [UInt8]
        do throws(FileFailure) {
            head = try readTail(path, bytesMax: 65_536, whole: true)
        } catch {
            throw Refusal(reason: "it cannot be read: \(error.message)")
        }
        let size = fileSize(path) ?? 0
        let found = marks.filter { mark in head.dropFirst(mark.offset).starts(with: mark.bytes) }.map(\.format)
        let format = found.isEmpty ? "raw" : found.joined(separator: " and ")
        guard format == declared else { throw Refusal(reason: "it is declared as \(declared), but is \(format)") }
        guard declared == "qcow2" else {
            guard size > 0 else { throw Refusal(reason: "it is empty") }
            return size
        }
        return try qcow2(head)
    }

    private static func qcow2(_ head: [UInt8]) throws(Refusal) -> UInt64 {
        func number(_ offset: Int, _ count: Int) -> UInt64 {
            guard offset + count <= head.count else { return 0 }
            return head[offset..<(offset + count)].reduce(0) { $0 << 8 | UInt64($1) }
        }
        let version = number(4, 4)
        guard version == 2 || version == 3, head.count >= 104 else {
            throw Refusal(reason: "it is qcow2 of version \(version)")
        }
        guard number(8, 8) == 0 else { throw Refusal(reason: "it refers to a backing file") }
        guard number(32, 4) == 0 else { throw Refusal(reason: "it is encrypted") }
        // Dirty and compression kind are harmless; an external data file (bit 2) and what is unknown are not.
        guard version == 2 || number(72, 8) & ~0b1001 == 0 else {
            throw Refusal(reason: "it has features that are not accepted, such as an external data file")
        }
        let size = number(24, 8)
        guard size > 0, size < 1 << 60 else { throw Refusal(reason: "it describes a disk of \(size) bytes") }
        return size
    }
}
