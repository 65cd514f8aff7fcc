import Foundation
import Glibc

/// A disk image as an input describes it: pieces and where they stand, so that a header at 256 KiB costs a mutation no
/// more than one at the beginning.
///
/// The form: the number of the format that is declared, then pieces: three bytes of position and two of length, big
/// end first, then the bytes. What lies between is empty.
struct DiskPieces {
    var declared: Int
    private(set) var pieces: [(offset: Int, bytes: [UInt8])] = []

    init(declared: Int) { self.declared = declared }

    init(reading input: [UInt8]) {
        declared = Int(input.first ?? 0)
        var rest = input.dropFirst()
        while rest.count > 5 {
            let head = rest.prefix(5).map(Int.init)
            rest = rest.dropFirst(5)
            let bytes = rest.prefix(head[3] << 8 | head[4])
            rest = rest.dropFirst(bytes.count)
            pieces.append((head[0] << 16 | head[1] << 8 | head[2], Array(bytes)))
        }
    }

    /// The form.
    var input: [UInt8] {
        var output = [UInt8(truncatingIfNeeded: declared)]
        for (offset, bytes) in pieces {
            output += [offset >> 16, offset >> 8, offset, bytes.count >> 8, bytes.count].map {
                UInt8(truncatingIfNeeded: $0)
            }
            output += bytes
        }
        return output
    }

    /// Puts bytes at a position.
    func with(_ bytes: [UInt8], at offset: Int) -> DiskPieces {
        var more = self
        more.pieces.append((offset, bytes))
        return more
    }

    func with(_ text: String, at offset: Int) -> DiskPieces { with(Array(text.utf8), at: offset) }

    func big(_ number: UInt64, _ count: Int, at offset: Int) -> DiskPieces {
        with((0..<count).reversed().map { UInt8(truncatingIfNeeded: number >> ($0 * 8)) }, at: offset)
    }

    func little(_ number: UInt64, _ count: Int, at offset: Int) -> DiskPieces {
        with((0..<count).map { UInt8(truncatingIfNeeded: number >> ($0 * 8)) }, at: offset)
    }

    /// Writes it to a file that lives as long as `body` runs.
    func withFile(_ body: (String) throws -> Void) throws {
        var template = Array("/tmp/kilonova-fuzz-XXXXXX".utf8CString)
        let descriptor = mkstemp(&template)
        guard descriptor >= 0 else { throw Broken("there is no room for a file in /tmp") }
        let path = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
        defer {
            close(descriptor)
            unlink(path)
        }
        for (offset, bytes) in pieces where !bytes.isEmpty {
            guard pwrite(descriptor, bytes, bytes.count, off_t(offset)) == bytes.count else {
                throw Broken("there is no room for a file in /tmp")
            }
        }
        try body(path)
    }
}

extension DiskPieces {
    /// Images as programs write them, reduced to what inspectors look at. The number is the declared format's.
    static func samples(qcow2: Int, vmdk: Int, vhd: Int, vhdx: Int, vdi: Int, raw: Int, iso: Int) -> [DiskPieces] {
        let descriptor = """
            # Disk DescriptorFile
            version=1
            CID=fffffffe
            parentCID=ffffffff
            createType="monolithicSparse"
            RW 32768 SPARSE "disk.vmdk"

            """
        func sparse(_ type: String, flags: UInt64) -> DiskPieces {
            DiskPieces(declared: vmdk).with("KDMV", at: 0).little(1, 4, at: 4).little(flags, 4, at: 8)
                .little(32768, 8, at: 12).little(128, 8, at: 20).little(1, 8, at: 28).little(20, 8, at: 36)
                .little(512, 4, at: 44).little(21, 8, at: 56).little(128, 8, at: 64).with("\n \r\n", at: 73)
                .with(descriptor.replacing("monolithicSparse", with: type), at: 512).with([0], at: 65535)
        }
        return [
            DiskPieces(declared: qcow2).with([0x51, 0x46, 0x49, 0xFB], at: 0).big(3, 4, at: 4).big(16, 4, at: 20)
                .big(16 << 20, 8, at: 24).big(1, 4, at: 36).big(0x30000, 8, at: 40).big(0x10000, 8, at: 48)
                .big(1, 4, at: 56).big(4, 4, at: 96).big(112, 4, at: 100).big(0, 8, at: 112).with([0], at: 0x3FFFF),
            DiskPieces(declared: qcow2).with([0x51, 0x46, 0x49, 0xFB], at: 0).big(2, 4, at: 4).big(72, 8, at: 8)
                .big(8, 4, at: 16).big(16, 4, at: 20).big(16 << 20, 8, at: 24).with("base.img", at: 72),
            sparse("monolithicSparse", flags: 3), sparse("streamOptimized", flags: 0x30001),
            DiskPieces(declared: vmdk).with(descriptor, at: 0), footer(vhd, type: 2, size: 1 << 20),
            footer(vhd, type: 3, size: 4 << 20).with(footerBytes(type: 3, size: 4 << 20), at: 0)
                .with("cxsparse", at: 512).big(.max, 8, at: 520).big(1536, 8, at: 528).big(0x10000, 4, at: 536)
                .big(2, 4, at: 540).big(2 << 20, 4, at: 544),
            exchange(vhdx),
            DiskPieces(declared: vdi).with("<<< Oracle VM VirtualBox Disk Image >>>\n", at: 0)
                .little(0xBEDA_107F, 4, at: 64).little(0x10001, 4, at: 68).little(400, 4, at: 72).little(1, 4, at: 76)
                .little(512, 4, at: 340).little(1024, 4, at: 344).little(4 << 20, 8, at: 368)
                .little(1 << 20, 4, at: 376).little(4, 4, at: 384).little(0, 4, at: 388).with([0], at: 4095),
            DiskPieces(declared: raw).with([0x55, 0xAA], at: 510).with("EFI PART", at: 512).with([0], at: 65535),
            DiskPieces(declared: iso).with("\u{1}CD001\u{1}", at: 32768).with([0], at: 65535),
        ]
    }

