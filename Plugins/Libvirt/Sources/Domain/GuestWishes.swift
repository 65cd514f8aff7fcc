import DriverAPI

/// What an image's properties and a flavor's extra specifications ask for.
struct GuestWishes: Sendable {
    var image: [String: String]
    var flavor: [String: String]

    /// Image properties whose wish cannot be met, unless they have one of the harmless values.
    private static let unserved: [(name: String, harmless: Set<String>)] = [
        ("hw_tpm_version", []), ("hw_mem_encryption", ["false", "False"]), ("kernel_id", []), ("ramdisk_id", []),
        ("hw_emulation_architecture", []), ("hw_viommu_model", []), ("hw_virtio_packed_ring", ["false"]),
        ("hw_cpu_realtime_mask", []), ("hw_ephemeral_encryption", ["false", "False"]), ("hw_sound_model", []),
    ]
    /// Image properties whose wish is met by where the guest was placed.
    private static let placed: [(name: String, harmless: Set<String>)] = [
        ("hw_mem_page_size", []), ("hw_numa_nodes", []), ("hw_cpu_policy", ["shared"]), ("hw_numa_cpus.0", []),
        ("hw_numa_mem.0", []), ("hw_cpu_thread_policy", ["prefer"]),
    ]
    /// Scopes of extra specifications that promise something.
    private static let scopes = ["hw:", "quota:", "pci_passthrough:", "accel:", "os:", "hw_rng:", "hw_video:"]
    /// Those that are kept, by full name or by beginning.
    private static let kept = [
        "hw:cpu_sockets", "hw:cpu_cores", "hw:cpu_threads", "hw:cpu_max_sockets", "hw:cpu_max_cores",
        "hw:cpu_max_threads", "hw:watchdog_action", "hw:boot_menu", "hw:vif_multiqueue_enabled", "os:secure_boot",
        "hw_rng:allowed", "hw_rng:rate_bytes", "hw_rng:rate_period", "hw_video:ram_max_mb",
        "hw:hide_hypervisor_id", "hw:pmu",
    ]
    private static let keptByPlace = [
        "hw:cpu_policy", "hw:cpu_thread_policy", "hw:numa_nodes", "hw:numa_cpus.", "hw:numa_mem.", "hw:mem_page_size",
        "hw:emulator_threads_policy", "hw:pci_numa_affinity_policy", "hw:cpu_dedicated_mask",
    ]
    private static let harmless = ["hw:cpu_policy": "shared", "hw:mem_encryption": "false"]

    /// Refuses every promise that would silently not be kept.
    ///
    /// - Parameters:
    ///   - isPlaced: whether processors and memory of the node were chosen for the guest.
    ///   - hasDevices: whether devices of the node were.
    func check(arch: String, isPlaced: Bool, hasDevices: Bool) throws(DriverError) {
        for name in ["hw_architecture", "architecture"] {
            guard let value = image[name], value != arch, !(value == "amd64" && arch == "x86_64") else { continue }
            throw .imageUnacceptable("Image property \(name) = \(value), but guests here are \(arch)")
        }
        for name in ["hypervisor_type", "img_hv_type"] {
            guard let value = image[name], !["qemu", "kvm"].contains(value.lowercased()) else { continue }
            throw .imageUnacceptable("Image property \(name) = \(value), but guests here run under QEMU or KVM")
        }
        for name in ["hw_vm_mode", "vm_mode"] {
            guard let value = image[name], value.lowercased() != "hvm" else { continue }
            throw .imageUnacceptable("Image property \(name) = \(value), but only hvm is possible here")
        }
        for (name, harmless) in Self.unserved + (isPlaced ? [] : Self.placed) {
            guard let value = image[name], !value.isEmpty, !harmless.contains(value) else { continue }
            throw .notSupported("Image property \(name) = \(value) is not supported by the libvirt driver")
        }
        for (name, value) in flavor.sorted(by: { $0.key < $1.key }) {
            guard Self.scopes.contains(where: { name.hasPrefix($0) }), Self.harmless[name] != value.lowercased(),
                !Self.kept.contains(name), !GuestLimits.names.contains(name),
                !(isPlaced && Self.keptByPlace.contains { name.hasPrefix($0) }),
                !(hasDevices && name == "pci_passthrough:alias")
            else { continue }
            throw .notSupported("Flavor extra spec \(name) = \(value) is not supported by the libvirt driver")
        }
    }

    /// Whether either side says something.
    func has(_ property: String, _ extraSpec: String) -> Bool { image[property] != nil || flavor[extraSpec] != nil }

    /// Whether the flavor, or else the image, says yes.
    func isTrue(_ property: String, _ extraSpec: String? = nil) -> Bool {
        let value = extraSpec.flatMap { flavor[$0] } ?? image[property]
        return ["yes", "true", "1", "on"].contains(value?.lowercased())
    }

    /// The wish of the flavor, else of the image, which must be one of those that are possible.
    func value(
        _ property: String, _ extraSpec: String? = nil, among possible: [String]
    ) throws(DriverError) -> String? {
        if let extraSpec, let value = flavor[extraSpec], !value.isEmpty {
            guard possible.contains(value) else {
                throw .refused(
                    "Flavor extra spec \(extraSpec) = \(value) cannot be met on this host; possible are "
                        + possible.joined(separator: ", "))
            }
            return value
        }
        guard let value = image[property], !value.isEmpty else { return nil }
        guard possible.contains(value) else {
            throw .imageUnacceptable(
                "Image property \(property) = \(value) cannot be met on this host; possible are "
                    + possible.joined(separator: ", "))
        }
        return value
    }

    /// A whole number above zero of the flavor, else of the image; a single name may belong to either.
    func number(_ property: String, _ extraSpec: String? = nil) throws(DriverError) -> Int? {
        guard let text = flavor[extraSpec ?? property] ?? image[property] else { return nil }
        guard let number = Int(text), number > 0 else {
            throw .refused("\(extraSpec ?? property) = \(text) must be a whole number above zero")
        }
        return number
    }
}
