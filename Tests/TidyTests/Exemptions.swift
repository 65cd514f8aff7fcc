/// Where a rule does not hold, and why. The only place for exceptions; a line without use fails the tests.
enum Exemptions {
    struct Line {
        /// A path, or a folder ending in `/`.
        let path: String
        let rule: Rule
        let reason: String

        func covers(_ file: String) -> Bool { path.hasSuffix("/") ? file.hasPrefix(path) : file == path }
    }
    enum Rule: String {
        case longFile = "a file of more than 500 lines"
        case print = "print"
        case fatalError = "fatalError"
        case date = "Date()"
        case uuid = "UUID()"
        case forced = "a forced unwrap"
        case detached = "Task.detached"
        case sql = "SQL"
        case dlopen = "dlopen"
        case microversion = "a microversion"
        case mark = "a mark for later"
        case longLine = "a line of more than 120 columns"
    }

    static let all: [Line] = [
        Line(path: "Sources/kilonovad/", rule: .print, reason: "commands write their answers to standard output"),
        Line(
            path: "Sources/Identity/Tokens/CachingTokenValidator.swift", rule: .detached,
            reason: "one check serves several requests: none may cancel it or lend it its task-local values"),
        Line(
            path: "Sources/Messaging/", rule: .detached,
            reason: "a message's work belongs to its receiver: the sender's task must not cancel it"),
        Line(
            path: "Sources/InstanceMetadata/EC2Tree.swift", rule: .mark,
            reason: "the word is the value that Nova gives to ami-manifest-path"),
    ]

    static func holds(_ rule: Rule, for path: String) -> Bool {
        all.contains { $0.rule == rule && $0.covers(path) }
    }
}
