import WireJSON

/// `meta_data.json` in one version.
struct MetaDataDocument {
    let facts: InstanceMetadataFacts
    let version: MetadataVersion
    let seed: @Sendable () -> [UInt8]
    /// Passwords are written on drives only.
    let forDrive: Bool

    var rendered: MetadataDocument {
        var writer = JSONWriter(capacity: 2048)
        var seedRange: Range<Int>?
        writer.object { w in
            w.field("uuid", "\(facts.id)")
            if !facts.metadata.isEmpty {
                w.key("meta")
                w.object { w in
                    for (name, value) in facts.metadata.sorted(by: { $0.key < $1.key }) { w.field(name, value) }
                }
            }
            if forDrive, let password = facts.adminPassword { w.field("admin_pass", password) }
            if let key = facts.key { write(key, &w) }
            w.field("hostname", facts.qualifiedHostname)
            w.field("name", facts.name)
            w.field("launch_index", facts.launchIndex)
            w.field("availability_zone", facts.availabilityZone)
            if version >= .grizzly {
                w.field("random_seed", Base64.encode(seed()))
                // Before the closing quote.
                seedRange = (w.bytes.count - 1 - Self.seedLength)..<(w.bytes.count - 1)
            }
            if version >= .liberty { w.field("project_id", facts.projectID) }
            if version >= .newton { writeDevices(&w) }
            if version >= .victoria {
                w.field("dedicated_cpus", .array(facts.dedicatedCPUs.sorted().map { JSONValue($0) }))
            }
        }
        return MetadataDocument(writer.bytes, .json, seedRange: seedRange)
    }

    /// The length of 512 bytes in Base64.
    private static let seedLength = 684

    private func write(_ key: InstanceMetadataFacts.Key, _ w: inout JSONWriter) {
        w.key("public_keys")
        w.object { w in w.field(key.name, key.data) }
        w.key("keys")
        w.array { w in
            w.object { w in
                w.field("name", key.name)
                w.field("type", key.type)
                w.field("data", key.data)
            }
        }
    }

    private func writeDevices(_ w: inout JSONWriter) {
        w.key("devices")
        w.array { w in
            for device in facts.devices {
                if case .share = device.kind, version < .epoxy { continue }
                // Before trust is shown, an interface without tag and VLAN has nothing to say.
                if case .nic(_, let vlan, _) = device.kind, device.tags.isEmpty, version < .rocky,
                    vlan == nil || version < .ocata
                {
                    continue
                }
                w.object { w in write(device, &w) }
            }
        }
    }

    private func write(_ device: InstanceMetadataFacts.Device, _ w: inout JSONWriter) {
        switch device.kind {
        case .nic(let mac, let vlan, let isTrusted):
            if version >= .ocata, let vlan { w.field("vlan", vlan) }
            if version >= .rocky { w.field("vf_trusted", isTrusted) }
            w.field("type", "nic")
            w.field("mac", mac)
        case .disk(let serial, let path):
            w.field("type", "disk")
            if let serial { w.field("serial", serial) }
            if let path { w.field("path", path) }
        case .share(let id, let tag):
            w.field("type", "share")
            w.field("share_id", id)
            w.field("tag", tag)
        }
        w.field("bus", device.bus ?? "none")
        w.field("address", device.address ?? "none")
        if !device.tags.isEmpty { w.field("tags", device.tags) }
    }
}
