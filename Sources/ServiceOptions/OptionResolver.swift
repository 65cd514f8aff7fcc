/// Finds the value of a declared option: the highest place that names it, under its name or a deprecated one,
/// with `$name`, `${name}` and `$group.name` replaced by the values of other options.
struct OptionResolver: Sendable {
    let source: ConfigurationSource
    /// What `$name` may refer to.
    let schemas: [GroupSchema]

    /// The value, or nil when nobody wrote one and there is no default.
    func datum(for option: DeclaredOption, in group: String) throws(ConfigurationError) -> OptionDatum? {
        guard let (entries, _) = written(option, in: group) else {
            guard let text = option.defaultText else { return nil }
            return try parse([ConfigurationSource.Entry(value: text, origin: .builtIn)], option, group)
        }
        return try parse(entries, option, group)
    }

    /// The entries that decide, and the deprecated name under which they were written, if any.
    func written(
        _ option: DeclaredOption, in group: String
    ) -> (entries: [ConfigurationSource.Entry], deprecatedName: String?)? {
        let entries = source.entries(group, option.name)
        if !entries.isEmpty { return (entries, nil) }
        for name in option.deprecatedNames {
            let (oldGroup, oldName) = Self.split(name, group)
            let entries = source.entries(oldGroup, oldName)
            if !entries.isEmpty { return (entries, "[\(oldGroup)] \(oldName)") }
        }
        return nil
    }

    /// `name` in this group, or `group.name`.
    static func split(_ name: String, _ group: String) -> (group: String, name: String) {
        let parts = name.split(separator: ".", maxSplits: 1)
        return parts.count == 2
            ? (ConfigurationSource.normalized(group: String(parts[0])), String(parts[1])) : (group, name)
    }

    private func parse(
        _ entries: [ConfigurationSource.Entry], _ option: DeclaredOption, _ group: String
    ) throws(ConfigurationError) -> OptionDatum? {
        guard let last = entries.last else { return nil }
        var texts: [String] = []
        for entry in option.type.isRepeatable ? entries : [last] {
            do {
                texts.append(try substituted(entry.value, group, [group + "." + option.name]))
            } catch {
                throw refusal(error, entry, option, group, allowed: nil)
            }
        }
        if option.type.isRepeatable { return .list(texts.filter { !$0.isEmpty }) }
        if option.isOptional, texts[0].isEmpty { return nil }
        do {
            return try option.type.parse(texts[0])
        } catch {
            throw refusal(error, last, option, group, allowed: option.type.allowed)
        }
    }

    private func refusal(
        _ refusal: OptionRefusal, _ entry: ConfigurationSource.Entry, _ option: DeclaredOption, _ group: String,
        allowed: String?
    ) -> ConfigurationError {
        ConfigurationError(
            origin: entry.origin, group: group, option: option.name, value: option.isSecret ? nil : entry.value,
            reason: refusal.reason, allowed: allowed)
    }

    /// The text with references replaced. `$$` and `\$` stand for a dollar sign.
    private func substituted(_ text: String, _ group: String, _ path: [String]) throws(OptionRefusal) -> String {
        guard text.utf8.contains(UInt8(ascii: "$")) else { return text }
        var result = ""
        var rest = text[...]
        while let character = rest.popFirst() {
            if character == "\\", rest.first == "$" {
                result.append(rest.removeFirst())
            } else if character != "$" {
                result.append(character)
            } else if rest.first == "$" {
                result.append(rest.removeFirst())
            } else if let name = Self.takeName(&rest) {
                result += try referenced(name, group, path)
            } else {
                result.append(character)
            }
        }
        return result
    }

    /// Takes `name`, `group.name` or either in braces from the front; nil, taking nothing, if there is no name.
    private static func takeName(_ rest: inout Substring) -> String? {
        let isBraced = rest.first == "{"
        let body = isBraced ? rest.dropFirst() : rest
        func isStart(_ character: Character) -> Bool { character.isASCII && (character.isLetter || character == "_") }
        func isInner(_ character: Character) -> Bool { isStart(character) || (character.isASCII && character.isNumber) }
        guard let first = body.first, isStart(first) else { return nil }
        var name = body.prefix(while: isInner)
        var after = body[name.endIndex...]
        if after.first == ".", let second = after.dropFirst().first, isStart(second) {
            let tail = after.dropFirst().prefix(while: isInner)
            name = body[name.startIndex..<tail.endIndex]
            after = body[tail.endIndex...]
        }
        if isBraced {
            guard after.first == "}" else { return nil }
            after = after.dropFirst()
        }
        rest = after
        return String(name)
    }

    /// The text of another option, found as `group.name`, else in this group, else in [DEFAULT].
    private func referenced(_ name: String, _ group: String, _ path: [String]) throws(OptionRefusal) -> String {
        let parts = name.split(separator: ".", maxSplits: 1).map(String.init)
        if parts.count == 2, let option = declared(parts[0], parts[1]) {
            return try text(of: option, in: ConfigurationSource.normalized(group: parts[0]), path)
        }
        // "$state_path.d": the name ends before the dot when there is no such group.
        let suffix = parts.count == 2 ? "." + parts[1] : ""
        for candidate in [group, "DEFAULT"] {
            guard let option = declared(candidate, parts[0]) else { continue }
            return try text(of: option, in: candidate, path) + suffix
        }
        throw OptionRefusal("$\(name) names no option; write $$ for a dollar sign")
    }

    private func declared(_ group: String, _ name: String) -> DeclaredOption? {
        let group = ConfigurationSource.normalized(group: group)
        for schema in schemas where schema.name == group {
            if let option = schema.options.first(where: { $0.name == name }) { return option }
        }
        return nil
    }

    private func text(of option: DeclaredOption, in group: String, _ path: [String]) throws(OptionRefusal) -> String {
        let step = group + "." + option.name
        guard !path.contains(step) else {
            throw OptionRefusal("refers to itself: \((path + [step]).joined(separator: " → "))")
        }
        guard let text = written(option, in: group)?.entries.last?.value ?? option.defaultText else {
            throw OptionRefusal("refers to [\(group)] \(option.name), which is not set")
        }
        return try substituted(text, group, path + [step])
    }
}
