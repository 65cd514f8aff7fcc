import Crypto
import Glibc
import HTTPService
import NIOPosix
import Synchronization

/// Writes the data of one image and computes their hashes on the way. Used by one task, one call at a time.
///
/// Memory is bounded: what was taken is written in pieces of ``pieceBytes`` on threads made for blocking calls, and
/// nothing further is taken meanwhile.
final class ImageFileWriter: Sendable {
    private struct State {
        var descriptor: CInt
        var size: Int64 = 0
        var md5 = Insecure.MD5()
        var sha512 = SHA512()
    }

    /// Bytes that are gathered before they are hashed and written.
    static let pieceBytes = 1 << 20

    private let state: Mutex<State>
    private let staged: String
    private let final: String
    private let directory: String

    init(descriptor: CInt, staged: String, final: String, directory: String) {
        state = Mutex(State(descriptor: descriptor))
        (self.staged, self.final, self.directory) = (staged, final, directory)
    }

    deinit {
        state.withLock { if $0.descriptor >= 0 { close($0.descriptor) } }
    }

    /// Takes the whole body.
    ///
    /// - Throws: ``ImageFault`` 413 beyond `limit` bytes, `HTTPBodyError`, ``ImageFileError``.
    func take(_ body: HTTPRequestBody, limit: Int64) async throws {
        var pending: [ByteBuffer] = []
        var pendingBytes = 0
        var taken: Int64 = 0
        for try await buffer in body {
            taken += Int64(buffer.readableBytes)
            guard taken <= limit else {
                throw ImageFault.tooLarge(
                    "Image exceeds the storage quota: The size of the data is over \(limit) bytes")
            }
            pending.append(buffer)
            pendingBytes += buffer.readableBytes
            if pendingBytes >= Self.pieceBytes {
                try await write(pending)
                pending.removeAll(keepingCapacity: true)
                pendingBytes = 0
            }
        }
        if !pending.isEmpty { try await write(pending) }
    }

    /// Puts the data on disk and gives the file its name.
    func commit() async throws -> ImageDataFacts {
        try await NIOThreadPool.singleton.runIfActive { [self] in
            try state.withLock { state in
                guard fsync(state.descriptor) == 0 else {
                    throw ImageFileError(staged, "cannot be written", errorNumber: errno)
                }
                close(state.descriptor)
                state.descriptor = -1
                guard rename(staged, final) == 0 else {
                    throw ImageFileError(final, "cannot be made", errorNumber: errno)
                }
                let descriptor = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
                defer { if descriptor >= 0 { close(descriptor) } }
                guard descriptor >= 0, fsync(descriptor) == 0 else {
                    throw ImageFileError(directory, "cannot be written", errorNumber: errno)
                }
                return ImageDataFacts(
                    size: state.size, checksum: Self.hexadecimal(state.md5.finalize()),
                    strongHash: Self.hexadecimal(state.sha512.finalize()))
            }
        }
    }

    /// Removes what was written, committed or not.
    func discard() async {
        _ = try? await NIOThreadPool.singleton.runIfActive { [self] in
            unlink(staged)
            unlink(final)
        }
    }

    private func write(_ buffers: [ByteBuffer]) async throws {
        try await NIOThreadPool.singleton.runIfActive { [self] in
            try state.withLock { state in
                for buffer in buffers {
                    try buffer.withUnsafeReadableBytes { bytes in
                        state.md5.update(bufferPointer: bytes)
                        state.sha512.update(bufferPointer: bytes)
                        try writeAll(bytes, to: state.descriptor)
                    }
                    state.size += Int64(buffer.readableBytes)
                }
            }
        }
    }

    private func writeAll(_ bytes: UnsafeRawBufferPointer, to descriptor: CInt) throws {
        var rest = bytes[...]
        while !rest.isEmpty {
            let written = Glibc.write(descriptor, UnsafeRawBufferPointer(rebasing: rest).baseAddress, rest.count)
            if written < 0 {
                if errno == EINTR { continue }
                throw ImageFileError(staged, "cannot be written", errorNumber: errno)
            }
            rest = rest.dropFirst(written)
        }
    }

    private static func hexadecimal(_ digest: some Sequence<UInt8>) -> String {
        let digits = Array("0123456789abcdef".utf8)
        var text: [UInt8] = []
        for byte in digest { text += [digits[Int(byte >> 4)], digits[Int(byte & 15)]] }
        return String(decoding: text, as: UTF8.self)
    }
}
