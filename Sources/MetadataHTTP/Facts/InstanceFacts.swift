package import ComputeModel
package import ComputeStore
package import InstanceMetadata
import WireJSON

extension InstanceMetadataFacts {
    /// What the documents show of a server's row.
    ///
    /// - Parameters:
    ///   - interfaces: as they are being wired; those of the row when nil.
    ///   - adminPassword: for configuration drives.
    package init(
        _ work: InstanceWorkRecord, interfaces: [NetworkInterfaceSpec]? = nil, adminPassword: String? = nil,
        _ options: MetadataDocumentOptions
    ) {
        let instance = work.instance
        self.init(
            id: instance.id, name: instance.name, hostname: instance.hostname, projectID: instance.projectID,
            reservationID: instance.reservationID, flavorName: instance.flavorName)
        launchIndex = instance.launchIndex
        availabilityZone = instance.availabilityZone
        imageID = instance.imageID
        for (name, value) in Self.parse(instance.metadataJSON)?.object ?? [:] { metadata[name] = value.string }
        if let name = instance.keyName, let data = work.keyData {
            // The row keeps the key's text; only certificates begin so.
            key = Key(name: name, type: data.hasPrefix("-----BEGIN CERTIFICATE") ? "x509" : "ssh", data: data)
        }
        userData = instance.userData.flatMap { Base64.decode($0) }
        self.interfaces = interfaces ?? work.interfaces
        securityGroups = Self.parse(instance.securityGroupsJSON)?.array?.compactMap { $0["name"]?.string } ?? []
        floatingIPv4 = Self.floatingIPv4(instance.addressesJSON)
        devices = self.interfaces.compactMap { interface in
            guard let tag = interface.tag else { return nil }
            return Device(.nic(mac: interface.macAddress, vlan: nil, isTrusted: false), tags: [tag])
        }
        blockDevices = Self.blockDevices(instance)
        self.adminPassword = adminPassword
        vendorData = options.vendorData
        domain = options.domain
    }

    private static func parse(_ text: String) -> JSONValue? { try? JSONParser.parse(Array(text.utf8)) }

    private static func floatingIPv4(_ addressesJSON: String) -> String? {
        for (_, addresses) in parse(addressesJSON)?.object ?? [:] {
            for address in addresses.array ?? [] where address["OS-EXT-IPS:type"]?.string == "floating" {
                if let text = address["addr"]?.string, !text.contains(":") { return text }
            }
        }
        return nil
    }

    /// The local disks, in the order in which drivers attach them: root, ephemeral, swap.
    private static func blockDevices(_ instance: InstanceRecord) -> [String: String] {
        guard let root = instance.rootDevice else {
            return ["ami": "sda1", "ephemeral0": "sda2", "root": "/dev/sda1", "swap": "sda3"]
        }
        let name = root.hasPrefix("/dev/") ? String(root.dropFirst(5)) : root
        var devices = ["ami": name, "root": root]
        let prefix = root.last == "a" ? root.dropLast() : nil
        guard let prefix else { return devices }
        var letters = ["b", "c"][...]
        if instance.ephemeralGiB > 0, let letter = letters.popFirst() { devices["ephemeral0"] = prefix + letter }
        if instance.swapMiB > 0, let letter = letters.popFirst() { devices["swap"] = prefix + letter }
        return devices
    }
}

/// Builds the files of configuration drives from the same documents as the metadata service.
package struct ConfigDriveDocuments: Sendable {
    private let options: MetadataDocumentOptions
    private let now: @Sendable () -> Timestamp

    package init(_ options: MetadataDocumentOptions, now: @escaping @Sendable () -> Timestamp) {
        (self.options, self.now) = (options, now)
    }

    /// The files of a server's drive by their path.
    package func files(
        _ work: InstanceWorkRecord, _ interfaces: [NetworkInterfaceSpec], adminPassword: String?
    ) -> [String: [UInt8]] {
        let facts = InstanceMetadataFacts(work, interfaces: interfaces, adminPassword: adminPassword, options)
        return InstanceDocuments(facts, now: now()).configDriveFiles()
    }
}
