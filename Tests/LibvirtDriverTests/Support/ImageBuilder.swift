import DriverSupport
import Foundation

/// A disk image in the making: bytes at positions, the rest zero.
struct ImageBuilder: Sendable {
    var bytes: [UInt8]

    init(size: Int) { bytes = [UInt8](repeating: 0, count: size) }

    func with(_ offset: Int, _ part: [UInt8]) -> Self {
        var copy = self
        if copy.bytes.count < offset + part.count {
            copy.bytes += [UInt8](repeating: 0, count: offset + part.count - copy.bytes.count)
        }
        copy.bytes.replaceSubrange(offset..<(offset + part.count), with: part)
        return copy
    }

    func with(_ offset: Int, _ text: String) -> Self { with(offset, Array(text.utf8)) }
    func big32(_ offset: Int, _ value: UInt32) -> Self { with(offset, bigEndian(UInt64(value), 4)) }
    func big64(_ offset: Int, _ value: UInt64) -> Self { with(offset, bigEndian(value, 8)) }
    func little16(_ offset: Int, _ value: UInt16) -> Self { with(offset, bigEndian(UInt64(value), 2).reversed()) }
    func little32(_ offset: Int, _ value: UInt32) -> Self { with(offset, bigEndian(UInt64(value), 4).reversed()) }
    func little64(_ offset: Int, _ value: UInt64) -> Self { with(offset, bigEndian(value, 8).reversed()) }
    func cut(to size: Int) -> Self {
        var copy = self
        copy.bytes = Array(copy.bytes.prefix(size))
        return copy
    }

    private func bigEndian(_ value: UInt64, _ count: Int) -> [UInt8] {
        (0..<count).map { UInt8(truncatingIfNeeded: value >> UInt64(8 * (count - 1 - $0))) }
    }
}

extension ImageBuilder {
    /// A qcow2 of version 3, 64 KiB clusters, 10 MiB.
    static var qcow2: Self {
        ImageBuilder(size: 4 * 65_536).with(0, [0x51, 0x46, 0x49, 0xfb]).big32(4, 3).big32(20, 16)
            .big64(24, 10 << 20).big32(36, 1).big64(40, 3 * 65_536).big64(48, 65_536).big32(56, 1).big32(96, 4)
            .big32(100, 104)
    }

    static let vmdkDescriptor = """
        # Disk DescriptorFile
        version=1
        CID=12345678
        parentCID=ffffffff
        createType="monolithicSparse"

        # Extent description
        RW 20480 SPARSE "disk.vmdk"

        # The Disk Data Base
        #DDB
        ddb.virtualHWVersion = "4"

        """

    /// A monolithic sparse VMDK of 10 MiB with that descriptor.
    static func vmdk(_ descriptor: String = vmdkDescriptor) -> Self {
        ImageBuilder(size: 64 << 10).with(0, "KDMV").little32(4, 1).little32(8, 3).little64(12, 20_480)
            .little64(20, 128).little64(28, 1).little64(36, 20).little32(44, 512).little64(48, 21).little64(56, 30)
            .little64(64, 64).with(73, [0x0a, 0x20, 0x0d, 0x0a]).with(512, descriptor)
    }

    /// A streamOptimized VMDK: the header says that the directory is found through the footer.
    static var vmdkStream: Self {
        let text = vmdkDescriptor.replacingOccurrences(of: "monolithicSparse", with: "streamOptimized")
        let image = vmdk(text).little64(56, .max).little16(77, 1)
        let footer = Self(size: 0).with(0, Array(image.bytes[0..<512])).little64(56, 30)
        return image.with(image.bytes.count, Array(repeating: 0, count: 512))
            .with(image.bytes.count + 512, footer.bytes).with(image.bytes.count + 1024, Array(repeating: 0, count: 512))
    }

