package import DriverAPI
import Glibc
package import NIOCore

/// A file that could not be read or written.
struct FileTrouble: Error {
    let what: String
    let number: Int32

    var driverError: DriverError {
        let text = "\(what): \(String(cString: strerror(number)))"
        return number == ENOSPC || number == EDQUOT ? .insufficientResources(text) : .failed(text)
    }
}

/// A file read piece by piece. The reads are of local disks and short, and no more than one piece is in memory.
package struct FilePieces: AsyncSequence, Sendable {
    private static let pieceBytes = 256 << 10
    private let file: OpenFile

    /// - Returns: the pieces and how many bytes they are together.
    static func open(_ path: String) throws(FileTrouble) -> (FilePieces, Int64) {
        let descriptor = Glibc.open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw FileTrouble(what: "\(path) cannot be read", number: errno) }
        let file = OpenFile(descriptor: descriptor, path: path)
        var status = stat()
        guard fstat(descriptor, &status) == 0 else { throw FileTrouble(what: "\(path) cannot be read", number: errno) }
        return (FilePieces(file: file), Int64(status.st_size))
    }

    /// The pieces of a file and how many bytes they are together.
    ///
    /// - Throws: `DriverError.failed` when it cannot be read.
    package static func opening(_ path: String) throws(DriverError) -> (FilePieces, Int64) {
        do throws(FileTrouble) { return try open(path) } catch { throw error.driverError }
    }

    package struct AsyncIterator: AsyncIteratorProtocol {
        let file: OpenFile

        package mutating func next() async throws -> ByteBuffer? {
            try Task.checkCancellation()
            var failure: Int32 = 0
            let bytes = [UInt8](unsafeUninitializedCapacity: FilePieces.pieceBytes) { buffer, count in
                let result = read(file.descriptor, buffer.baseAddress, buffer.count)
                if result < 0 { failure = errno }
                count = Swift.max(0, result)
            }
            guard failure == 0 else { throw FileTrouble(what: "\(file.path) cannot be read", number: failure) }
            return bytes.isEmpty ? nil : ByteBuffer(bytes: bytes)
        }
    }

    package func makeAsyncIterator() -> AsyncIterator { AsyncIterator(file: file) }
}

/// Closes its descriptor when nobody needs it any more.
final class OpenFile: Sendable {
    let descriptor: Int32
    let path: String
    init(descriptor: Int32, path: String) { (self.descriptor, self.path) = (descriptor, path) }
    deinit { close(descriptor) }
}

/// Takes a body to a new file, whole or not at all.
enum FileSink {
    static func write(_ body: some AsyncSequence<ByteBuffer, any Error>, to path: String) async throws {
        let partial = path + ".part"
        let descriptor = open(partial, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o640)
        guard descriptor >= 0 else { throw FileTrouble(what: "\(partial) cannot be written", number: errno) }
        let file = OpenFile(descriptor: descriptor, path: partial)
        do {
            for try await piece in body {
                try piece.withUnsafeReadableBytes { bytes in
                    var rest = bytes[...]
                    while !rest.isEmpty {
                        let written = Glibc.write(
                            file.descriptor, UnsafeRawBufferPointer(rebasing: rest).baseAddress, rest.count)
                        guard written > 0 else {
                            throw FileTrouble(what: "\(partial) cannot be written", number: errno)
                        }
                        rest = rest.dropFirst(written)
                    }
                }
            }
            // A body that is given up ends like one that is whole.
            try Task.checkCancellation()
            guard rename(partial, path) == 0 else {
                throw FileTrouble(what: "\(path) cannot be written", number: errno)
            }
        } catch {
            unlink(partial)
            throw error
        }
    }
}
