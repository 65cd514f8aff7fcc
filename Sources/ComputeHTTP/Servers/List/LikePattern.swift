/// The regular expressions of list filters as LIKE patterns (escaped with a backslash).
///
/// The reference hands filters to the database as regular expressions, in that database's dialect. Here a filter is
/// text to be found anywhere, with the parts of expressions that clients use: `^` at the beginning and `$` at the end
/// tie it there, `.` is any character, `.*` any text, and a backslash takes the next character as it is. All other
/// characters mean themselves.
enum LikePattern {
    /// - Parameter dotIsAny: false takes dots as they are, as in addresses.
    static func matching(_ expression: String, dotIsAny: Bool = true) -> String {
        var rest = Array(expression.unicodeScalars)[...]
        var pattern = ""
        if rest.first == "^" { rest = rest.dropFirst() } else { pattern = "%" }
        let endsHere = rest.last == "$" && rest.dropLast().last != "\\"
        if endsHere { rest = rest.dropLast() }
        while let scalar = rest.popFirst() {
            switch scalar {
            case "\\" where !rest.isEmpty: append(rest.removeFirst(), to: &pattern)
            case "." where dotIsAny || rest.first == "*":
                if rest.first == "*" {
                    rest = rest.dropFirst()
                    pattern += "%"
                } else {
                    pattern += "_"
                }
            default: append(scalar, to: &pattern)
            }
        }
        return endsHere ? pattern : pattern + "%"
    }

    private static func append(_ scalar: Unicode.Scalar, to pattern: inout String) {
        if scalar == "%" || scalar == "_" || scalar == "\\" { pattern += "\\" }
        pattern.unicodeScalars.append(scalar)
    }
}
