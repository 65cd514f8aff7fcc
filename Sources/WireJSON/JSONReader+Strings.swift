extension JSONReader {
    /// The string whose opening quote is at the position.
    mutating func string() throws(JSONParseError) -> String {
        position += 1
        let start = position
        while position < buffer.count {
            let byte = buffer[position]
            if byte == UInt8(ascii: "\"") {
                let text = try checked(start..<position)
                position += 1
                return text
            }
            if byte == UInt8(ascii: "\\") { return try stringWithEscapes(from: start) }
            guard byte >= 0x20 else { throw unexpected("a character (control characters are escaped)") }
            position += 1
        }
        throw unexpected("'\"' to end the string")
    }

    /// The slow path: the position is at the first backslash.
    private mutating func stringWithEscapes(from start: Int) throws(JSONParseError) -> String {
        var text = try checked(start..<position)
        var plainStart = position
        while position < buffer.count {
            let byte = buffer[position]
            switch byte {
            case UInt8(ascii: "\""):
                text += try checked(plainStart..<position)
                position += 1
                return text
            case UInt8(ascii: "\\"):
                text += try checked(plainStart..<position)
                text.unicodeScalars.append(try escape())
                plainStart = position
            case 0x20...:
                position += 1
            default:
                throw unexpected("a character (control characters are escaped)")
            }
        }
        throw unexpected("'\"' to end the string")
    }

    /// The character of the escape whose backslash is at the position.
    private mutating func escape() throws(JSONParseError) -> Unicode.Scalar {
        let start = position
        position += 1
        let kind = peek()
        position += 1
        switch kind {
        case UInt8(ascii: "\""): return "\""
        case UInt8(ascii: "\\"): return "\\"
        case UInt8(ascii: "/"): return "/"
        case UInt8(ascii: "b"): return "\u{8}"
        case UInt8(ascii: "f"): return "\u{C}"
        case UInt8(ascii: "n"): return "\n"
        case UInt8(ascii: "r"): return "\r"
        case UInt8(ascii: "t"): return "\t"
        case UInt8(ascii: "u"): return try unicodeEscape(from: start)
        default:
            position -= 1
            throw unexpected("one of \"\\/bfnrtu after '\\'")
        }
    }

    /// The character of `\uXXXX` or of a surrogate pair of them; the position is after the first `u`.
    private mutating func unicodeEscape(from start: Int) throws(JSONParseError) -> Unicode.Scalar {
        let first = UInt32(try hexQuad())
        if let scalar = Unicode.Scalar(first) { return scalar }
        guard first < 0xDC00, take(UInt8(ascii: "\\")), take(UInt8(ascii: "u")) else {
            throw error(.loneSurrogate, at: start)
        }
        let second = UInt32(try hexQuad())
        guard (0xDC00...0xDFFF).contains(second),
            let scalar = Unicode.Scalar(0x10000 + (first - 0xD800) << 10 + (second - 0xDC00))
        else { throw error(.loneSurrogate, at: start) }
        return scalar
    }

    private mutating func hexQuad() throws(JSONParseError) -> UInt16 {
        var value: UInt16 = 0
        for _ in 0..<4 {
            switch peek() {
            case .some(let digit) where (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(digit):
                value = value << 4 | UInt16(digit - UInt8(ascii: "0"))
            case .some(let digit) where (UInt8(ascii: "a")...UInt8(ascii: "f")).contains(digit | 0x20):
                value = value << 4 | UInt16((digit | 0x20) - UInt8(ascii: "a") + 10)
            default:
                throw unexpected("four hexadecimal digits after '\\u'")
            }
            position += 1
        }
        return value
    }

    /// The bytes of that range as text; refuses what is not UTF-8.
    private func checked(_ range: Range<Int>) throws(JSONParseError) -> String {
        if range.isEmpty { return "" }
        let part = UnsafeBufferPointer(rebasing: buffer[range])
        if let text = String(validating: part, as: UTF8.self) { return text }
        throw error(.notUTF8, at: range.lowerBound + Self.validPrefix(part))
    }

    /// How many bytes at the start of `bytes` are whole, well-formed characters.
    private static func validPrefix(_ bytes: UnsafeBufferPointer<UInt8>) -> Int {
        var decoder = Unicode.UTF8.ForwardParser()
        var iterator = bytes.makeIterator()
        var length = 0
        while case .valid(let character) = decoder.parseScalar(from: &iterator) { length += character.count }
        return length
    }
}
