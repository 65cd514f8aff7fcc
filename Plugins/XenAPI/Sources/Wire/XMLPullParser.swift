/// Reads XML event by event: elements and text, and nothing that could refer elsewhere.
///
/// There are no document types and so no entities but the five that XML itself names; both are refused. Attributes are
/// skipped, because XML-RPC has none.
struct XMLPullParser {
    enum Event: Hashable, Sendable {
        case begin(String)
        case end(String)
        case text(String)
    }

    private let bytes: [UInt8]
    private let limits: WireLimits
    private var position = 0
    private var open: [String] = []
    private var pendingEnd: String?
    private var events = 0
    private var seenRoot = false

    init(_ bytes: [UInt8], limits: WireLimits = WireLimits()) { (self.bytes, self.limits) = (bytes, limits) }

    func trouble(_ what: String) -> WireTrouble { WireTrouble(message: "XML, byte \(position): \(what)") }

    /// The next event; `nil` at the proper end of the document. Text of blanks between elements is told as well.
    mutating func next() throws(WireTrouble) -> Event? {
        events += 1
        guard events <= limits.valuesMax * 4 else { throw trouble("more than \(limits.valuesMax) values") }
        if let name = pendingEnd {
            pendingEnd = nil
            return .end(name)
        }
        while position < bytes.count {
            if bytes[position] != UInt8(ascii: "<") {
                let text = try characters()
                guard open.isEmpty else { return .text(text) }
                guard text.allSatisfy(\.isWhitespace) else { throw trouble("text outside the document") }
                continue
            }
            if starts("<!--") {
                try skip(past: "-->")
            } else if starts("<?") {
                try skip(past: "?>")
            } else if starts("<![CDATA[") {
                guard !open.isEmpty else { throw trouble("text outside the document") }
                return .text(try cdata())
            } else if starts("<!") {
                throw trouble("a document type is not accepted")
            } else if starts("</") {
                return .end(try endTag())
            } else {
                return .begin(try beginTag())
            }
        }
        guard open.isEmpty, seenRoot else { throw trouble("the document is cut off") }
        return nil
    }

    private func starts(_ text: String) -> Bool { bytes[position...].starts(with: text.utf8) }

    private mutating func skip(past text: String) throws(WireTrouble) {
        while position < bytes.count {
            if starts(text) {
                position += text.utf8.count
                return
            }
            position += 1
        }
        throw trouble("'\(text)' is missing")
    }

    private mutating func cdata() throws(WireTrouble) -> String {
        position += "<![CDATA[".utf8.count
        let begin = position
        try skip(past: "]]>")
        return try decoded(bytes[begin..<position - 3])
    }

    private func decoded(_ slice: some Collection<UInt8>) throws(WireTrouble) -> String {
        guard let text = String(validating: slice, as: UTF8.self) else { throw trouble("a text is not UTF-8") }
        return text
    }

    private mutating func name() throws(WireTrouble) -> String {
        let begin = position
        while position < bytes.count, position - begin < 256 {
            switch bytes[position] {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"), UInt8(ascii: "-"), UInt8(ascii: "."),
                UInt8(ascii: ":"):
                position += 1
                continue
            default: break
            }
            break
        }
        guard position > begin else { throw trouble("a name is missing") }
        return String(decoding: bytes[begin..<position], as: UTF8.self)
    }

    private mutating func skipBlanks() {
        while position < bytes.count, [0x20, 0x0a, 0x0d, 0x09].contains(bytes[position]) { position += 1 }
    }

    private mutating func beginTag() throws(WireTrouble) -> String {
        guard !(seenRoot && open.isEmpty) else { throw trouble("a second document") }
        position += 1
        let name = try name()
        while true {
            skipBlanks()
            guard position < bytes.count else { throw trouble("a tag without end") }
            if starts("/>") {
                position += 2
                seenRoot = true
                pendingEnd = name
                return name
            }
            if bytes[position] == UInt8(ascii: ">") {
                position += 1
                guard open.count < limits.depthMax * 4 else {
                    throw trouble("nested deeper than \(limits.depthMax)")
                }
                open.append(name)
                seenRoot = true
                return name
            }
            try skipAttribute()
        }
    }

    private mutating func skipAttribute() throws(WireTrouble) {
        _ = try name()
        skipBlanks()
        guard position + 1 < bytes.count, bytes[position] == UInt8(ascii: "=") else { throw trouble("'=' is missing") }
        position += 1
        skipBlanks()
        guard position < bytes.count, [UInt8(ascii: "\""), UInt8(ascii: "'")].contains(bytes[position]) else {
            throw trouble("an attribute without quotes")
        }
        let quote = bytes[position]
        position += 1
        while position < bytes.count, bytes[position] != quote { position += 1 }
        guard position < bytes.count else { throw trouble("an attribute without end") }
        position += 1
    }

    private mutating func endTag() throws(WireTrouble) -> String {
        position += 2
        let name = try name()
        skipBlanks()
        guard position < bytes.count, bytes[position] == UInt8(ascii: ">") else { throw trouble("a tag without end") }
        position += 1
        guard open.popLast() == name else { throw trouble("</\(name)> ends nothing") }
        return name
    }

    private mutating func characters() throws(WireTrouble) -> String {
        var plain: [UInt8] = []
        var begin = position
        while position < bytes.count, bytes[position] != UInt8(ascii: "<") {
            guard bytes[position] == UInt8(ascii: "&") else {
                position += 1
                continue
            }
            plain += bytes[begin..<position]
            plain += Array(try reference().utf8)
            begin = position
        }
        plain += bytes[begin..<position]
        return try decoded(plain)
    }

    private static func named(_ name: String) -> String? {
        switch name {
        case "lt": "<"
        case "gt": ">"
        case "amp": "&"
        case "quot": "\""
        case "apos": "'"
        default: nil
        }
    }

    private mutating func reference() throws(WireTrouble) -> String {
        let rest = bytes[position...].prefix(16)
        guard let end = rest.firstIndex(of: UInt8(ascii: ";")) else { throw trouble("'&' without ';'") }
        let name = String(decoding: bytes[(position + 1)..<end], as: UTF8.self)
        let text: String
        if let known = Self.named(name) {
            text = known
        } else if name.hasPrefix("#") {
            let digits = name.dropFirst()
            let number =
                digits.hasPrefix("x") ? UInt32(digits.dropFirst(), radix: 16) : UInt32(digits)
            guard let number, let scalar = Unicode.Scalar(number), number != 0 else {
                throw trouble("&\(name); is no character")
            }
            text = String(scalar)
        } else {
            throw trouble("the entity &\(name); is not accepted")
        }
        position = end + 1
        return text
    }
}
