package import ComputeModel
import Crypto
import Glibc
import NIOCore

/// Why the file of an image did not arrive.
package enum ImageDownloadError: Error, Hashable, Sendable {
    /// The image service failed, or what came is not what it promised.
    case unavailable(String)
    /// There is no room for it.
    case diskFull(String)
    /// The caller gave up.
    case cancelled
}

extension ImageClient {
    /// Streams the file of an image to a new file at `path` and checks its length and hash. If it throws, there is no
    /// file at `path`.
    package func download(_ image: ImageSpec, to path: String) async throws(ImageDownloadError) {
        let partial = path + ".part"
        do {
            try await write(image, to: partial)
            guard rename(partial, path) == 0 else { throw Self.fileError(path) }
        } catch {
            unlink(partial)
            switch error {
            case let error as ImageDownloadError: throw error
            case is CancellationError: throw .cancelled
            default: throw Task.isCancelled ? .cancelled : .unavailable("image \(image.id): \(error)")
            }
        }
    }

    private func write(_ image: ImageSpec, to path: String) async throws {
        let file = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o640)
        guard file >= 0 else { throw Self.fileError(path) }
        defer { close(file) }
        var hash = ImageHash(image)
        var length: Int64 = 0
        try await download(image.id) { piece in
            length += Int64(piece.readableBytes)
            if image.sizeBytes > 0, length > image.sizeBytes {
                throw ImageDownloadError.unavailable(
                    "image \(image.id) is longer than the \(image.sizeBytes) bytes that the image service promises")
            }
            let written = piece.withUnsafeReadableBytes { bytes in
                hash.update(bytes)
                return Glibc.write(file, bytes.baseAddress, bytes.count)
            }
            guard written == piece.readableBytes else { throw Self.fileError(path) }
        }
        guard image.sizeBytes == 0 || length == image.sizeBytes else {
            throw ImageDownloadError.unavailable(
                "image \(image.id) ended after \(length) of \(image.sizeBytes) bytes")
        }
        if let problem = hash.mismatch { throw ImageDownloadError.unavailable("image \(image.id): \(problem)") }
        guard fsync(file) == 0 else { throw Self.fileError(path) }
    }

    private static func fileError(_ path: String) -> ImageDownloadError {
        let code = errno
        let text = "\(path) cannot be written: \(String(cString: strerror(code)))"
        return code == ENOSPC || code == EDQUOT ? .diskFull(text) : .unavailable(text)
    }
}

/// The hash that the image service promises, computed on the way.
private struct ImageHash {
    private var sha512: SHA512?
    private var md5: Insecure.MD5?
    private let expected: String?

    init(_ image: ImageSpec) {
        if image.hashAlgorithm == "sha512", let value = image.hashValue {
            sha512 = SHA512()
            expected = value
        } else if let checksum = image.checksum {
            md5 = Insecure.MD5()
            expected = checksum
        } else {
            expected = nil
        }
    }

    mutating func update(_ bytes: UnsafeRawBufferPointer) {
        sha512?.update(bufferPointer: bytes)
        md5?.update(bufferPointer: bytes)
    }

    /// What differs; `nil` when nothing does.
    var mismatch: String? {
        guard let expected else { return nil }
        let found: String
        if let sha512 {
            found = Self.hexadecimal(sha512.finalize())
        } else if let md5 {
            found = Self.hexadecimal(md5.finalize())
        } else {
            return nil
        }
        return found == expected.lowercased() ? nil : "its hash is \(found), the image service promises \(expected)"
    }

    private static func hexadecimal(_ digest: some Digest) -> String {
        digest.map { byte in
            let digits = String(byte, radix: 16)
            return digits.utf8.count == 1 ? "0" + digits : digits
        }.joined()
    }
}
