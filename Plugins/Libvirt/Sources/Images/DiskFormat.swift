/// A form of disk image that the inspector knows.
enum DiskFormat: String, CaseIterable, Sendable {
    case raw
    case qcow2
    case vmdk
    case vhd
    case vhdx
    case vdi
    case iso
    // Recognised only to be refused: QEMU would open these when left to guess.
    case qcow
    case qed
    case luks
    case parallels
    case dmg
    case bochs
    case cloop

    /// The name that qemu-img takes; `nil` for what is never given to it.
    var qemuName: String? {
        switch self {
        case .raw: "raw"
        case .qcow2: "qcow2"
        case .vmdk: "vmdk"
        case .vhd: "vpc"
        case .vhdx: "vhdx"
        case .vdi: "vdi"
        case .iso, .qcow, .qed, .luks, .parallels, .dmg, .bochs, .cloop: nil
        }
    }

    /// Formats of which guests can be made.
    static let bootable: Set<DiskFormat> = [.raw, .qcow2, .vmdk, .vhd, .vhdx, .vdi]
}

/// What the inspector found in a file.
struct InspectedImage: Hashable, Sendable {
    /// What the file really is.
    let format: DiskFormat
    /// Size of the disk that it describes, in bytes.
    let virtualSize: UInt64
    /// Partition table of a raw disk: `gpt`, `mbr`.
    let partitions: String?

    init(format: DiskFormat, virtualSize: UInt64, partitions: String? = nil) {
        self.format = format
        self.virtualSize = virtualSize
        self.partitions = partitions
    }
}

/// Why an image is refused. The text names the fact, for users.
enum ImageRefusal: Error, Hashable, Sendable {
    /// The file is not what the image service says.
    case notAsDeclared(declared: String, found: String)
    /// The file refers to other files of the host.
    case refersElsewhere(String)
    /// Parts of the file contradict the format.
    case malformed(String)
    /// A format or feature that is not accepted.
    case unsupported(String)
    /// The disk that it describes is too large.
    case tooLarge(virtualSize: UInt64, limit: UInt64)
    /// The file cannot be read.
    case unreadable(String)

    /// One sentence for users.
    var message: String {
        switch self {
        case .notAsDeclared(let declared, let found):
            "Image is declared as \(declared) but its content is \(found)"
        case .refersElsewhere(let what): "Image refers to something outside itself: \(what)"
        case .malformed(let what): "Image is malformed: \(what)"
        case .unsupported(let what): "Image is not supported: \(what)"
        case .tooLarge(let size, let limit):
            "Image describes a disk of \(size) bytes, larger than the \(limit) bytes allowed"
        case .unreadable(let what): "Image cannot be read: \(what)"
        }
    }
}
