/// Why a text is no check.
package struct PolicyParseError: Error, Sendable, Hashable, CustomStringConvertible {
    package let check: String
    package let reason: String

    package var description: String { "\"\(check)\": \(reason)" }
}

/// Compiles the policy language of oslo.policy:
///
///     expression := term { "or" term };  term := factor { "and" factor }
///     factor := "not" factor | "(" expression ")" | "@" | "!" | kind ":" match
///
/// Words are separated by white space; parentheses may touch them. An empty text allows. Where the reference logs a
/// text that it does not understand and denies, this parser throws, so that a mistake shows when the file is read.
package struct PolicyParser {
    private enum Token: Hashable {
        case open, close, and, or, not
        case check(String)
    }

    private let text: String
    private var tokens: [Token] = []
    private var position = 0
    private var depth = 0

    /// The check that a text stands for.
    package static func parse(_ text: String) throws(PolicyParseError) -> PolicyCheck {
        // Only the wholly empty text allows; as in the reference, white space alone is a mistake.
        if text.isEmpty { return .always }
        var parser = PolicyParser(text: text)
        try parser.tokenize()
        let check = try parser.expression()
        guard parser.position == parser.tokens.count else { throw parser.failure("unexpected \(parser.current)") }
        return check
    }

    /// The older form: a list of lists, "or" outside, "and" inside. An empty outer list allows.
    package static func parse(lists: [[String]]) throws(PolicyParseError) -> PolicyCheck {
        if lists.isEmpty { return .always }
        var alternatives: [PolicyCheck] = []
        for list in lists where !list.isEmpty {
            var checks: [PolicyCheck] = []
            for word in list { checks.append(try PolicyParser(text: word).check(word)) }
            alternatives.append(checks.count == 1 ? checks[0] : .and(checks))
        }
        if alternatives.isEmpty { return .never }
        return alternatives.count == 1 ? alternatives[0] : .or(alternatives)
    }

    private init(text: String) { self.text = text }

    private func failure(_ reason: String) -> PolicyParseError { PolicyParseError(check: text, reason: reason) }

    // MARK: Words

    private mutating func tokenize() throws(PolicyParseError) {
        for word in text.split(whereSeparator: \.isWhitespace) {
            // Bytes: cutting single characters off a long text is slow.
            let bytes = word.utf8
            let opened = bytes.prefix { $0 == UInt8(ascii: "(") }.count
            tokens += Array(repeating: .open, count: opened)
            guard opened < bytes.count else { continue }
            let closed = bytes.reversed().prefix { $0 == UInt8(ascii: ")") }.count
            let clean = String(Substring(bytes.dropFirst(opened).dropLast(closed)))
            switch clean.lowercased() {
            case "": break
            case "and": tokens.append(.and)
            case "or": tokens.append(.or)
            case "not": tokens.append(.not)
            default:
                if closed == 0, let quote = clean.first, quote == "'" || quote == "\"", clean.count > 1,
                    clean.last == quote
                {
                    throw failure("\(clean) is a text, not a check")
                }
                tokens.append(.check(clean))
            }
            tokens += Array(repeating: .close, count: closed)
        }
    }

    // MARK: Grammar

    private var current: String {
        guard position < tokens.count else { return "end" }
        return switch tokens[position] {
        case .open: "("
        case .close: ")"
        case .and: "and"
        case .or: "or"
        case .not: "not"
        case .check(let word): word
        }
    }

    private mutating func take(_ token: Token) -> Bool {
        guard position < tokens.count, tokens[position] == token else { return false }
        position += 1
        return true
    }

    private mutating func expression() throws(PolicyParseError) -> PolicyCheck {
        var checks = [try term()]
        while take(.or) { checks.append(try term()) }
        return checks.count == 1 ? checks[0] : .or(checks)
    }

    private mutating func term() throws(PolicyParseError) -> PolicyCheck {
        var checks = [try factor()]
        while take(.and) { checks.append(try factor()) }
        return checks.count == 1 ? checks[0] : .and(checks)
    }

    private mutating func factor() throws(PolicyParseError) -> PolicyCheck {
        depth += 1
        defer { depth -= 1 }
        guard depth <= 200 else { throw failure("nested too deeply") }
        if take(.not) { return .not(try factor()) }
        if take(.open) {
            let inner = try expression()
            guard take(.close) else { throw failure("expected ) before \(current)") }
            return inner
        }
        guard position < tokens.count, case .check(let word) = tokens[position] else {
            throw failure("expected a check before \(current)")
        }
        position += 1
        return try check(word)
    }

    // MARK: Checks

    private func check(_ word: String) throws(PolicyParseError) -> PolicyCheck {
        if word == "@" { return .always }
        if word == "!" { return .never }
        guard let colon = word.firstIndex(of: ":") else { throw failure("\(word) has no colon") }
        let kind = String(word[..<colon])
        let match = String(word[word.index(after: colon)...])
        switch kind {
        case "rule": return .rule(match)
        case "role": return .role(try template(match))
        case "http", "https": throw failure("checks by a web service are not supported yet")
        case "": throw failure("\(word) has nothing before the colon")
        default:
            let template = try template(match)
            if let literal = try literal(kind) { return .literal(literal, template) }
            let path = kind.split(separator: ".", omittingEmptySubsequences: false).map(String.init)
            return .attribute(path: path, template)
        }
    }

    /// The text of a constant: a quoted text, a number, `True`, `False` or `None`. Nil for the name of an attribute.
    private func literal(_ kind: String) throws(PolicyParseError) -> String? {
        if kind == "True" || kind == "False" || kind == "None" { return kind }
        if let quote = kind.first, quote == "'" || quote == "\"" {
            guard kind.count >= 2, kind.last == quote, !kind.dropFirst().dropLast().contains(quote),
                !kind.contains("\\")
            else { throw failure("\(kind) is not a plain quoted text") }
            return String(kind.dropFirst().dropLast())
        }
        if let first = kind.first, first.isNumber || first == "-" || first == "+" {
            guard let number = Int(kind), String(number) == kind || "+\(number)" == kind else {
                throw failure("\(kind) is neither a whole number nor the name of an attribute")
            }
            return String(number)
        }
        return nil
    }

    /// Splits `a%(key)sb`. `%%` is a percent sign; every other use of `%` is refused.
    private func template(_ match: String) throws(PolicyParseError) -> PolicyTemplate {
        var pieces: [PolicyTemplate.Piece] = []
        var plain = ""
        var rest = match[...]
        while let character = rest.popFirst() {
            guard character == "%" else {
                plain.append(character)
                continue
            }
            if rest.first == "%" {
                plain.append(rest.removeFirst())
                continue
            }
            guard rest.first == "(", let end = rest.firstIndex(of: ")"), rest[rest.index(after: end)...].first == "s"
            else { throw failure("% in \(match) is not of the form %(name)s") }
            if !plain.isEmpty { pieces.append(.text(plain)) }
            plain = ""
            pieces.append(.key(String(rest[rest.index(after: rest.startIndex)..<end])))
            rest = rest[rest.index(end, offsetBy: 2)...]
        }
        if !plain.isEmpty { pieces.append(.text(plain)) }
        return PolicyTemplate(pieces)
    }
}
