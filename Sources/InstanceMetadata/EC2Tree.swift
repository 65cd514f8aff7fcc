import ComputeModel
import WireJSON

/// The EC2 documents in one version.
///
/// Directories are listed with a trailing slash, sorted, without a last line break; a directory with a label is listed
/// by its label, and such are public keys.
struct EC2Tree {
    indirect enum Node {
        case text(String)
        case lines([String])
        case number(Int)
        case bytes([UInt8])
        case directory([String: Node], label: String? = nil)
    }

    let facts: InstanceMetadataFacts
    let version: EC2Version

    /// What is at a path below the version's directory.
    func find(_ path: ArraySlice<String>) -> MetadataFound {
        var root: [String: Node] = ["meta-data": .directory(metaData)]
        if let userData = facts.userData { root["user-data"] = .bytes(userData) }
        var node = Node.directory(root)
        for name in path {
            switch node {
            case .directory(let members, _):
                guard let next = members[name] else { return .notFound }
                node = next
            case .lines(let lines):
                // A name of a list is found in it, and is itself.
                guard lines.contains(name), path.last == name else { return .notFound }
                node = .text(name)
            case .text, .number, .bytes: return .notFound
            }
        }
        return Self.printed(node)
    }

    /// `meta-data.json` of configuration drives.
    var metaDataJSON: [UInt8] { Self.json(.directory(metaData)).serialized() }

    private var metaData: [String: Node] {
        let addresses = facts.interfaces.flatMap(\.addresses)
        var items: [String: Node] = [
            "ami-id": .text(EC2Identifier.of(facts.imageID?.uuid, prefix: "ami")),
            "ami-launch-index": .number(facts.launchIndex),
            // The reference's very word: an image service without manifests has no path to name.
            "ami-manifest-path": .text("FIXME"),
            "instance-id": .text(EC2Identifier.of(facts.id.uuid, prefix: "i")),
            "hostname": .text(facts.qualifiedHostname),
            "local-ipv4": .text(addresses.first { !$0.isV6 }?.address ?? ""),
            "reservation-id": .text(facts.reservationID),
            "security-groups": .lines(facts.securityGroups),
        ]
        if let key = facts.key {
            items["public-keys"] = .directory([
                "0": .directory(["openssh-key": .text(key.data)], label: "0=\(key.name)")
            ])
        }
        if version >= .january2007 {
            items["local-hostname"] = .text(facts.qualifiedHostname)
            items["public-hostname"] = .text(facts.qualifiedHostname)
            items["public-ipv4"] = .text(facts.floatingIPv4 ?? "")
        }
        if version >= .august2007 { items["instance-type"] = .text(facts.flavorName) }
        if version >= .december2007 {
            items["block-device-mapping"] = .directory(facts.blockDevices.mapValues { .text($0) })
        }
        if version >= .february2008 {
            items["placement"] = .directory(["availability-zone": .text(facts.availabilityZone ?? "None")])
        }
        if version >= .september2008 { items["instance-action"] = .text("none") }
        return items
    }

    private static func printed(_ node: Node) -> MetadataFound {
        switch node {
        case .text(let text): return .document(MetadataDocument(text: text))
        case .lines(let lines): return .document(InstanceDocuments.list(lines))
        case .number(let number): return .document(MetadataDocument(text: String(number)))
        case .bytes(let bytes): return .document(MetadataDocument(bytes, .text))
        case .directory(let members, _):
            let names = members.keys.sorted().map { name in
                guard case .directory(_, let label)? = members[name] else { return name }
                return label ?? name + "/"
            }
            return .directory(InstanceDocuments.list(names))
        }
    }

    private static func json(_ node: Node) -> JSONValue {
        switch node {
        case .text(let text): return .string(text)
        case .lines(let lines): return JSONValue(lines)
        case .number(let number): return JSONValue(number)
        case .bytes(let bytes): return .string(String(decoding: bytes, as: UTF8.self))
        case .directory(let members, let label):
            var object: JSONObject = [:]
            if let label { object.set("_name", .string(label)) }
            for name in members.keys.sorted() { object.set(name, members[name].map(json) ?? .null) }
            return .object(object)
        }
    }
}

/// Identifiers in EC2's form. They have no table of their own: they are the first 32 bits of the UUID, which EC2
/// clients only compare.
enum EC2Identifier {
    static func of(_ id: UUIDValue?, prefix: String) -> String {
        guard let id else { return "\(prefix)-00000000" }
        return "\(prefix)-\(id.compact.prefix(8))"
    }
}
