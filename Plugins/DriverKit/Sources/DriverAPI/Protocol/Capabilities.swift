public import ComputeModel

/// What a driver can do beyond the core. A capability is the object that does it: to advertise one is to hand it
/// over, `nil` means no.
public struct Capabilities: Sendable {
    /// Reads what a guest wrote to its console.
    public var consoleLog: (any ConsoleLogReading)?
    /// Interactive consoles.
    public var consoles: (any OfferingConsoles)?
    /// Freezes guests in memory.
    public var pausing: (any PausingGuests)?
    /// Saves guests' memory to disk.
    public var suspending: (any SuspendingGuests)?
    /// Makes images of root disks.
    public var snapshots: (any SnapshottingGuests)?
    /// Boots guests from a rescue image.
    public var rescue: (any RescuingGuests)?
    /// Gives volumes to guests.
    public var volumes: (any AttachingVolumes)?
    /// Grows attached volumes.
    public var volumeExtending: (any ExtendingVolumes)?
    /// Swaps attached volumes.
    public var volumeSwapping: (any SwappingVolumes)?
    /// Gives interfaces to guests.
    public var interfaces: (any AttachingInterfaces)?
    /// Moves guests that are off.
    public var resizing: (any ResizingGuests)?
    /// Brings up guests of dead nodes.
    public var evacuation: (any EvacuatingGuests)?
    /// Moves guests that run.
    public var liveMigration: (any LiveMigratingGuests)?
    /// Sets passwords in guests.
    public var passwords: (any SettingPasswords)?
    /// Silences guests' file systems.
    public var quiescing: (any QuiescingGuests)?
    /// Sets guests' clocks.
    public var clocks: (any SettingClocks)?
    /// Reads counters of guests.
    public var diagnostics: (any DiagnosingGuests)?
    /// Interrupts guests for a crash dump.
    public var crashDumps: (any TriggeringCrashDumps)?
    /// Keeps images on the node.
    public var imageCache: (any CachingImages)?
    /// Turns the node off and on.
    public var hostPower: (any ControllingHostPower)?
    /// Empties the node for maintenance.
    public var hostMaintenance: (any MaintainingHost)?

    /// Kinds of network binding that guests of this driver can have, in order of preference.
    public var bindings: [PortBinding.Kind]
    /// Disk formats of images that can be booted.
    public var imageFormats: Set<String>
    /// Qualities of what the objects do.
    public var facts: Set<CapabilityFact>
    /// Further traits of placement that need no operation.
    public var traits: Set<Trait>

    /// No capability but those given; the others are set one by one.
    public init(
        consoleLog: (any ConsoleLogReading)? = nil, bindings: [PortBinding.Kind] = [.unbound],
        imageFormats: Set<String> = [], facts: Set<CapabilityFact> = [], traits: Set<Trait> = []
    ) {
        self.consoleLog = consoleLog
        self.bindings = bindings
        self.imageFormats = imageFormats
        self.facts = facts
        self.traits = traits
    }
}

/// A quality of what a driver does that needs no object of its own.
public enum CapabilityFact: String, Codable, CaseIterable, Sendable {
    /// A configuration drive can be attached.
    case configDrive = "config-drive"
    /// Volumes and interfaces can carry a tag from the start.
    case deviceTags = "device-tags"
    /// Interfaces that are attached later can carry a tag.
    case taggedInterfaces = "tagged-interfaces"
    /// Volumes that are attached later can carry a tag.
    case taggedVolumes = "tagged-volumes"
    /// A volume can be held by several guests.
    case multiattach
    /// Encrypted volumes are undone by the hypervisor.
    case encryptedVolumes = "encrypted-volumes"
    /// Guests can boot from a volume.
    case bootFromVolume = "boot-from-volume"
    /// A guest that boots from a volume can be rescued.
    case rescueOfVolumes = "rescue-of-volumes"
    /// Rescue keeps the guest's devices in their places.
    case stableRescue = "stable-rescue"
    /// Images are fetched through the host, which checks their signatures.
    case trustedImages = "trusted-images"
    /// Guests can boot with UEFI firmware.
    case uefi
    /// Guests can boot with secure boot.
    case secureBoot = "secure-boot"
    /// Disks and interfaces obey limits.
    case ioLimits = "io-limits"
    /// Processors can be pinned, memory placed on cells and in huge pages.
    case topology
    /// Devices can be passed through.
    case pciPassthrough = "pci-passthrough"
}

