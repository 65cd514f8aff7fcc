import ComputeModel
import DriverAPI

/// What an image and a flavor wish for, in vSphere's words, checked before anything is made.
struct MachinePlan: Hashable, Sendable {
    let adapter: DiskAdapter
    let networkCard: String
    let guestOS: String
    let isLinked: Bool
    let isThin: Bool
    let firmware: String
    let hasSecureBoot: Bool
    let allocation: [XMLElement]

    private static let networkCards = [
        "e1000": "VirtualE1000", "e1000e": "VirtualE1000e", "pcnet": "VirtualPCNet32", "vmxnet": "VirtualVmxnet",
        "vmxnet3": "VirtualVmxnet3", "VirtualE1000": "VirtualE1000", "VirtualE1000e": "VirtualE1000e",
        "VirtualPCNet32": "VirtualPCNet32", "VirtualSriovEthernetCard": "VirtualSriovEthernetCard",
        "VirtualVmxnet": "VirtualVmxnet", "VirtualVmxnet2": "VirtualVmxnet2", "VirtualVmxnet3": "VirtualVmxnet3",
    ]
    private static let diskTypes: Set<String> = ["sparse", "preallocated", "thin", "streamOptimized"]

    /// Placement's names for the devices that images may wish for.
    static let traits: Set<Trait> = {
        let cards = ["e1000", "e1000e", "pcnet", "vmxnet", "vmxnet3"].map { "NET_VIF_MODEL_\($0.uppercased())" }
        return Set((cards + ["STORAGE_BUS_IDE", "STORAGE_BUS_SCSI"]).map { Trait("COMPUTE_\($0)") })
    }()

    /// - Throws: ``DriverError/refused(_:)`` that names the wish.
    init(_ spec: GuestSpec, usesLinkedClones: Bool) throws(VimFailure) {
        if spec.topology != nil || !spec.pciDevices.isEmpty {
            throw .driver(.notSupported("placing processors and memory, or passing devices through, on vSphere"))
        }
        try self.init(spec.image, spec.flavor.extraSpecs, usesLinkedClones: usesLinkedClones)
    }

    /// For an image that no guest needs yet: without extra specifications.
    init(_ image: ImageSpec?, _ extraSpecs: [String: String], usesLinkedClones: Bool) throws(VimFailure) {
        let properties = image?.properties ?? [:]
        let adapterName = properties["vmware_adaptertype"] ?? properties["hw_scsi_model"] ?? "lsiLogic"
        let names = ["lsisas1068": "lsiLogicsas", "vmpvscsi": "paraVirtual", "lsilogic": "lsiLogic"]
        guard let adapter = DiskAdapter(rawValue: names[adapterName] ?? adapterName) else {
            throw Self.unknown("vmware_adaptertype", adapterName, DiskAdapter.allCases.map(\.rawValue))
        }
        switch properties["hw_disk_bus"] {
        case nil, "scsi": self.adapter = adapter
        case "ide": self.adapter = .ide
        case let bus?: throw Self.unknown("hw_disk_bus", bus, ["ide", "scsi"])
        }
        let card = properties["hw_vif_model"] ?? "vmxnet3"
        guard let type = Self.networkCards[card], type != "VirtualSriovEthernetCard" else {
            throw Self.unknown("hw_vif_model", card, ["e1000", "e1000e", "pcnet", "vmxnet", "vmxnet3"])
        }
        networkCard = type
        let diskType = properties["vmware_disktype"] ?? "thin"
        guard Self.diskTypes.contains(diskType) else {
            throw Self.unknown("vmware_disktype", diskType, Self.diskTypes.sorted())
        }
        isThin = diskType != "preallocated"
        guestOS = properties["vmware_ostype"] ?? "otherGuest64"
        switch properties["vmware_linked_clone"]?.lowercased() {
        case "true", "1", "yes": isLinked = true
        case "false", "0", "no": isLinked = false
        default: isLinked = usesLinkedClones
        }
        let firmware = properties["hw_firmware_type"] ?? "bios"
        guard ["bios", "uefi"].contains(firmware) else {
            throw Self.unknown("hw_firmware_type", firmware, ["bios", "uefi"])
        }
        self.firmware = firmware == "uefi" ? "efi" : "bios"
        hasSecureBoot = properties["os_secure_boot"] == "required"
        guard !hasSecureBoot || firmware == "uefi" else {
            throw .driver(.refused("the image's os_secure_boot=required needs hw_firmware_type=uefi"))
        }
        allocation = try Self.allocation(extraSpecs)
    }

    /// Quotas of the flavor that vSphere knows, as allocations.
    private static func allocation(_ specs: [String: String]) throws(VimFailure) -> [XMLElement] {
        var parts: [String: [String: String]] = [:]
        for (key, value) in specs.sorted(by: { $0.key < $1.key }) {
            if key.hasPrefix("hw:") || key.hasPrefix("pci_passthrough:") {
                throw .driver(.refused("the flavor's \(key)=\(value) cannot be had on vSphere"))
            }
            guard key.hasPrefix("quota:") else { continue }
            let words = key.dropFirst("quota:".count).split(separator: "_", maxSplits: 1).map(String.init)
            let known: Set<String> = ["limit", "reservation", "shares_level", "shares_share"]
            guard words.count == 2, ["cpu", "memory"].contains(words[0]), known.contains(words[1]) else {
                throw .driver(.refused("the flavor's \(key)=\(value) cannot be had on vSphere"))
            }
            parts[words[0], default: [:]][words[1]] = value
        }
        var elements: [XMLElement] = []
        for (kind, name) in [("cpu", "cpuAllocation"), ("memory", "memoryAllocation")] {
            guard let wishes = parts[kind] else { continue }
            var children: [XMLElement] = []
            for key in ["reservation", "limit"] {
                guard let text = wishes[key] else { continue }
                guard let number = Int(text), number >= 0 else { throw unreadable("quota:\(kind)_\(key)", text) }
                children.append(XMLElement(key, number))
            }
            if let level = wishes["shares_level"] {
                guard ["low", "normal", "high", "custom"].contains(level) else {
                    throw unreadable("quota:\(kind)_shares_level", level)
                }
                let share = wishes["shares_share"].map { Int($0) } ?? 0
                guard let share else { throw unreadable("quota:\(kind)_shares_share", wishes["shares_share"] ?? "") }
                children.append(XMLElement("shares", [XMLElement("shares", share), XMLElement("level", level)]))
            }
            elements.append(XMLElement(name, children))
        }
        return elements
    }

    private static func unknown(_ property: String, _ value: String, _ known: [String]) -> VimFailure {
        .driver(
            .refused(
                "the image's \(property)=\(value) is not known to vSphere; known: \(known.joined(separator: ", "))"))
    }

    private static func unreadable(_ key: String, _ value: String) -> VimFailure {
        .driver(.refused("the flavor's \(key)=\(value) cannot be read"))
    }
}
