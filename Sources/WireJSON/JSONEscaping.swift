/// The quoting of JSON strings.
enum JSONEscaping {
    /// The bytes of the longest escape, `\\u001f`.
    static let longest = 6

    /// The position of the next byte that must be escaped, or the count. Looks at eight bytes at a time.
    static func firstEscape(_ text: UnsafeBufferPointer<UInt8>, from start: Int) -> Int {
        var position = start
        guard let base = text.baseAddress else { return text.count }
        while position + 8 <= text.count {
            let word = UnsafeRawPointer(base + position).loadUnaligned(as: UInt64.self)
            if hasEscape(word) { break }
            position += 8
        }
        while position < text.count, !isEscaped(text[position]) { position += 1 }
        return position
    }

    /// Whether one of eight bytes is below 0x20, a quote or a backslash.
    ///
    /// `(x - 0x01…) & ~x & 0x80…` is not zero exactly when x has a zero byte, and `(x - 0x20…) & ~x & 0x80…`
    /// when x has a byte below 0x20.
    private static func hasEscape(_ word: UInt64) -> Bool {
        let ones: UInt64 = 0x0101_0101_0101_0101
        let quotes = word ^ (ones &* 0x22)
        let backslashes = word ^ (ones &* 0x5C)
        let below = (word &- ones &* 0x20) & ~word
        let isQuote = (quotes &- ones) & ~quotes
        let isBackslash = (backslashes &- ones) & ~backslashes
        return (below | isQuote | isBackslash) & (ones &* 0x80) != 0
    }

    private static func isEscaped(_ byte: UInt8) -> Bool {
        byte < 0x20 || byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "\\")
    }

    /// Writes the escape of a byte and returns its length.
    static func write(_ byte: UInt8, at place: UnsafeMutablePointer<UInt8>) -> Int {
        place[0] = UInt8(ascii: "\\")
        switch byte {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"): place[1] = byte
        case 0x08: place[1] = UInt8(ascii: "b")
        case 0x09: place[1] = UInt8(ascii: "t")
        case 0x0A: place[1] = UInt8(ascii: "n")
        case 0x0C: place[1] = UInt8(ascii: "f")
        case 0x0D: place[1] = UInt8(ascii: "r")
        default:
            let digits: StaticString = "0123456789abcdef"
            place[1] = UInt8(ascii: "u")
            place[2] = UInt8(ascii: "0")
            place[3] = UInt8(ascii: "0")
            place[4] = digits.utf8Start[Int(byte >> 4)]
            place[5] = digits.utf8Start[Int(byte & 15)]
            return longest
        }
        return 2
    }
}
