package import ComputeModel
package import WireJSON

/// Everything of a server that its metadata documents show.
package struct InstanceMetadataFacts: Sendable {
    /// A public key of the server.
    package struct Key: Sendable, Hashable {
        package var name: String
        /// `ssh` or `x509`.
        package var type: String
        package var data: String

        package init(name: String, type: String = "ssh", data: String) {
            (self.name, self.type, self.data) = (name, type, data)
        }
    }

    /// A device with the tag that its user gave it.
    package struct Device: Sendable, Hashable {
        package enum Kind: Sendable, Hashable {
            case nic(mac: String, vlan: Int?, isTrusted: Bool)
            case disk(serial: String?, path: String?)
            case share(id: String, tag: String)
        }
        package var kind: Kind
        /// `pci`, `usb`, `scsi`, `ide`, `xen`; nil where it is not known.
        package var bus: String?
        package var address: String?
        package var tags: [String]

        package init(_ kind: Kind, bus: String? = nil, address: String? = nil, tags: [String]) {
            (self.kind, self.bus, self.address, self.tags) = (kind, bus, address, tags)
        }
    }

    package var id: InstanceID
    package var name: String
    /// Without domain.
    package var hostname: String
    package var projectID: String
    package var reservationID: String
    package var launchIndex = 0
    package var availabilityZone: String?
    package var flavorName: String
    package var imageID: ImageID?
    package var metadata: [String: String] = [:]
    package var key: Key?
    /// Decoded; nil where none was given.
    package var userData: [UInt8]?
    package var interfaces: [NetworkInterfaceSpec] = []
    package var floatingIPv4: String?
    package var securityGroups: [String] = []
    package var devices: [Device] = []
    /// CPUs of the host that are the server's alone.
    package var dedicatedCPUs: [Int] = []
    /// Block devices by their EC2 name: `ami`, `root`, `ephemeral0`, `swap`, `ebs0`.
    package var blockDevices: [String: String] = [:]
    /// Shown on configuration drives only.
    package var adminPassword: String?
    /// What the operator gives to every server; an empty object where nothing is configured.
    package var vendorData: JSONObject = [:]
    /// The domain that is appended to host names (`dhcp_domain`); empty for none.
    package var domain = ""

    package init(
        id: InstanceID, name: String, hostname: String, projectID: String, reservationID: String, flavorName: String
    ) {
        (self.id, self.name, self.hostname) = (id, name, hostname)
        (self.projectID, self.reservationID, self.flavorName) = (projectID, reservationID, flavorName)
    }

    var qualifiedHostname: String { domain.isEmpty ? hostname : "\(hostname).\(domain)" }
}
