/// A regular expression as a tree.
indirect enum TextPatternNode: Sendable {
    case character(ScalarSet)
    case assertion(TextPatternAssertion)
    case sequence([TextPatternNode])
    case alternatives([TextPatternNode])
    case repeated(TextPatternNode, minimum: Int, maximum: Int?)
    /// Something that is valid but not supported, of unknown width.
    case opaque

    /// True when it is nothing at all.
    var isEmpty: Bool {
        switch self {
        case .sequence(let parts), .alternatives(let parts): parts.allSatisfy(\.isEmpty)
        case .repeated(let part, _, let maximum): part.isEmpty || maximum == 0
        case .character, .assertion, .opaque: false
        }
    }

    /// The number of characters that it matches, when that is always the same.
    var fixedWidth: Int? {
        switch self {
        case .character: return 1
        case .assertion: return 0
        case .opaque: return nil
        case .sequence(let parts):
            var sum = 0
            for part in parts {
                guard let width = part.fixedWidth else { return nil }
                sum += width
            }
            return sum
        case .alternatives(let parts):
            let widths = Set(parts.map(\.fixedWidth))
            return widths.count == 1 ? widths.first ?? nil : nil
        case .repeated(let part, let minimum, let maximum):
            guard minimum == maximum, let width = part.fixedWidth else { return nil }
            return width * minimum
        }
    }

    /// The set, when it is a single character.
    var singleCharacter: ScalarSet? {
        switch self {
        case .character(let set): set
        case .sequence(let parts) where parts.count == 1: parts[0].singleCharacter
        case .sequence, .alternatives, .repeated, .assertion, .opaque: nil
        }
    }
}

/// Reads Python's syntax. What is valid but not supported is noted and stepped over.
struct TextPatternParser {
    let text: [Unicode.Scalar]
    var position = 0
    /// The first construct that is valid in Python but not supported here.
    private(set) var unsupported: String?
    /// True when something was used that Python does not have.
    var isExtended = false
    private var groupCount = 0
    private var groupNames: Set<String> = []
    private var openGroups: Set<Int> = []
    private var depth = 0

    init(_ source: String) { text = Array(source.unicodeScalars) }

    mutating func parse() throws(TextPattern.Refusal) -> TextPatternNode {
        let node = try alternatives()
        guard position == text.count else { throw error("unbalanced parenthesis") }
        return node
    }

    private mutating func alternatives() throws(TextPattern.Refusal) -> TextPatternNode {
        depth += 1
        defer { depth -= 1 }
        guard depth <= 100 else { throw .tooLarge }
        var parts = [try sequence()]
        while take("|") { parts.append(try sequence()) }
        return parts.count == 1 ? parts[0] : .alternatives(parts)
    }

    private mutating func sequence() throws(TextPattern.Refusal) -> TextPatternNode {
        var parts: [TextPatternNode] = []
        while let next = peek(), next != "|", next != ")" {
            guard try quantifier() == nil else { throw error("nothing to repeat") }
            guard let part = try item() else { continue }
            guard let bounds = try quantifier() else {
                parts.append(part)
                continue
            }
            if case .assertion(let assertion) = part, assertion.isAnchor { throw error("nothing to repeat") }
            if !take("?"), take("+") { note("possessive repetition") }
            guard try quantifier() == nil else { throw error("multiple repeat") }
            parts.append(.repeated(part, minimum: bounds.minimum, maximum: bounds.maximum))
        }
        return parts.count == 1 ? parts[0] : .sequence(parts)
    }

    /// The quantifier at the position, if there is one; the position is after it then.
    private mutating func quantifier() throws(TextPattern.Refusal) -> (minimum: Int, maximum: Int?)? {
        switch peek() {
        case "*":
            position += 1
            return (0, nil)
        case "+":
            position += 1
            return (1, nil)
        case "?":
            position += 1
            return (0, 1)
        case "{": return try counts()
        default: return nil
        }
    }

