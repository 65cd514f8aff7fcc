import WireJSON

/// Values as Python prints them, because the reference's error messages quote them so and clients match on those.
enum PythonText {
    /// `str(value)`: strings as they are, everything else as `repr`.
    static func str(_ value: JSONValue) -> String {
        if case .string(let text) = value { text } else { repr(value) }
    }

    /// `repr(value)`.
    static func repr(_ value: JSONValue) -> String {
        switch value {
        case .null: "None"
        case .bool(let value): value ? "True" : "False"
        case .int(let value): String(value)
        case .double(let value): repr(value)
        case .string(let text): repr(text)
        case .array(let elements): "[" + elements.map(repr).joined(separator: ", ") + "]"
        case .object(let object):
            "{" + object.members.map { "\(repr($0.key)): \(repr($0.value))" }.joined(separator: ", ") + "}"
        }
    }

    /// `repr` of a float: shortest digits; an exponent below 1e-4 and from 1e16 on.
    static func repr(_ value: Double) -> String {
        if value.isNaN { return "nan" }
        if value.isInfinite { return value < 0 ? "-inf" : "inf" }
        let text = value.description
        guard value.magnitude >= 1e16, !text.contains("e") else { return text }
        // Swift writes whole numbers up to 2^54 without an exponent.
        let sign = value < 0 ? "-" : ""
        let digits = text.drop { $0 == "-" }.prefix { $0 != "." }
        var significant = String(digits)
        while significant.hasSuffix("0") { significant.removeLast() }
        let rest = significant.dropFirst()
        return sign + significant.prefix(1) + (rest.isEmpty ? "" : "." + rest) + "e+\(digits.count - 1)"
    }

    /// `repr` of a string: single quotes unless that would need escaping and double quotes would not.
    static func repr(_ text: String) -> String {
        let quote: Unicode.Scalar = text.contains("'") && !text.contains("\"") ? "\"" : "'"
        var result = String.UnicodeScalarView()
        result.append(quote)
        for scalar in text.unicodeScalars {
            switch scalar {
            case quote, "\\":
                result.append("\\")
                result.append(scalar)
            case "\n": result.append(contentsOf: "\\n".unicodeScalars)
            case "\r": result.append(contentsOf: "\\r".unicodeScalars)
            case "\t": result.append(contentsOf: "\\t".unicodeScalars)
            default:
                if isPrintable(scalar) {
                    result.append(scalar)
                } else {
                    result.append(contentsOf: escape(scalar).unicodeScalars)
                }
            }
        }
        result.append(quote)
        return String(result)
    }

    /// `str.isprintable`: neither "other" nor a separator except the space.
    private static func isPrintable(_ scalar: Unicode.Scalar) -> Bool {
        if scalar.isASCII { return scalar.value >= 0x20 && scalar.value < 0x7F }
        return switch scalar.properties.generalCategory {
        case .control, .format, .surrogate, .privateUse, .unassigned, .lineSeparator, .paragraphSeparator,
            .spaceSeparator:
            false
        default: true
        }
    }

    private static func escape(_ scalar: Unicode.Scalar) -> String {
        let digits = String(scalar.value, radix: 16)
        let (mark, width) =
            switch scalar.value {
            case ..<0x100: ("x", 2)
            case ..<0x1_0000: ("u", 4)
            default: ("U", 8)
            }
        return "\\\(mark)" + String(repeating: "0", count: width - digits.count) + digits
    }

    /// `str.strip()`.
    static func stripped(_ text: some StringProtocol) -> String {
        let scalars = text.unicodeScalars
        let head = scalars.drop { $0.properties.isWhitespace }
        let tail = head.reversed().prefix { $0.properties.isWhitespace }.count
        return String(String.UnicodeScalarView(head.dropLast(tail)))
    }

    /// Order by code points, as Python's `sorted`.
    static func precedes(_ a: String, _ b: String) -> Bool {
        a.unicodeScalars.lexicographicallyPrecedes(b.unicodeScalars)
    }
}
