/// Checks of a VHD (Microsoft's Virtual Hard Disk Image Format Specification 1.0), QEMU's `vpc`.
enum VHDInspection {
    private static let geometryMax: UInt64 = 65_535 * 16 * 255

    /// Refuses whatever is unsafe; returns the virtual size.
    static func check(_ file: borrowing ImageFile) throws(ImageRefusal) -> UInt64 {
        let head = try file.bytes(at: 0, count: 512)
        let tail = try file.tail(512, count: 512)
        guard tail.has("conectix") else { throw .malformed("the VHD footer is missing") }
        let type = tail.big32(60)
        switch type {
        case 2: guard !head.has("conectix") else { throw .malformed("a fixed VHD with a dynamic VHD's header") }
        case 3: guard head.raw == tail.raw else { throw .malformed("VHD header and footer contradict each other") }
        case 4: throw .refersElsewhere("a VHD parent")
        default: throw .unsupported("VHD type \(type)")
        }
        guard checksum(tail) == tail.big32(64) else { throw .malformed("the VHD footer's checksum is wrong") }
        // QEMU takes the geometry for files of some programs, the size for others: the larger one counts. The
        // largest geometry there is means that it is not used.
        let geometry = tail.big16(56) * UInt64(tail.raw[58]) * UInt64(tail.raw[59])
        let size = max(tail.big64(48), geometry < geometryMax ? geometry * 512 : 0)
        guard size > 0, size <= 1 << 41 else { throw .malformed("VHD virtual size \(size)") }
        if type == 3 { try checkDynamic(tail.big64(16), file, size: size) }
        if type == 2, size > file.size { throw .malformed("the fixed VHD is cut off") }
        return size
    }

    private static func checkDynamic(
        _ offset: UInt64, _ file: borrowing ImageFile, size: UInt64
    ) throws(ImageRefusal) {
        guard offset >= 512, offset <= file.size else { throw .malformed("the VHD's dynamic header lies outside") }
        let header = try file.bytes(at: offset, count: 1024)
        guard header.count == 1024, header.has("cxsparse") else { throw .malformed("no dynamic VHD header") }
        guard header.raw[40..<56].allSatisfy({ $0 == 0 }) else { throw .refersElsewhere("a VHD parent") }
        let block = header.big32(32)
        guard block >= 512, block <= 1 << 28, block & (block - 1) == 0 else {
            throw .malformed("VHD blocks of \(block)")
        }
        let entries = header.big32(28)
        guard entries <= 1 << 24, entries * block >= size - min(size, block) else {
            throw .malformed("a VHD block table of \(entries) entries")
        }
        guard header.big64(16) <= file.size else { throw .malformed("the VHD block table lies outside the file") }
    }

    private static func checksum(_ footer: ImageBytes) -> UInt64 {
        var sum: UInt32 = 0
        for (index, byte) in footer.raw.enumerated() where !(64..<68).contains(index) { sum &+= UInt32(byte) }
        return UInt64(~sum)
    }
}

/// Checks of a VHDX (Microsoft's MS-VHDX).
enum VHDXInspection {
    private static let metadataRegion: [UInt8] = [
        0x06, 0xa2, 0x7c, 0x8b, 0x90, 0x47, 0x9a, 0x4b, 0xb8, 0xfe, 0x57, 0x5f, 0x05, 0x0f, 0x88, 0x6e,
    ]
    private static let fileParameters: [UInt8] = [
        0x37, 0x67, 0xa1, 0xca, 0x36, 0xfa, 0x43, 0x4d, 0xb3, 0xb6, 0x33, 0xf0, 0xaa, 0x44, 0xe7, 0x6b,
    ]
    private static let diskSize: [UInt8] = [
        0x24, 0x42, 0xa5, 0x2f, 0x1b, 0xcd, 0x76, 0x48, 0xb2, 0x11, 0x5d, 0xbe, 0xd8, 0x3b, 0xf4, 0xb8,
    ]
    private static let parentLocator: [UInt8] = [
        0x2d, 0x5f, 0xd3, 0xa8, 0x0b, 0xb3, 0x4d, 0x45, 0xab, 0xf7, 0xd3, 0xd8, 0x48, 0x34, 0xab, 0x0c,
    ]

