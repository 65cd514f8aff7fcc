import Glibc
import NIOPosix

/// An open file that is sent as a body. Reading and opening happen on threads made for blocking calls; the file is
/// closed when the last reference goes.
package final class HTTPFile: Sendable {
    private let descriptor: CInt
    /// The size when it was opened, in bytes. That many are sent.
    package let size: Int
    /// The time of its last change, in seconds since 1970.
    package let modificationTime: Int

    private static let chunkBytes = 256 * 1024

    private init(descriptor: CInt, size: Int, modificationTime: Int) {
        (self.descriptor, self.size, self.modificationTime) = (descriptor, size, modificationTime)
    }

    deinit { close(descriptor) }

    /// Opens a regular file for reading.
    package static func open(path: String) async throws(HTTPFileError) -> HTTPFile {
        let result: Result<HTTPFile, HTTPFileError>
        do {
            result = try await NIOThreadPool.singleton.runIfActive { openNow(path) }
        } catch {
            result = .failure(.unreadable(path: path, errorNumber: ECANCELED))
        }
        return try result.get()
    }

    private static func openNow(_ path: String) -> Result<HTTPFile, HTTPFileError> {
        let descriptor = Glibc.open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        guard descriptor >= 0 else {
            return .failure(errno == ENOENT ? .notFound(path: path) : .unreadable(path: path, errorNumber: errno))
        }
        var status = stat()
        guard fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFREG else {
            close(descriptor)
            return .failure(.notRegular(path: path))
        }
        return .success(
            HTTPFile(
                descriptor: descriptor, size: Int(status.st_size), modificationTime: Int(status.st_mtim.tv_sec)))
    }

    /// Hands the bytes of the range to `consume`, in pieces, in order.
    func copy(_ range: Range<Int>, to consume: (ByteBuffer) async throws -> Void) async throws {
        var offset = range.lowerBound
        while offset < range.upperBound {
            let piece = try await read(at: offset, count: min(Self.chunkBytes, range.upperBound - offset))
            // The file was truncated while it is sent: the announced length cannot be kept.
            guard piece.readableBytes > 0 else { throw HTTPBodyError.wrongLength(announced: range.count) }
            offset += piece.readableBytes
            try await consume(piece)
        }
    }

    private func read(at offset: Int, count: Int) async throws -> ByteBuffer {
        try await NIOThreadPool.singleton.runIfActive { [self] in
            var buffer = ByteBufferAllocator().buffer(capacity: count)
            try buffer.writeWithUnsafeMutableBytes(minimumWritableBytes: count) { bytes in
                while true {
                    let got = pread(descriptor, bytes.baseAddress, count, off_t(offset))
                    if got >= 0 { return got }
                    guard errno == EINTR else { throw HTTPFileError.unreadable(path: "", errorNumber: errno) }
                }
            }
            return buffer
        }
    }
}

/// Why a file cannot be sent.
package enum HTTPFileError: Error, Sendable, Equatable, CustomStringConvertible {
    /// There is no such file.
    case notFound(path: String)
    /// The path is a directory, a device or the like.
    case notRegular(path: String)
    /// The system refuses to read it; the number is `errno`.
    case unreadable(path: String, errorNumber: CInt)

    package var description: String {
        switch self {
        case .notFound(let path): "There is no file \(path)."
        case .notRegular(let path): "\(path) is not a regular file."
        case .unreadable(let path, let number): "The file \(path) cannot be read: \(String(cString: strerror(number)))."
        }
    }
}
