import Testing

@testable import LibvirtDriver

/// An image that must be refused, and as what.
struct HostileImage: Sendable, CustomTestStringConvertible {
    enum Expected: Sendable { case notAsDeclared, refersElsewhere, malformed, unsupported }
    let name: String
    let declared: String
    let image: ImageBuilder
    let expected: Expected

    init(_ name: String, _ declared: String, _ image: ImageBuilder, _ expected: Expected) {
        (self.name, self.declared, self.image, self.expected) = (name, declared, image, expected)
    }

    var testDescription: String { name }

    func matches(_ refusal: ImageRefusal) -> Bool {
        switch (expected, refusal) {
        case (.notAsDeclared, .notAsDeclared), (.refersElsewhere, .refersElsewhere), (.malformed, .malformed),
            (.unsupported, .unsupported):
            true
        default: false
        }
    }

    static let all = qcow2 + vmdk + microsoft + disguised
    private static let huge: UInt64 = 1 << 62

    private static let qcow2: [HostileImage] = [
        HostileImage("qcow2 with a backing file", "qcow2",
            .qcow2.big64(8, 0x400).big32(16, 11).with(0x400, "/etc/shadow"), .refersElsewhere),
        HostileImage("qcow2 with a backing file of no length", "qcow2", .qcow2.big64(8, 0x400), .refersElsewhere),
        HostileImage("qcow2 of version 2 with a backing file", "qcow2",
            .qcow2.big32(4, 2).big64(8, 0x400).big32(16, 11), .refersElsewhere),
        HostileImage("qcow2 with the external data bit", "qcow2", .qcow2.big64(72, 4), .refersElsewhere),
        HostileImage("qcow2 with an external data name", "qcow2",
            .qcow2.big32(104, 0x4441_5441).big32(108, 11).with(112, "/etc/shadow"), .refersElsewhere),
        HostileImage("qcow2 with a backing format", "qcow2",
            .qcow2.big32(104, 0xe279_2aca).big32(108, 3).with(112, "raw"), .refersElsewhere),
        HostileImage("qcow2 with a name behind another extension", "qcow2",
            .qcow2.big32(104, 0x6803_f857).big32(108, 5).big32(120, 0x4441_5441).big32(124, 4), .refersElsewhere),
        HostileImage("qcow2 with AES", "qcow2", .qcow2.big32(32, 1), .unsupported),
        HostileImage("qcow2 with LUKS", "qcow2", .qcow2.big32(32, 2), .unsupported),
        HostileImage("qcow2 with an encryption extension", "qcow2",
            .qcow2.big32(104, 0x0537_be77).big32(108, 16), .unsupported),
        HostileImage("qcow2 marked corrupt", "qcow2", .qcow2.big64(72, 2), .malformed),
        HostileImage("qcow2 with unknown features", "qcow2", .qcow2.big64(72, 1 << 40), .unsupported),
        HostileImage("qcow2 of version 4", "qcow2", .qcow2.big32(4, 4), .unsupported),
        HostileImage("qcow2 with tiny clusters", "qcow2", .qcow2.big32(20, 8), .malformed),
        HostileImage("qcow2 with giant clusters", "qcow2", .qcow2.big32(20, 63), .malformed),
        HostileImage("qcow2 with a giant L1 table", "qcow2", .qcow2.big32(36, 0xffff_ffff), .malformed),
        HostileImage("qcow2 with an L1 table too small", "qcow2", .qcow2.big64(24, huge), .malformed),
        HostileImage("qcow2 with a negative size", "qcow2", .qcow2.big64(24, .max), .malformed),
        HostileImage("qcow2 of no size", "qcow2", .qcow2.big64(24, 0), .malformed),
        HostileImage("qcow2 with its L1 table beyond the file", "qcow2", .qcow2.big64(40, huge), .malformed),
        HostileImage("qcow2 with its L1 table in the header", "qcow2", .qcow2.big64(40, 0), .malformed),
        HostileImage("qcow2 with a giant reference table", "qcow2", .qcow2.big32(56, 0xffff_ffff), .malformed),
        HostileImage("qcow2 without a reference table", "qcow2", .qcow2.big32(56, 0), .malformed),
        HostileImage("qcow2 with its reference table beyond the file", "qcow2", .qcow2.big64(48, huge), .malformed),
        HostileImage("qcow2 with thousands of snapshots", "qcow2", .qcow2.big32(60, 60_000), .malformed),
        HostileImage("qcow2 with snapshots beyond the file", "qcow2", .qcow2.big32(60, 1).big64(64, huge), .malformed),
        HostileImage("qcow2 with absurd reference counts", "qcow2", .qcow2.big32(96, 60), .malformed),
        HostileImage("qcow2 with a header beyond its cluster", "qcow2", .qcow2.big32(100, 0xffff_fff8), .malformed),
        HostileImage("qcow2 with an extension beyond its cluster", "qcow2",
            .qcow2.big32(104, 0x1234_5678).big32(108, 0xffff_fff0), .malformed),
        HostileImage("qcow2 with an unknown compression", "qcow2",
            .qcow2.big64(72, 8).big32(100, 112).with(104, [9]), .unsupported),
        HostileImage("qcow2 cut off in the header", "qcow2", .qcow2.cut(to: 60), .malformed),
        HostileImage("qcow2 cut off before its tables", "qcow2", .qcow2.cut(to: 4096), .malformed),
    ]

