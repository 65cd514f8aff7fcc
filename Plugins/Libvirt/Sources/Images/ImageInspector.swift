/// Says what an image file really is and whether it is safe to open, without any program of QEMU's.
///
/// Every format that QEMU would recognise is looked for, whatever was declared; more than one at once is refused,
/// because two programs could then see two different disks. Only headers are read: at most a few MiB.
enum ImageInspector {
    /// Inspects a file and holds it against what the image service declares.
    ///
    /// - Parameter declared: the image's `disk_format`.
    static func inspect(_ path: String, declared: String) throws(ImageRefusal) -> InspectedImage {
        let found = try inspect(path)
        guard found.format.rawValue == declared else {
            throw .notAsDeclared(declared: declared, found: found.format.rawValue)
        }
        return found
    }

    /// Inspects a file.
    static func inspect(_ path: String) throws(ImageRefusal) -> InspectedImage {
        let file = try ImageFile(path)
        guard file.size > 0 else { throw .malformed("the file is empty") }
        let format = try detect(file)
        switch format {
        case .qcow2: return InspectedImage(format: format, virtualSize: try QCOW2Inspection.check(file))
        case .vmdk: return InspectedImage(format: format, virtualSize: try VMDKInspection.check(file))
        case .vhd: return InspectedImage(format: format, virtualSize: try VHDInspection.check(file))
        case .vhdx: return InspectedImage(format: format, virtualSize: try VHDXInspection.check(file))
        case .vdi: return InspectedImage(format: format, virtualSize: try VDIInspection.check(file))
        case .iso: return InspectedImage(format: format, virtualSize: file.size)
        case .raw:
            return InspectedImage(format: format, virtualSize: file.size, partitions: try partitions(file))
        case .qcow, .qed, .luks, .parallels, .dmg, .bochs, .cloop:
            throw .unsupported("the format is \(format.rawValue)")
        }
    }

    /// The one format whose mark the file bears; raw when it bears none.
    static func detect(_ file: borrowing ImageFile) throws(ImageRefusal) -> DiskFormat {
        let head = try file.bytes(at: 0, count: 65_536)
        let footer = try file.tail(512, count: 512)
        var found: Set<DiskFormat> = []
        if head.has([0x51, 0x46, 0x49, 0xfb]) { found.insert(head.big32(4) >= 2 ? .qcow2 : .qcow) }
        if head.has("KDMV") || head.has("COWD") || VMDKInspection.isDescriptor(head) { found.insert(.vmdk) }
        if head.has("conectix") || footer.has("conectix") { found.insert(.vhd) }
        if head.has("vhdxfile") { found.insert(.vhdx) }
        if head.little32(64) == 0xbeda_107f { found.insert(.vdi) }
        if head.has([0x51, 0x45, 0x44, 0x00]) { found.insert(.qed) }
        if head.has([0x4c, 0x55, 0x4b, 0x53, 0xba, 0xbe]) { found.insert(.luks) }
        if head.has("WithoutFreeSpace") || head.has("WithouFreSpacExt") { found.insert(.parallels) }
        if footer.has("koly") { found.insert(.dmg) }
        if head.has("Bochs Virtual HD Image") { found.insert(.bochs) }
        if head.has("#!/bin/sh\n#V2.0 Format\nmodprobe cloop") { found.insert(.cloop) }
        for offset in [0x8001, 0x8801, 0x9001] where head.has("CD001", at: offset) { found.insert(.iso) }
        guard found.count <= 1 else {
            let names = found.map(\.rawValue).sorted().joined(separator: " and ")
            throw .malformed("it is \(names) at once")
        }
        return found.first ?? .raw
    }

    private static func partitions(_ file: borrowing ImageFile) throws(ImageRefusal) -> String? {
        let head = try file.bytes(at: 0, count: 8192)
        if head.has("EFI PART", at: 512) || head.has("EFI PART", at: 4096) { return "gpt" }
        return head.has([0x55, 0xaa], at: 510) ? "mbr" : nil
    }
}
