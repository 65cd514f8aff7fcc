import ComputeModel
import DriverAPI

/// The device models that one guest gets: the image's wishes where they can be met, else good defaults.
struct GuestDevices: Hashable, Sendable {
    /// Bus of the disks.
    var diskBus: String
    /// Bus of the configuration drive's CD-ROM.
    var cdromBus: String
    /// Model of the network interfaces.
    var vifModel: String
    /// Video model in libvirt's words; `nil` for no screen.
    var videoModel: String?
    /// Whether there is a random number device.
    var hasRNG: Bool
    /// Whether there is a channel for the QEMU guest agent.
    var hasAgentChannel: Bool

    /// Disk buses that images may ask for.
    static let diskBuses = ["virtio", "scsi", "ide", "sata", "usb"]
    /// Interface models that images may ask for; all are in QEMU for x86.
    static let vifModels = ["virtio", "e1000", "e1000e", "rtl8139", "pcnet", "ne2k_pci", "vmxnet3"]
    /// Nova's video models and libvirt's names for them.
    static let videoModels = [
        "vga": "vga", "cirrus": "cirrus", "qxl": "qxl", "virtio": "virtio", "bochs": "bochs", "vmvga": "vmvga",
        "none": "none",
    ]

    /// Image properties whose wish cannot be met, unless they have one of the harmless values.
    private static let unservedProperties: [(name: String, harmless: Set<String>)] = [
        ("hw_firmware_type", ["bios"]), ("os_secure_boot", ["disabled", "optional"]), ("hw_tpm_version", []),
        ("hw_mem_encryption", ["false", "False"]), ("hw_watchdog_action", ["disabled"]), ("kernel_id", []),
        ("ramdisk_id", []), ("hw_mem_page_size", []), ("hw_numa_nodes", []), ("hw_cpu_policy", ["shared"]),
        ("hw_emulation_architecture", []), ("hw_viommu_model", []), ("hw_virtio_packed_ring", ["false"]),
        ("img_block_device_mapping", []), ("block_device_mapping", []), ("img_signature", []),
    ]

    /// Chooses, or refuses a wish by its name.
    ///
    /// - Parameters:
    ///   - capabilities: of the guest's machine type.
    ///   - arch: the architecture of guests here.
    static func choose(
        _ spec: GuestSpec, _ capabilities: DomainCapabilities, arch: String
    ) throws(DriverError) -> GuestDevices {
        let properties = spec.image?.properties ?? [:]
        try checkProperties(properties, arch: arch)
        try checkExtraSpecs(spec.flavor.extraSpecs)
        let isQ35 = capabilities.machine.contains("q35")
        // Each wish is held against what this machine type really has: an IDE disk on q35 would only fail later.
        let buses = capabilities.diskBuses.filter { isQ35 ? $0 != "ide" : true }
        let diskBus = try wish("hw_disk_bus", properties, among: diskBuses.filter { buses.contains($0) })
        // The IDE controller of `pc` is in every kernel; on q35 SATA is not, and virtio-scsi is in cloud kernels.
        let cdromBus = try wish("hw_cdrom_bus", properties, among: diskBuses.filter { buses.contains($0) })
        let videos = videoModels.filter { $0.value == "none" || capabilities.videoModels.contains($0.value) }
        let video = try wish("hw_video_model", properties, among: videos.keys.sorted())
        let preferred = ["virtio", "vga", "cirrus", "bochs"].first { capabilities.videoModels.contains($0) }
        let rng = try wish("hw_rng_model", properties, among: ["virtio"])
        let hasRNG = (rng != nil || capabilities.rngModels.contains("virtio"))
            && !isFalse(spec.flavor.extraSpecs["hw_rng:allowed"])
        return GuestDevices(
            diskBus: diskBus ?? (buses.contains("virtio") ? "virtio" : "ide"),
            cdromBus: cdromBus ?? (isQ35 ? "scsi" : "ide"),
            vifModel: try wish("hw_vif_model", properties, among: vifModels) ?? "virtio",
            videoModel: video == "none" ? nil : video.flatMap { videos[$0] } ?? preferred,
            hasRNG: hasRNG,
            hasAgentChannel: ["yes", "true", "1"].contains(properties["hw_qemu_guest_agent"]?.lowercased()))
    }

    private static func wish(
        _ name: String, _ properties: [String: String], among possible: [String]
    ) throws(DriverError) -> String? {
        guard let value = properties[name], !value.isEmpty else { return nil }
        guard possible.contains(value) else {
            throw .imageUnacceptable(
                "Image property \(name) = \(value) cannot be met on this host; possible are "
                    + possible.joined(separator: ", "))
        }
        return value
    }

    private static func isFalse(_ text: String?) -> Bool {
        text.map { ["false", "0", "no"].contains($0.lowercased()) } ?? false
    }

    private static func checkProperties(_ properties: [String: String], arch: String) throws(DriverError) {
        for name in ["hw_architecture", "architecture"] {
            guard let value = properties[name], value != arch, !(value == "amd64" && arch == "x86_64") else { continue }
            throw .imageUnacceptable("Image property \(name) = \(value), but guests here are \(arch)")
        }
        for name in ["img_hv_type", "hypervisor_type"] {
            guard let value = properties[name], !["qemu", "kvm"].contains(value.lowercased()) else { continue }
            throw .imageUnacceptable("Image property \(name) = \(value), but guests here are run by QEMU")
        }
        for name in ["hw_vm_mode", "vm_mode"] {
            guard let value = properties[name], value.lowercased() != "hvm" else { continue }
            throw .imageUnacceptable("Image property \(name) = \(value), but only hvm is possible here")
        }
        for (name, harmless) in unservedProperties {
            guard let value = properties[name], !value.isEmpty, !harmless.contains(value) else { continue }
            throw .notSupported("Image property \(name) = \(value) is not supported by the libvirt driver yet")
        }
    }

    // A promise that would silently not be kept is refused instead.
    private static func checkExtraSpecs(_ specs: [String: String]) throws(DriverError) {
        let scopes = ["hw:", "quota:", "pci_passthrough:", "accel:", "os:secure_boot", "hw_rng:rate"]
        let harmless = ["hw:cpu_policy": "shared", "hw:mem_encryption": "false", "hw:boot_menu": "false"]
        for (name, value) in specs.sorted(by: { $0.key < $1.key }) {
            guard scopes.contains(where: { name.hasPrefix($0) }), harmless[name] != value.lowercased() else { continue }
            throw .notSupported("Flavor extra spec \(name) = \(value) is not supported by the libvirt driver yet")
        }
    }
}
