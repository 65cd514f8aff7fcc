/// Reads RFC 8259 JSON from bytes. Strict: no comments, no trailing commas, no NaN, no byte order mark.
package enum JSONParser {
    /// The document in `bytes`, with nothing but white space around it.
    ///
    /// Of several members with one name the last wins. A whole number beyond 64 bits becomes a double.
    package static func parse(
        _ bytes: [UInt8], limits: JSONLimits = .standard
    ) throws(JSONParseError) -> JSONValue {
        let result = bytes.withUnsafeBufferPointer { buffer in
            Result { () throws(JSONParseError) -> JSONValue in
                var reader = JSONReader(buffer: buffer, limits: limits)
                return try reader.document()
            }
        }
        return try result.get()
    }

    /// The document in a string.
    package static func parse(
        _ text: String, limits: JSONLimits = .standard
    ) throws(JSONParseError) -> JSONValue {
        try parse(Array(text.utf8), limits: limits)
    }
}

/// One pass over the bytes. Lives only inside `parse`, as the buffer does.
struct JSONReader {
    let buffer: UnsafeBufferPointer<UInt8>
    let limits: JSONLimits
    var position = 0
    private var depth = 0

    init(buffer: UnsafeBufferPointer<UInt8>, limits: JSONLimits) {
        (self.buffer, self.limits) = (buffer, limits)
    }

    mutating func document() throws(JSONParseError) -> JSONValue {
        guard buffer.count <= limits.bytesMax else { throw error(.tooLong(max: limits.bytesMax), at: 0) }
        let value = try value()
        skipSpace()
        guard position == buffer.count else { throw unexpected("the end of the text") }
        return value
    }

    private mutating func value() throws(JSONParseError) -> JSONValue {
        skipSpace()
        guard let byte = peek() else { throw unexpected("a value") }
        switch byte {
        case UInt8(ascii: "\""): return .string(try string())
        case UInt8(ascii: "{"): return .object(try object())
        case UInt8(ascii: "["): return .array(try array())
        case UInt8(ascii: "t"):
            try word("true")
            return .bool(true)
        case UInt8(ascii: "f"):
            try word("false")
            return .bool(false)
        case UInt8(ascii: "n"):
            try word("null")
            return .null
        case UInt8(ascii: "-"), UInt8(ascii: "0")...UInt8(ascii: "9"): return try number()
        default: throw unexpected("a value")
        }
    }

    private mutating func object() throws(JSONParseError) -> JSONObject {
        try descend()
        var members = JSONObject()
        skipSpace()
        if take(UInt8(ascii: "}")) {
            depth -= 1
            return members
        }
        while true {
            skipSpace()
            guard peek() == UInt8(ascii: "\"") else { throw unexpected("a member's name in double quotes") }
            let key = try string()
            skipSpace()
            guard take(UInt8(ascii: ":")) else { throw unexpected("':'") }
            members.set(key, try value())
            skipSpace()
            if take(UInt8(ascii: ",")) { continue }
            guard take(UInt8(ascii: "}")) else { throw unexpected("',' or '}'") }
            depth -= 1
            return members
        }
    }

    private mutating func array() throws(JSONParseError) -> [JSONValue] {
        try descend()
        var elements: [JSONValue] = []
        skipSpace()
        if take(UInt8(ascii: "]")) {
            depth -= 1
            return elements
        }
        while true {
            elements.append(try value())
            skipSpace()
            if take(UInt8(ascii: ",")) { continue }
            guard take(UInt8(ascii: "]")) else { throw unexpected("',' or ']'") }
            depth -= 1
            return elements
        }
    }

    /// Steps over the opening bracket into one more level.
    private mutating func descend() throws(JSONParseError) {
        depth += 1
        guard depth <= limits.depthMax else { throw error(.tooDeep(max: limits.depthMax), at: position) }
        position += 1
    }

    private mutating func word(_ word: StaticString) throws(JSONParseError) {
        for index in 0..<word.utf8CodeUnitCount {
            guard peek() == word.utf8Start[index] else { throw unexpected("'\(word)'") }
            position += 1
        }
    }

    private mutating func number() throws(JSONParseError) -> JSONValue {
        let start = position
        _ = take(UInt8(ascii: "-"))
        if !take(UInt8(ascii: "0")) { try digits() }
        var isWhole = true
        if take(UInt8(ascii: ".")) {
            isWhole = false
            try digits()
        }
        if take(UInt8(ascii: "e")) || take(UInt8(ascii: "E")) {
            isWhole = false
            if !take(UInt8(ascii: "+")) { _ = take(UInt8(ascii: "-")) }
            try digits()
        }
        guard position - start <= limits.numberLengthMax else { throw error(.numberOutOfRange, at: start) }
        let text = String(decoding: buffer[start..<position], as: UTF8.self)
        if isWhole, let whole = Int64(text) { return .int(whole) }
        guard let double = Double(text), double.isFinite else { throw error(.numberOutOfRange, at: start) }
        return .double(double)
    }

    /// At least one digit.
    private mutating func digits() throws(JSONParseError) {
        let start = position
        while let byte = peek(), byte >= UInt8(ascii: "0"), byte <= UInt8(ascii: "9") { position += 1 }
        guard position > start else { throw unexpected("a digit") }
    }

    // MARK: Bytes

    func peek() -> UInt8? { position < buffer.count ? buffer[position] : nil }

    mutating func take(_ byte: UInt8) -> Bool {
        guard peek() == byte else { return false }
        position += 1
        return true
    }

    private mutating func skipSpace() {
        while position < buffer.count {
            switch buffer[position] {
            case 0x20, 0x0A, 0x0D, 0x09: position += 1
            default: return
            }
        }
    }

    // MARK: Errors

    func unexpected(_ expected: String) -> JSONParseError {
        let found: String
        switch peek() {
        case nil: found = "the end of the text"
        case .some(let byte) where byte > 0x20 && byte < 0x7F: found = "'\(Unicode.Scalar(byte))'"
        case .some(let byte): found = "byte 0x\(byte < 16 ? "0" : "")\(String(byte, radix: 16, uppercase: true))"
        }
        return error(.unexpected(expected: expected, found: found), at: position)
    }

    func error(_ reason: JSONParseError.Reason, at offset: Int) -> JSONParseError {
        let before = buffer[..<min(offset, buffer.count)]
        let lineStart = before.lastIndex(of: 0x0A).map { $0 + 1 } ?? 0
        let line = before.count { $0 == 0x0A } + 1
        return JSONParseError(reason: reason, offset: offset, line: line, column: offset - lineStart + 1)
    }
}
