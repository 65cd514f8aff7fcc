import DriverSupport
import Glibc

/// What the first bytes of a guest's own disk say. The driver made the disk, so its format is known beforehand.
struct DiskHeader: Hashable, Sendable {
    /// `qcow2` or `raw`.
    var format: DiskFormat
    /// Size of the disk as the guest sees it, in bytes.
    var virtualSize: UInt64
    /// The file that it leans on; `nil` for none.
    var base: String?

    /// Reads a disk; `nil` when there is none.
    ///
    /// - Parameter format: what the driver made it as. A raw disk may hold anything, also what looks like a header.
    init?(_ path: String, _ format: DiskFormat) {
        guard let size = fileSize(path) else { return nil }
        self.format = format
        guard format == .qcow2 else {
            virtualSize = size
            return
        }
        guard let head = try? readTail(path, bytesMax: 4096, whole: true) else { return nil }
        let bytes = ImageBytes(head)
        guard bytes.has([0x51, 0x46, 0x49, 0xfb]) else { return nil }
        virtualSize = bytes.big64(24)
        let (start, length) = (Int(clamping: bytes.big64(8)), Int(bytes.big32(16)))
        if start > 0, length > 0, start <= head.count, length <= head.count - start {
            base = String(decoding: head[start..<(start + length)], as: UTF8.self)
        }
    }

    /// Where the payload of a LUKS volume begins, in bytes; `nil` when it bears no such header.
    static func payloadOffset(ofLUKS path: String) -> UInt64? {
        guard let head = try? readTail(path, bytesMax: 512, whole: true) else { return nil }
        let bytes = ImageBytes(head)
        guard bytes.has([0x4c, 0x55, 0x4b, 0x53, 0xba, 0xbe]), bytes.big16(6) == 1 else { return nil }
        return bytes.big32(104) * 512
    }
}
