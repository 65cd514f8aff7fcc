/// One option as plain data. Our own options become this through `@Option`; a plugin hands over a list of these.
package struct DeclaredOption: Sendable, Hashable {
    /// The key in the file: lower case, words joined by underscores.
    package var name: String
    package var type: OptionType
    /// The default as one would write it in a file; nil: unset.
    package var defaultText: String?
    /// Prose for operators: what it is for, what other values do, its unit.
    package var help: String
    /// True: the value is never printed.
    package var isSecret: Bool
    /// True: an empty text means unset.
    package var isOptional: Bool
    /// Older names that are still read, `name` or `group.name`, newest first.
    package var deprecatedNames: [String]

    package init(
        name: String, type: OptionType, defaultText: String?, help: String, isSecret: Bool = false,
        isOptional: Bool? = nil, deprecatedNames: [String] = []
    ) {
        self.name = name
        self.type = type
        self.defaultText = defaultText
        self.help = help
        self.isSecret = isSecret
        self.isOptional = isOptional ?? (defaultText == nil)
        self.deprecatedNames = deprecatedNames
    }
}

/// The options of one group, whoever declared them.
package struct GroupSchema: Sendable, Hashable {
    /// The name between the brackets: `DEFAULT`, `api`.
    package var name: String
    /// Prose for operators.
    package var help: String
    package var options: [DeclaredOption]

    package init(name: String, help: String, options: [DeclaredOption]) {
        (self.name, self.help, self.options) = (name, help, options)
    }

    /// One schema per group name, in order of first appearance; several structs may share a group.
    package static func merged(_ schemas: [GroupSchema]) -> [GroupSchema] {
        var result: [GroupSchema] = []
        for schema in schemas {
            if let index = result.firstIndex(where: { $0.name == schema.name }) {
                result[index].options += schema.options
                if !schema.help.isEmpty, !result[index].help.contains(schema.help) {
                    result[index].help += result[index].help.isEmpty ? schema.help : " " + schema.help
                }
            } else {
                result.append(schema)
            }
        }
        return result
    }
}
