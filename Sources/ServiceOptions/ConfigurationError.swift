/// Where a value was written.
package enum ConfigurationOrigin: Sendable, Hashable, CustomStringConvertible {
    case file(path: String, line: Int)
    case environment(variable: String)
    case commandLine(argument: String)
    /// Declared in the program, not written by anybody.
    case builtIn

    package var description: String {
        switch self {
        case .file(let path, 0): path
        case .file(let path, let line): "\(path):\(line)"
        case .environment(let variable): "environment \(variable)"
        case .commandLine(let argument): "--set \(argument)"
        case .builtIn: "default"
        }
    }
}

/// One thing that is wrong with the configuration. The process does not start with it.
package struct ConfigurationError: Error, Sendable, Hashable, CustomStringConvertible {
    package var origin: ConfigurationOrigin
    package var group: String?
    package var option: String?
    /// The text as written; nil for secrets and where there is none.
    package var value: String?
    package var reason: String
    /// What would be accepted, where that can be said.
    package var allowed: String?

    package var description: String {
        var text = "\(origin): "
        if let group { text += "[\(group)] " }
        if let option { text += option + (value.map { " = \(Self.shortened($0))" } ?? "") + ": " }
        text += reason
        if let allowed { text += "; allowed: \(allowed)" }
        return text
    }

    private static func shortened(_ value: String) -> String {
        let line = value.replacing("\n", with: "\\n")
        return line.count > 80 ? line.prefix(77) + "…" : line
    }
}

/// Everything that is wrong, so that one start shows all of it.
package struct ConfigurationErrors: Error, Sendable, Hashable, CustomStringConvertible {
    package let errors: [ConfigurationError]

    package init(_ errors: [ConfigurationError]) { self.errors = errors }

    package var description: String { errors.map(\.description).joined(separator: "\n") }
}

/// Something an operator should look at; the process starts all the same.
package struct ConfigurationWarning: Sendable, Hashable, CustomStringConvertible {
    package var origin: ConfigurationOrigin
    package var message: String

    package var description: String { "\(origin): \(message)" }
}