    /// `{m}`, `{m,}`, `{,n}` or `{m,n}`; nil, without moving, when the brace is a character like any other.
    private mutating func counts() throws(TextPattern.Refusal) -> (minimum: Int, maximum: Int?)? {
        let start = position
        position += 1
        let low = digits()
        let hasComma = take(",")
        let high = hasComma ? digits() : low
        guard take("}"), !(low.isEmpty && !hasComma) else {
            position = start
            return nil
        }
        guard let minimum = low.isEmpty ? 0 : Int(low), let maximum = high.isEmpty ? .max : Int(high) else {
            throw .tooLarge
        }
        guard minimum <= maximum else { throw error("min repeat greater than max repeat") }
        return (minimum, high.isEmpty ? nil : maximum)
    }

    /// One item without its quantifier; nil for what matches nothing, such as a comment.
    private mutating func item() throws(TextPattern.Refusal) -> TextPatternNode? {
        guard let next = peek() else { return nil }
        position += 1
        switch next {
        case ".": return .character(.anyButNewline)
        case "^": return .assertion(.start)
        case "$": return .assertion(.end)
        case "(": return try group()
        case "[": return .character(try bracketed())
        case "\\": return try escaped()
        default: return .character(ScalarSet(next))
        }
    }

    // MARK: Groups

    private mutating func group() throws(TextPattern.Refusal) -> TextPatternNode? {
        guard take("?") else { return try capturing(name: nil) }
        let kind = peek()
        position += 1
        switch kind {
        case ":": return try closed(alternatives())
        case ">":
            note("atomic groups")
            return try closed(alternatives())
        case "#":
            while position < text.count, text[position] != ")" { position += 1 }
            guard take(")") else { throw error("missing ), unterminated comment") }
            return nil
        case "=": return try lookAround(isBehind: false, isWanted: true)
        case "!": return try lookAround(isBehind: false, isWanted: false)
        case "<":
            if take("=") { return try lookAround(isBehind: true, isWanted: true) }
            if take("!") { return try lookAround(isBehind: true, isWanted: false) }
            throw error("unknown extension ?<")
        case "P": return try named()
        case "(": return try conditional()
        case .some(let flag): return try flags(flag)
        case nil: throw error("unexpected end of pattern")
        }
    }

    private mutating func capturing(name: String?) throws(TextPattern.Refusal) -> TextPatternNode {
        groupCount += 1
        let number = groupCount
        if let name {
            guard groupNames.insert(name).inserted else { throw error("redefinition of group name '\(name)'") }
        }
        openGroups.insert(number)
        let node = try closed(alternatives())
        openGroups.remove(number)
        return node
    }

    private mutating func closed(_ node: TextPatternNode) throws(TextPattern.Refusal) -> TextPatternNode {
        guard take(")") else { throw error("missing ), unterminated subpattern") }
        return node
    }

    private mutating func named() throws(TextPattern.Refusal) -> TextPatternNode {
        if take("<") {
            let name = try groupName(until: ">")
            return try capturing(name: name)
        }
        guard take("=") else { throw error("unknown extension ?P") }
        let name = try groupName(until: ")")
        guard groupNames.contains(name) else { throw error("unknown group name '\(name)'") }
        note("back references")
        return .opaque
    }

    private mutating func groupName(until end: Unicode.Scalar) throws(TextPattern.Refusal) -> String {
        var name = ""
        while let next = peek(), next != end {
            name.unicodeScalars.append(next)
            position += 1
        }
        guard take(end) else { throw error("missing \(end), unterminated name") }
        guard let first = name.unicodeScalars.first, !ScalarSet.Category.digit.contains(first),
            name.unicodeScalars.allSatisfy({ ScalarSet.Category.word.contains($0) })
        else { throw error("bad character in group name '\(name)'") }
        return name
    }

    private mutating func lookAround(
        isBehind: Bool, isWanted: Bool
    ) throws(TextPattern.Refusal) -> TextPatternNode {
        let node = try closed(alternatives())
        if isBehind, node.fixedWidth == nil, unsupported == nil {
            throw error("look-behind requires fixed-width pattern")
        }
        if let set = node.singleCharacter {
            return .assertion(isBehind ? .previous(set, isWanted: isWanted) : .next(set, isWanted: isWanted))
        }
        note("look-around of more than one character")
        return .sequence([])
    }