    private static func vmdk(_ old: String, _ new: String) -> ImageBuilder {
        .vmdk(ImageBuilder.vmdkDescriptor.replacing(old, with: new))
    }

    private static let extent = "RW 20480 SPARSE \"disk.vmdk\""
    private static let vmdk: [HostileImage] = [
        HostileImage("VMDK as a bare descriptor", "vmdk",
            ImageBuilder(size: 4096).with(0, ImageBuilder.vmdkDescriptor), .refersElsewhere),
        HostileImage("VMDK descriptor behind comments", "vmdk",
            ImageBuilder(size: 4096).with(0, "# nothing to see\n\n  \nversion=1\n"), .refersElsewhere),
        HostileImage("VMDK of version 3", "vmdk", ImageBuilder(size: 4096).with(0, "COWD"), .unsupported),
        HostileImage("VMDK with a flat extent", "vmdk",
            vmdk(extent, "RW 20480 FLAT \"/etc/shadow\" 0"), .refersElsewhere),
        HostileImage("VMDK with a second extent", "vmdk", vmdk(extent, "\(extent)\n\(extent)"), .refersElsewhere),
        HostileImage("VMDK with an extra flat extent", "vmdk",
            vmdk(extent, "\(extent)\nRW 8 FLAT \"/etc/shadow\" 0"), .refersElsewhere),
        HostileImage("VMDK with an indented flat extent in small letters", "vmdk",
            vmdk(extent, "\(extent)\n   rw 8 flat \"/etc/shadow\" 0"), .refersElsewhere),
        HostileImage("VMDK with an extent elsewhere", "vmdk", vmdk("disk.vmdk", "/etc/shadow"), .refersElsewhere),
        HostileImage("VMDK with an extent over the network", "vmdk",
            vmdk("disk.vmdk", "nbd:host:port"), .refersElsewhere),
        HostileImage("VMDK without extents", "vmdk", vmdk(extent, ""), .refersElsewhere),
        HostileImage("VMDK of type monolithicFlat", "vmdk", vmdk("monolithicSparse", "monolithicFlat"), .unsupported),
        HostileImage("VMDK of type twoGbMaxExtentSparse", "vmdk",
            vmdk("monolithicSparse", "twoGbMaxExtentSparse"), .unsupported),
        HostileImage("VMDK of two types", "vmdk",
            vmdk("CID=12345678", "createType=\"streamOptimized\""), .malformed),
        HostileImage("VMDK without a type", "vmdk", vmdk("createType", "otherType"), .unsupported),
        HostileImage("VMDK with a parent", "vmdk", vmdk("ffffffff", "12345678"), .refersElsewhere),
        HostileImage("VMDK with a parent's name", "vmdk",
            vmdk("CID=12345678", "parentFileNameHint=\"/etc/shadow\""), .refersElsewhere),
        HostileImage("VMDK with an unknown line", "vmdk", vmdk("CID=12345678", "whatever"), .malformed),
        HostileImage("VMDK of no capacity", "vmdk", .vmdk().little64(12, 0), .refersElsewhere),
        HostileImage("VMDK of absurd capacity", "vmdk", .vmdk().little64(12, .max), .malformed),
        HostileImage("VMDK with a giant directory", "vmdk",
            .vmdk().little64(12, 1 << 44).little64(20, 8).little32(44, 1), .malformed),
        HostileImage("VMDK with crooked grains", "vmdk", .vmdk().little64(20, 100), .malformed),
        HostileImage("VMDK with no grain table", "vmdk", .vmdk().little32(44, 0), .malformed),
        HostileImage("VMDK without a descriptor", "vmdk", .vmdk().little64(28, 0), .malformed),
        HostileImage("VMDK with its descriptor beyond the file", "vmdk", .vmdk().little64(28, .max), .malformed),
        HostileImage("VMDK with a giant descriptor", "vmdk", .vmdk().little64(36, 1 << 40), .malformed),
        HostileImage("VMDK damaged by text transfer", "vmdk", .vmdk().with(73, [0x0a, 0x20, 0x0a, 0x0a]), .malformed),
        HostileImage("VMDK stream without a footer", "vmdk", .vmdk().little64(56, .max), .malformed),
        HostileImage("VMDK stream whose footer has another descriptor", "vmdk",
            .vmdkStream.little64(ImageBuilder.vmdkStream.bytes.count - 1024 + 28, 40), .malformed),
        HostileImage("VMDK stream whose footer has no capacity", "vmdk",
            .vmdkStream.little64(ImageBuilder.vmdkStream.bytes.count - 1024 + 12, 0), .malformed),
        HostileImage("VMDK cut off", "vmdk", .vmdk().cut(to: 200), .malformed),
    ]