    /// Refuses whatever is unsafe; returns the virtual size.
    static func check(_ file: borrowing ImageFile) throws(ImageRefusal) -> UInt64 {
        // Both copies of the region table must lead to a clean metadata table: QEMU may read either.
        let first = try metadata(regionTable: 192 << 10, file)
        let second = try metadata(regionTable: 256 << 10, file)
        guard let size = first ?? second else { throw .malformed("no VHDX region table") }
        if let first, let second, first != second { throw .malformed("the VHDX region tables contradict each other") }
        guard size > 0, size <= 64 << 40 else { throw .malformed("VHDX virtual size \(size)") }
        return size
    }

    /// The virtual size according to one copy; `nil` when that copy is blank.
    private static func metadata(
        regionTable offset: UInt64, _ file: borrowing ImageFile
    ) throws(ImageRefusal) -> UInt64? {
        let table = try file.bytes(at: offset, count: 65_536)
        guard table.has("regi") else { return nil }
        let count = table.little32(8)
        guard count <= 2047 else { throw .malformed("a VHDX region table of \(count) entries") }
        var found: UInt64?
        for index in 0..<Int(count) where table.has(metadataRegion, at: 16 + index * 32) {
            guard found == nil else { throw .malformed("two VHDX metadata regions") }
            found = try size(metadata: table.little64(16 + index * 32 + 16), file)
        }
        guard let found else { throw .malformed("no VHDX metadata") }
        return found
    }

    private static func size(metadata offset: UInt64, _ file: borrowing ImageFile) throws(ImageRefusal) -> UInt64 {
        let table = try file.bytes(at: offset, count: 65_536)
        guard table.has("metadata") else { throw .malformed("the VHDX metadata lies outside the file") }
        let count = table.little16(10)
        guard count <= 2047 else { throw .malformed("VHDX metadata of \(count) entries") }
        var size: UInt64?
        var checkedParameters = false
        for index in 0..<Int(count) {
            let entry = 32 + index * 32
            if table.has(parentLocator, at: entry) { throw .refersElsewhere("a VHDX parent") }
            let place = offset.addingReportingOverflow(table.little32(entry + 16))
            guard !place.overflow else { throw .malformed("VHDX metadata beyond the file") }
            if table.has(fileParameters, at: entry) {
                let item = try file.bytes(at: place.partialValue, count: 8)
                if item.little32(4) & 2 != 0 { throw .refersElsewhere("a VHDX parent") }
                checkedParameters = item.count == 8
            } else if table.has(diskSize, at: entry) {
                guard size == nil else { throw .malformed("two VHDX sizes") }
                size = try file.bytes(at: place.partialValue, count: 8).little64(0)
            }
        }
        guard checkedParameters, let size else { throw .malformed("the VHDX metadata is incomplete") }
        return size
    }
}

/// Checks of a VDI (VirtualBox), header version 1.1.
enum VDIInspection {
    /// Refuses whatever is unsafe; returns the virtual size.
    static func check(_ file: borrowing ImageFile) throws(ImageRefusal) -> UInt64 {
        let header = try file.bytes(at: 0, count: 512)
        guard header.count == 512 else { throw .malformed("the VDI header is cut off") }
        guard header.little32(68) == 0x0001_0001 else { throw .unsupported("a VDI of another version") }
        let type = header.little32(76)
        guard type == 1 || type == 2 else { throw .refersElsewhere("a VDI of type \(type), which needs a parent") }
        // The UUIDs of a parent and of the parent's last change.
        guard header.raw[424..<456].allSatisfy({ $0 == 0 }) else { throw .refersElsewhere("a VDI parent") }
        let size = header.little64(368)
        let block = header.little32(376)
        let blocks = header.little32(384)
        guard block == 1 << 20 else { throw .unsupported("VDI blocks of \(block) bytes") }
        guard size > 0, blocks <= 0x2000_0000, size <= blocks * block, header.little32(388) <= blocks else {
            throw .malformed("VDI sizes contradict each other")
        }
        guard header.little32(340) <= file.size, header.little32(344) <= file.size else {
            throw .malformed("the VDI block map lies outside the file")
        }
        return size
    }
}
