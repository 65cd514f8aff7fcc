/// Why a document is not taken.
struct XMLFailure: Error, Hashable, Sendable {
    /// What is wrong, and at which byte.
    let message: String
}

/// How much of a document is taken. A peer that sends more is faulty or hostile.
struct XMLLimits: Hashable, Sendable {
    var bytesMax = 64 << 20
    var depthMax = 64
    /// Elements and attributes together. A page of a large inventory has some ten thousand.
    var elementsMax = 1_000_000
    var attributesMax = 32
    var nameBytesMax = 256
    /// Of one text or attribute value.
    var textBytesMax = 8 << 20
}

/// Reads a document event by event, strictly and with limits.
///
/// It knows what SOAP needs: elements, attributes, text, CDATA, comments, the five entities and character references.
/// A document type is refused, so that there are no entities to expand and nothing outside is ever fetched.
/// Names of elements come without their namespace prefix.
struct XMLPullParser {
    enum Event: Hashable, Sendable {
        case start(name: String, attributes: [String: String])
        case text(String)
        case end(name: String)
    }

    private let bytes: [UInt8]
    private let limits: XMLLimits
    private var position = 0
    /// Where the names of open elements stand, with prefix.
    private var open: [Range<Int>] = []
    private var elements = 0
    private var pendingEnd: String?
    private var isStarted = false

    init(_ bytes: [UInt8], limits: XMLLimits = XMLLimits()) throws(XMLFailure) {
        guard bytes.count <= limits.bytesMax else {
            throw XMLFailure(message: "a document of \(bytes.count) bytes; at most \(limits.bytesMax) are taken")
        }
        self.bytes = bytes
        self.limits = limits
        if bytes.starts(with: [0xEF, 0xBB, 0xBF]) { position = 3 }
    }

    /// The next event; `nil` at the end of the document.
    mutating func next() throws(XMLFailure) -> Event? {
        if let name = pendingEnd {
            pendingEnd = nil
            return .end(name: name)
        }
        while position < bytes.count {
            if bytes[position] != UInt8(ascii: "<") || isNext("<![CDATA[") {
                let text = try readText()
                if open.isEmpty {
                    guard text.isXMLSpace else { throw failure("text outside the root element") }
                    continue
                }
                return .text(text)
            }
            if isNext("<!--") {
                try skip(past: "-->", from: position + 4)
            } else if isNext("<?") {
                try skip(past: "?>", from: position + 2)
            } else if isNext("<!") {
                throw failure("a document type or declaration, which is never taken")
            } else if isNext("</") {
                return try readEnd()
            } else {
                return try readStart()
            }
        }
        guard open.isEmpty else { throw failure("the document ends inside an element") }
        guard isStarted else { throw failure("no root element") }
        return nil
    }

    private mutating func readStart() throws(XMLFailure) -> Event {
        guard !(open.isEmpty && isStarted) else { throw failure("a second root element") }
        guard open.count < limits.depthMax else { throw failure("more than \(limits.depthMax) levels of elements") }
        elements += 1
        guard elements <= limits.elementsMax else { throw failure("more than \(limits.elementsMax) elements") }
        position += 1
        let name = try readName()
        var attributes: [String: String] = [:]
        var count = 0
        while true {
            let hadSpace = skipSpace()
            guard position < bytes.count else { throw failure("the document ends inside a tag") }
            if bytes[position] == UInt8(ascii: ">") {
                position += 1
                open.append(name)
                break
            }
            if isNext("/>") {
                position += 2
                pendingEnd = local(name)
                break
            }
            guard hadSpace else { throw failure("something between attributes") }
            count += 1
            guard count <= limits.attributesMax else { throw failure("more than \(limits.attributesMax) attributes") }
            elements += 1
            guard elements <= limits.elementsMax else { throw failure("more than \(limits.elementsMax) elements") }
            let (key, value) = try readAttribute()
            // Namespace declarations may share local names with attributes.
            guard !key.hasPrefix("xmlns") else { continue }
            // Whatever prefix the sender chose for XML Schema's instance attributes.
            let name = key.hasSuffix(":type") ? "xsi:type" : key
            guard attributes.updateValue(value, forKey: name) == nil else { throw failure("\(name) stands twice") }
        }
        isStarted = true
        return .start(name: local(name), attributes: attributes)
    }

    private mutating func readAttribute() throws(XMLFailure) -> (String, String) {
        let name = try readName()
        _ = skipSpace()
        guard position < bytes.count, bytes[position] == UInt8(ascii: "=") else {
            throw failure("an attribute without a value")
        }
        position += 1
        _ = skipSpace()
        guard position < bytes.count else { throw failure("the document ends inside a tag") }
        let quote = bytes[position]
        guard quote == UInt8(ascii: "\"") || quote == UInt8(ascii: "'") else { throw failure("a value without quotes") }
        position += 1
        guard let end = bytes[position...].firstIndex(of: quote) else { throw failure("a value without an end") }
        let value = try decode(position..<end)
        position = end + 1
        return (string(name), value)
    }

    private mutating func readEnd() throws(XMLFailure) -> Event {
        position += 2
        let name = try readName()
        _ = skipSpace()
        guard position < bytes.count, bytes[position] == UInt8(ascii: ">") else { throw failure("a broken end tag") }
        position += 1
        guard let opened = open.popLast(), bytes[opened] == bytes[name] else {
            throw failure("</\(string(name))> ends what was not begun")
        }
        return .end(name: local(name))
    }

