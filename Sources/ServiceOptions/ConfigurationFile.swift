/// One assignment in a configuration file.
struct FileAssignment: Sendable, Hashable {
    var group: String
    var name: String
    var value: String
    var line: Int
}

/// Reads nova.conf's format the way oslo.config does: `[group]`, `key = value` or `key: value`, `#` and `;`
/// comments on lines of their own, continuation by indentation, one pair of quotes around a value.
/// Group names do not depend on case, keys do. Assignments before the first group belong to none and are refused.
struct ConfigurationFile {
    let path: String
    private(set) var assignments: [FileAssignment] = []
    private(set) var errors: [ConfigurationError] = []

    private var group: String?
    /// The assignment being read, with its lines so far.
    private var open: (name: String, lines: [String], line: Int)?

    init(path: String, text: String) {
        self.path = path
        var number = 0
        // "\r\n" is one Character, so that both line ends split here.
        for line in text.split(omittingEmptySubsequences: false, whereSeparator: \.isNewline) {
            number += 1
            read(line: line, number: number)
        }
        close()
    }

    private mutating func read(line: Substring, number: Int) {
        var line = line
        while line.last?.isWhitespace == true { line = line.dropLast() }
        guard let first = line.first else { return close() }
        if first == " " || first == "\t" {
            if open == nil {
                refuse(number, "an indented line continues nothing")
            } else {
                open?.lines.append(trimmed(line))
            }
            return
        }
        close()
        switch first {
        case "[": readGroup(line, number)
        case "#", ";": break
        default: readAssignment(line, number)
        }
    }

    private mutating func readGroup(_ line: Substring, _ number: Int) {
        guard line.last == "]" else { return refuse(number, "a group must end with ]") }
        let name = String(line.dropFirst().dropLast())
        guard !name.isEmpty else { return refuse(number, "the group has no name") }
        group = ConfigurationSource.normalized(group: name)
    }

    private mutating func readAssignment(_ line: Substring, _ number: Int) {
        guard let separator = line.firstIndex(where: { $0 == "=" || $0 == ":" }) else {
            return refuse(number, "neither a group, a comment nor an assignment: no = found")
        }
        let name = trimmed(line[..<separator])
        guard !name.isEmpty else { return refuse(number, "the assignment has no name") }
        var value = trimmed(line[line.index(after: separator)...])
        if value.count >= 2, let quote = value.first, quote == "\"" || quote == "'", value.last == quote {
            value = String(value.dropFirst().dropLast())
        }
        open = (name, [value], number)
    }

    private mutating func close() {
        guard let (name, lines, line) = open else { return }
        open = nil
        guard let group else { return refuse(line, "\(name) stands before the first [group]") }
        assignments.append(
            FileAssignment(group: group, name: name, value: lines.joined(separator: "\n"), line: line))
    }

    private mutating func refuse(_ line: Int, _ reason: String) {
        errors.append(ConfigurationError(origin: .file(path: path, line: line), reason: reason))
    }
}
