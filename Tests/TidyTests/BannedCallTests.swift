import Testing

/// Calls that have a better way, each with the way.
@Suite struct BannedCallTests {
    struct Ban: Sendable, CustomTestStringConvertible {
        let rule: Exemptions.Rule
        let pattern: String
        /// A text that every line with the call contains; it saves most lines the search.
        let hint: String
        let remedy: String
        var testDescription: String { rule.rawValue }
    }

    static let bans: [Ban] = [
        Ban(rule: .date, pattern: #"\bDate\(\)"#, hint: "Date()",
            remedy: "Date(): pass a clock `@Sendable () -> Timestamp`"),
        Ban(rule: .uuid, pattern: #"\bUUID\(\)"#, hint: "UUID()",
            remedy: "UUID(): use UUIDValue.random() or a typed identifier"),
        Ban(
            rule: .detached, pattern: #"\bTask\.detached\b"#, hint: "detached",
            remedy: "Task.detached: use a task group, or a Task that somebody owns and cancels"),
        Ban(rule: .print, pattern: #"(^|[^\w.])print\("#, hint: "print(",
            remedy: "print in a service: use the Logger that was passed"),
        Ban(
            rule: .fatalError, pattern: #"\bfatalError\("#, hint: "fatalError(",
            remedy: "fatalError takes every guest's service down: throw a typed error"),
        Ban(
            rule: .forced, pattern: #"\btry!|\bas!|[\w\)\]\}>]!(?![=\w])"#, hint: "!",
            remedy: "forced: use guard let, or throw; the program must not die of a wrong guess"),
    ]

    @Test(arguments: bans) func nobodyCalls(_ ban: Ban) throws {
        let pattern = try Regex(ban.pattern)
        var findings: [Finding] = []
        for file in Repository.shipped {
            for (index, line) in file.text.code.enumerated()
            where line.contains(ban.hint) && line.contains(pattern) {
                findings.append(Finding(path: file.path, line: index + 1, remedy: ban.remedy))
            }
        }
        expectNone(findings, of: ban.rule)
    }

    @Test(arguments: ["let a = b!", "f(x)!.y", "a[0]! + 1", "try! f()", "x as! Int", "var a: T!"])
    func aForcedUnwrapIsFound(code: String) throws {
        #expect(code.contains(try Regex(try #require(Self.bans.first { $0.rule == .forced }).pattern)))
    }

    @Test(arguments: ["if !a", "a != b", "f(!x)", "a !== b", "[!a]", "a && !b"])
    func aNegationIsNot(code: String) throws {
        #expect(!code.contains(try Regex(try #require(Self.bans.first { $0.rule == .forced }).pattern)))
    }

    @Test func nothingIsLeftForLater() {
        // Put together here, so that this file does not find itself.
        let marks: Set<String> = ["TO" + "DO", "FIX" + "ME", "XX" + "X"]
        var findings: [Finding] = []
        for file in Repository.sources {
            for (index, line) in file.text.lines.enumerated() where marks.contains(where: { line.contains($0) }) {
                for word in line.split(whereSeparator: { !$0.isLetter }) where marks.contains(String(word)) {
                    let remedy = "\(word): do it, or open an issue and say so"
                    findings.append(Finding(path: file.path, line: index + 1, remedy: remedy))
                }
            }
        }
        expectNone(findings, of: .mark)
    }

    @Test func uncheckedPromisesAreArgued() {
        var findings: [Finding] = []
        for file in Repository.shipped {
            for (index, line) in file.text.code.enumerated()
            where line.contains("@unchecked Sendable") || line.contains("nonisolated(unsafe)") {
                let above = index > 0 ? file.text.lines[index - 1] : ""
                if !above.contains("//"), !file.text.lines[index].contains("//") {
                    findings.append(
                        Finding(
                            path: file.path, line: index + 1,
                            remedy: "an unchecked promise to the compiler: say in a comment above why it holds"))
                }
            }
        }
        expectNone(findings)
    }
}
