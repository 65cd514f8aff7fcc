import ComputeModel
import DriverAPI

/// The device models that one guest gets: the image's wishes where they can be met, else good defaults.
struct GuestDevices: Hashable, Sendable {
    /// What starts the guest.
    enum Firmware: Hashable, Sendable {
        case bios
        case uefi(isSecure: Bool)
    }

    /// Bus of the disks.
    var diskBus: String
    /// Bus of the configuration drive's CD-ROM.
    var cdromBus: String
    /// Model of SCSI controllers.
    var scsiModel = "virtio-scsi"
    /// Model of the network interfaces.
    var vifModel: String
    /// Whether interfaces have a queue for each processor.
    var hasManyQueues = false
    /// Video model in libvirt's words; `nil` for no screen.
    var videoModel: String?
    /// Video memory in MiB; `nil` for the model's usual amount.
    var videoMiB: Int?
    /// `tablet` or `mouse`, and the bus of both.
    var pointer = "tablet"
    var inputBus = "usb"
    /// Whether there is a random number device.
    var hasRNG: Bool
    /// Bytes per period in milliseconds that the random number device gives.
    var rngRate: Rate?
    /// Whether there is a channel for the QEMU guest agent.
    var hasAgentChannel: Bool
    /// What happens when the guest's operating system hangs; `nil` for no watchdog.
    var watchdogAction: String?
    var firmware = Firmware.bios
    /// Whether the firmware waits for somebody to choose.
    var hasBootMenu = false
    /// Whether the clock shows local time, as Windows wants.
    var hasLocalClock = false
    var processors = GuestProcessors()

    /// So many bytes in so many milliseconds.
    struct Rate: Hashable, Sendable {
        var bytes: Int
        var period: Int
    }

    /// Disk buses that images may ask for.
    static let diskBuses = ["virtio", "scsi", "ide", "sata", "usb"]
    /// Interface models that images may ask for; all are in QEMU for x86.
    static let vifModels = ["virtio", "e1000", "e1000e", "rtl8139", "pcnet", "ne2k_pci", "vmxnet3"]
    /// SCSI controllers that images may ask for; all are in QEMU for x86.
    static let scsiModels = ["virtio-scsi", "lsilogic", "lsisas1068", "lsisas1078"]
    /// Nova's video models and libvirt's names for them.
    static let videoModels = [
        "vga": "vga", "cirrus": "cirrus", "qxl": "qxl", "virtio": "virtio", "bochs": "bochs", "vmvga": "vmvga",
        "none": "none",
    ]

    /// Chooses, or refuses a wish by its name.
    ///
    /// - Parameters:
    ///   - capabilities: of the guest's machine type.
    ///   - arch: the architecture of guests here.
    static func choose(
        _ spec: GuestSpec, _ capabilities: DomainCapabilities, arch: String
    ) throws(DriverError) -> GuestDevices {
        let wishes = GuestWishes(image: spec.image?.properties ?? [:], flavor: spec.flavor.extraSpecs)
        try wishes.check(
            arch: arch, isPlaced: spec.topology != nil, hasDevices: !spec.pciDevices.isEmpty)
        let isQ35 = capabilities.machine.contains("q35")
        // Each wish is held against what this machine type really has: an IDE disk on q35 would only fail later.
        let buses = diskBuses.filter { capabilities.diskBuses.contains($0) && (isQ35 ? $0 != "ide" : true) }
        // The IDE controller of `pc` is in every kernel; on q35 SATA is not, and virtio-scsi is in cloud kernels.
        var devices = GuestDevices(
            diskBus: try wishes.value("hw_disk_bus", among: buses) ?? (buses.contains("virtio") ? "virtio" : "ide"),
            cdromBus: try wishes.value("hw_cdrom_bus", among: buses) ?? (isQ35 ? "scsi" : "ide"),
            vifModel: try wishes.value("hw_vif_model", among: vifModels) ?? "virtio",
            videoModel: try videoModel(wishes, capabilities),
            hasRNG: try hasRNG(wishes, capabilities), hasAgentChannel: wishes.isTrue("hw_qemu_guest_agent"))
        devices.scsiModel = try wishes.value("hw_scsi_model", among: scsiModels) ?? devices.scsiModel
        devices.pointer =
            try wishes.value("hw_pointer_model", among: ["usbtablet", "ps2mouse"]) == "ps2mouse" ? "mouse" : "tablet"
        devices.inputBus = try wishes.value("hw_input_bus", among: ["usb", "virtio"]) ?? devices.inputBus
        if devices.pointer == "mouse" { devices.inputBus = "ps2" }
        devices.watchdogAction = try wishes.value(
            "hw_watchdog_action", "hw:watchdog_action", among: ["disabled", "reset", "poweroff", "pause", "none"])
        if devices.watchdogAction == "disabled" { devices.watchdogAction = nil }
        devices.firmware = try firmware(wishes, capabilities)
        devices.hasBootMenu = wishes.isTrue("hw_boot_menu", "hw:boot_menu")
        devices.hasLocalClock = wishes.image["os_type"] == "windows"
        devices.hasManyQueues = wishes.isTrue("hw_vif_multiqueue_enabled", "hw:vif_multiqueue_enabled")
            && spec.flavor.vcpus > 1 && devices.vifModel == "virtio"
        devices.rngRate = try rngRate(wishes)
        devices.videoMiB = try videoMiB(wishes)
        devices.processors = try GuestProcessors(wishes, vcpus: spec.flavor.vcpus)
        return devices
    }