    private static func footerBytes(type: UInt8, size: UInt64) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: 512)
        bytes.replaceSubrange(0..<8, with: Array("conectix".utf8))
        let header: UInt64 = type == 3 ? 512 : .max
        for index in 0..<8 {
            bytes[16 + index] = UInt8(truncatingIfNeeded: header >> ((7 - index) * 8))
            bytes[48 + index] = UInt8(truncatingIfNeeded: size >> ((7 - index) * 8))
        }
        bytes[63] = type
        let sum = ~bytes.reduce(UInt32(0)) { $0 &+ UInt32($1) }
        for index in 0..<4 { bytes[64 + index] = UInt8(truncatingIfNeeded: sum >> ((3 - index) * 8)) }
        return bytes
    }

    private static func footer(_ declared: Int, type: UInt8, size: UInt64) -> DiskPieces {
        DiskPieces(declared: declared).with(footerBytes(type: type, size: size), at: type == 2 ? Int(size) : 0x100000)
    }

    /// A VHDX: a region table at 192 KiB that leads to metadata at 1 MiB.
    private static func exchange(_ declared: Int) -> DiskPieces {
        let region: [UInt8] = [
            0x06, 0xA2, 0x7C, 0x8B, 0x90, 0x47, 0x9A, 0x4B, 0xB8, 0xFE, 0x57, 0x5F, 0x05, 0x0F, 0x88, 0x6E,
        ]
        let parameters: [UInt8] = [
            0x37, 0x67, 0xA1, 0xCA, 0x36, 0xFA, 0x43, 0x4D, 0xB3, 0xB6, 0x33, 0xF0, 0xAA, 0x44, 0xE7, 0x6B,
        ]
        let size: [UInt8] = [
            0x24, 0x42, 0xA5, 0x2F, 0x1B, 0xCD, 0x76, 0x48, 0xB2, 0x11, 0x5D, 0xBE, 0xD8, 0x3B, 0xF4, 0xB8,
        ]
        let (table, metadata) = (192 << 10, 1 << 20)
        return DiskPieces(declared: declared).with("vhdxfile", at: 0).with("regi", at: table)
            .little(1, 4, at: table + 8).with(region, at: table + 16).little(UInt64(metadata), 8, at: table + 32)
            .little(1 << 20, 4, at: table + 40).with("metadata", at: metadata).little(2, 2, at: metadata + 10)
            .with(parameters, at: metadata + 32).little(65536, 4, at: metadata + 48).little(8, 4, at: metadata + 52)
            .with(size, at: metadata + 64).little(65544, 4, at: metadata + 80).little(8, 4, at: metadata + 84)
            .little(32 << 20, 4, at: metadata + 65536).little(64 << 20, 8, at: metadata + 65544)
            .with([0], at: 3 << 20)
    }
}
