import Synchronization

/// The checked values of a group whose options were declared at run time.
package struct OptionValues: Sendable, Hashable {
    /// Values by name. An option without value and default is absent.
    package let values: [String: OptionDatum]

    package subscript(name: String) -> OptionDatum? { values[name] }
}

extension ConfigurationSource {
    /// Checks a group against options declared as data, as plugins do, and gives their values.
    ///
    /// - Throws: `ConfigurationErrors` with every value that is refused.
    package func values(of schema: GroupSchema) throws(ConfigurationErrors) -> OptionValues {
        let resolver = OptionResolver(source: self, schemas: KilonovaOptions.schemas + [schema])
        var values: [String: OptionDatum] = [:]
        var errors: [ConfigurationError] = []
        for option in schema.options {
            do throws(ConfigurationError) {
                values[option.name] = try resolver.datum(for: option, in: schema.name)
            } catch {
                errors.append(error)
            }
        }
        if !errors.isEmpty { throw ConfigurationErrors(errors) }
        return OptionValues(values: values)
    }

    /// Reads structs of options: `try source.read { APIOptions.read() }`.
    ///
    /// - Throws: `ConfigurationErrors` with every value that is refused.
    package func read<Result>(_ body: () -> Result) throws(ConfigurationErrors) -> Result {
        let schemas = GroupSchema.merged(KilonovaOptions.schemas + OptionReader.describe { _ = body() })
        let resolver = OptionResolver(source: self, schemas: schemas)
        let errors = ErrorList()
        let result = OptionReader.reading(
            { group, option in
                do throws(ConfigurationError) {
                    return try resolver.datum(for: option, in: group)
                } catch {
                    errors.add(error)
                    return nil
                }
            }, body)
        let found = errors.all
        if !found.isEmpty { throw ConfigurationErrors(found) }
        return result
    }

    /// What an operator should look at: options nobody reads, with the nearest known name, and deprecated names.
    ///
    /// - Parameter known: the groups of the services and of the plugins that were loaded.
    package func warnings(known: [GroupSchema]) -> [ConfigurationWarning] {
        let schemas = GroupSchema.merged(known)
        var warnings: [ConfigurationWarning] = []
        var deprecated: Set<Key> = []
        let resolver = OptionResolver(source: self, schemas: schemas)
        for schema in schemas {
            for option in schema.options {
                for name in option.deprecatedNames {
                    let old = OptionResolver.split(name, schema.name)
                    deprecated.insert(Key(group: old.group, name: old.name))
                }
                guard let found = resolver.written(option, in: schema.name), let oldName = found.deprecatedName,
                    let entry = found.entries.last
                else { continue }
                warnings.append(
                    ConfigurationWarning(
                        origin: entry.origin,
                        message: "\(oldName) is deprecated; write [\(schema.name)] \(option.name)"))
            }
        }
        return warnings + unknown(schemas, deprecated)
    }

    private func unknown(_ schemas: [GroupSchema], _ deprecated: Set<Key>) -> [ConfigurationWarning] {
        var warnings: [ConfigurationWarning] = []
        var strangeGroups: Set<String> = []
        for key in keys where !deprecated.contains(key) {
            guard let origin = entries(key.group, key.name).last?.origin else { continue }
            let group = Self.general(group: key.group)
            guard let schema = schemas.first(where: { $0.name == group }) else {
                if strangeGroups.insert(key.group).inserted {
                    let hint = nearest(key.group, schemas.map(\.name)).map { "; did you mean [\($0)]?" } ?? ""
                    warnings.append(
                        ConfigurationWarning(
                            origin: origin, message: "[\(key.group)] is ignored: nothing here reads this group\(hint)"))
                }
                continue
            }
            guard !schema.options.contains(where: { $0.name == key.name }) else { continue }
            let hint = nearest(key.name, schema.options.map(\.name)).map { "; did you mean \($0)?" } ?? ""
            warnings.append(
                ConfigurationWarning(
                    origin: origin, message: "[\(key.group)] \(key.name) is ignored: nothing here reads it\(hint)"))
        }
        return warnings
    }
}

/// Collects what the reader refuses while a struct is being made.
private final class ErrorList: Sendable {
    private let errors = Mutex<[ConfigurationError]>([])
    func add(_ error: ConfigurationError) { errors.withLock { $0.append(error) } }
    var all: [ConfigurationError] { errors.withLock(\.self) }
}

/// The candidate within two edits of the name, if there is one.
func nearest(_ name: String, _ candidates: [String]) -> String? {
    candidates.map { ($0, editDistance(name, $0)) }.filter { $0.1 <= 2 }.min { $0.1 < $1.1 }?.0
}

private func editDistance(_ left: String, _ right: String) -> Int {
    let (left, right) = (Array(left.utf8), Array(right.utf8))
    // Names that differ in length by more cannot be within two edits; and options are short.
    guard abs(left.count - right.count) <= 2, left.count <= 100 else { return 3 }
    var row = Array(0...right.count)
    for (i, a) in left.enumerated() {
        var diagonal = row[0]
        row[0] = i + 1
        for (j, b) in right.enumerated() {
            (diagonal, row[j + 1]) = (row[j + 1], min(diagonal + (a == b ? 0 : 1), row[j] + 1, row[j + 1] + 1))
        }
    }
    return row[right.count]
}
