/// A Swift file taken apart: what is code, what is text, what is comment.
///
/// A scanner, not a parser. It knows nested comments, raw and multi-line strings and interpolation; it does not know
/// bare regular expression literals, which we do not write.
struct SwiftText {
    struct Literal {
        let line: Int
        let text: String
    }

    /// The lines as they stand.
    let lines: [String]
    /// The lines with comments and the contents of strings left out.
    private(set) var code: [String] = []
    /// Every string literal, interpolations left out.
    private(set) var literals: [Literal] = []

    init(_ text: String) {
        lines = text.split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
        var scanner = Scanner(Array(text.utf8))
        scanner.scanCode(isInterpolation: false)
        let code = String(decoding: scanner.code, as: UTF8.self)
        self.code = code.split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
        literals = scanner.literals
    }
}

private struct Scanner {
    private static let newline = UInt8(ascii: "\n")
    private static let quote = UInt8(ascii: "\"")
    private static let backslash = UInt8(ascii: "\\")
    private static let slash = UInt8(ascii: "/")
    private static let star = UInt8(ascii: "*")
    private static let hash = UInt8(ascii: "#")
    private static let open = UInt8(ascii: "(")
    private static let close = UInt8(ascii: ")")

    let input: [UInt8]
    var position = 0
    var line = 1
    var code: [UInt8] = []
    var literals: [SwiftText.Literal] = []

    init(_ input: [UInt8]) {
        self.input = input
        code.reserveCapacity(input.count)
    }

    private func at(_ offset: Int) -> UInt8 {
        position + offset < input.count ? input[position + offset] : 0
    }

    private func repeats(_ byte: UInt8, _ count: Int, from offset: Int) -> Bool {
        for index in 0..<count where at(offset + index) != byte { return false }
        return true
    }

    /// Moves on; line ends stay in the code, so that line numbers do.
    private mutating func skip(_ count: Int = 1) {
        for _ in 0..<count where position < input.count {
            if input[position] == Self.newline {
                line += 1
                code.append(Self.newline)
            }
            position += 1
        }
    }

    /// Scans code to the end, or to the parenthesis that ends an interpolation.
    mutating func scanCode(isInterpolation: Bool) {
        var depth = 0
        while position < input.count {
            let byte = input[position]
            switch byte {
            case Self.slash where at(1) == Self.slash:
                while position < input.count, input[position] != Self.newline { position += 1 }
                continue
            case Self.slash where at(1) == Self.star:
                skipBlockComment()
                continue
            case Self.quote:
                scanString(hashes: 0)
                continue
            case Self.hash:
                var hashes = 1
                while at(hashes) == Self.hash { hashes += 1 }
                if at(hashes) == Self.quote {
                    scanString(hashes: hashes)
                    continue
                }
            case Self.open: depth += 1
            case Self.close:
                if isInterpolation, depth == 0 { return }
                depth -= 1
            default: break
            }
            if byte != Self.newline { code.append(byte) }
            skip()
        }
    }

    private mutating func skipBlockComment() {
        var depth = 0
        repeat {
            if at(0) == Self.slash, at(1) == Self.star {
                depth += 1
                skip(2)
            } else if at(0) == Self.star, at(1) == Self.slash {
                depth -= 1
                skip(2)
            } else {
                skip()
            }
        } while depth > 0 && position < input.count
    }

    private mutating func scanString(hashes: Int) {
        let begun = line
        skip(hashes)
        let quotes = repeats(Self.quote, 3, from: 0) ? 3 : 1
        skip(quotes)
        code.append(Self.quote)
        var text: [UInt8] = []
        while position < input.count {
            let byte = input[position]
            if byte == Self.quote, repeats(Self.quote, quotes, from: 0), repeats(Self.hash, hashes, from: quotes) {
                skip(quotes + hashes)
                break
            }
            guard byte == Self.backslash, repeats(Self.hash, hashes, from: 1) else {
                text.append(byte)
                skip()
                continue
            }
            skip(1 + hashes)
            if at(0) == Self.open {
                code.append(Self.open)
                skip()
                scanCode(isInterpolation: true)
                code.append(Self.close)
                skip()
            } else {
                if position < input.count { text.append(input[position]) }
                skip()
            }
        }
        code.append(Self.quote)
        literals.append(SwiftText.Literal(line: begun, text: String(decoding: text, as: UTF8.self)))
    }
}
