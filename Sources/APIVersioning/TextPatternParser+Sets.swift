/// What a backslash sequence stands for where only characters count.
enum TextPatternEscape {
    case scalar(Unicode.Scalar)
    case category(ScalarSet.Category, isInverted: Bool)
}

extension TextPatternParser {
    /// A set in brackets; the position is after the opening one.
    mutating func bracketed() throws(TextPattern.Refusal) -> ScalarSet {
        let isInverted = take("^")
        var ranges: [ClosedRange<UInt32>] = []
        var categories: [(category: ScalarSet.Category, isInverted: Bool)] = []
        var isFirst = true
        while true {
            guard let next = peek() else { throw error("unterminated character set") }
            if next == "]", !isFirst {
                position += 1
                return ScalarSet(ranges: ranges, categories: categories, isInverted: isInverted)
            }
            isFirst = false
            let low = try setMember()
            guard peek() == "-", position + 1 < text.count, text[position + 1] != "]" else {
                switch low {
                case .scalar(let scalar): ranges.append(scalar.value...scalar.value)
                case .category(let category, let isInverted): categories.append((category, isInverted))
                }
                continue
            }
            position += 1
            let high = try setMember()
            guard case .scalar(let first) = low, case .scalar(let last) = high, first <= last else {
                throw error("bad character range")
            }
            ranges.append(first.value...last.value)
        }
    }

    private mutating func setMember() throws(TextPattern.Refusal) -> TextPatternEscape {
        guard let next = peek() else { throw error("unterminated character set") }
        position += 1
        guard next == "\\" else { return .scalar(next) }
        if take("b") { return .scalar("\u{8}") }
        return try escapeInSet()
    }

    /// An escape that stands for characters; the position is after the backslash.
    mutating func escapeInSet() throws(TextPattern.Refusal) -> TextPatternEscape {
        guard let next = peek() else { throw error("bad escape (end of pattern)") }
        position += 1
        switch next {
        case "d": return .category(.digit, isInverted: false)
        case "D": return .category(.digit, isInverted: true)
        case "s": return .category(.space, isInverted: false)
        case "S": return .category(.space, isInverted: true)
        case "w": return .category(.word, isInverted: false)
        case "W": return .category(.word, isInverted: true)
        case "p": return try generalCategory()
        case "a": return .scalar("\u{7}")
        case "f": return .scalar("\u{C}")
        case "n": return .scalar("\n")
        case "r": return .scalar("\r")
        case "t": return .scalar("\t")
        case "v": return .scalar("\u{B}")
        case "x": return try hexadecimal(2)
        case "u": return try hexadecimal(4)
        case "U": return try hexadecimal(8)
        default: break
        }
        if next.value >= 0x30, next.value <= 0x37 { return octalEscape(next) }
        let isLetterOrDigit = next.isASCII && ScalarSet.Category.word.contains(next) && next != "_"
        guard !isLetterOrDigit else { throw error("bad escape \\\(next)") }
        return .scalar(next)
    }

    /// `\p{Zl}`: not Python's, but what published schemas use for the printable characters.
    private mutating func generalCategory() throws(TextPattern.Refusal) -> TextPatternEscape {
        var name = ""
        isExtended = true
        guard take("{") else { throw error("bad escape \\p") }
        while let next = peek(), next != "}" {
            name.unicodeScalars.append(next)
            position += 1
        }
        guard take("}"), name.utf8.count == 1 || name.utf8.count == 2 else { throw error("bad escape \\p") }
        return .category(.general(name), isInverted: false)
    }

    private mutating func hexadecimal(_ count: Int) throws(TextPattern.Refusal) -> TextPatternEscape {
        guard position + count <= text.count else { throw error("incomplete escape") }
        let digits = String(String.UnicodeScalarView(text[position..<position + count]))
        guard digits.utf8.allSatisfy({ Unicode.Scalar($0).properties.isASCIIHexDigit }),
            let value = UInt32(digits, radix: 16), let scalar = Unicode.Scalar(value)
        else { throw error("incomplete escape") }
        position += count
        return .scalar(scalar)
    }

    private mutating func octalEscape(_ first: Unicode.Scalar) -> TextPatternEscape {
        var value = first.value - 0x30
        for _ in 0..<2 {
            guard let next = peek(), next.value >= 0x30, next.value <= 0x37, value * 8 <= 0o377 else { break }
            value = value * 8 + (next.value - 0x30)
            position += 1
        }
        return .scalar(Unicode.Scalar(UInt8(truncatingIfNeeded: value)))
    }
}
