import ComputeModel
import DriverAPI

/// The machine that a specification asks for, in the server's terms.
struct MachineDefinition: Hashable, Sendable {
    /// How a guest starts, and on what kind of machine.
    enum Mode: String, Sendable {
        /// Full virtualization: firmware, then the disk's boot loader.
        case hvm
        /// Paravirtualization: the kernel on the disk is found by the host's boot loader.
        case pv
        /// A paravirtual interface in a hardware container.
        case pvh
    }

    let mode: Mode
    let isUEFI: Bool
    private let spec: GuestSpec
    private let affinity: String
    private let node: String
    private let isWindows: Bool

    /// - Throws: ``DriverError/imageUnacceptable(_:)`` for properties that cannot be met.
    init(_ spec: GuestSpec, place: XenAPIDriver.Place, node: String, options: XenAPIOptions) throws(DriverError) {
        self.spec = spec
        self.node = node
        affinity = place.reference
        let properties = spec.image?.properties ?? [:]
        mode = try Self.mode(properties)
        switch properties["hw_firmware_type"] ?? "bios" {
        case "bios": isUEFI = false
        case "uefi": isUEFI = true
        case let other: throw .imageUnacceptable("Image property hw_firmware_type = \(other) is not known.")
        }
        if isUEFI, mode != .hvm {
            throw .imageUnacceptable("UEFI firmware needs vm_mode = hvm; the image asks for \(mode.rawValue).")
        }
        if properties["os_secure_boot"] == "required" {
            throw .notSupported("Secure boot is not supported by XenAPI nodes.")
        }
        isWindows = (properties["os_type"] ?? options.defaultOSType).lowercased() == "windows"
    }

    private static func mode(_ properties: [String: String]) throws(DriverError) -> Mode {
        let wish = (properties["vm_mode"] ?? properties["hw_vm_mode"] ?? "hvm").lowercased()
        switch wish {
        case "hvm": return .hvm
        case "xen", "xenpv", "pv", "paravirt": return .pv
        case "pvh", "xenpvh": return .pvh
        default: throw .imageUnacceptable("Image property vm_mode = \(wish) cannot be had here: hvm, xen or pvh can.")
        }
    }

    /// The record that the server makes the machine from. It is marked as ours, but not yet as complete.
    func record(operation: Int64) -> XenValue {
        let memory = XenValue.text("\(spec.flavor.memoryMiB << 20)")
        let vcpus = XenValue.text("\(spec.flavor.vcpus)")
        var platform = [
            "acpi": "true", "apic": "true", "pae": "true", "nx": "true", "viridian": isWindows ? "true" : "false",
        ]
        if let cores = coresPerSocket { platform["cores-per-socket"] = "\(cores)" }
        if isUEFI { platform["device-model"] = "qemu-upstream-uefi" }
        var boot = ["order": "cd"]
        if isUEFI { boot["firmware"] = "uefi" }
        return [
            "name_label": .text(spec.id.machineName), "name_description": .text(spec.name), "user_version": "0",
            "is_a_template": false, "affinity": .text(affinity), "memory_static_min": "0",
            "memory_static_max": memory, "memory_dynamic_min": memory, "memory_dynamic_max": memory,
            "VCPUs_params": XenValue(processorParameters), "VCPUs_max": vcpus, "VCPUs_at_startup": vcpus,
            "actions_after_shutdown": "destroy", "actions_after_reboot": "restart", "actions_after_crash": "destroy",
            "PV_bootloader": mode == .hvm ? "" : "pygrub", "PV_kernel": "", "PV_ramdisk": "", "PV_args": "",
            "PV_bootloader_args": "", "PV_legacy_args": "", "HVM_boot_policy": mode == .hvm ? "BIOS order" : "",
            "HVM_boot_params": mode == .hvm ? XenValue(boot) : [:], "HVM_shadow_multiplier": .number(1),
            "platform": XenValue(platform), "PCI_bus": "", "recommendations": "", "ha_always_run": false,
            "ha_restart_priority": "",
            "xenstore_data": ["vm-data": "", "vm-data/instance-id": .text(spec.id.description)],
            "blocked_operations": [:], "tags": [], "domain_type": .text(mode.rawValue),
            "hardware_platform_version": "2",
            "other_config": [
                Mark.guest: .text(spec.id.description), Mark.node: .text(node), Mark.operation: .text("\(operation)"),
            ],
        ]
    }

    private var coresPerSocket: Int? {
        let wish = spec.flavor.extraSpecs["hw:cpu_cores"] ?? spec.image?.properties["hw_cpu_cores"]
        guard let cores = wish.flatMap({ Int($0) }), cores > 0, spec.flavor.vcpus % cores == 0 else { return nil }
        return cores
    }

    /// The weight of the guest's processors, as Nova's drivers take it from `quota:cpu_shares`.
    private var processorParameters: [String: String] {
        guard let shares = spec.flavor.extraSpecs["quota:cpu_shares"].flatMap({ Int($0) }), shares > 0 else {
            return [:]
        }
        return ["weight": "\(min(65_535, shares))", "cap": "0"]
    }
}