/// Every capability object by name: one table for listings, placement traits and the support matrix.
public enum CapabilityName: String, Codable, CaseIterable, Sendable {
    case consoleLog = "console-log"
    case consoles
    case pausing
    case suspending
    case snapshots
    case rescue
    case volumes
    case volumeExtending = "volume-extending"
    case volumeSwapping = "volume-swapping"
    case interfaces
    case resizing
    case evacuation
    case liveMigration = "live-migration"
    case passwords
    case quiescing
    case clocks
    case diagnostics
    case crashDumps = "crash-dumps"
    case imageCache = "image-cache"
    case hostPower = "host-power"
    case hostMaintenance = "host-maintenance"
}

extension Capabilities {
    /// Whether the object is there.
    public func offers(_ name: CapabilityName) -> Bool {
        switch name {
        case .consoleLog: consoleLog != nil
        case .consoles: consoles != nil
        case .pausing: pausing != nil
        case .suspending: suspending != nil
        case .snapshots: snapshots != nil
        case .rescue: rescue != nil
        case .volumes: volumes != nil
        case .volumeExtending: volumeExtending != nil
        case .volumeSwapping: volumeSwapping != nil
        case .interfaces: interfaces != nil
        case .resizing: resizing != nil
        case .evacuation: evacuation != nil
        case .liveMigration: liveMigration != nil
        case .passwords: passwords != nil
        case .quiescing: quiescing != nil
        case .clocks: clocks != nil
        case .diagnostics: diagnostics != nil
        case .crashDumps: crashDumps != nil
        case .imageCache: imageCache != nil
        case .hostPower: hostPower != nil
        case .hostMaintenance: hostMaintenance != nil
        }
    }

    /// The objects handed over, in the order of the table.
    public var offered: [CapabilityName] { CapabilityName.allCases.filter(offers) }

    /// The placement traits that follow from the capabilities.
    public var placementTraits: Set<Trait> {
        var found = traits
        found.formUnion(offered.flatMap(\.traits))
        found.formUnion(facts.flatMap(\.traits))
        for format in imageFormats {
            if let trait = Self.imageFormatTraits[format] { found.insert(trait) }
        }
        return found
    }

    private static let imageFormatTraits: [String: Trait] = [
        "aki": Trait("COMPUTE_IMAGE_TYPE_AKI"), "ami": Trait("COMPUTE_IMAGE_TYPE_AMI"),
        "ari": Trait("COMPUTE_IMAGE_TYPE_ARI"), "iso": Trait("COMPUTE_IMAGE_TYPE_ISO"),
        "qcow2": Trait("COMPUTE_IMAGE_TYPE_QCOW2"), "raw": Trait("COMPUTE_IMAGE_TYPE_RAW"),
        "vdi": Trait("COMPUTE_IMAGE_TYPE_VDI"), "vhd": Trait("COMPUTE_IMAGE_TYPE_VHD"),
        "vhdx": Trait("COMPUTE_IMAGE_TYPE_VHDX"), "vmdk": Trait("COMPUTE_IMAGE_TYPE_VMDK"),
        "ploop": Trait("COMPUTE_IMAGE_TYPE_PLOOP"),
    ]

    /// Names of everything advertised, for `kilonovad driver list`.
    public var names: [String] {
        offered.map(\.rawValue) + facts.map(\.rawValue).sorted() + bindings.map { "binding-\($0.rawValue)" }
            + imageFormats.sorted().map { "image-\($0)" }
    }
}

extension CapabilityName {
    /// Placement's names for it.
    public var traits: [Trait] {
        switch self {
        case .interfaces: [Trait("COMPUTE_NET_ATTACH_INTERFACE")]
        case .volumeExtending: [Trait("COMPUTE_VOLUME_EXTEND")]
        case .consoleLog, .consoles, .pausing, .suspending, .snapshots, .rescue, .volumes, .volumeSwapping, .resizing,
            .evacuation, .liveMigration, .passwords, .quiescing, .clocks, .diagnostics, .crashDumps, .imageCache,
            .hostPower, .hostMaintenance:
            []
        }
    }
}

extension CapabilityFact {
    /// Placement's names for it.
    public var traits: [Trait] {
        switch self {
        case .deviceTags: [Trait("COMPUTE_DEVICE_TAGGING")]
        case .taggedInterfaces: [Trait("COMPUTE_NET_ATTACH_INTERFACE_WITH_TAG")]
        case .taggedVolumes: [Trait("COMPUTE_VOLUME_ATTACH_WITH_TAG")]
        case .multiattach: [Trait("COMPUTE_VOLUME_MULTI_ATTACH")]
        case .rescueOfVolumes: [Trait("COMPUTE_RESCUE_BFV")]
        case .trustedImages: [Trait("COMPUTE_TRUSTED_CERTS")]
        case .secureBoot: [Trait("COMPUTE_SECURITY_UEFI_SECURE_BOOT")]
        case .configDrive, .encryptedVolumes, .bootFromVolume, .stableRescue, .uefi, .ioLimits, .topology,
            .pciPassthrough:
            []
        }
    }
}
