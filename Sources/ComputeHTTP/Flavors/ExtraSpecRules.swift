import APIVersioning

/// Which extra specs are known, and what their values may be (from 2.86 on).
///
/// A name without a colon, or before whose colon stands something that nobody knows, may be anything.
enum ExtraSpecRules {
    /// What a value may be.
    enum Rule: Sendable {
        case text
        case boolean
        case integer(ClosedRange<Int> = Int.min...Int.max)
        case choice([String])
        /// An expression that the whole value must match.
        case pattern(String)
    }

    /// What is wrong with an extra spec, in the reference's words; nil when nothing is.
    static func refusal(_ name: String, _ value: String) -> String? {
        if let rule = rule(for: name) { return refusal(of: value, rule) }
        guard let colon = name.firstIndex(of: ":"), isKnown(namespace: name[..<colon]) else { return nil }
        return "extra spec '\(name)' does not appear to be a valid extra spec."
    }

    private static func refusal(of value: String, _ rule: Rule) -> String? {
        switch rule {
        case .text: return nil
        case .boolean:
            return BooleanText.strict(value) == nil ? "'\(value)' is not a valid boolean-like value." : nil
        case .integer(let range):
            guard let number = Int(value.trimmingSpaces) else { return "'\(value)' is not a valid integer value." }
            if number > range.upperBound {
                return "'\(number)' is greater than the max value of '\(range.upperBound)'."
            }
            return number < range.lowerBound
                ? "'\(number)' is less than the min value of '\(range.lowerBound)'." : nil
        case .choice(let values):
            return values.contains(value) ? nil : "'\(value)' is not one of: \(values.joined(separator: ", "))."
        case .pattern(let pattern):
            return fits(value, pattern) ? nil : "'\(value)' is not of the format '\(pattern)'."
        }
    }

    private static func fits(_ text: String, _ pattern: String) -> Bool {
        guard !text.hasSuffix("\n"), let expression = try? TextPattern("^(\(pattern))$") else { return false }
        return expression.matches(text)
    }

    // MARK: Names

    private static let namespaces: Set<Substring> = [
        "hw", "hw_rng", "hw_video", "accel", "aggregate_instance_extra_specs", "capabilities", "os",
        "pci_passthrough", "vmware", "quota",
    ]

    private static func isKnown(namespace: Substring) -> Bool {
        namespaces.contains(namespace) || group(namespace, "resources") || group(namespace, "trait")
    }

    /// Whether it is the word, or the word and the name of a group of resources.
    private static func group(_ namespace: Substring, _ word: String) -> Bool {
        guard namespace.hasPrefix(word) else { return false }
        let group = namespace.dropFirst(word.count)
        return group.utf8.count <= 64
            && group.unicodeScalars.allSatisfy { scalar in
                switch scalar {
                case "a"..."z", "A"..."Z", "0"..."9", "_", "-": true
                default: false
                }
            }
    }

    private static func rule(for name: String) -> Rule? {
        if let rule = plain[name] { return rule }
        guard let colon = name.firstIndex(of: ":") else { return nil }
        let (namespace, rest) = (name[..<colon], name[name.index(after: colon)...])
        if namespace == "hw" { return numbered(rest) }
        if namespace == "aggregate_instance_extra_specs" { return rest.isEmpty ? nil : .text }
        if namespace == "capabilities" { return isCapability(rest) ? .text : nil }
        if group(namespace, "resources") {
            return isCustom(rest) || resourceClasses.contains(rest) ? .integer() : nil
        }
        if group(namespace, "trait") {
            return isCustom(rest) || isTrait(rest) ? .choice(["required", "forbidden"]) : nil
        }
        return nil
    }

    /// The part of a guest that each of its memory nodes has.
    private static func numbered(_ rest: Substring) -> Rule? {
        let parts = rest.split(separator: ".", maxSplits: 1, omittingEmptySubsequences: false)
        guard parts.count == 2, !parts[1].isEmpty, parts[1].utf8.allSatisfy({ (0x30...0x39).contains($0) })
        else { return nil }
        return switch parts[0] {
        case "numa_cpus": .pattern(processorMap)
        case "numa_mem": .integer(1...Int.max)
        default: nil
        }
    }

