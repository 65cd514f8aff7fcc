import ComputeModel

/// Makes the image of a CD-ROM from a few small files: ISO 9660 with Joliet names, so that long names in small letters
/// survive.
struct ISOImage {
    private static let sector = 2048

    /// A folder of the tree. Files lie in `files`; both are kept sorted as the format demands.
    private final class Folder {
        let name: String
        var folders: [Folder] = []
        var files: [(name: String, bytes: [UInt8])] = []
        /// Number in the path table, from 1, and its parent's.
        var number = 1
        var parentNumber = 1
        /// Where its records are and how long, once for ISO 9660 and once for Joliet.
        var extents = [0, 0]
        var lengths = [0, 0]
        init(name: String) { self.name = name }

        func folder(_ name: String) -> Folder {
            if let found = folders.first(where: { $0.name == name }) { return found }
            let made = Folder(name: name)
            folders.append(made)
            return made
        }
    }

    private let label: String
    private let date: [UInt8]
    private let root = Folder(name: "")
    /// Breadth first, as path tables are.
    private var all: [Folder] = []
    /// Where each file's bytes begin, by folder number and name.
    private var fileExtents: [String: Int] = [:]

    /// The bytes of an image with the given files by path.
    static func bytes(_ files: [String: [UInt8]], label: String, date: Timestamp) -> [UInt8] {
        var image = ISOImage(files, label: label, date: date)
        return image.build()
    }

    private init(_ files: [String: [UInt8]], label: String, date: Timestamp) {
        self.label = label
        let parts = date.civil
        self.date = [
            UInt8(clamping: parts.year - 1900), UInt8(parts.month), UInt8(parts.day), UInt8(parts.hour),
            UInt8(parts.minute), UInt8(clamping: parts.second), 0,
        ]
        for (path, bytes) in files.sorted(by: { $0.key < $1.key }) {
            let parts = path.split(separator: "/").map(String.init)
            guard let name = parts.last else { continue }
            let folder = parts.dropLast().reduce(root) { $0.folder($1) }
            // `a/b` and `a//b` are one file; the later counts.
            folder.files.removeAll { $0.name == name }
            folder.files.append((name, bytes))
        }
        var queue = [root]
        while !queue.isEmpty {
            let folder = queue.removeFirst()
            all.append(folder)
            folder.number = all.count
            folder.folders.sort { $0.name < $1.name }
            folder.files.sort { $0.name < $1.name }
            queue += folder.folders
        }
        for folder in all { for child in folder.folders { child.parentNumber = folder.number } }
    }

    private mutating func build() -> [UInt8] {
        // Three descriptors after the system area; then path tables, folders, files.
        var next = 19
        let tableLengths = [0, 1].map { pathTable($0, isBig: false).count }
        var tables: [Int] = []
        for kind in [0, 1] {
            for _ in 0..<2 {
                tables.append(next)
                next += Self.sectors(tableLengths[kind])
            }
        }
        for kind in [0, 1] {
            for folder in all {
                folder.lengths[kind] = records(folder, kind).count
                folder.extents[kind] = next
                next += Self.sectors(folder.lengths[kind])
            }
        }
        for folder in all {
            for file in folder.files {
                fileExtents["\(folder.number)/\(file.name)"] = next
                next += Self.sectors(file.bytes.count)
            }
        }
        var image = [UInt8](repeating: 0, count: next * Self.sector)
        func put(_ bytes: [UInt8], _ sector: Int) {
            image.replaceSubrange(sector * Self.sector..<sector * Self.sector + bytes.count, with: bytes)
        }
        for kind in [0, 1] {
            put(descriptor(kind, sectors: next, tableLength: tableLengths[kind], tables: tables), 16 + kind)
            put(pathTable(kind, isBig: false), tables[kind * 2])
            put(pathTable(kind, isBig: true), tables[kind * 2 + 1])
            for folder in all { put(records(folder, kind), folder.extents[kind]) }
        }
        put([255] + Array("CD001".utf8) + [1], 18)
        for folder in all {
            for file in folder.files {
                if let extent = fileExtents["\(folder.number)/\(file.name)"] { put(file.bytes, extent) }
            }
        }
        return image
    }

    /// A volume descriptor: 0 for ISO 9660, 1 for Joliet.
    private func descriptor(_ kind: Int, sectors: Int, tableLength: Int, tables: [Int]) -> [UInt8] {
        var bytes: [UInt8] = [kind == 0 ? 1 : 2] + Array("CD001".utf8) + [1, 0]
        bytes += text("LINUX", 32, kind) + text(label, 32, kind)
        bytes += [UInt8](repeating: 0, count: 8) + Self.both32(sectors)
        // The escape sequence of UCS-2 level 3 makes a supplementary descriptor Joliet.
        bytes += (kind == 0 ? [0, 0, 0] : Array("%/E".utf8)) + [UInt8](repeating: 0, count: 29)
        bytes += Self.both16(1) + Self.both16(1) + Self.both16(Self.sector) + Self.both32(tableLength)
        bytes += Self.little32(tables[kind * 2]) + [0, 0, 0, 0] + Self.big32(tables[kind * 2 + 1]) + [0, 0, 0, 0]
        bytes += record([0], root.extents[kind], root.lengths[kind], isFolder: true)
        for length in [128, 128, 128, 128, 37, 37, 37] { bytes += text("", length, kind) }
        let never = [UInt8](repeating: UInt8(ascii: "0"), count: 16) + [0]
        bytes += never + never + never + never + [1]
        return bytes + [UInt8](repeating: 0, count: Self.sector - bytes.count)
    }

