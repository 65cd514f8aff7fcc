import FoundationEssentials
import Glibc

/// What operators wrote: files, then the environment over them, then the command line over both. Text only;
/// `KilonovaOptions(source)` and `values(of:)` give it meaning.
package struct ConfigurationSource: Sendable {
    /// One written value.
    struct Entry: Sendable, Hashable {
        var value: String
        var origin: ConfigurationOrigin
    }

    /// A place that outranks those before it.
    enum Layer: Int, CaseIterable, Sendable { case files, environment, commandLine }

    struct Key: Hashable, Sendable {
        var group: String
        var name: String
    }

    /// Per layer, the values of a key in the order in which they were written.
    private var layers: [[Key: [Entry]]] = Layer.allCases.map { _ in [:] }
    /// Keys in the order in which they were first written, for warnings in a stable order.
    private(set) var keys: [Key] = []

    /// The node whose own groups take precedence; see ``narrowed(toNode:)``.
    private(set) var node: String?

    /// Nothing written: every option has its default.
    package init() {}

    /// - Parameters:
    ///   - files: paths, read in order; a later file outranks an earlier one.
    ///   - environment: variables `KILONOVA_<GROUP>__<NAME>` are taken, others ignored.
    ///   - settings: `group.name=value`, in order, from `--set`.
    /// - Throws: `ConfigurationErrors` naming each unreadable file, line and setting.
    package init(files: [String], environment: [String: String] = [:], settings: [String] = [])
        throws(ConfigurationErrors)
    {
        var errors: [ConfigurationError] = []
        for path in files {
            do throws(FileProblem) {
                errors += add(text: try Self.text(of: path), path: path)
            } catch {
                let reason = "the configuration file cannot be read: \(error.reason)"
                errors.append(ConfigurationError(origin: .file(path: path, line: 0), reason: reason))
            }
        }
        add(environment: environment)
        errors += add(settings: settings)
        if !errors.isEmpty { throw ConfigurationErrors(errors) }
    }

    private struct FileProblem: Error {
        let reason: String
    }

    private static func text(of path: String) throws(FileProblem) -> String {
        let file = open(path, O_RDONLY | O_CLOEXEC)
        guard file >= 0 else { throw FileProblem(reason: String(cString: strerror(errno))) }
        defer { close(file) }
        var bytes: [UInt8] = []
        while true {
            let piece = [UInt8](unsafeUninitializedCapacity: 65536) { buffer, count in
                count = max(0, Glibc.read(file, buffer.baseAddress, buffer.count))
            }
            guard !piece.isEmpty else { break }
            bytes += piece
        }
        // A directory opens, and reads as nothing.
        var information = stat()
        guard fstat(file, &information) == 0, information.st_mode & S_IFMT != S_IFDIR else {
            throw FileProblem(reason: "it is a directory")
        }
        guard let text = String(validating: bytes, as: UTF8.self) else { throw FileProblem(reason: "it is not UTF-8") }
        return text
    }

    /// As `init(files:…)`, from the text of one file; `path` is what messages call it.
    package init(
        text: String, path: String = "nova.conf", environment: [String: String] = [:], settings: [String] = []
    ) throws(ConfigurationErrors) {
        var errors = add(text: text, path: path)
        add(environment: environment)
        errors += add(settings: settings)
        if !errors.isEmpty { throw ConfigurationErrors(errors) }
    }

    /// The same, as one node of the process sees it: what `[node:NAME]` says takes precedence over `[DEFAULT]`, and
    /// `[node:NAME.GROUP]` over `[GROUP]`, whatever the places in which they were written.
    package func narrowed(toNode name: String) -> ConfigurationSource {
        var copy = self
        copy.node = name
        return copy
    }

    /// Whether the node's own group says something of an option.
    package func nodeSays(_ group: String, _ name: String) -> Bool {
        node.map { !entries(in: Self.nodeGroup($0, group), name).isEmpty } ?? false
    }

    /// The nodes that have groups of their own, in the order in which these were written.
    package var nodesWithGroups: [String] {
        var names: [String] = []
        for key in keys where key.group.hasPrefix(Self.nodePrefix) {
            let name = String(key.group.dropFirst(Self.nodePrefix.count).prefix { $0 != "." })
            if !names.contains(name) { names.append(name) }
        }
        return names
    }

    private static let nodePrefix = "node:"

    private static func nodeGroup(_ node: String, _ group: String) -> String {
        nodePrefix + node + (group == "DEFAULT" ? "" : "." + group)
    }

    /// The group that a node's own one stands before: `DEFAULT` for `node:a`, `vmware` for `node:a.vmware`.
    static func general(group: String) -> String {
        guard group.hasPrefix(nodePrefix) else { return group }
        return group.firstIndex(of: ".").map { String(group[group.index(after: $0)...]) } ?? "DEFAULT"
    }

    /// All values of the highest place that names the key, in order; empty when nobody wrote it.
    func entries(_ group: String, _ name: String) -> [Entry] {
        if let node {
            let own = entries(in: Self.nodeGroup(node, group), name)
            if !own.isEmpty { return own }
        }
        return entries(in: group, name)
    }

    private func entries(in group: String, _ name: String) -> [Entry] {
        let key = Key(group: group, name: name)
        for layer in layers.reversed() {
            if let entries = layer[key] { return entries }
        }
        return []
    }

    /// `DEFAULT` in that spelling, every other group in lower case.
    static func normalized(group: String) -> String {
        let lowered = group.lowercased()
        return lowered == "default" ? "DEFAULT" : lowered
    }

    private mutating func add(text: String, path: String) -> [ConfigurationError] {
        let file = ConfigurationFile(path: path, text: text)
        for item in file.assignments {
            add(.files, item.group, item.name, item.value, .file(path: path, line: item.line))
        }
        return file.errors
    }

    private mutating func add(environment: [String: String]) {
        let prefix = "KILONOVA_"
        for (variable, value) in environment.sorted(by: { $0.key < $1.key }) where variable.hasPrefix(prefix) {
            let rest = variable.dropFirst(prefix.count)
            guard let range = rest.firstRange(of: "__") else { continue }
            let name = rest[range.upperBound...].lowercased()
            guard !rest[..<range.lowerBound].isEmpty, !name.isEmpty else { continue }
            add(
                .environment, Self.normalized(group: String(rest[..<range.lowerBound])), name, value,
                .environment(variable: variable))
        }
    }

    private mutating func add(settings: [String]) -> [ConfigurationError] {
        var errors: [ConfigurationError] = []
        for setting in settings {
            let halves = setting.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            // The last dot, because a node's group has one too: node:a.vmware.cluster_name.
            let dot = halves[0].lastIndex(of: ".") ?? halves[0].startIndex
            let group = trimmed(halves[0][..<dot])
            let name = trimmed(halves[0][dot...].dropFirst())
            guard halves.count == 2, !group.isEmpty, !name.isEmpty else {
                // Without "=" the text may hold anything; it is an argument, so it was visible already.
                errors.append(
                    ConfigurationError(
                        origin: .commandLine(argument: String(halves[0])), reason: "not of the form group.name=value"))
                continue
            }
            add(
                .commandLine, Self.normalized(group: group), name, trimmed(halves[1]),
                .commandLine(argument: "\(group).\(name)"))
        }
        return errors
    }

    private mutating func add(
        _ layer: Layer, _ group: String, _ name: String, _ value: String, _ origin: ConfigurationOrigin
    ) {
        let key = Key(group: group, name: name)
        if layers.allSatisfy({ $0[key] == nil }) { keys.append(key) }
        layers[layer.rawValue][key, default: []].append(Entry(value: value, origin: origin))
    }
}
