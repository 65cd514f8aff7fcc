/// Writes small file trees as ISO 9660 with Joliet names (ECMA-119 and its Joliet extension), which is what guests look
/// for on a configuration drive. There are no dates and no owners: the same files always make the same bytes.
struct ISO9660: Sendable {
    /// What cannot be written.
    struct Trouble: Error, Hashable, Sendable {
        let message: String
    }

    private static let sector = 2048
    private static let bytesMax = 64 << 20
    /// The image.
    let bytes: [UInt8]

    /// - Parameters:
    ///   - label: the volume's name, which guests look for.
    ///   - files: contents by path, with `/` between folders.
    init(label: String, files: [String: [UInt8]]) throws(Trouble) {
        let tree = try Tree(files)
        var writer = Writer(tree: tree, label: label)
        bytes = try writer.image()
    }

    /// A file or a folder with all that is in it.
    private final class Node {
        let name: String
        var children: [Node] = []
        var content: [UInt8]?
        /// Where its content, or its list of entries in either name space, begins.
        var sector = [0, 0]
        var size = [0, 0]
        /// Its number in the table of folders of either name space.
        var number = [1, 1]

        init(_ name: String, content: [UInt8]? = nil) { (self.name, self.content) = (name, content) }
    }

    private struct Tree {
        let root = Node("")

        init(_ files: [String: [UInt8]]) throws(Trouble) {
            guard files.values.reduce(0, { $0 + $1.count }) <= ISO9660.bytesMax, files.count <= 4096 else {
                throw Trouble(message: "it is larger than \(ISO9660.bytesMax >> 20) MiB")
            }
            for (path, content) in files.sorted(by: { $0.key < $1.key }) {
                let parts = path.split(separator: "/").map(String.init)
                guard let last = parts.last, parts.count <= 8, !parts.contains(".."), !parts.contains(".") else {
                    throw Trouble(message: "'\(path)' is no path of a file, or deeper than eight folders")
                }
                if let long = parts.first(where: { $0.utf16.count > 64 }) {
                    throw Trouble(message: "the name '\(long)' is longer than 64 characters")
                }
                var folder = root
                for part in parts.dropLast() {
                    if let known = folder.children.first(where: { $0.name == part }) {
                        guard known.content == nil else {
                            throw Trouble(message: "'\(part)' of '\(path)' is a file as well")
                        }
                        folder = known
                    } else {
                        let made = Node(part)
                        folder.children.append(made)
                        folder = made
                    }
                }
                guard !folder.children.contains(where: { $0.name == last }) else {
                    throw Trouble(message: "'\(path)' is a folder as well")
                }
                folder.children.append(Node(last, content: content))
            }
        }
    }

    /// The two name spaces of one image: plain ISO 9660 for old readers, Joliet for all others.
    private enum NameSpace: Int, CaseIterable {
        case plain
        case joliet
    }

    private struct Writer {
        let tree: Tree
        let label: String
        var folders: [[(node: Node, parent: Node)]] = [[], []]
        var names: [ObjectIdentifier: String] = [:]

        init(tree: Tree, label: String) { (self.tree, self.label) = (tree, label) }

        mutating func image() throws(Trouble) -> [UInt8] {
            namePlainly(tree.root)
            var next = 19
            var tables: [[UInt8]] = [[], []]
            var tableSectors = [0, 0]
            for space in NameSpace.allCases {
                folders[space.rawValue] = numbered(space)
                // Tables of folders hold no lengths that depend on places, so their size is known before.
                tables[space.rawValue] = table(space, bigEndian: false)
                tableSectors[space.rawValue] = next
                next += 2 * sectors(tables[space.rawValue].count)
            }
            for space in NameSpace.allCases {
                for (node, _) in folders[space.rawValue] {
                    node.sector[space.rawValue] = next
                    node.size[space.rawValue] = listLength(node, space)
                    next += sectors(node.size[space.rawValue])
                }
            }
            let files = self.files(tree.root)
            for file in files {
                let count = file.content?.count ?? 0
                file.sector = [next, next]
                file.size = [count, count]
                next += sectors(count)
            }
            var bytes = [UInt8](repeating: 0, count: 16 * sector)
            for space in NameSpace.allCases {
                bytes += descriptor(
                    space, sectors: next, table: tableSectors[space.rawValue],
                    tableBytes: tables[space.rawValue].count)
            }
            bytes += padded([255] + Array("CD001".utf8) + [1])
            for space in NameSpace.allCases {
                bytes += padded(table(space, bigEndian: false)) + padded(table(space, bigEndian: true))
            }
            for space in NameSpace.allCases {
                for (node, parent) in folders[space.rawValue] { bytes += padded(list(node, parent, space)) }
            }
            for file in files { bytes += padded(file.content ?? []) }
            return bytes
        }

        private var sector: Int { ISO9660.sector }

        private func sectors(_ bytes: Int) -> Int { (bytes + sector - 1) / sector }

        private func padded(_ bytes: [UInt8]) -> [UInt8] {
            bytes + [UInt8](repeating: 0, count: sectors(bytes.count) * sector - bytes.count)
        }

        private func files(_ folder: Node) -> [Node] {
            folder.children.flatMap { $0.content == nil ? files($0) : [$0] }
        }

        // MARK: - Names