    private static let microsoft: [HostileImage] = [
        HostileImage("VHD with a parent", "vhd", .vhd(type: 4), .refersElsewhere),
        HostileImage("VHD with a parent's identifier", "vhd", .vhd().with(552, [1, 2, 3]), .refersElsewhere),
        HostileImage("VHD of an unknown type", "vhd", .vhd(type: 9), .unsupported),
        HostileImage("VHD with a wrong checksum", "vhd",
            .vhd().big32(64, 1).big32(4096 + 64, 1), .malformed),
        HostileImage("VHD whose ends contradict each other", "vhd", .vhd().big64(48, 1), .malformed),
        HostileImage("VHD of absurd size", "vhd", .vhd(size: huge), .malformed),
        HostileImage("VHD with too small a block table", "vhd", .vhd().big32(540, 1), .malformed),
        HostileImage("VHD with crooked blocks", "vhd", .vhd().big32(544, 3_000_000), .malformed),
        HostileImage("VHD with its table beyond the file", "vhd", .vhd().big64(528, huge), .malformed),
        HostileImage("VHD without a footer", "vhd", .vhd().cut(to: 4096), .malformed),
        HostileImage("VHDX with the parent bit", "vhdx",
            .vhdx.little32(ImageBuilder.vhdxMetadataAt + 65_540, 2), .refersElsewhere),
        HostileImage("VHDX with a parent locator", "vhdx",
            .vhdx.little16(ImageBuilder.vhdxMetadataAt + 10, 3).with(
                ImageBuilder.vhdxMetadataAt + 96,
                [0x2d, 0x5f, 0xd3, 0xa8, 0x0b, 0xb3, 0x4d, 0x45, 0xab, 0xf7, 0xd3, 0xd8, 0x48, 0x34, 0xab, 0x0c]),
            .refersElsewhere),
        HostileImage("VHDX without region tables", "vhdx",
            .vhdx.with(192 << 10, "xxxx").with(256 << 10, "xxxx"), .malformed),
        HostileImage("VHDX with contradicting region tables", "vhdx",
            .vhdx.little64((256 << 10) + 32, 0), .malformed),
        HostileImage("VHDX with metadata beyond the file", "vhdx",
            .vhdx.little64((192 << 10) + 32, .max).little64((256 << 10) + 32, .max), .malformed),
        HostileImage("VHDX of absurd size", "vhdx",
            .vhdx.little64(ImageBuilder.vhdxMetadataAt + 65_544, huge), .malformed),
        HostileImage("VHDX with countless regions", "vhdx", .vhdx.little32((192 << 10) + 8, .max), .malformed),
        HostileImage("VDI that needs a parent", "vdi", .vdi.little32(76, 4), .refersElsewhere),
        HostileImage("VDI with a parent's identifier", "vdi", .vdi.with(440, [1]), .refersElsewhere),
        HostileImage("VDI of another version", "vdi", .vdi.little32(68, 0x0002_0000), .unsupported),
        HostileImage("VDI larger than its blocks", "vdi", .vdi.little64(368, huge), .malformed),
        HostileImage("VDI with countless blocks", "vdi", .vdi.little32(384, .max), .malformed),
        HostileImage("VDI with its map beyond the file", "vdi", .vdi.little32(340, .max), .malformed),
        HostileImage("VDI cut off", "vdi", .vdi.cut(to: 100), .malformed),
    ]

