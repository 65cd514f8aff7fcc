import WireJSON

/// Truth values as clients have always written them.
enum BooleanText {
    /// The value; nil for a text that is none.
    static func strict(_ text: String) -> Bool? {
        switch text.lowercased().filter({ $0 != " " }) {
        case "1", "t", "true", "on", "y", "yes": true
        case "0", "f", "false", "off", "n", "no": false
        default: nil
        }
    }

    /// What the reference says of a text that is none.
    static func refusal(_ text: String) -> String {
        "Invalid input received: Unrecognized value '\(text)', acceptable values are: "
            + "'0', '1', 'f', 'false', 'n', 'no', 'off', 'on', 't', 'true', 'y', 'yes'"
    }

    /// A member of a body that may be a truth value or its text; absent is false.
    static func value(_ json: JSONValue?) -> Bool {
        json?.bool ?? json?.string.flatMap { strict($0) } ?? false
    }
}
