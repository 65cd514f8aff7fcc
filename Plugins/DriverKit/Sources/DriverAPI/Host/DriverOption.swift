/// An option that a driver reads from its own group of the configuration. Declared as data, so that the host can
/// validate the file, print the sample and the reference before any driver runs.
public struct DriverOption: Hashable, Codable, Sendable {
    /// The kinds of value.
    public enum Kind: Hashable, Codable, Sendable {
        case string
        case integer(min: Int?, max: Int?)
        case number(min: Double?, max: Double?)
        case boolean
        /// Comma-separated.
        case list
        /// Seconds, whole or fractional.
        case seconds
        /// One of the given words.
        case choice([String])
        /// Never shown in logs or answers.
        case secret
    }

    /// Name within the driver's group.
    public let name: String
    /// What values it takes.
    public let kind: Kind
    /// The value in the file's own syntax when the option is absent; `nil` for none.
    public let defaultValue: String?
    /// What it does, for operators.
    public let help: String

    /// An option.
    public init(_ name: String, _ kind: Kind, default defaultValue: String?, help: String) {
        self.name = name
        self.kind = kind
        self.defaultValue = defaultValue
        self.help = help
    }
}

/// The validated values of a driver's options.
public struct DriverConfiguration: Hashable, Codable, Sendable {
    private let values: [String: String]

    /// Values by option name, in the file's syntax, defaults filled in and checked by the host.
    public init(_ values: [String: String]) { self.values = values }

    /// The text of an option; `nil` when it is neither set nor has a default.
    public func string(_ name: String) -> String? { values[name] }

    /// A whole number.
    public func integer(_ name: String) -> Int? { values[name].flatMap { Int($0) } }

    /// A number; also seconds.
    public func number(_ name: String) -> Double? { values[name].flatMap { Double($0) } }

    /// A truth value: 1, true, yes and on are true.
    public func boolean(_ name: String) -> Bool {
        guard let text = values[name]?.lowercased() else { return false }
        return ["1", "true", "yes", "on"].contains(text)
    }

    /// A list; empty when not set.
    public func list(_ name: String) -> [String] {
        (values[name] ?? "").split(separator: ",").map { part in
            var text = part
            while text.first == " " { text.removeFirst() }
            while text.last == " " { text.removeLast() }
            return String(text)
        }.filter { !$0.isEmpty }
    }
}