    private static func isCustom(_ name: Substring) -> Bool {
        name.hasPrefix("CUSTOM_") && name.utf8.count > 7 && isUpperCase(name)
    }

    /// Standard traits by the first word of their names; which of them exist is placement's to know.
    private static func isTrait(_ name: Substring) -> Bool {
        ["COMPUTE_", "HW_", "MISC_", "OWNER_", "STORAGE_"].contains { name.hasPrefix($0) } && isUpperCase(name)
    }

    private static func isUpperCase(_ name: Substring) -> Bool {
        name.utf8.allSatisfy { (0x41...0x5A).contains($0) || (0x30...0x39).contains($0) || $0 == 0x5F }
    }

    private static func isCapability(_ rest: Substring) -> Bool {
        let parts = rest.split(separator: ":", omittingEmptySubsequences: false)
        if parts.count == 1, capabilities.contains(parts[0]) { return true }
        return nestedCapabilities.contains(parts[0])
            && parts.dropFirst().allSatisfy { !$0.isEmpty && $0.allSatisfy { $0.isLetter || $0.isNumber || $0 == "_" } }
    }
}

/// The tables.
extension ExtraSpecRules {
    private static let processorMap = #"\^?\d+((-\d+)?(,\^?\d+(-\d+)?)?)*"#

