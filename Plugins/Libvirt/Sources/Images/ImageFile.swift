import DriverSupport
import Glibc

/// Bounded reads at absolute positions of one file: nothing that a file says makes us read far or much.
struct ImageFile: ~Copyable {
    private let descriptor: Int32
    /// Length of the file in bytes.
    let size: UInt64

    /// Most bytes that one read may ask for.
    static let readMax = 1 << 20

    /// Opens a regular file.
    init(_ path: String) throws(ImageRefusal) {
        descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW)
        guard descriptor >= 0 else { throw .unreadable(systemErrorText(errno)) }
        var information = stat()
        guard fstat(descriptor, &information) == 0, information.st_mode & S_IFMT == S_IFREG else {
            close(descriptor)
            throw .unreadable("not a regular file")
        }
        size = UInt64(information.st_size)
    }

    deinit { close(descriptor) }

    /// Bytes at a position; fewer when the file ends.
    func bytes(at offset: UInt64, count: Int) throws(ImageRefusal) -> ImageBytes {
        guard offset < size, count > 0 else { return ImageBytes([]) }
        let wanted = Int(min(UInt64(min(count, Self.readMax)), size - offset))
        var buffer = [UInt8](repeating: 0, count: wanted)
        var have = 0
        while have < wanted {
            let count = buffer.withUnsafeMutableBytes {
                pread(descriptor, $0.baseAddress?.advanced(by: have), wanted - have, off_t(offset) + off_t(have))
            }
            guard count >= 0 else { throw .unreadable(systemErrorText(errno)) }
            if count == 0 { break }
            have += count
        }
        return ImageBytes(Array(buffer.prefix(have)))
    }

    /// Bytes counted from the end; empty when the file is shorter.
    func tail(_ fromEnd: UInt64, count: Int) throws(ImageRefusal) -> ImageBytes {
        guard fromEnd <= size else { return ImageBytes([]) }
        return try bytes(at: size - fromEnd, count: count)
    }
}

/// A piece of a file. Numbers beyond its end read as zero, so that every check is a comparison.
struct ImageBytes: Sendable {
    let raw: [UInt8]

    init(_ raw: [UInt8]) { self.raw = raw }

    var count: Int { raw.count }

    /// Whether `text` stands at that position.
    func has(_ text: String, at offset: Int = 0) -> Bool { has(Array(text.utf8), at: offset) }

    /// Whether those bytes stand at that position.
    func has(_ bytes: [UInt8], at offset: Int = 0) -> Bool {
        offset >= 0 && offset + bytes.count <= raw.count && raw[offset..<(offset + bytes.count)].elementsEqual(bytes)
    }

    private func number(_ offset: Int, _ count: Int, littleEndian: Bool) -> UInt64 {
        guard offset >= 0, offset + count <= raw.count else { return 0 }
        let part = raw[offset..<(offset + count)]
        return littleEndian
            ? part.reversed().reduce(0) { $0 << 8 | UInt64($1) } : part.reduce(0) { $0 << 8 | UInt64($1) }
    }

    func big16(_ offset: Int) -> UInt64 { number(offset, 2, littleEndian: false) }
    func big32(_ offset: Int) -> UInt64 { number(offset, 4, littleEndian: false) }
    func big64(_ offset: Int) -> UInt64 { number(offset, 8, littleEndian: false) }
    func little16(_ offset: Int) -> UInt64 { number(offset, 2, littleEndian: true) }
    func little32(_ offset: Int) -> UInt64 { number(offset, 4, littleEndian: true) }
    func little64(_ offset: Int) -> UInt64 { number(offset, 8, littleEndian: true) }
}
