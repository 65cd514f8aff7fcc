import WireJSON

/// Reads a file of overrides: a mapping of rule names to checks, as JSON or as the plain YAML that policy files are
/// written in, one `"name": "check"` per entry, `#` comments, quotes optional, long checks continued by indentation.
/// A check may be a list of lists in JSON notation. Anything else that YAML can do is refused.
enum PolicyFile {
    struct Entry: Sendable, Hashable {
        var name: String
        var check: PolicyCheck
    }

    static func parse(_ text: String, path: String) throws(PolicyFileError) -> [Entry] {
        if text.drop(while: \.isWhitespace).first == "{" { return try parseJSON(text, path) }
        var entries: [Entry] = []
        for (line, name, value) in try lines(text, path) {
            if entries.contains(where: { $0.name == name }) {
                throw PolicyFileError(path: path, line: line, reason: "\(name) is given twice")
            }
            do throws(PolicyParseError) {
                entries.append(Entry(name: name, check: try check(value)))
            } catch {
                throw PolicyFileError(path: path, line: line, reason: "\(name): \(error)")
            }
        }
        return entries
    }

    private static func parseJSON(_ text: String, _ path: String) throws(PolicyFileError) -> [Entry] {
        let object: JSONObject
        do throws(JSONParseError) {
            object = try JSONParser.parse(Array(text.utf8)).object ?? JSONObject()
        } catch {
            throw PolicyFileError(path: path, line: error.line, reason: "\(error)")
        }
        var entries: [Entry] = []
        for (name, value) in object {
            do throws(PolicyParseError) {
                if let text = value.string {
                    entries.append(Entry(name: name, check: try PolicyParser.parse(text)))
                } else {
                    entries.append(Entry(name: name, check: try PolicyParser.parse(lists: try lists(value))))
                }
            } catch {
                throw PolicyFileError(path: path, line: 0, reason: "\(name): \(error)")
            }
        }
        return entries
    }

    /// Entries with the line on which each begins. Continuation lines are joined by a space.
    private static func lines(_ text: String, _ path: String) throws(PolicyFileError) -> [(Int, String, String)] {
        var entries: [(line: Int, name: String, value: String)] = []
        for (index, raw) in text.split(omittingEmptySubsequences: false, whereSeparator: \.isNewline).enumerated() {
            let line = stripped(raw)
            if line.isEmpty || line.hasPrefix("#") || line == "---" || line == "..." { continue }
            if raw.first == " " || raw.first == "\t" {
                guard !entries.isEmpty else {
                    throw PolicyFileError(path: path, line: index + 1, reason: "an indented line continues nothing")
                }
                entries[entries.count - 1].value += " " + line
                continue
            }
            guard let (name, value) = split(line) else {
                throw PolicyFileError(path: path, line: index + 1, reason: "not of the form \"name\": \"check\"")
            }
            entries.append((index + 1, name, value))
        }
        return entries.map { ($0.line, $0.name, $0.value) }
    }

    /// Rule names contain colons, so the name ends at its quote or at a colon before white space.
    private static func split(_ line: String) -> (name: String, value: String)? {
        if let quote = line.first, quote == "\"" || quote == "'" {
            let body = line.dropFirst()
            guard let end = body.firstIndex(of: quote) else { return nil }
            let rest = stripped(body[body.index(after: end)...])
            return rest.first == ":" ? (String(body[..<end]), stripped(rest.dropFirst())) : nil
        }
        if line.last == ":" { return (String(line.dropLast()), "") }
        guard let range = line.firstRange(of: ": ") else { return nil }
        return (stripped(line[..<range.lowerBound]), stripped(line[range.upperBound...]))
    }

    private static func check(_ value: String) throws(PolicyParseError) -> PolicyCheck {
        if value.first == "[" {
            guard let lists = try? JSONParser.parse(Array(value.utf8)) else {
                throw PolicyParseError(check: value, reason: "is not a list of lists of texts")
            }
            return try PolicyParser.parse(lists: try self.lists(lists))
        }
        if let first = value.first, "|>&*!{".contains(first), value != "!" {
            let reason = "this form of YAML is not supported: write \"name\": \"check\""
            throw PolicyParseError(check: value, reason: reason)
        }
        return try PolicyParser.parse(try unquoted(value))
    }

    private static func unquoted(_ value: String) throws(PolicyParseError) -> String {
        guard let quote = value.first, quote == "\"" || quote == "'" else {
            // In plain text a comment begins with " #".
            return value.firstRange(of: " #").map { stripped(value[..<$0.lowerBound]) } ?? value
        }
        // A plain check may begin with a literal: 'Member':%(role)s. It does not end where the quote ends.
        let body = value.dropFirst()
        guard let end = body.lastIndex(of: quote) else {
            throw PolicyParseError(check: value, reason: "the quote is not closed")
        }
        let rest = stripped(body[body.index(after: end)...])
        if rest.first == ":" { return value }
        guard rest.isEmpty || rest.hasPrefix("#") else {
            throw PolicyParseError(check: value, reason: "something follows the closing quote")
        }
        let text = String(body[..<end])
        return quote == "'" ? text.replacing("''", with: "'") : text.replacing("\\\"", with: "\"")
    }

    private static func lists(_ value: JSONValue) throws(PolicyParseError) -> [[String]] {
        var lists: [[String]] = []
        for item in value.array ?? [.null] {
            if let word = item.string {
                lists.append([word])
            } else if let words = item.array?.map(\.string), !words.contains(nil) {
                lists.append(words.compactMap(\.self))
            } else {
                throw PolicyParseError(check: value.text, reason: "is not a list of lists of texts")
            }
        }
        return lists
    }

    private static func stripped(_ text: some StringProtocol) -> String {
        var body = text[...]
        while body.first?.isWhitespace == true { body = body.dropFirst() }
        while body.last?.isWhitespace == true { body = body.dropLast() }
        return String(body)
    }
}

/// What is wrong with a file of overrides.
package struct PolicyFileError: Error, Sendable, Hashable, CustomStringConvertible {
    package let path: String
    /// The line, from 1; 0 where it is not known.
    package let line: Int
    package let reason: String

    package var description: String { line > 0 ? "\(path):\(line): \(reason)" : "\(path): \(reason)" }
}