    private static let plain: [String: Rule] = hardware.merging(quotas) { first, _ in first }
        .merging([
            "hw_rng:allowed": .boolean, "hw_rng:rate_bytes": .integer(0...Int.max),
            "hw_rng:rate_period": .integer(0...Int.max), "hw_video:ram_max_mb": .integer(0...Int.max),
            "accel:device_profile": .text, "os:secure_boot": .choice(["disabled", "required"]),
            "pci_passthrough:alias": .pattern(#"[^:]+:\d+(?:\s*,\s*[^:]+:\d+)*"#),
            "vmware:hw_version": .text, "vmware:storage_policy": .text,
            "hide_hypervisor_id": .boolean, "group_policy": .choice(["isolate", "none"]),
        ]) { first, _ in first }

    private static let hardware: [String: Rule] = [
        "hw:cpu_realtime": .boolean,
        "hw:cpu_realtime_mask": .pattern(#"(\^)?\d+((-\d+)?(,\^?\d+(-\d+)?)?)*"#),
        "hw:hide_hypervisor_id": .boolean,
        "hw:cpu_policy": .choice(["dedicated", "shared", "mixed"]),
        "hw:cpu_thread_policy": .choice(["prefer", "isolate", "require"]),
        "hw:emulator_threads_policy": .choice(["isolate", "share"]),
        "hw:cpu_dedicated_mask": .pattern(processorMap),
        "hw:mem_page_size": .pattern(#"(large|small|any|\d+([kKMGT]i?)?(b|bit|B)?)"#),
        "hw:locked_memory": .boolean,
        "hw:numa_nodes": .integer(1...Int.max),
        "hw:pci_numa_affinity_policy": .choice(["required", "preferred", "legacy", "socket"]),
        "hw:cpu_sockets": .integer(1...Int.max),
        "hw:cpu_cores": .integer(1...Int.max),
        "hw:cpu_threads": .integer(1...Int.max),
        "hw:cpu_max_sockets": .integer(1...Int.max),
        "hw:cpu_max_cores": .integer(1...Int.max),
        "hw:cpu_max_threads": .integer(1...Int.max),
        "hw:boot_menu": .boolean,
        "hw:vif_multiqueue_enabled": .boolean,
        "hw:mem_encryption": .boolean,
        "hw:mem_encryption_model": .choice(["amd-sev", "amd-sev-es", "amd-sev-snp", "intel-tdx"]),
        "hw:pmem": .pattern("([a-zA-Z0-9_]+(,)?)+"),
        "hw:pmu": .boolean,
        "hw:serial_port_count": .integer(0...Int.max),
        "hw:tpm_model": .choice(["tpm-tis", "tpm-crb"]),
        "hw:tpm_version": .choice(["1.2", "2.0"]),
        "hw:tpm_secret_security": .choice(["user", "host", "deployment"]),
        "hw:watchdog_action": .choice(["none", "pause", "poweroff", "reset", "disabled"]),
        "hw:viommu_model": .choice(["intel", "smmuv3", "virtio", "auto"]),
        "hw:virtio_packed_ring": .boolean,
        "hw:sound_model": .choice(["sb16", "es1370", "pcspk", "ac97", "ich6", "ich9", "usb", "virtio"]),
        "hw:usb_model": .choice(["none", "nec-xhci", "qemu-xhci"]),
        "hw:redirected_usb_ports": .integer(0...15),
        "hw:ephemeral_encryption": .boolean,
        "hw:ephemeral_encryption_format": .choice(["plain", "luks", "luksv2"]),
    ]

    private static let quotas: [String: Rule] = {
        var rules: [String: Rule] = ["quota:cpu_quota": .integer()]
        for resource in ["cpu", "memory", "disk_io", "vif"] {
            rules["quota:\(resource)_limit"] = .integer(0...Int.max)
            rules["quota:\(resource)_reservation"] = .integer()
            rules["quota:\(resource)_shares_level"] = .choice(["custom", "high", "normal", "low"])
            rules["quota:\(resource)_shares_share"] = .integer(0...Int.max)
        }
        let counts =
            ["cpu_shares", "cpu_period"]
            + ["read", "write", "total"].flatMap { ["disk_\($0)_bytes_sec", "disk_\($0)_iops_sec"] }
            + ["inbound", "outbound"].flatMap { ["vif_\($0)_average", "vif_\($0)_peak", "vif_\($0)_burst"] }
        for count in counts { rules["quota:\(count)"] = .integer(0...Int.max) }
        return rules
    }()

    private static let resourceClasses: Set<Substring> = [
        "VCPU", "MEMORY_MB", "DISK_GB", "PCI_DEVICE", "SRIOV_NET_VF", "NUMA_SOCKET", "NUMA_CORE", "NUMA_THREAD",
        "NUMA_MEMORY_MB", "IPV4_ADDRESS", "VGPU", "VGPU_DISPLAY_HEAD", "NET_BW_EGR_KILOBIT_PER_SEC",
        "NET_BW_IGR_KILOBIT_PER_SEC", "PCPU", "MEM_ENCRYPTION_CONTEXT", "FPGA", "PGPU",
        "NET_PACKET_RATE_KILOPACKET_PER_SEC", "NET_PACKET_RATE_EGR_KILOPACKET_PER_SEC",
        "NET_PACKET_RATE_IGR_KILOPACKET_PER_SEC",
    ]

    private static let capabilities: Set<Substring> = [
        "id", "uuid", "service_id", "host", "vcpus", "memory_mb", "local_gb", "vcpus_used", "memory_mb_used",
        "local_gb_used", "hypervisor_type", "hypervisor_version", "hypervisor_hostname", "free_ram_mb",
        "free_disk_gb", "current_workload", "running_vms", "disk_available_least", "host_ip", "mapped",
        "cpu_allocation_ratio", "ram_allocation_ratio", "disk_allocation_ratio", "total_usable_ram_mb",
        "total_usable_disk_gb", "disk_mb_used", "free_disk_mb", "vcpus_total", "num_instances", "num_io_ops",
        "failed_builds", "aggregates", "cell_uuid", "updated",
    ]

    private static let nestedCapabilities: Set<Substring> = [
        "cpu_info", "metrics", "stats", "numa_topology", "supported_hv_specs", "pci_device_pools", "nodename",
        "pci_stats", "supported_instances", "limits", "instances",
    ]
}