    /// Text up to the next tag, CDATA sections included.
    private mutating func readText() throws(XMLFailure) -> String {
        var text = ""
        while position < bytes.count {
            if isNext("<![CDATA[") {
                let begin = position + 9
                try skip(past: "]]>", from: begin)
                text += try plain(begin..<position - 3)
            } else if bytes[position] == UInt8(ascii: "<") {
                break
            } else {
                let end = bytes[position...].firstIndex(of: UInt8(ascii: "<")) ?? bytes.count
                text += try decode(position..<end)
                position = end
            }
            guard text.utf8.count <= limits.textBytesMax else {
                throw failure("a text of more than \(limits.textBytesMax) bytes")
            }
        }
        return text
    }

    /// Text with references replaced.
    private func decode(_ range: Range<Int>) throws(XMLFailure) -> String {
        guard range.count <= limits.textBytesMax else {
            throw failure("a text of more than \(limits.textBytesMax) bytes")
        }
        guard bytes[range].contains(UInt8(ascii: "&")) else { return try plain(range) }
        var text = ""
        var from = range.lowerBound
        while let ampersand = bytes[from..<range.upperBound].firstIndex(of: UInt8(ascii: "&")) {
            text += try plain(from..<ampersand)
            let limit = min(range.upperBound, ampersand + 12)
            guard let semicolon = bytes[ampersand..<limit].firstIndex(of: UInt8(ascii: ";")) else {
                throw failure("a reference without an end")
            }
            text.unicodeScalars.append(try reference(ampersand + 1..<semicolon))
            from = semicolon + 1
        }
        return text + (try plain(from..<range.upperBound))
    }

    private func reference(_ range: Range<Int>) throws(XMLFailure) -> Unicode.Scalar {
        let name = string(range)
        switch name {
        case "amp": return "&"
        case "lt": return "<"
        case "gt": return ">"
        case "quot": return "\""
        case "apos": return "'"
        default:
            var number: UInt32?
            if name.hasPrefix("#x") {
                number = UInt32(name.dropFirst(2), radix: 16)
            } else if name.hasPrefix("#") {
                number = UInt32(name.dropFirst())
            }
            guard let number, number != 0, let scalar = Unicode.Scalar(number) else {
                throw failure("an unknown entity &\(name);")
            }
            return scalar
        }
    }

    private func plain(_ range: Range<Int>) throws(XMLFailure) -> String {
        guard let text = String(validating: bytes[range], as: UTF8.self) else { throw failure("text that is no UTF-8") }
        return text
    }

    private mutating func readName() throws(XMLFailure) -> Range<Int> {
        let begin = position
        while position < bytes.count, Self.isName(bytes[position]) { position += 1 }
        guard position > begin, bytes[position - 1] != UInt8(ascii: ":") else { throw failure("a name is missing") }
        guard position - begin <= limits.nameBytesMax else { throw failure("a name that is too long") }
        if bytes[begin..<position].contains(where: { $0 >= 0x80 }) { _ = try plain(begin..<position) }
        return begin..<position
    }

    private static func isName(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"), UInt8(ascii: "-"), UInt8(ascii: "."),
            UInt8(ascii: ":"), 0x80...0xFF:
            true
        default: false
        }
    }

    private mutating func skipSpace() -> Bool {
        let begin = position
        while position < bytes.count, [0x20, 0x09, 0x0A, 0x0D].contains(bytes[position]) { position += 1 }
        return position > begin
    }

    private mutating func skip(past end: StaticString, from: Int) throws(XMLFailure) {
        position = from
        while position < bytes.count {
            if isNext(end) {
                position += end.utf8CodeUnitCount
                return
            }
            position += 1
        }
        throw failure("something without an end")
    }

    private func isNext(_ text: StaticString) -> Bool {
        let count = text.utf8CodeUnitCount
        guard position + count <= bytes.count else { return false }
        for index in 0..<count where bytes[position + index] != text.utf8Start[index] { return false }
        return true
    }

    private func string(_ range: Range<Int>) -> String { String(decoding: bytes[range], as: UTF8.self) }

    private func local(_ range: Range<Int>) -> String {
        let begin = bytes[range].lastIndex(of: UInt8(ascii: ":")).map { $0 + 1 } ?? range.lowerBound
        return string(begin..<range.upperBound)
    }

    private func failure(_ what: String) -> XMLFailure { XMLFailure(message: "\(what), at byte \(position)") }
}

extension XMLElement {
    /// Reads a whole document.
    init(parsing bytes: [UInt8], limits: XMLLimits = XMLLimits()) throws(XMLFailure) {
        var parser = try XMLPullParser(bytes, limits: limits)
        var open: [XMLElement] = []
        var root: XMLElement?
        while let event = try parser.next() {
            switch event {
            case .start(let name, let attributes): open.append(XMLElement(name, attributes))
            case .text(let text): open[open.count - 1].text += text
            case .end:
                guard var element = open.popLast() else { continue }
                // White space between elements is layout.
                if !element.children.isEmpty, element.text.isXMLSpace { element.text = "" }
                if open.isEmpty { root = element } else { open[open.count - 1].children.append(element) }
            }
        }
        guard let root else { throw XMLFailure(message: "no root element") }
        self = root
    }
}

extension String {
    /// Whether there is nothing but what XML calls white space.
    fileprivate var isXMLSpace: Bool { utf8.allSatisfy { $0 == 0x20 || $0 == 0x0A || $0 == 0x0D || $0 == 0x09 } }
}
