/// JSON as XenAPI's JSON-RPC needs it: strict, with limits, without Foundation's tree of objects.
enum JSONText {
    /// Writes a value. Doubles always have a fraction, because the server tells the types apart by it.
    static func write(_ value: XenValue) -> [UInt8] {
        var bytes: [UInt8] = []
        write(value, into: &bytes)
        return bytes
    }

    private static func write(_ value: XenValue, into bytes: inout [UInt8]) {
        switch value {
        case .text(let text): write(text, into: &bytes)
        case .truth(let truth): bytes += (truth ? "true" : "false").utf8
        case .integer(let number): bytes += String(number).utf8
        case .number(let number): bytes += String(number.isFinite ? number : 0).utf8
        case .nothing: bytes += "null".utf8
        case .list(let elements):
            bytes.append(UInt8(ascii: "["))
            for (index, element) in elements.enumerated() {
                if index > 0 { bytes.append(UInt8(ascii: ",")) }
                write(element, into: &bytes)
            }
            bytes.append(UInt8(ascii: "]"))
        case .map(let members):
            bytes.append(UInt8(ascii: "{"))
            for (index, member) in members.sorted(by: { $0.key < $1.key }).enumerated() {
                if index > 0 { bytes.append(UInt8(ascii: ",")) }
                write(member.key, into: &bytes)
                bytes.append(UInt8(ascii: ":"))
                write(member.value, into: &bytes)
            }
            bytes.append(UInt8(ascii: "}"))
        }
    }

    private static func write(_ text: String, into bytes: inout [UInt8]) {
        bytes.append(UInt8(ascii: "\""))
        for byte in text.utf8 {
            switch byte {
            case UInt8(ascii: "\""), UInt8(ascii: "\\"): bytes += [UInt8(ascii: "\\"), byte]
            case 0..<0x20:
                let digits = Array("0123456789abcdef".utf8)
                bytes += Array("\\u00".utf8) + [digits[Int(byte >> 4)], digits[Int(byte & 15)]]
            default: bytes.append(byte)
            }
        }
        bytes.append(UInt8(ascii: "\""))
    }

    /// Reads a document that is one value.
    static func read(_ bytes: [UInt8], limits: WireLimits = WireLimits()) throws(WireTrouble) -> XenValue {
        var reader = Reader(bytes: bytes, limits: limits)
        let value = try reader.value(depth: 0)
        reader.skipBlanks()
        guard reader.position == bytes.count else { throw reader.trouble("more after the value") }
        return value
    }

    private struct Reader {
        let bytes: [UInt8]
        let limits: WireLimits
        var position = 0
        var values = 0

        init(bytes: [UInt8], limits: WireLimits) { (self.bytes, self.limits) = (bytes, limits) }

        func trouble(_ what: String) -> WireTrouble { WireTrouble(message: "JSON, byte \(position): \(what)") }

        var next: UInt8 { position < bytes.count ? bytes[position] : 0 }

        mutating func skipBlanks() {
            while position < bytes.count, [0x20, 0x0a, 0x0d, 0x09].contains(bytes[position]) { position += 1 }
        }

        mutating func expect(_ character: Character) throws(WireTrouble) {
            guard position < bytes.count, let wanted = character.asciiValue, bytes[position] == wanted else {
                throw trouble("'\(character)' is missing")
            }
            position += 1
        }

        mutating func value(depth: Int) throws(WireTrouble) -> XenValue {
            guard depth < limits.depthMax else { throw trouble("nested deeper than \(limits.depthMax)") }
            values += 1
            guard values <= limits.valuesMax else { throw trouble("more than \(limits.valuesMax) values") }
            skipBlanks()
            switch next {
            case UInt8(ascii: "\""): return .text(try string())
            case UInt8(ascii: "{"): return try map(depth: depth)
            case UInt8(ascii: "["): return try list(depth: depth)
            case UInt8(ascii: "t"): return try word("true", .truth(true))
            case UInt8(ascii: "f"): return try word("false", .truth(false))
            case UInt8(ascii: "n"): return try word("null", .nothing)
            default: return try number()
            }
        }

        mutating func word(_ text: String, _ value: XenValue) throws(WireTrouble) -> XenValue {
            for character in text { try expect(character) }
            return value
        }

