import ComputeModel
import FoundationEssentials

/// How a machine shows that it is a guest of ours: lines in its notes, which people see and listings carry cheaply.
///
/// A machine whose notes lose the mark is foreign from then on.
enum GuestMark {
    private static let key = "kilonova:guest="

    static func isThere(in notes: String, for guest: GuestID) -> Bool {
        notes.split(whereSeparator: \.isNewline).contains { $0 == key + guest.description }
    }

    /// Notes of a guest: what Nova writes there, and the mark.
    static func notes(of spec: GuestSpec, node: String) -> String {
        let lines = [
            "name:\(spec.name)", "userid:\(spec.userID)", "projectid:\(spec.projectID)",
            "imageid:\(spec.image?.id.description ?? "None")", "flavor:name:\(spec.flavor.name)",
            "flavor:memory_mb:\(spec.flavor.memoryMiB)", "flavor:vcpus:\(spec.flavor.vcpus)",
            "flavor:ephemeral_gb:\(spec.flavor.ephemeralGiB)", "flavor:root_gb:\(spec.flavor.rootGiB)",
            "flavor:flavorid:\(spec.flavor.flavorID)", "flavor:swap:\(spec.flavor.swapMiB)", "node:\(node)",
        ]
        // A name with line breaks must not be able to write a mark.
        let safe = lines.map { line in String(line.map { $0.isNewline ? " " : $0 }) }
        return (safe + [key + spec.id.description]).joined(separator: "\n")
    }
}

/// What the driver keeps with a guest, in the machine's own configuration (`extraConfig`), so that it is there for
/// whichever process comes next.
struct GuestRecord: Hashable, Sendable {
    /// The last operation that was admitted.
    var operation: Int64
    /// The operation that made the guest.
    var spawnedBy: Int64
    /// Whether the guest was made to its end.
    var isComplete: Bool
    /// Further entries by key, without the prefix.
    var entries: [String: String] = [:]

    private static let prefix = "kilonova."

    /// Reads `config.extraConfig`; a key that stands there twice counts as it stands last.
    init(_ extraConfig: XMLElement?) {
        var found: [String: String] = [:]
        for option in extraConfig?.children ?? [] {
            guard let key = option.string("key"), key.hasPrefix(Self.prefix) else { continue }
            found[String(key.dropFirst(Self.prefix.count))] = option.string("value") ?? ""
        }
        operation = found.removeValue(forKey: "operation").flatMap { Int64($0) } ?? 0
        spawnedBy = found.removeValue(forKey: "spawned_by").flatMap { Int64($0) } ?? 0
        isComplete = found.removeValue(forKey: "complete") == "yes"
        entries = found.filter { !$0.value.isEmpty }
    }

    init(operation: Int64, spawnedBy: Int64, isComplete: Bool) {
        (self.operation, self.spawnedBy, self.isComplete) = (operation, spawnedBy, isComplete)
    }

    /// The options that write it. An entry that shall vanish is given as "", which vSphere takes as removal.
    func options(removing removed: [String] = []) -> [XMLElement] {
        var values = entries
        values["operation"] = String(operation)
        values["spawned_by"] = String(spawnedBy)
        values["complete"] = isComplete ? "yes" : "no"
        for key in removed { values[key] = "" }
        return values.sorted { $0.key < $1.key }.map { Self.option(Self.prefix + $0.key, $0.value) }
    }

    /// One entry of `extraConfig`.
    static func option(_ key: String, _ value: String) -> XMLElement {
        XMLElement(
            "extraConfig", type: "OptionValue", [XMLElement("key", key), XMLElement.anyString("value", value)])
    }
}

/// What the record keeps of a volume that the guest holds.
struct HeldVolume: Hashable, Codable, Sendable {
    /// The disk's file when it was attached.
    var file: String
    /// The disk's identity, which survives other names of its file; `nil` where the server gives none.
    var diskUUID: String?
    /// The machine that keeps the disk for the volume service.
    var shadow: String
}

extension GuestRecord {
    private static let volumePrefix = "volume."

    /// The volumes that the guest holds.
    var volumes: [VolumeID: HeldVolume] {
        var found: [VolumeID: HeldVolume] = [:]
        for (key, value) in entries where key.hasPrefix(Self.volumePrefix) {
            guard let id = VolumeID(key.dropFirst(Self.volumePrefix.count)),
                let held = try? JSONDecoder().decode(HeldVolume.self, from: Data(value.utf8))
            else { continue }
            found[id] = held
        }
        return found
    }

    static func volumeKey(_ volume: VolumeID) -> String { volumePrefix + volume.description }

    mutating func hold(_ volume: VolumeID, _ held: HeldVolume) {
        set(Self.volumeKey(volume), held)
    }
}

extension GuestRecord {
    /// Under this key stands the hardware address of a port's card.
    static func portKey(_ port: PortID) -> String { "port.\(port)" }

    /// Reads an entry that holds a value as JSON.
    func value<Value: Decodable>(_ key: String, as type: Value.Type) -> Value? {
        entries[key].flatMap { try? JSONDecoder().decode(type, from: Data($0.utf8)) }
    }

    mutating func set(_ key: String, _ value: some Encodable) {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        if let data = try? encoder.encode(value) { entries[key] = String(decoding: data, as: UTF8.self) }
    }
}