    private static func videoModel(
        _ wishes: GuestWishes, _ capabilities: DomainCapabilities
    ) throws(DriverError) -> String? {
        let videos = videoModels.filter { $0.value == "none" || capabilities.videoModels.contains($0.value) }
        let wish = try wishes.value("hw_video_model", among: videos.keys.sorted())
        if wish == "none" { return nil }
        let preferred = ["virtio", "vga", "cirrus", "bochs"].first { capabilities.videoModels.contains($0) }
        return wish.flatMap { videos[$0] } ?? preferred
    }

    private static func videoMiB(_ wishes: GuestWishes) throws(DriverError) -> Int? {
        guard let wanted = try wishes.number("hw_video_ram") else { return nil }
        let most = try wishes.number("hw_video:ram_max_mb") ?? 0
        guard wanted <= most else {
            throw .imageUnacceptable(
                "Image property hw_video_ram = \(wanted) is more than the flavor's hw_video:ram_max_mb = \(most)")
        }
        return wanted
    }

    private static func hasRNG(
        _ wishes: GuestWishes, _ capabilities: DomainCapabilities
    ) throws(DriverError) -> Bool {
        let wish = try wishes.value("hw_rng_model", among: ["virtio"])
        let isAllowed = !["false", "0", "no"].contains(wishes.flavor["hw_rng:allowed"]?.lowercased() ?? "")
        return (wish != nil || capabilities.rngModels.contains("virtio")) && isAllowed
    }

    private static func rngRate(_ wishes: GuestWishes) throws(DriverError) -> Rate? {
        guard let bytes = try wishes.number("hw_rng:rate_bytes") else { return nil }
        return Rate(bytes: bytes, period: try wishes.number("hw_rng:rate_period") ?? 1000)
    }

    private static func firmware(
        _ wishes: GuestWishes, _ capabilities: DomainCapabilities
    ) throws(DriverError) -> Firmware {
        let kind = try wishes.value("hw_firmware_type", among: ["bios", "uefi"]) ?? "bios"
        let words = ["required", "optional", "disabled"]
        let secure = try wishes.value("os_secure_boot", "os:secure_boot", among: words) ?? "disabled"
        if kind == "uefi", !capabilities.firmwares.contains("efi") {
            throw .notSupported("UEFI: the host has no firmware for machine type \(capabilities.machine); install ovmf")
        }
        // The firmware keeps its keys in memory that only system management mode of q35 protects.
        let canBeSecure = kind == "uefi" && capabilities.hasSecureFirmware && capabilities.machine.contains("q35")
        if secure == "required", !canBeSecure {
            throw .notSupported(
                "secure boot with machine type \(capabilities.machine) and hw_firmware_type = \(kind): "
                    + "it needs q35, uefi and firmware that has it")
        }
        return kind == "uefi" ? .uefi(isSecure: secure != "disabled" && canBeSecure) : .bios
    }
}

/// Sockets, cores and threads as the guest shall see them; `nil` leaves it to QEMU.
struct GuestProcessors: Hashable, Sendable {
    var sockets: Int?
    var cores: Int?
    var threads: Int?
    /// Whether the guest may count events of its processors; `nil` for QEMU's choice.
    var hasPMU: Bool?
    /// Whether the guest shall not find out that it runs under KVM.
    var hidesHypervisor = false

    init() {}

    /// From the image's and the flavor's wishes; what one leaves open is filled up to the number of processors.
    init(_ wishes: GuestWishes, vcpus: Int) throws(DriverError) {
        let given = (
            try wishes.number("hw_cpu_sockets", "hw:cpu_sockets"), try wishes.number("hw_cpu_cores", "hw:cpu_cores"),
            try wishes.number("hw_cpu_threads", "hw:cpu_threads")
        )
        hidesHypervisor = wishes.isTrue("img_hide_hypervisor_id", "hw:hide_hypervisor_id")
        hasPMU = wishes.has("hw_pmu", "hw:pmu") ? wishes.isTrue("hw_pmu", "hw:pmu") : nil
        let most = (
            try wishes.number("hw_cpu_max_sockets", "hw:cpu_max_sockets") ?? vcpus,
            try wishes.number("hw_cpu_max_cores", "hw:cpu_max_cores") ?? vcpus,
            try wishes.number("hw_cpu_max_threads", "hw:cpu_max_threads") ?? 1
        )
        let names = ["hw_cpu_max_sockets", "hw_cpu_max_cores", "hw_cpu_max_threads"]
        let isLimited = names.contains { wishes.has($0, $0.replacing("hw_", with: "hw:", maxReplacements: 1)) }
        guard given.0 != nil || given.1 != nil || given.2 != nil || isLimited else { return }
        // Sockets first, then cores: what most systems are licensed for and schedule best.
        for threads in given.2.map({ [$0] }) ?? Array(1...max(1, most.2)) where vcpus % threads == 0 {
            for cores in given.1.map({ [$0] }) ?? Array(1...max(1, most.1)) where vcpus / threads % cores == 0 {
                let sockets = vcpus / threads / cores
                guard sockets <= most.0, given.0.map({ $0 == sockets }) ?? true else { continue }
                (self.sockets, self.cores, self.threads) = (sockets, cores, threads)
                return
            }
        }
        throw .refused("\(vcpus) processors cannot be arranged in the sockets, cores and threads that are wished for")
    }
}
