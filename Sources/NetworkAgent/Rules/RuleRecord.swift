/// Which rules were put where, and what the kernel listed right afterwards. As long as both are the same the rules in
/// force are ours, unchanged; so rules are not replaced without need, also across a restart.
struct RuleRecord: Hashable, Sendable {
    private struct Entry: Hashable, Sendable { var intended, listed: String }
    private var entries: [String: Entry] = [:]

    init() {}

    /// Reads lines of a key, the fingerprint of the intended text and that of the listing.
    init(text: String) {
        for line in text.split(separator: "\n") {
            let parts = line.split(separator: " ").map(String.init)
            if parts.count == 3 { entries[parts[0]] = Entry(intended: parts[1], listed: parts[2]) }
        }
    }

    /// The lines that `init(text:)` reads.
    var text: String {
        entries.sorted { $0.key < $1.key }.map { "\($0.key) \($0.value.intended) \($0.value.listed)\n" }.joined()
    }

    /// What the kernel listed when this very table was put there; `nil` if something else was, or nothing.
    func listed(_ table: NftTable, in namespace: String) -> String? {
        guard let entry = entries[key(table, namespace)], entry.intended == Fingerprint.text(of: table.replacement)
        else {
            return nil
        }
        return entry.listed
    }

    mutating func record(_ table: NftTable, in namespace: String, listed: String) {
        entries[key(table, namespace)] = Entry(intended: Fingerprint.text(of: table.replacement), listed: listed)
    }

    /// Forgets what is in namespaces other than these.
    mutating func keep(namespaces: Set<String>) {
        entries = entries.filter { entry in namespaces.contains(String(entry.key.prefix { $0 != "/" })) }
    }

    private func key(_ table: NftTable, _ namespace: String) -> String { "\(namespace)/\(table.family)" }
}