    private static let disguised: [HostileImage] = [
        HostileImage("qcow2 declared as raw", "raw", .qcow2, .notAsDeclared),
        HostileImage("VMDK declared as raw", "raw", .vmdk(), .notAsDeclared),
        HostileImage("VMDK descriptor declared as raw", "raw",
            ImageBuilder(size: 4096).with(0, ImageBuilder.vmdkDescriptor), .refersElsewhere),
        HostileImage("VHD declared as raw", "raw", .vhd(), .notAsDeclared),
        HostileImage("fixed VHD declared as raw", "raw", .fixedVHD, .notAsDeclared),
        HostileImage("VHDX declared as raw", "raw", .vhdx, .notAsDeclared),
        HostileImage("VDI declared as raw", "raw", .vdi, .notAsDeclared),
        HostileImage("ISO declared as raw", "raw", .iso, .notAsDeclared),
        HostileImage("ISO declared as qcow2", "qcow2", .iso, .notAsDeclared),
        HostileImage("raw declared as qcow2", "qcow2", .raw, .notAsDeclared),
        HostileImage("raw declared as iso", "iso", .raw, .notAsDeclared),
        HostileImage("qcow2 declared as VMDK", "vmdk", .qcow2, .notAsDeclared),
        HostileImage("qcow of version 1", "raw", .raw.with(0, [0x51, 0x46, 0x49, 0xfb]).big32(4, 1), .unsupported),
        HostileImage("QED", "raw", .raw.with(0, [0x51, 0x45, 0x44, 0]), .unsupported),
        HostileImage("LUKS", "raw", .raw.with(0, [0x4c, 0x55, 0x4b, 0x53, 0xba, 0xbe]), .unsupported),
        HostileImage("Parallels", "raw", .raw.with(0, "WithouFreSpacExt"), .unsupported),
        HostileImage("DMG", "raw", .raw.with((1 << 20) - 512, "koly"), .unsupported),
        HostileImage("Bochs", "raw", .raw.with(0, "Bochs Virtual HD Image"), .unsupported),
        HostileImage("compressed loop", "raw", .raw.with(0, "#!/bin/sh\n#V2.0 Format\nmodprobe cloop"), .unsupported),
        HostileImage("qcow2 and VDI at once", "qcow2", .qcow2.little32(64, 0xbeda_107f), .malformed),
        HostileImage("qcow2 and ISO at once", "qcow2", .qcow2.with(0x8001, "CD001"), .malformed),
        HostileImage("qcow2 and VHD at once", "qcow2", .qcow2.with(4 * 65_536 - 512, "conectix"), .malformed),
        HostileImage("empty", "raw", ImageBuilder(size: 0), .malformed),
    ]
}