    private func pathTable(_ kind: Int, isBig: Bool) -> [UInt8] {
        var bytes: [UInt8] = []
        for folder in all {
            let name = folder.number == 1 ? [0] : identifier(folder.name, kind, isFile: false)
            let extent = folder.extents[kind]
            bytes += [UInt8(name.count), 0] + (isBig ? Self.big32(extent) : Self.little32(extent))
            let parent = UInt16(folder.parentNumber)
            bytes += isBig ? [UInt8(parent >> 8), UInt8(parent & 255)] : [UInt8(parent & 255), UInt8(parent >> 8)]
            bytes += name + (name.count % 2 == 1 ? [0] : [])
        }
        return bytes
    }

    /// The records of a folder; none lies across two sectors.
    private func records(_ folder: Folder, _ kind: Int) -> [UInt8] {
        let parent = all[folder.parentNumber - 1]
        var all = [
            record([0], folder.extents[kind], folder.lengths[kind], isFolder: true),
            record([1], parent.extents[kind], parent.lengths[kind], isFolder: true),
        ]
        var named: [(name: [UInt8], record: [UInt8])] = folder.folders.map { child in
            let name = identifier(child.name, kind, isFile: false)
            return (name, record(name, child.extents[kind], child.lengths[kind], isFolder: true))
        }
        named += folder.files.map { file in
            let name = identifier(file.name, kind, isFile: true)
            let extent = fileExtents["\(folder.number)/\(file.name)"] ?? 0
            return (name, record(name, extent, file.bytes.count, isFolder: false))
        }
        all += named.sorted { $0.name.lexicographicallyPrecedes($1.name) }.map(\.record)
        var bytes: [UInt8] = []
        for record in all {
            let room = Self.sector - bytes.count % Self.sector
            if record.count > room { bytes += [UInt8](repeating: 0, count: room) }
            bytes += record
        }
        return bytes + [UInt8](repeating: 0, count: Self.sectors(bytes.count) * Self.sector - bytes.count)
    }

    private func record(_ name: [UInt8], _ extent: Int, _ length: Int, isFolder: Bool) -> [UInt8] {
        var bytes: [UInt8] = [0] + Self.both32(extent) + Self.both32(length) + date
        bytes += [isFolder ? 2 : 0, 0, 0] + Self.both16(1) + [UInt8(name.count)] + name
        if bytes.count % 2 == 0 { bytes.append(0) }
        return [UInt8(bytes.count + 1)] + bytes
    }

    private func identifier(_ name: String, _ kind: Int, isFile: Bool) -> [UInt8] {
        if kind == 1 {
            let units = Array(name.utf16.prefix(64)) + (isFile ? Array(";1".utf16) : [])
            return units.flatMap { [UInt8($0 >> 8), UInt8($0 & 255)] }
        }
        // Names in capitals for the few readers without Joliet. Two that become one there are of no consequence.
        let plain = name.uppercased().utf8.map { byte -> UInt8 in
            switch byte {
            case UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "0")...UInt8(ascii: "9"): byte
            case UInt8(ascii: ".") where isFile: byte
            default: UInt8(ascii: "_")
            }
        }
        return Array(plain.prefix(28)) + (isFile ? Array(";1".utf8) : [])
    }

    /// Text of a fixed length, filled with blanks.
    private func text(_ text: String, _ length: Int, _ kind: Int) -> [UInt8] {
        if kind == 0 {
            let bytes = Array(text.utf8.prefix(length))
            return bytes + [UInt8](repeating: 0x20, count: length - bytes.count)
        }
        var bytes = text.utf16.prefix(length / 2).flatMap { [UInt8($0 >> 8), UInt8($0 & 255)] }
        while bytes.count + 2 <= length { bytes += [0, 0x20] }
        return bytes + [UInt8](repeating: 0, count: length - bytes.count)
    }

    private static func sectors(_ bytes: Int) -> Int { (bytes + sector - 1) / sector }
    private static func little32(_ number: Int) -> [UInt8] { (0..<4).map { UInt8(number >> ($0 * 8) & 255) } }
    private static func big32(_ number: Int) -> [UInt8] { little32(number).reversed() }
    private static func both32(_ number: Int) -> [UInt8] { little32(number) + big32(number) }
    private static func both16(_ number: Int) -> [UInt8] {
        [UInt8(number & 255), UInt8(number >> 8), UInt8(number >> 8), UInt8(number & 255)]
    }
}
