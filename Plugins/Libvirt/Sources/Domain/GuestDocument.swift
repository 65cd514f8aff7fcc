import ComputeModel

/// A definition that exists, kept or live: what is in it and how it is changed.
struct GuestDocument: Sendable {
    var root: XMLElement

    init(_ root: XMLElement) { self.root = root }

    private var devices: [XMLElement] { root.child("devices")?.children ?? [] }

    /// All disks, drives included.
    var disks: [XMLElement] { devices.filter { $0.name == "disk" } }
    /// All interfaces.
    var interfaces: [XMLElement] { devices.filter { $0.name == "interface" } }
    /// Device names in use.
    var deviceNames: Set<String> { Set(disks.compactMap { $0.child("target")?["dev"] }) }
    /// Bus of the first disk that is no drive.
    var diskBus: String {
        disks.first { $0["device"] != "cdrom" && $0["device"] != "floppy" }?.child("target")?["bus"] ?? "virtio"
    }

    /// Whether the guest has a channel for its agent.
    var hasAgentChannel: Bool {
        devices.contains { $0.name == "channel" && $0.child("target")?["name"] == "org.qemu.guest_agent.0" }
    }
    /// Whether there is a SCSI controller.
    var hasSCSIController: Bool { devices.contains { $0.name == "controller" && $0["type"] == "scsi" } }
    /// Whether it has a configuration drive.
    var hasConfigDrive: Bool {
        disks.contains { $0.child("source")?["file"]?.hasSuffix("/disk.config") == true }
    }

    /// The disk with that device name.
    func disk(named name: String) -> XMLElement? { disks.first { $0.child("target")?["dev"] == name } }

    /// The volume that a disk of this document is; `nil` for a local disk.
    static func volume(of disk: XMLElement) -> VolumeID? { disk.child("serial").flatMap { VolumeID($0.text) } }

    /// The volumes of this document.
    var volumes: Set<VolumeID> { Set(disks.compactMap(Self.volume)) }

    /// The disk that a volume is.
    func disk(of volume: VolumeID) -> XMLElement? { disks.first { Self.volume(of: $0) == volume } }

    /// The interface of a port, by libvirt's name for it, else by the name of its tap device.
    func interface(of port: PortID) -> XMLElement? {
        let alias = InterfaceElement.alias(port)
        let tap = "tap" + port.description.prefix(11)
        return interfaces.first { $0.child("alias")?["name"] == alias }
            ?? interfaces.first { $0.child("target")?["dev"] == tap }
    }

    /// The interface with that hardware address.
    func interface(address: String) -> XMLElement? {
        interfaces.first { $0.child("mac")?["address"]?.lowercased() == address.lowercased() }
    }

    /// Hardware addresses, lower case.
    var macAddresses: Set<String> { Set(interfaces.compactMap { $0.child("mac")?["address"]?.lowercased() }) }

    /// Adds a device.
    mutating func add(_ device: XMLElement) {
        root.edit("devices") { $0.add(device) }
    }

    /// Removes devices.
    mutating func remove(where isUnwanted: (XMLElement) -> Bool) {
        root.edit("devices") { $0.remove(where: isUnwanted) }
    }

    /// Changes devices.
    mutating func editDevices(_ body: (inout XMLElement) -> Void) {
        root.edit("devices") { $0.editChildren(body) }
    }

    /// Where the disks of a live guest are, by volume: a volume that took another's place at run time keeps the serial
    /// number that the guest saw first, so the kept definition says which volume it is now.
    func liveDisk(of volume: VolumeID, kept: GuestDocument) -> XMLElement? {
        disks.first { liveVolume(of: $0, kept: kept) == volume }
    }

    /// The volumes of a live guest.
    func liveVolumes(kept: GuestDocument) -> Set<VolumeID> {
        Set(disks.compactMap { liveVolume(of: $0, kept: kept) })
    }

    private func liveVolume(of disk: XMLElement, kept: GuestDocument) -> VolumeID? {
        guard let serial = Self.volume(of: disk) else { return nil }
        if let name = disk.child("target")?["dev"], let twin = kept.disk(named: name),
            let other = Self.volume(of: twin), other != serial, Self.haveSameSource(disk, twin)
        {
            return other
        }
        return serial
    }

    /// Whether two disks are the same file, device or network disk.
    static func haveSameSource(_ left: XMLElement, _ right: XMLElement) -> Bool {
        guard let (one, two) = left.child("source").flatMap({ one in right.child("source").map { (one, $0) } }) else {
            return false
        }
        return ["file", "dev", "protocol", "name"].allSatisfy { one[$0] == two[$0] }
            && one.children("host").map { $0["name"] } == two.children("host").map { $0["name"] }
    }
}
