import DriverAPI
import Glibc

/// Makes a hosted sparse VMDK (`monolithicSparse`, VMware's Virtual Disk Format 5.0) of the bytes of a disk: one file
/// that says what it is and leaves out what is empty.
enum SparseVMDK {
    private static let sector: UInt64 = 512
    private static let grainBytes: UInt64 = 64 << 10
    private static let entriesPerTable: UInt64 = 512
    private static let descriptorSectors: UInt64 = 20

    /// Blocks; `isCancelled` is asked between grains.
    ///
    /// - Throws: ``DriverError/cancelled``; errors of the files.
    static func write(
        _ flat: String, to path: String, adapter: String, isCancelled: () -> Bool
    ) throws(VimFailure) {
        let source = try LocalFile(reading: flat)
        let target = try LocalFile(creating: path)
        let length = source.length
        guard length > 0, length % sector == 0 else {
            throw .driver(.failed("\(flat) has \(length) bytes, no whole number of sectors"))
        }
        let tableBytes = entriesPerTable * 4
        let tables = (length + grainBytes * entriesPerTable - 1) / (grainBytes * entriesPerTable)
        let directoryAt = (1 + descriptorSectors) * sector
        let tablesAt = roundUp(directoryAt + tables * 4, sector)
        let dataAt = roundUp(tablesAt + tables * tableBytes, grainBytes)
        try target.write(header(length / sector, directoryAt / sector, dataAt / sector), at: 0)
        try target.write(Array(descriptor(length / sector, name(path), adapter).utf8), at: sector)
        var end = dataAt
        let zeros = [UInt8](repeating: 0, count: Int(grainBytes))
        for table in 0..<tables {
            try target.write(little(UInt32((tablesAt + table * tableBytes) / sector)), at: directoryAt + table * 4)
            var entries = [UInt8](repeating: 0, count: Int(tableBytes))
            var offset = table * entriesPerTable * grainBytes
            let limit = min(length, offset + entriesPerTable * grainBytes)
            while offset < limit {
                guard !isCancelled() else { throw .driver(.cancelled) }
                // Holes of the file are skipped without reading them.
                guard let data = source.nextData(from: offset), data < limit else { break }
                offset = max(offset, data / grainBytes * grainBytes)
                let bytes = try source.read(Int(min(grainBytes, limit - offset)), at: offset)
                if memcmp(bytes, zeros, bytes.count) != 0 {
                    let index = Int(offset / grainBytes % entriesPerTable) * 4
                    entries.replaceSubrange(index..<index + 4, with: little(UInt32(end / sector)))
                    try target.write(bytes, at: end)
                    end += grainBytes
                }
                offset += grainBytes
            }
            try target.write(entries, at: tablesAt + table * tableBytes)
        }
        // Readers expect whole grains, also the last.
        if end > target.length { try target.write([0], at: end - 1) }
    }

    private static func header(_ capacity: UInt64, _ directory: UInt64, _ overhead: UInt64) -> [UInt8] {
        var bytes = Array("KDMV".utf8)
        bytes += little(UInt32(1)) + little(UInt32(1))
        bytes += little(capacity) + little(grainBytes / sector)
        bytes += little(UInt64(1)) + little(descriptorSectors)
        bytes += little(UInt32(entriesPerTable)) + little(UInt64(0)) + little(directory) + little(overhead)
        // Not open; then the characters by which a transfer in text mode shows.
        bytes += [0, UInt8(ascii: "\n"), UInt8(ascii: " "), UInt8(ascii: "\r"), UInt8(ascii: "\n"), 0, 0]
        return bytes + [UInt8](repeating: 0, count: Int(sector) - bytes.count)
    }

    private static func descriptor(_ sectors: UInt64, _ name: String, _ adapter: String) -> String {
        """
        # Disk DescriptorFile
        version=1
        CID=fffffffe
        parentCID=ffffffff
        createType="monolithicSparse"

        # Extent description
        RW \(sectors) SPARSE "\(name)"

        # The Disk Data Base
        #DDB

        ddb.virtualHWVersion = "13"
        ddb.geometry.cylinders = "\(min(sectors / (16 * 63), 16383))"
        ddb.geometry.heads = "16"
        ddb.geometry.sectors = "63"
        ddb.adapterType = "\(adapter)"

        """
    }

    private static func name(_ path: String) -> String {
        path.split(separator: "/").last.map(String.init) ?? "disk.vmdk"
    }

    private static func roundUp(_ number: UInt64, _ unit: UInt64) -> UInt64 { (number + unit - 1) / unit * unit }

    private static func little(_ number: some FixedWidthInteger) -> [UInt8] {
        withUnsafeBytes(of: number.littleEndian) { Array($0) }
    }
}
