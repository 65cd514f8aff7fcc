/// Reads the XML that libvirt writes: elements, attributes, text, comments and character data. Document types and
/// entities of their own are refused, so nothing is ever expanded or fetched.
struct XMLReader {
    /// What is wrong, and at which byte.
    struct Failure: Error, Hashable, Sendable {
        let reason: String
        let offset: Int
    }

    private static let depthMax = 64
    private let bytes: [UInt8]
    private var position = 0

    private init(_ text: String) { bytes = Array(text.utf8) }

    /// The root element of a document.
    static func parse(_ text: String) throws(Failure) -> XMLElement {
        var reader = XMLReader(text)
        try reader.skipProlog()
        let root = try reader.element(depth: 0)
        try reader.skipProlog()
        guard reader.position == reader.bytes.count else { throw reader.failure("something after the root element") }
        return root
    }

    private func failure(_ reason: String) -> Failure { Failure(reason: reason, offset: position) }

    private func at(_ text: StaticString) -> Bool {
        let count = text.utf8CodeUnitCount
        guard position + count <= bytes.count else { return false }
        return (0..<count).allSatisfy { bytes[position + $0] == text.utf8Start[$0] }
    }

    private var current: UInt8? { position < bytes.count ? bytes[position] : nil }

    private static func isSpace(_ byte: UInt8) -> Bool { byte == 32 || byte == 9 || byte == 10 || byte == 13 }

    private mutating func skipSpace() {
        while let byte = current, Self.isSpace(byte) { position += 1 }
    }

    private mutating func skip(past end: StaticString) throws(Failure) {
        while !at(end) {
            guard position < bytes.count else { throw failure("the document ends inside a comment or instruction") }
            position += 1
        }
        position += end.utf8CodeUnitCount
    }

    private mutating func skipProlog() throws(Failure) {
        while true {
            skipSpace()
            if at("<!--") { try skip(past: "-->") } else if at("<?") { try skip(past: "?>") } else { break }
        }
        if at("<!") { throw failure("a document type declaration") }
    }

    private mutating func name() throws(Failure) -> String {
        let start = position
        while let byte = current, !Self.isSpace(byte), !"=/<>'\"&".utf8.contains(byte) { position += 1 }
        guard position > start else { throw failure("no name") }
        return String(decoding: bytes[start..<position], as: UTF8.self)
    }

    private mutating func element(depth: Int) throws(Failure) -> XMLElement {
        guard depth < Self.depthMax else { throw failure("nested too deeply") }
        guard current == UInt8(ascii: "<") else { throw failure("no element") }
        position += 1
        var element = XMLElement(try name())
        while true {
            skipSpace()
            if at("/>") {
                position += 2
                return element
            }
            if at(">") {
                position += 1
                break
            }
            element.attributes.append(try attribute())
        }
        element.contents = try contents(of: element.name, depth: depth)
        return element
    }

    private mutating func attribute() throws(Failure) -> (name: String, value: String) {
        let name = try name()
        skipSpace()
        guard at("=") else { throw failure("an attribute without a value") }
        position += 1
        skipSpace()
        guard let quote = current, quote == UInt8(ascii: "'") || quote == UInt8(ascii: "\"") else {
            throw failure("an attribute value without quotes")
        }
        position += 1
        return (name, try text(until: quote, consumingEnd: true))
    }

    private mutating func contents(of name: String, depth: Int) throws(Failure) -> [XMLElement.Content] {
        var contents: [XMLElement.Content] = []
        while true {
            if at("</") {
                position += 2
                guard try self.name() == name else { throw failure("</\(name)> is missing") }
                skipSpace()
                guard at(">") else { throw failure("an end tag that does not end") }
                position += 1
                return contents
            } else if at("<!--") {
                try skip(past: "-->")
            } else if at("<![CDATA[") {
                let start = position + 9
                try skip(past: "]]>")
                contents.append(.text(String(decoding: bytes[start..<(position - 3)], as: UTF8.self)))
            } else if at("<?") {
                try skip(past: "?>")
            } else if at("<") {
                contents.append(.element(try element(depth: depth + 1)))
            } else {
                let text = try text(until: UInt8(ascii: "<"), consumingEnd: false)
                if !text.allSatisfy(\.isWhitespace) { contents.append(.text(text)) }
            }
        }
    }

    private mutating func text(until end: UInt8, consumingEnd: Bool) throws(Failure) -> String {
        var output: [UInt8] = []
        while let byte = current, byte != end {
            if byte == UInt8(ascii: "&") { output += Array(try reference().utf8) } else {
                output.append(byte)
                position += 1
            }
        }
        guard current != nil else { throw failure("the document ends inside a text") }
        if consumingEnd { position += 1 }
        return String(decoding: output, as: UTF8.self)
    }

    private mutating func reference() throws(Failure) -> String {
        let start = position + 1
        while let byte = current, byte != UInt8(ascii: ";"), position - start < 12 { position += 1 }
        guard current == UInt8(ascii: ";") else { throw failure("an entity without an end") }
        let name = String(decoding: bytes[start..<position], as: UTF8.self)
        position += 1
        switch name {
        case "amp": return "&"
        case "lt": return "<"
        case "gt": return ">"
        case "apos": return "'"
        case "quot": return "\""
        default: break
        }
        let number =
            if name.hasPrefix("#x") { UInt32(name.dropFirst(2), radix: 16) } else if name.hasPrefix("#") {
                UInt32(name.dropFirst())
            } else { UInt32?.none }
        guard let number, let scalar = Unicode.Scalar(number) else { throw failure("the entity &\(name); is unknown") }
        return String(Character(scalar))
    }
}