        mutating func map(depth: Int) throws(WireTrouble) -> XenValue {
            var members: [String: XenValue] = [:]
            try expect("{")
            skipBlanks()
            if next == UInt8(ascii: "}") {
                position += 1
                return .map(members)
            }
            while true {
                skipBlanks()
                let name = try string()
                skipBlanks()
                try expect(":")
                let value = try value(depth: depth + 1)
                guard members.updateValue(value, forKey: name) == nil else { throw trouble("'\(name)' twice") }
                skipBlanks()
                if next == UInt8(ascii: ",") {
                    position += 1
                    continue
                }
                try expect("}")
                return .map(members)
            }
        }

        mutating func list(depth: Int) throws(WireTrouble) -> XenValue {
            var elements: [XenValue] = []
            try expect("[")
            skipBlanks()
            if next == UInt8(ascii: "]") {
                position += 1
                return .list(elements)
            }
            while true {
                elements.append(try value(depth: depth + 1))
                skipBlanks()
                if next == UInt8(ascii: ",") {
                    position += 1
                    continue
                }
                try expect("]")
                return .list(elements)
            }
        }

        mutating func number() throws(WireTrouble) -> XenValue {
            let begin = position
            while position < bytes.count, position - begin < 64, Self.isPartOfNumber(bytes[position]) { position += 1 }
            let text = String(decoding: bytes[begin..<position], as: UTF8.self)
            let digits = text.first == "-" ? text.dropFirst() : text[...]
            let hasLeadingZero = digits.first == "0" && digits.dropFirst().first?.isNumber == true
            guard digits.first?.isNumber == true, !hasLeadingZero else { throw trouble("no value that JSON knows") }
            if let whole = Int64(text) { return .integer(whole) }
            guard let number = Double(text), number.isFinite else {
                throw trouble("no value that JSON knows")
            }
            return .number(number)
        }

        private static func isPartOfNumber(_ byte: UInt8) -> Bool {
            switch byte {
            case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "+"), UInt8(ascii: "-"), UInt8(ascii: "."),
                UInt8(ascii: "e"), UInt8(ascii: "E"):
                true
            default: false
            }
        }

        mutating func string() throws(WireTrouble) -> String {
            try expect("\"")
            var plain: [UInt8] = []
            var begin = position
            while position < bytes.count {
                switch bytes[position] {
                case UInt8(ascii: "\""):
                    plain += bytes[begin..<position]
                    position += 1
                    guard let text = String(validating: plain, as: UTF8.self) else {
                        throw trouble("a text is not UTF-8")
                    }
                    return text
                case UInt8(ascii: "\\"):
                    plain += bytes[begin..<position]
                    position += 1
                    plain += try escape().utf8
                    begin = position
                case 0..<0x20: throw trouble("a control character in a text")
                default: position += 1
                }
            }
            throw trouble("a text without end")
        }

        mutating func escape() throws(WireTrouble) -> String {
            guard position < bytes.count else { throw trouble("a text without end") }
            let kind = bytes[position]
            position += 1
            switch kind {
            case UInt8(ascii: "\""): return "\""
            case UInt8(ascii: "\\"): return "\\"
            case UInt8(ascii: "/"): return "/"
            case UInt8(ascii: "b"): return "\u{8}"
            case UInt8(ascii: "f"): return "\u{c}"
            case UInt8(ascii: "n"): return "\n"
            case UInt8(ascii: "r"): return "\r"
            case UInt8(ascii: "t"): return "\t"
            case UInt8(ascii: "u"): break
            default: throw trouble("an unknown escape")
            }
            let unit = try hexadecimal()
            guard (0xd800..<0xdc00).contains(unit) else {
                guard let scalar = Unicode.Scalar(unit) else { throw trouble("half a surrogate pair") }
                return String(scalar)
            }
            try expect("\\")
            try expect("u")
            let low = try hexadecimal()
            guard (0xdc00..<0xe000).contains(low),
                let scalar = Unicode.Scalar(0x10000 + ((unit - 0xd800) << 10) + (low - 0xdc00))
            else { throw trouble("half a surrogate pair") }
            return String(scalar)
        }

        mutating func hexadecimal() throws(WireTrouble) -> UInt32 {
            guard position + 4 <= bytes.count,
                let value = UInt32(String(decoding: bytes[position..<position + 4], as: UTF8.self), radix: 16),
                bytes[position] != UInt8(ascii: "+"), bytes[position] != UInt8(ascii: "-")
            else { throw trouble("no four hexadecimal digits") }
            position += 4
            return value
        }
    }
}
