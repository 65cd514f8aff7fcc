/// Checks of a VMDK: only one sparse extent inside the file itself is accepted (VMware's Virtual Disk Format 5.0).
enum VMDKInspection {
    private static let sector: UInt64 = 512
    private static let descriptorSectorsMax: UInt64 = 2048
    private static let atEnd = UInt64.max

    /// Whether the file is a bare descriptor, which names its extents as other files. The same reading as QEMU's:
    /// comments and empty lines may come before `version=`.
    static func isDescriptor(_ head: ImageBytes) -> Bool {
        for line in head.raw.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: true) {
            let text = line.drop { $0 == 32 || $0 == 9 }
            if text.isEmpty || text.elementsEqual([13]) { continue }
            if text.first == UInt8(ascii: "#") {
                if text.starts(with: "# Disk DescriptorFile".utf8) { return true }
                continue
            }
            return text.starts(with: "version=".utf8)
        }
        return false
    }

    /// Refuses whatever is unsafe; returns the virtual size.
    static func check(_ file: borrowing ImageFile) throws(ImageRefusal) -> UInt64 {
        let header = try file.bytes(at: 0, count: 512)
        if header.has("COWD") { throw .unsupported("a VMDK of version 3 (COWD)") }
        guard header.has("KDMV") else { throw .refersElsewhere("a VMDK descriptor without its extents") }
        guard header.count == 512 else { throw .malformed("the VMDK header is cut off") }
        let size = try checkHeader(header, file)
        if header.little64(56) == atEnd { try checkFooter(header, file) }
        let offset = header.little64(28)
        let length = header.little64(36)
        guard offset > 0, length > 0, length <= descriptorSectorsMax, offset <= file.size / sector,
            (offset + length) * sector <= file.size
        else {
            throw .malformed("the VMDK descriptor lies outside the file")
        }
        let text = try file.bytes(at: offset * sector, count: Int(length * sector))
        try checkDescriptor(text)
        return size
    }

    private static func checkHeader(
        _ header: ImageBytes, _ file: borrowing ImageFile
    ) throws(ImageRefusal) -> UInt64 {
        let version = header.little32(4)
        guard (1...3).contains(version) else { throw .unsupported("VMDK version \(version)") }
        let capacity = header.little64(12)
        guard capacity > 0 else {
            throw .refersElsewhere("a VMDK of no capacity, whose descriptor names other extents")
        }
        guard capacity <= UInt64(Int64.max) / sector else { throw .malformed("VMDK capacity \(capacity)") }
        let grain = header.little64(20)
        guard grain >= 8, grain <= 65_536, grain & (grain - 1) == 0 else {
            throw .malformed("VMDK grain size \(grain)")
        }
        let entries = header.little32(44)
        guard entries > 0, entries <= 512 else { throw .malformed("VMDK grain tables of \(entries) entries") }
        // QEMU reads the whole directory into memory.
        let directory = capacity / (grain * entries) + 1
        guard directory <= 1 << 23 else { throw .malformed("a VMDK grain directory of \(directory) entries") }
        guard header.has([0x0a, 0x20, 0x0d, 0x0a], at: 73) else {
            throw .malformed("the VMDK header was changed by a text transfer")
        }
        guard header.little16(77) <= 1 else { throw .unsupported("VMDK compression \(header.little16(77))") }
        let place = header.little64(56)
        guard place == atEnd || (place > 0 && place <= file.size / sector) else {
            throw .malformed("the VMDK grain directory lies outside the file")
        }
        return capacity * sector
    }

    // QEMU believes the header at the end of a streamOptimized file; it must say what the first one says.
    private static func checkFooter(_ header: ImageBytes, _ file: borrowing ImageFile) throws(ImageRefusal) {
        let footer = try file.tail(1024, count: 512)
        guard footer.has("KDMV"), footer.little64(56) != atEnd, footer.little64(56) <= file.size / sector else {
            throw .malformed("the VMDK footer is missing")
        }
        let sameUpTo = 56
        guard footer.raw.prefix(sameUpTo).elementsEqual(header.raw.prefix(sameUpTo)),
            footer.little16(77) == header.little16(77)
        else {
            throw .malformed("VMDK header and footer contradict each other")
        }
    }

    private static func checkDescriptor(_ bytes: ImageBytes) throws(ImageRefusal) {
        let text = String(decoding: bytes.raw.prefix { $0 != 0 }, as: UTF8.self)
        guard text.contains("# Disk DescriptorFile") else { throw .malformed("no VMDK descriptor") }
        var extents = 0
        var type: String?
        for line in text.split(whereSeparator: \.isNewline) {
            let line = trimmed(line)
            if line.isEmpty || line.hasPrefix("#") { continue }
            let lower = line.lowercased()
            if lower.hasPrefix("createtype") {
                guard type == nil else { throw .malformed("a VMDK of two types") }
                type = value(line)
            } else if lower.hasPrefix("parentfilenamehint") {
                throw .refersElsewhere("a VMDK parent")
            } else if lower.hasPrefix("parentcid") {
                guard value(line).lowercased() == "ffffffff" else { throw .refersElsewhere("a VMDK parent") }
            } else if ["rw ", "rdonly ", "noaccess "].contains(where: { lower.hasPrefix($0) }) {
                extents += 1
                try checkExtent(line)
            } else if !line.contains("=") {
                throw .malformed("an unknown line in the VMDK descriptor")
            }
        }
        guard let type, ["monolithicSparse", "streamOptimized"].contains(type) else {
            throw .unsupported("a VMDK of type \(type ?? "unknown")")
        }
        guard extents == 1 else { throw .refersElsewhere("a VMDK of \(extents) extents") }
    }

    private static func checkExtent(_ line: String) throws(ImageRefusal) {
        let words = line.split(separator: " ", maxSplits: 3, omittingEmptySubsequences: true)
        guard words.count == 4, words[2] == "SPARSE" else { throw .refersElsewhere("a VMDK extent that is not sparse") }
        let name = words[3].filter { $0 != "\"" }
        guard !name.contains("/"), !name.contains("\\"), !name.contains(":") else {
            throw .refersElsewhere("a VMDK extent in another place")
        }
    }

    private static func value(_ line: String) -> String {
        guard let sign = line.firstIndex(of: "=") else { return "" }
        return trimmed(line[line.index(after: sign)...]).filter { $0 != "\"" }
    }

    private static func trimmed(_ text: some StringProtocol) -> String {
        var text = Substring(text)
        while text.first?.isWhitespace == true { text.removeFirst() }
        while text.last?.isWhitespace == true { text.removeLast() }
        return String(text)
    }
}
