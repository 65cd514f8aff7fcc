/// Renders declarations: the sample file and the reference page. Both are generated and checked in.
package enum OptionText {
    /// A configuration file in which every option stands, commented out, with its default.
    package static func sample(_ schemas: [GroupSchema]) -> String {
        var text = """
            # Sample configuration. Generated from the declarations in Sources/ServiceOptions; do not edit.
            # Every line that begins with "#name =" shows a default. The format is that of nova.conf.
            # Environment variables KILONOVA_<GROUP>__<NAME> and --set group.name=value take precedence.

            """
        for schema in GroupSchema.merged(schemas) {
            text += "\n[\(schema.name)]\n"
            text += comment(schema.help)
            for option in schema.options {
                text += "\n" + comment(option.help)
                text += comment("Type: \(option.type.name). Allowed: \(option.type.allowed).")
                if !option.deprecatedNames.isEmpty {
                    text += comment("Older names: \(option.deprecatedNames.joined(separator: ", ")).")
                }
                text += "#\(option.name) = \(sampleDefault(option))".trimmingTrailingSpace + "\n"
            }
        }
        return text
    }

    /// The reference page in Markdown.
    package static func reference(_ schemas: [GroupSchema]) -> String {
        var text = """
            # Options

            For operators: every option that a service reads, generated from the declarations in
            `Sources/ServiceOptions` and from the plugins. The format of the file is that of `nova.conf`; a value in
            the environment (`KILONOVA_<GROUP>__<NAME>`) takes precedence over the file, and `--set group.name=value`
            over both. `$name` and `$group.name` in a value stand for another option's value, `$$` for a dollar sign.

            """
        for schema in GroupSchema.merged(schemas) {
            text += "\n## [\(schema.name)]\n\n"
            if !schema.help.isEmpty { text += wrapped(schema.help, width: 118).joined(separator: "\n") + "\n\n" }
            text += "| option | type | default | meaning |\n|---|---|---|---|\n"
            for option in schema.options {
                var meaning = option.help.replacing("\n", with: " ")
                meaning += " Allowed: \(option.type.allowed)."
                if option.isSecret { meaning += " Never printed." }
                if !option.deprecatedNames.isEmpty {
                    meaning += " Older names: " + option.deprecatedNames.map { "`\($0)`" }.joined(separator: ", ") + "."
                }
                let cells = ["`\(option.name)`", option.type.name, referenceDefault(option), meaning]
                text += "| " + cells.map { $0.replacing("|", with: "\\|") }.joined(separator: " | ") + " |\n"
            }
        }
        return text
    }

    private static func sampleDefault(_ option: DeclaredOption) -> String {
        option.isSecret && option.defaultText?.contains("://") != true
            ? "" : (option.defaultText ?? "").replacing("\n", with: "\n#  ")
    }

    private static func referenceDefault(_ option: DeclaredOption) -> String {
        switch option.defaultText {
        case nil: "unset"
        case "": "empty"
        case let text?: option.isSecret && !text.contains("://") ? "set" : "`\(text)`"
        }
    }

    private static func comment(_ prose: String) -> String {
        wrapped(prose, width: 98).map { "# \($0)\n" }.joined()
    }

    /// The prose broken into lines of at most `width` characters; line ends in it do not count.
    private static func wrapped(_ prose: String, width: Int) -> [String] {
        var lines: [String] = []
        var line = ""
        for word in prose.split(whereSeparator: \.isWhitespace) {
            if !line.isEmpty, line.count + 1 + word.count > width {
                lines.append(line)
                line = ""
            }
            line += (line.isEmpty ? "" : " ") + word
        }
        return line.isEmpty ? lines : lines + [line]
    }
}

extension String {
    fileprivate var trimmingTrailingSpace: String {
        var text = self
        while text.last == " " { text.removeLast() }
        return text
    }
}
