import WireJSON

/// A number as Python sees it: whole ones have no limit.
enum PythonNumber {
    case whole(Int128)
    /// A whole number beyond 128 bits; the digits have no leading zero.
    case huge(isNegative: Bool, digits: String)
    case real(Double)

    /// The number of a JSON value that is one; true and false are none.
    init?(_ value: JSONValue) {
        switch value {
        case .int(let value): self = .whole(Int128(value))
        case .double(let value): self = .real(value)
        case .null, .bool, .string, .array, .object: return nil
        }
    }

    /// What `int(value)`, or failing that `float(value)`, makes of any JSON value; nil when both fail.
    ///
    /// The reference compares limits in this way, so that "10" is a number, true is 1 and 1.9 is 1.
    init?(converting value: JSONValue) {
        switch value {
        case .int(let value): self = .whole(Int128(value))
        case .bool(let value): self = .whole(value ? 1 : 0)
        case .double(let value): self = Int128(exactly: value.rounded(.towardZero)).map { .whole($0) } ?? .real(value)
        case .string(let text):
            if let number = Self.int(text) {
                self = number
            } else if let number = Self.float(text) {
                self = .real(number)
            } else {
                return nil
            }
        case .null, .array, .object: return nil
        }
    }

    /// Negative, zero or positive as the number is below, at or above the limit; nil when incomparable (NaN).
    func compared(with limit: JSONValue) -> Int? {
        guard let limit = PythonNumber(limit) else { return nil }
        switch (self, limit) {
        case (.whole(let a), .whole(let b)): return a < b ? -1 : a > b ? 1 : 0
        case (.huge(let isNegative, _), _): return isNegative ? -1 : 1
        default:
            let (a, b) = (double, limit.double)
            if a.isNaN || b.isNaN { return nil }
            return a < b ? -1 : a > b ? 1 : 0
        }
    }

    /// As Python prints it.
    var repr: String {
        switch self {
        case .whole(let value): String(value)
        case .huge(let isNegative, let digits): (isNegative ? "-" : "") + digits
        case .real(let value): PythonText.repr(value)
        }
    }

    private var double: Double {
        switch self {
        case .whole(let value): Double(value)
        case .huge(let isNegative, _): isNegative ? -.infinity : .infinity
        case .real(let value): value
        }
    }

    /// `int(text)` where it fits an `Int`; nil where it fails or does not fit.
    static func whole(_ text: some StringProtocol) -> Int? {
        guard case .whole(let value) = int(text) else { return nil }
        return Int(exactly: value)
    }

    /// `int(text)`: space around, a sign, digits of any script, single underscores between digits.
    private static func int(_ text: some StringProtocol) -> PythonNumber? {
        var rest = Substring(PythonText.stripped(text)).unicodeScalars
        let sign = rest.first
        if sign == "+" || sign == "-" { rest.removeFirst() }
        var digits = ""
        var mayUnderscore = false
        for scalar in rest {
            if scalar == "_", mayUnderscore {
                mayUnderscore = false
                continue
            }
            guard scalar.properties.generalCategory == .decimalNumber, let value = scalar.properties.numericValue
            else { return nil }
            if !(digits.isEmpty && value == 0) { digits += String(Int(value)) }
            mayUnderscore = true
        }
        guard mayUnderscore else { return nil }
        let isNegative = sign == "-"
        guard let value = Int128((isNegative ? "-" : "") + (digits.isEmpty ? "0" : digits)) else {
            return .huge(isNegative: isNegative, digits: digits)
        }
        return .whole(value)
    }

    /// `float(text)`: as JSON's numbers but looser about missing digits, and `inf` and `nan` in words.
    private static func float(_ text: String) -> Double? {
        let stripped = PythonText.stripped(text).lowercased()
        let word = stripped.drop { $0 == "+" || $0 == "-" }
        if ["inf", "infinity", "nan"].contains(word) { return Double(stripped) }
        guard stripped.utf8.allSatisfy({ "0123456789+-.e".utf8.contains($0) }) else { return nil }
        return Double(stripped)
    }
}