    private mutating func conditional() throws(TextPattern.Refusal) -> TextPatternNode {
        let start = position
        let number = digits()
        if let number = Int(number), take(")") {
            guard number > 0, number <= groupCount else { throw error("invalid group reference") }
        } else {
            position = start
            let name = try groupName(until: ")")
            guard groupNames.contains(name) else { throw error("unknown group name '\(name)'") }
        }
        note("conditionals")
        let node = try closed(alternatives())
        if case .alternatives(let parts) = node, parts.count > 2 {
            throw error("conditional backref with more than two branches")
        }
        return .opaque
    }

    /// `(?i)` at the beginning of the expression and `(?i:…)` anywhere.
    private mutating func flags(_ first: Unicode.Scalar) throws(TextPattern.Refusal) -> TextPatternNode? {
        let start = position - 3
        var next = first
        var isOff = false
        var count = 0
        while next != ")" && next != ":" {
            if next == "-", !isOff {
                isOff = true
            } else {
                guard (isOff ? "ims" : "aiLmsux").unicodeScalars.contains(next), next != "L" else {
                    throw error("unknown flag")
                }
                count += 1
            }
            guard let following = peek() else { throw error("missing -, : or )") }
            position += 1
            next = following
        }
        guard count > 0 else { throw error("missing flag") }
        note("flags")
        if next == ":" { return try closed(alternatives()) }
        guard start == 0, !isOff else { throw error("global flags not at the start of the expression") }
        return nil
    }

    // MARK: Escapes

    private mutating func escaped() throws(TextPattern.Refusal) -> TextPatternNode {
        switch peek() {
        case "A": return anchor(.start)
        case "Z": return anchor(.absoluteEnd)
        case "b": return anchor(.wordBoundary(true))
        case "B": return anchor(.wordBoundary(false))
        case .some(let digit) where digit.value >= 0x31 && digit.value <= 0x39:
            return try backReference()
        default:
            switch try escapeInSet() {
            case .scalar(let scalar): return .character(ScalarSet(scalar))
            case .category(let category, let isInverted):
                return .character(ScalarSet(ranges: [], categories: [(category, isInverted)]))
            }
        }
    }

    private mutating func anchor(_ assertion: TextPatternAssertion) -> TextPatternNode {
        position += 1
        return .assertion(assertion)
    }

    private mutating func backReference() throws(TextPattern.Refusal) -> TextPatternNode {
        let number = digits(max: 2)
        if number.count == 2, let third = peek(), let value = octal(number, third) {
            position += 1
            return .character(ScalarSet(value))
        }
        guard let group = Int(number), group <= groupCount else { throw error("invalid group reference \(number)") }
        guard !openGroups.contains(group) else { throw error("cannot refer to an open group") }
        note("back references")
        return .opaque
    }

    private func octal(_ two: String, _ third: Unicode.Scalar) -> Unicode.Scalar? {
        let digits = two + String(third)
        guard digits.utf8.allSatisfy({ $0 >= 0x30 && $0 <= 0x37 }), let value = UInt32(digits, radix: 8)
        else { return nil }
        return value <= 0o377 ? Unicode.Scalar(value) : nil
    }

    // MARK: Characters

    func peek() -> Unicode.Scalar? { position < text.count ? text[position] : nil }

    mutating func take(_ scalar: Unicode.Scalar) -> Bool {
        guard peek() == scalar else { return false }
        position += 1
        return true
    }

    mutating func digits(max: Int = .max) -> String {
        var result = ""
        while result.count < max, let next = peek(), next.value >= 0x30, next.value <= 0x39 {
            result.unicodeScalars.append(next)
            position += 1
        }
        return result
    }

    mutating func note(_ construct: String) {
        if unsupported == nil { unsupported = construct }
    }

    func error(_ reason: String) -> TextPattern.Refusal { .syntax(reason, offset: position) }
}

extension TextPatternAssertion {
    /// True for what Python refuses to repeat.
    var isAnchor: Bool {
        switch self {
        case .start, .end, .absoluteEnd, .wordBoundary: true
        case .next, .previous: false
        }
    }
}