        /// Names of plain ISO 9660: capitals, digits and underscores, no two alike.
        private mutating func namePlainly(_ folder: Node) {
            var taken: Set<String> = []
            for (index, child) in folder.children.enumerated() {
                let parts = child.name.split(separator: ".", omittingEmptySubsequences: false)
                let suffix = parts.count > 1 ? plain(parts[parts.count - 1]).prefix(3) : ""
                let stem = plain(parts.dropLast(parts.count > 1 ? 1 : 0).joined(separator: "_")).prefix(8)
                func made(_ stem: some StringProtocol) -> String {
                    child.content == nil ? String(stem) : "\(stem).\(suffix);1"
                }
                var name = made(stem.isEmpty ? "_" : stem)
                if taken.contains(name) { name = made("\(stem.prefix(4))\(1000 + index)".prefix(8)) }
                taken.insert(name)
                names[ObjectIdentifier(child)] = name
                if child.content == nil { namePlainly(child) }
            }
        }

        private func plain(_ text: some StringProtocol) -> String {
            String(
                text.uppercased().map { character in
                    character.isASCII && (character.isLetter || character.isNumber) ? character : "_"
                })
        }

        private func identifier(_ node: Node, _ space: NameSpace) -> [UInt8] {
            switch space {
            case .plain: Array((names[ObjectIdentifier(node)] ?? "_").utf8)
            case .joliet: node.name.utf16.flatMap { [UInt8($0 >> 8), UInt8($0 & 255)] }
            }
        }

        private func sorted(_ nodes: [Node], _ space: NameSpace) -> [Node] {
            nodes.sorted { identifier($0, space).lexicographicallyPrecedes(identifier($1, space)) }
        }

        /// All folders, level by level, as the tables want them.
        private func numbered(_ space: NameSpace) -> [(node: Node, parent: Node)] {
            var found: [(node: Node, parent: Node)] = [(tree.root, tree.root)]
            var index = 0
            while index < found.count {
                let node = found[index].node
                node.number[space.rawValue] = index + 1
                for child in sorted(node.children, space) where child.content == nil { found.append((child, node)) }
                index += 1
            }
            return found
        }

        // MARK: - Records

        private func little(_ value: Int, _ count: Int) -> [UInt8] {
            (0..<count).map { UInt8(truncatingIfNeeded: value >> (8 * $0)) }
        }

        private func big(_ value: Int, _ count: Int) -> [UInt8] { little(value, count).reversed() }

        private func both(_ value: Int, _ count: Int) -> [UInt8] { little(value, count) + big(value, count) }

        private func record(_ identifier: [UInt8], _ node: Node, _ space: NameSpace) -> [UInt8] {
            var record: [UInt8] = [0, 0]
            record += both(node.sector[space.rawValue], 4)
            // A folder's list takes whole sectors.
            let size = node.size[space.rawValue]
            record += both(node.content == nil ? sectors(size) * sector : size, 4)
            record += [UInt8](repeating: 0, count: 7)
            record += [node.content == nil ? 2 : 0, 0, 0]
            record += both(1, 2)
            record.append(UInt8(identifier.count))
            record += identifier
            if record.count % 2 == 1 { record.append(0) }
            record[0] = UInt8(record.count)
            return record
        }

        private func list(_ node: Node, _ parent: Node, _ space: NameSpace) -> [UInt8] {
            var bytes = record([0], node, space) + record([1], parent, space)
            for child in sorted(node.children, space) {
                let record = record(identifier(child, space), child, space)
                // No record crosses a sector's end.
                let rest = sector - bytes.count % sector
                if record.count > rest { bytes += [UInt8](repeating: 0, count: rest) }
                bytes += record
            }
            return bytes
        }

        private func listLength(_ node: Node, _ space: NameSpace) -> Int { list(node, node, space).count }

        private func table(_ space: NameSpace, bigEndian: Bool) -> [UInt8] {
            var bytes: [UInt8] = []
            for (node, parent) in folders[space.rawValue] {
                let name = node === tree.root ? [0] : identifier(node, space)
                let (place, above) = (node.sector[space.rawValue], parent.number[space.rawValue])
                bytes += [UInt8(name.count), 0]
                bytes += bigEndian ? big(place, 4) + big(above, 2) : little(place, 4) + little(above, 2)
                bytes += name
                if name.count % 2 == 1 { bytes.append(0) }
            }
            return bytes
        }

        private func descriptor(_ space: NameSpace, sectors: Int, table: Int, tableBytes: Int) -> [UInt8] {
            func text(_ text: String, _ count: Int) -> [UInt8] {
                var bytes: [UInt8]
                switch space {
                case .plain: bytes = Array(text.utf8)
                case .joliet: bytes = text.utf16.flatMap { [UInt8($0 >> 8), UInt8($0 & 255)] }
                }
                bytes = Array(bytes.prefix(count))
                while bytes.count < count {
                    switch space {
                    case .plain: bytes.append(0x20)
                    case .joliet: bytes += bytes.count % 2 == 0 && bytes.count + 1 < count ? [0, 0x20] : [0]
                    }
                }
                return bytes
            }
            var bytes: [UInt8] = [space == .plain ? 1 : 2] + Array("CD001".utf8) + [1, 0]
            bytes += text("", 32) + text(label, 32) + [UInt8](repeating: 0, count: 8)
            bytes += both(sectors, 4)
            // Joliet's mark: UCS-2 level 3.
            bytes += (space == .joliet ? Array("%/E".utf8) : [0, 0, 0]) + [UInt8](repeating: 0, count: 29)
            bytes += both(1, 2) + both(1, 2) + both(sector, 2) + both(tableBytes, 4)
            let step = self.sectors(tableBytes)
            bytes += little(table, 4) + [0, 0, 0, 0] + big(table + step, 4) + [0, 0, 0, 0]
            bytes += record([0], tree.root, space)
            bytes += text("", 128) + text("", 128) + text("", 128) + text("", 128)
            bytes += text("", 37) + text("", 37) + text("", 37)
            for _ in 0..<4 { bytes += [UInt8](repeating: 0x30, count: 16) + [0] }
            return padded(bytes + [1, 0])
        }
    }
}
