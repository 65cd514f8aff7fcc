import DriverAPI
import Glibc

/// Says what an image's file is, by its bytes and not by what was declared. Only a few kilobytes are read.
struct DiskImage: Hashable, Sendable {
    /// In what form it is handed to the server.
    let format: TransferFormat
    /// Size of the disk that it describes.
    let virtualBytes: UInt64

    /// Disk formats that can be imported.
    static let formats: Set<String> = ["raw", "vhd"]
    private static let bytesMax: UInt64 = 2040 << 30

    /// Formats that a raw disk must not look like: declared wrongly, or made to be taken for something else.
    private static let marks: [(name: String, offset: Int, mark: [UInt8])] = [
        ("qcow2", 0, [0x51, 0x46, 0x49, 0xfb]), ("vmdk", 0, Array("KDMV".utf8)), ("vmdk", 0, Array("COWD".utf8)),
        ("vmdk", 0, Array("# Disk DescriptorFile".utf8)), ("vhd", 0, Array("conectix".utf8)),
        ("vhdx", 0, Array("vhdxfile".utf8)), ("vdi", 64, [0x7f, 0x10, 0xda, 0xbe]), ("qed", 0, Array("QED\0".utf8)),
        ("luks", 0, [0x4c, 0x55, 0x4b, 0x53, 0xba, 0xbe]),
    ]

    /// Refuses an image in a format that is not known, also where the image itself is known already.
    ///
    /// - Throws: ``DriverError/imageUnacceptable(_:)`` with the format.
    static func checkFormat(_ declared: String) throws(DriverError) {
        guard formats.contains(declared) else {
            throw .imageUnacceptable("Images of format \(declared) cannot be used on XenAPI nodes; raw and vhd can.")
        }
    }

    /// Inspects a file and holds it against the image's declared format.
    ///
    /// - Throws: ``DriverError/imageUnacceptable(_:)`` with what is wrong; ``DriverError/failed(_:)`` when the file
    ///   cannot be read.
    static func inspect(_ path: String, declared: String) throws(DriverError) -> DiskImage {
        try checkFormat(declared)
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw .failed("\(path) cannot be read: error \(errno)") }
        defer { close(descriptor) }
        var information = stat()
        guard fstat(descriptor, &information) == 0 else { throw .failed("\(path) cannot be read: error \(errno)") }
        let size = UInt64(information.st_size)
        guard size > 0 else { throw .imageUnacceptable("The image is empty.") }
        func bytes(at offset: UInt64, _ count: Int) -> [UInt8] {
            [UInt8](unsafeUninitializedCapacity: count) { buffer, filled in
                filled = max(0, pread(descriptor, buffer.baseAddress, count, off_t(clamping: offset)))
            }
        }
        let head = bytes(at: 0, 4096)
        let footer = size >= 512 ? bytes(at: size - 512, 512) : []
        switch declared {
        case "raw":
            if let mark = marks.first(where: { head.dropFirst($0.offset).starts(with: $0.mark) }) {
                throw .imageUnacceptable("The image is declared as raw, but its bytes are those of \(mark.name).")
            }
            guard size <= bytesMax else { throw .imageUnacceptable("The image is larger than \(bytesMax >> 30) GiB.") }
            return DiskImage(format: .raw, virtualBytes: size)
        default:
            let virtual = try checkVHD(head: head, footer: footer, size: size) { bytes(at: $0, 1024) }
            return DiskImage(format: .vhd, virtualBytes: virtual)
        }
    }

    private static func checkVHD(
        head: [UInt8], footer: [UInt8], size: UInt64, dynamicHeader: (UInt64) -> [UInt8]
    ) throws(DriverError) -> UInt64 {
        guard footer.count == 512, footer.starts(with: "conectix".utf8) else {
            throw .imageUnacceptable("The image is declared as vhd, but it does not end as a VHD does.")
        }
        var sum: UInt32 = 0
        for (index, byte) in footer.enumerated() where !(64..<68).contains(index) { sum &+= UInt32(byte) }
        guard UInt64(~sum) == number(footer, 64, 4) else {
            throw .imageUnacceptable("The VHD's footer has a wrong checksum.")
        }
        let virtual = number(footer, 48, 8)
        guard virtual > 0, virtual <= bytesMax, virtual % 512 == 0 else {
            throw .imageUnacceptable("The VHD describes a disk of \(virtual) bytes.")
        }
        switch number(footer, 60, 4) {
        case 2:
            guard virtual + 512 <= size else { throw .imageUnacceptable("The fixed VHD is cut off.") }
        case 3:
            guard head.starts(with: "conectix".utf8) else {
                throw .imageUnacceptable("The dynamic VHD does not begin as it ends.")
            }
            let offset = number(footer, 16, 8)
            let header = offset >= 512 && offset < size ? dynamicHeader(offset) : []
            guard header.count == 1024, header.starts(with: "cxsparse".utf8) else {
                throw .imageUnacceptable("The VHD has no dynamic header.")
            }
            guard header[40..<56].allSatisfy({ $0 == 0 }) else {
                throw .imageUnacceptable("The VHD refers to a parent.")
            }
            let block = number(header, 32, 4)
            let blocks = number(header, 28, 4)
            let table = number(header, 16, 8)
            guard block == 2 << 20, blocks <= 1 << 21, blocks * block >= virtual, table < size,
                blocks * 4 <= size - table
            else { throw .imageUnacceptable("The VHD's block table does not fit its disk.") }
        case 4: throw .imageUnacceptable("The VHD refers to a parent.")
        case let other: throw .imageUnacceptable("The VHD is of the unknown type \(other).")
        }
        return virtual
    }

    private static func number(_ bytes: [UInt8], _ offset: Int, _ count: Int) -> UInt64 {
        bytes[offset..<offset + count].reduce(0) { $0 << 8 | UInt64($1) }
    }
}
