import Synchronization

/// Declares one option where its value is stored:
///
///     @Option("max_limit", .integer(1...), help: "The most items in one page of a list.")
///     package var maxLimit = 1000
///
/// The stored value is the default, unless the struct is made by a reader (`KilonovaOptions(source)`), which
/// hands each declaration to the configuration and stores what it says. The same declarations, collected by
/// another reader, give the sample file and the reference. So a struct made by its plain initializer has the
/// defaults, and tests set what they need.
@propertyWrapper
package struct Option<Value: OptionValue>: Sendable {
    package var wrappedValue: Value

    /// - Parameters:
    ///   - wrappedValue: the default.
    ///   - name: the key in the file.
    ///   - type: what is allowed; by default what the Swift type says.
    ///   - help: prose for operators.
    ///   - deprecated: older names, `name` or `group.name`, newest first.
    package init(
        wrappedValue: Value, _ name: String, _ type: OptionType = Value.optionType, help: String,
        deprecated: [String] = []
    ) {
        guard let reader = OptionReader.current else {
            self.wrappedValue = wrappedValue
            return
        }
        let declaration = DeclaredOption(
            name: name, type: type, defaultText: wrappedValue.optionText, help: help, isSecret: Value.isSecret,
            isOptional: Value.isOptional, deprecatedNames: deprecated)
        self.wrappedValue = reader.read(declaration).flatMap { Value($0) } ?? wrappedValue
    }
}

extension Option where Value: ExpressibleByNilLiteral {
    /// An option that is unset by default: `@Option("log_file", help: "…") package var logFile: String?`.
    package init(_ name: String, _ type: OptionType = Value.optionType, help: String, deprecated: [String] = []) {
        self.init(wrappedValue: nil, name, type, help: help, deprecated: deprecated)
    }
}

/// The options of one group as a struct whose properties are `@Option`s.
/// Properties may also be structs of `@Option`s without a group of their own, shared between groups.
package protocol OptionGroup: Sendable {
    /// The name between the brackets.
    static var group: String { get }
    /// Prose for operators.
    static var help: String { get }
    /// The defaults; or, under a reader, what the configuration says.
    init()
}

extension OptionGroup {
    /// The group as the reader in force gives it. Used where groups are gathered (`KilonovaOptions`).
    package static func read() -> Self {
        OptionReader.current?.enter(group, help)
        return Self()
    }

    /// The group's declarations.
    package static var schema: GroupSchema {
        GroupSchema.merged(OptionReader.describe { _ = Self.read() }).first
            ?? GroupSchema(name: group, help: help, options: [])
    }
}

/// Collects the declarations made while option structs are initialized, and gives values to them.
final class OptionReader: Sendable {
    @TaskLocal static var current: OptionReader?

    private struct State {
        var schemas: [GroupSchema] = []
    }
    private let state = Mutex(State())
    private let value: @Sendable (_ group: String, DeclaredOption) -> OptionDatum?

    private init(value: @escaping @Sendable (_ group: String, DeclaredOption) -> OptionDatum?) {
        self.value = value
    }

    /// The declarations of all groups that `body` reads.
    static func describe(_ body: () -> Void) -> [GroupSchema] {
        let reader = OptionReader { _, _ in nil }
        $current.withValue(reader, operation: body)
        return reader.state.withLock(\.schemas)
    }

    /// Runs `body` while every option that it declares takes its value from `value`.
    static func reading<Result>(
        _ value: @escaping @Sendable (_ group: String, DeclaredOption) -> OptionDatum?, _ body: () -> Result
    ) -> Result {
        $current.withValue(OptionReader(value: value), operation: body)
    }

    func enter(_ group: String, _ help: String) {
        state.withLock { $0.schemas.append(GroupSchema(name: group, help: help, options: [])) }
    }

    func read(_ option: DeclaredOption) -> OptionDatum? {
        let group = state.withLock { state -> String? in
            guard !state.schemas.isEmpty else { return nil }
            state.schemas[state.schemas.count - 1].options.append(option)
            return state.schemas[state.schemas.count - 1].name
        }
        return group.flatMap { value($0, option) }
    }
}
