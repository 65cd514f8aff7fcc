extension OptionType {
    /// The value that a text stands for.
    ///
    /// - Throws: `OptionRefusal` with the reason, without the text and without what is allowed.
    package func parse(_ text: String) throws(OptionRefusal) -> OptionDatum {
        switch self {
        case .string: return .string(text)
        case .integer(let min, let max):
            guard let value = Int(trimmed(text)) else { throw OptionRefusal("not an integer") }
            try Self.check(value, min, max)
            return .integer(value)
        case .double(let min, let max):
            guard let value = Double(trimmed(text)), value.isFinite else { throw OptionRefusal("not a number") }
            try Self.check(value, min, max)
            return .double(value)
        case .bool: return .bool(try Self.parseBool(text))
        case .list: return .list(Self.parseList(text))
        case .multiple: return .list([text])
        case .duration(let min, let max):
            let value = try Self.parseDuration(trimmed(text))
            try Self.check(value, min, max)
            return .duration(value)
        case .byteSize(let min, let max):
            guard let value = ByteSize(parsing: trimmed(text)) else { throw OptionRefusal("not a number of bytes") }
            try Self.check(value, min, max)
            return .byteSize(value)
        case .choice(let words):
            guard let word = words.first(where: { $0.lowercased() == text.lowercased() }) else {
                throw OptionRefusal("not one of the choices")
            }
            return .string(word)
        case .port:
            guard let value = Int(trimmed(text)) else { throw OptionRefusal("not a port number") }
            try Self.check(value, 0, 65535)
            return .integer(value)
        case .path:
            guard !text.isEmpty else { throw OptionRefusal("empty") }
            guard !text.utf8.contains(0) else { throw OptionRefusal("contains a zero byte") }
            return .string(text)
        case .host: return .string(try Self.parseHost(text))
        case .url(let schemes): return .string(try Self.parseURL(text, schemes))
        }
    }

    private static func check<T: Comparable>(_ value: T, _ min: T?, _ max: T?) throws(OptionRefusal) {
        if let min, value < min { throw OptionRefusal("too small") }
        if let max, value > max { throw OptionRefusal("too large") }
    }

    private static func parseBool(_ text: String) throws(OptionRefusal) -> Bool {
        switch trimmed(text).lowercased() {
        case "true", "1", "yes", "on": return true
        case "false", "0", "no", "off": return false
        default: throw OptionRefusal("neither true nor false")
        }
    }

    private static func parseList(_ text: String) -> [String] {
        var body = trimmed(text)[...]
        while body.last == "," { body = body.dropLast() }
        guard !body.isEmpty else { return [] }
        return body.split(separator: ",", omittingEmptySubsequences: false).map { trimmed($0) }
    }

    private static func parseDuration(_ text: String) throws(OptionRefusal) -> Duration {
        let digits = text.prefix { $0.isNumber || $0 == "." || $0 == "-" || $0 == "+" }
        guard let number = Double(digits), number.isFinite else { throw OptionRefusal("not a time span") }
        let secondsPerUnit: Double
        switch trimmed(text[digits.endIndex...]) {
        case "", "s": secondsPerUnit = 1
        case "ms": secondsPerUnit = 0.001
        case "m": secondsPerUnit = 60
        case "h": secondsPerUnit = 3600
        case "d": secondsPerUnit = 86400
        default: throw OptionRefusal("unknown unit of time")
        }
        let seconds = number * secondsPerUnit
        // Beyond this the nanoseconds of a time span no longer fit where others keep them.
        guard abs(seconds) < 9_000_000_000 else { throw OptionRefusal("too large") }
        return .milliseconds(Int64((seconds * 1000).rounded()))
    }

    private static func parseHost(_ text: String) throws(OptionRefusal) -> String {
        let host = trimmed(text)
        guard !host.isEmpty else { throw OptionRefusal("empty") }
        guard host.utf8.count <= 255 else { throw OptionRefusal("longer than 255 bytes") }
        let isPlain = host.utf8.allSatisfy { byte in
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "."), UInt8(ascii: ":"), UInt8(ascii: "_"),
                UInt8(ascii: "-"):
                true
            default: false
            }
        }
        guard isPlain else { throw OptionRefusal("contains a character that no host name or address has") }
        return host
    }

    private static func parseURL(_ text: String, _ schemes: [String]) throws(OptionRefusal) -> String {
        let url = trimmed(text)
        guard !url.contains(where: \.isWhitespace) else { throw OptionRefusal("contains white space") }
        guard let colon = url.firstIndex(of: ":"), url[colon...].hasPrefix("://") else {
            throw OptionRefusal("not of the form scheme://…")
        }
        let scheme = url[..<colon].lowercased()
        guard !scheme.isEmpty, scheme.utf8.allSatisfy({ $0 < 128 }) else { throw OptionRefusal("has no scheme") }
        guard schemes.isEmpty || schemes.contains(scheme) else {
            throw OptionRefusal("scheme \(scheme) is not supported here")
        }
        return url
    }
}

/// The text without white space at both ends.
func trimmed(_ text: some StringProtocol) -> String {
    var body = text[...]
    while body.first?.isWhitespace == true { body = body.dropFirst() }
    while body.last?.isWhitespace == true { body = body.dropLast() }
    return String(body)
}

/// The shortest text that reads back as the number.
func optionText(_ value: Double) -> String {
    value == value.rounded() && abs(value) < 1e15 ? "\(Int(value)).0" : "\(value)"
}

/// The time span in seconds, with milliseconds only where there are some.
func optionText(_ value: Duration) -> String {
    let (seconds, attoseconds) = value.components
    let milliseconds = attoseconds / 1_000_000_000_000_000
    return milliseconds == 0 ? "\(seconds)" : "\(seconds * 1000 + milliseconds)ms"
}