    private static func footer(type: UInt32, dataOffset: UInt64, size: UInt64) -> Self {
        var footer = ImageBuilder(size: 512).with(0, "conectix").big32(8, 2).big32(12, 0x10000)
            .big64(16, dataOffset).big64(40, size).big64(48, size).big32(60, type)
        let sum = footer.bytes.reduce(UInt32(0)) { $0 &+ UInt32($1) }
        footer = footer.big32(64, ~sum)
        return footer
    }

    /// A dynamic VHD of 10 MiB.
    static func vhd(type: UInt32 = 3, size: UInt64 = 10 << 20) -> Self {
        let mark = footer(type: type, dataOffset: 512, size: size)
        return ImageBuilder(size: 4096).with(0, mark.bytes).with(512, "cxsparse").big64(520, .max).big64(528, 1536)
            .big32(536, 0x10000).big32(540, 5).big32(544, 2 << 20).with(4096, mark.bytes)
    }

    /// A fixed VHD of 1 MiB.
    static var fixedVHD: Self {
        ImageBuilder(size: 1 << 20).with(1 << 20, footer(type: 2, dataOffset: .max, size: 1 << 20).bytes)
    }

    /// A VDI of 10 MiB.
    static var vdi: Self {
        ImageBuilder(size: 2 << 20).with(0, "<<< QEMU VM Virtual Disk Image >>>\n").little32(64, 0xbeda_107f)
            .little32(68, 0x0001_0001).little32(72, 400).little32(76, 1).little32(340, 512).little32(344, 1024)
            .little32(360, 512).little64(368, 10 << 20).little32(376, 1 << 20).little32(384, 10)
    }

    static let vhdxMetadataAt = 2 << 20

    /// A VHDX of 10 MiB.
    static var vhdx: Self {
        let metadata: [UInt8] = [
            0x06, 0xa2, 0x7c, 0x8b, 0x90, 0x47, 0x9a, 0x4b, 0xb8, 0xfe, 0x57, 0x5f, 0x05, 0x0f, 0x88, 0x6e,
        ]
        let parameters: [UInt8] = [
            0x37, 0x67, 0xa1, 0xca, 0x36, 0xfa, 0x43, 0x4d, 0xb3, 0xb6, 0x33, 0xf0, 0xaa, 0x44, 0xe7, 0x6b,
        ]
        let diskSize: [UInt8] = [
            0x24, 0x42, 0xa5, 0x2f, 0x1b, 0xcd, 0x76, 0x48, 0xb2, 0x11, 0x5d, 0xbe, 0xd8, 0x3b, 0xf4, 0xb8,
        ]
        var image = ImageBuilder(size: 3 << 20).with(0, "vhdxfile")
        for table in [192 << 10, 256 << 10] {
            image = image.with(table, "regi").little32(table + 8, 1).with(table + 16, metadata)
                .little64(table + 32, UInt64(vhdxMetadataAt)).little32(table + 40, 1 << 20)
        }
        let at = vhdxMetadataAt
        return image.with(at, "metadata").little16(at + 10, 2).with(at + 32, parameters)
            .little32(at + 48, 65_536).little32(at + 52, 8).with(at + 64, diskSize).little32(at + 80, 65_544)
            .little32(at + 84, 8).little32(at + 65_536, 32 << 20).little64(at + 65_544, 10 << 20)
    }

    /// A raw disk with a master boot record.
    static var raw: Self { ImageBuilder(size: 1 << 20).with(510, [0x55, 0xaa]) }

    static var iso: Self { ImageBuilder(size: 64 << 10).with(0x8001, "CD001") }
}

/// A directory that goes away with the test.
final class TemporaryDirectory: Sendable {
    let path: String

    init() {
        path = "\(NSTemporaryDirectory())/kn-libvirt-\(UUID().uuidString)"
        try? FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }

    /// Every file below, relative, sorted.
    var files: [String] {
        let below = FileManager.default.enumerator(atPath: path)?.compactMap { $0 as? String } ?? []
        return below.filter { name in
            var isDirectory: ObjCBool = false
            return FileManager.default.fileExists(atPath: "\(path)/\(name)", isDirectory: &isDirectory)
                && !isDirectory.boolValue
        }.sorted()
    }
}
