import ComputeModel
import DriverAPI

/// What an image file turned out to be.
enum ImageContent: Hashable, Sendable {
    /// The bytes of a disk as they are.
    case flat(bytes: UInt64)
    /// A hosted sparse VMDK (`monolithicSparse`).
    case sparse(bytes: UInt64)
    /// A compressed VMDK as it comes in OVA packages.
    case streamOptimized(bytes: UInt64)
    /// A CD-ROM.
    case iso(bytes: UInt64)

    /// The size of the disk that it describes.
    var diskBytes: UInt64 {
        switch self {
        case .flat(let bytes), .sparse(let bytes), .streamOptimized(let bytes), .iso(let bytes): bytes
        }
    }
}

/// Looks at an image's headers before anything of it reaches the hypervisor. The file is hostile until then: a VMDK
/// that names other files would hand out whatever the server can read.
enum ImageInspection {
    /// Disk formats that can be brought to a datastore.
    static let formats: Set<String> = ["vmdk", "iso", "raw"]
    private static let sector: UInt64 = 512
    private static let descriptorBytesMax: UInt64 = 1 << 20
    /// vSphere's largest disk.
    private static let diskBytesMax: UInt64 = 62 << 40

    /// Refuses an image in a format that is not known, also where the image itself is known already.
    ///
    /// - Throws: ``DriverError/imageUnacceptable(_:)`` with the format.
    static func checkFormat(of image: ImageSpec) throws(VimFailure) {
        guard formats.contains(image.diskFormat) else {
            throw refusal(image, "disk format '\(image.diskFormat)' is not known to vSphere")
        }
    }

    /// - Throws: ``DriverError/imageUnacceptable(_:)`` with the reason.
    static func inspect(_ path: String, declared image: ImageSpec) throws(VimFailure) -> ImageContent {
        try checkFormat(of: image)
        let file = try LocalFile(reading: path)
        let head = try file.read(4096, at: 0)
        let content: ImageContent
        switch image.diskFormat {
        case "iso":
            guard try file.read(5, at: 32769) == Array("CD001".utf8) else { throw refusal(image, "it is no ISO 9660") }
            content = .iso(bytes: file.length)
        case "vmdk" where head.starts(with: Array("KDMV".utf8)):
            content = try hostedSparse(file, head, image)
        default:
            try refuseOtherFormats(head, image)
            content = .flat(bytes: file.length)
        }
        guard content.diskBytes > 0, content.diskBytes % sector == 0 else {
            throw refusal(image, "its size of \(content.diskBytes) bytes is no whole number of sectors")
        }
        guard content.diskBytes <= diskBytesMax else { throw refusal(image, "it describes a disk of more than 62 TiB") }
        return content
    }

    private static func hostedSparse(
        _ file: LocalFile, _ head: [UInt8], _ image: ImageSpec
    ) throws(VimFailure) -> ImageContent {
        guard head.count >= 512 else { throw refusal(image, "its VMDK header is cut short") }
        func number(_ offset: Int, _ count: Int) -> UInt64 {
            head[offset..<offset + count].reversed().reduce(0) { $0 << 8 | UInt64($1) }
        }
        let flags = number(8, 4)
        let (capacity, descriptorSector, descriptorSectors) = (number(12, 8), number(28, 8), number(36, 8))
        guard (1...3).contains(number(4, 4)) else { throw refusal(image, "its VMDK version is not known") }
        let (bytes, overflow) = capacity.multipliedReportingOverflow(by: sector)
        guard !overflow, bytes <= diskBytesMax else { throw refusal(image, "its VMDK header gives an absurd size") }
        guard descriptorSectors > 0, descriptorSectors <= descriptorBytesMax / sector,
            descriptorSector > 0, descriptorSector < file.length / sector
        else { throw refusal(image, "its VMDK header has no place for a descriptor") }
        let text = try file.read(Int(descriptorSectors * sector), at: descriptorSector * sector)
        let isCompressed = flags & 0x10000 != 0
        try checkDescriptor(
            String(decoding: text.prefix { $0 != 0 }, as: UTF8.self), isCompressed: isCompressed, image)
        return isCompressed ? .streamOptimized(bytes: bytes) : .sparse(bytes: bytes)
    }

    private static func checkDescriptor(
        _ text: String, isCompressed: Bool, _ image: ImageSpec
    ) throws(VimFailure) {
        var extents = 0
        var createType = ""
        for line in text.split(whereSeparator: \.isNewline) {
            let line = line.drop { $0 == " " || $0 == "\t" }
            guard !line.hasPrefix("#") else { continue }
            if ["RW ", "RDONLY ", "NOACCESS "].contains(where: { line.hasPrefix($0) }) {
                extents += 1
                let words = line.split(separator: " ")
                guard words.count >= 4, words[2] == "SPARSE" else {
                    throw refusal(
                        image, "its VMDK descriptor has an extent that is not in the file: \(line.prefix(80))")
                }
                guard !words[3].contains("/"), !words[3].contains("\\") else {
                    throw refusal(image, "its VMDK descriptor names a file in another folder")
                }
                continue
            }
            guard let sign = line.firstIndex(of: "=") else { continue }
            let key = line[..<sign].filter { $0 != " " }.lowercased()
            let value = line[line.index(after: sign)...].filter { $0 != "\"" && $0 != " " }
            switch key {
            case "createtype": createType = String(value)
            case "parentcid":
                guard value.lowercased() == "ffffffff" else { throw refusal(image, "it leans on a parent disk") }
            case "parentfilenamehint": throw refusal(image, "it leans on a parent disk")
            default: break
            }
        }
        guard extents == 1 else { throw refusal(image, "its VMDK descriptor has \(extents) extents, not one") }
        let wanted = isCompressed ? "streamOptimized" : "monolithicSparse"
        guard createType == wanted else {
            throw refusal(image, "its VMDK descriptor says '\(createType.prefix(40))', its header \(wanted)")
        }
    }

    /// What is to be taken as it is must not be a disk of another format, which would boot nowhere.
    private static func refuseOtherFormats(_ head: [UInt8], _ image: ImageSpec) throws(VimFailure) {
        let formats: [(String, [UInt8])] = [
            ("QCOW2", [0x51, 0x46, 0x49, 0xFB]), ("VHDX", Array("vhdxfile".utf8)), ("VHD", Array("conectix".utf8)),
            ("VMDK", Array("KDMV".utf8)), ("ESX sparse VMDK", Array("COWD".utf8)),
            ("a VMDK descriptor without its disk", Array("# Disk DescriptorFile".utf8)), ("VDI", Array("<<<".utf8)),
        ]
        for (name, magic) in formats where head.starts(with: magic) {
            throw refusal(image, "it was declared as \(image.diskFormat), but is \(name)")
        }
        guard head.count < 512 || Array(head[257..<262]) != Array("ustar".utf8) else {
            throw refusal(image, "it is an archive (OVA); upload the disk that it holds")
        }
    }

    private static func refusal(_ image: ImageSpec, _ reason: String) -> VimFailure {
        .driver(.imageUnacceptable("image \(image.id) cannot be used: \(reason)"))
    }
}
