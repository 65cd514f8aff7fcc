/// Checks of a qcow2 header, versions 2 and 3 (QEMU's docs/interop/qcow2.txt).
enum QCOW2Inspection {
    // Limits that QEMU itself puts on tables.
    private static let l1BytesMax: UInt64 = 32 << 20
    private static let refcountBytesMax: UInt64 = 8 << 20
    private static let snapshotsMax: UInt64 = 256

    private enum Extension {
        static let end: UInt64 = 0
        static let backingFormat: UInt64 = 0xe279_2aca
        static let externalData: UInt64 = 0x4441_5441
        static let encryption: UInt64 = 0x0537_be77
    }

    /// Refuses whatever is unsafe; returns the virtual size.
    static func check(_ file: borrowing ImageFile) throws(ImageRefusal) -> UInt64 {
        let header = try file.bytes(at: 0, count: 4096)
        let version = header.big32(4)
        guard version == 2 || version == 3 else { throw .unsupported("qcow2 version \(version)") }
        guard header.count >= (version == 2 ? 72 : 104) else { throw .malformed("the qcow2 header is cut off") }
        if header.big64(8) != 0 || header.big32(16) != 0 { throw .refersElsewhere("a qcow2 backing file") }
        let clusterBits = header.big32(20)
        guard (9...21).contains(clusterBits) else { throw .malformed("qcow2 cluster bits \(clusterBits)") }
        let cluster = UInt64(1) << clusterBits
        let size = header.big64(24)
        guard size > 0, size <= UInt64(Int64.max) else { throw .malformed("qcow2 virtual size \(size)") }
        if header.big32(32) != 0 { throw .unsupported("an encrypted qcow2") }
        try checkTables(header, file, size: size, cluster: cluster)
        if version == 3 { try checkFeatures(header) }
        try checkExtensions(file, from: version == 3 ? header.big32(100) : 72, cluster: cluster)
        return size
    }

    private static func checkTables(
        _ header: ImageBytes, _ file: borrowing ImageFile, size: UInt64, cluster: UInt64
    ) throws(ImageRefusal) {
        let entries = header.big32(36)
        guard entries * 8 <= l1BytesMax else { throw .malformed("a qcow2 L1 table of \(entries) entries") }
        // Each L2 table is one cluster of 8 byte entries; extended entries (16 bytes) cover half as much.
        let covered = (cluster / 8).multipliedReportingOverflow(by: cluster)
        let needed = covered.overflow ? 1 : size / covered.partialValue
        guard entries >= needed else { throw .malformed("a qcow2 L1 table too small for the virtual size") }
        try checkPlace("L1 table", header.big64(40), length: entries * 8, file, cluster: cluster)
        let refcountBytes = header.big32(56).multipliedReportingOverflow(by: cluster)
        guard !refcountBytes.overflow, refcountBytes.partialValue <= refcountBytesMax, refcountBytes.partialValue > 0
        else {
            throw .malformed("a qcow2 reference count table of \(header.big32(56)) clusters")
        }
        try checkPlace("reference count table", header.big64(48), length: 8, file, cluster: cluster)
        let snapshots = header.big32(60)
        guard snapshots <= snapshotsMax else { throw .malformed("\(snapshots) qcow2 snapshots") }
        if snapshots > 0 { try checkPlace("snapshot table", header.big64(64), length: 40, file, cluster: cluster) }
    }

    private static func checkPlace(
        _ what: String, _ offset: UInt64, length: UInt64, _ file: borrowing ImageFile, cluster: UInt64
    ) throws(ImageRefusal) {
        let end = offset.addingReportingOverflow(length)
        guard offset >= cluster, offset % cluster == 0, !end.overflow, end.partialValue <= file.size else {
            throw .malformed("the qcow2 \(what) lies outside the file")
        }
    }

    private static func checkFeatures(_ header: ImageBytes) throws(ImageRefusal) {
        let incompatible = header.big64(72)
        if incompatible & 4 != 0 { throw .refersElsewhere("a qcow2 external data file") }
        if incompatible & 2 != 0 { throw .malformed("the qcow2 is marked corrupt") }
        // Known: dirty, compression type, extended L2 entries.
        guard incompatible & ~(1 | 8 | 16) == 0 else {
            throw .unsupported("unknown qcow2 features \(String(incompatible, radix: 16))")
        }
        guard header.big32(96) <= 6 else { throw .malformed("qcow2 reference counts of 2^\(header.big32(96)) bits") }
        if incompatible & 8 != 0, header.raw.count > 104, header.big32(100) > 104, header.raw[104] > 1 {
            throw .unsupported("qcow2 compression type \(header.raw[104])")
        }
    }

    private static func checkExtensions(
        _ file: borrowing ImageFile, from start: UInt64, cluster: UInt64
    ) throws(ImageRefusal) {
        guard start >= 72, start % 8 == 0, start <= cluster else {
            throw .malformed("a qcow2 header of \(start) bytes")
        }
        let area = try file.bytes(at: 0, count: Int(cluster))
        var position = Int(start)
        for _ in 0..<1024 {
            // The area may end without a mark, where the first cluster does.
            guard position + 8 <= area.count else { return }
            let kind = area.big32(position)
            let length = Int(area.big32(position + 4))
            switch kind {
            case Extension.end: return
            case Extension.backingFormat: throw .refersElsewhere("a qcow2 backing file format")
            case Extension.externalData: throw .refersElsewhere("a qcow2 external data file name")
            case Extension.encryption: throw .unsupported("an encrypted qcow2")
            default: break
            }
            guard length <= area.count - position - 8 else { throw .malformed("a qcow2 header extension is cut off") }
            position += 8 + (length + 7) / 8 * 8
        }
        throw .malformed("too many qcow2 header extensions")
    }
}
