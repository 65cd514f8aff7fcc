import ComputeModel
import DriverAPI

/// What a specification becomes on this host, before anything is made. Refuses every promise that would silently not
/// be kept.
struct GuestPlan: Sendable {
    let guest: XenGuest
    let image: ImageSpec

    private static let scopes = ["hw:", "quota:", "pci_passthrough:", "accel:", "os:", "hw_rng:", "hw_video:"]
    private static let harmless = [
        "hw:cpu_policy": "shared", "hw:mem_encryption": "false", "os:secure_boot": "disabled",
    ]
    private static let unserved = [
        "kernel_id", "ramdisk_id", "hw_tpm_version", "hw_viommu_model", "hw_emulation_architecture",
        "hw_mem_page_size", "hw_numa_nodes", "hw_ephemeral_encryption",
    ]

    /// Plans a guest.
    ///
    /// - Throws: ``DriverError/refused(_:)``, ``DriverError/notSupported(_:)``, ``DriverError/imageUnacceptable(_:)``.
    init(_ spec: GuestSpec, _ options: XenOptions, _ facts: XenHost) throws(DriverError) {
        guard spec.volumes.isEmpty else { throw .notSupported("The Xen driver does not attach volumes") }
        guard let image = spec.image else { throw .refused("guest \(spec.id) has no image to boot from") }
        guard spec.pciDevices.isEmpty else { throw .notSupported("The Xen driver passes no devices through") }
        guard spec.topology == nil else { throw .notSupported("The Xen driver does not bind guests to processors") }
        guard spec.flavor.vcpus > 0, spec.flavor.memoryMiB > 0 else {
            throw .refused("guest \(spec.id) has \(spec.flavor.vcpus) processors and \(spec.flavor.memoryMiB) MiB")
        }
        try Self.check(image.properties, spec.flavor.extraSpecs)
        let kind = try Self.kind(image.properties, options, facts)
        var guest = XenGuest(
            id: spec.id, kind: kind, vcpus: spec.flavor.vcpus, memoryMiB: spec.flavor.memoryMiB)
        switch kind {
        case .hvm: guest.vncListen = options.vncListen
        case .pv, .pvh:
            guest.kernel = options.kernel ?? (kind == .pv ? options.pvBootLoader : options.pvhBootLoader)
            if options.kernel != nil { (guest.ramdisk, guest.commandLine) = (options.ramdisk, options.commandLine) }
        }
        for interface in spec.interfaces { guest.interfaces.append(try Self.interface(interface)) }
        (self.guest, self.image) = (guest, image)
    }

    private static func interface(_ spec: NetworkInterfaceSpec) throws(DriverError) -> XenGuest.Interface {
        guard XenGuest.bytes(ofMAC: spec.macAddress) != nil else {
            throw .refused("'\(spec.macAddress)' is no hardware address")
        }
        switch spec.binding {
        case .bridge(let bridge, let tap):
            return XenGuest.Interface(macAddress: spec.macAddress, bridge: bridge, name: tap, mtu: spec.mtu)
        case .network, .unbound: throw .notSupported("The Xen driver joins interfaces to bridges only")
        }
    }

    private static func check(_ image: [String: String], _ flavor: [String: String]) throws(DriverError) {
        for name in ["hw_architecture", "architecture"] {
            guard let value = image[name], value != "x86_64", value != "amd64" else { continue }
            throw .imageUnacceptable("Image property \(name) = \(value), but guests here are x86_64")
        }
        for name in ["hypervisor_type", "img_hv_type"] {
            guard let value = image[name], value.lowercased() != "xen" else { continue }
            throw .imageUnacceptable("Image property \(name) = \(value), but guests here run under Xen")
        }
        if let firmware = image["hw_firmware_type"], firmware != "bios" {
            throw .notSupported("Image property hw_firmware_type = \(firmware) is not supported by the Xen driver")
        }
        for name in unserved {
            guard let value = image[name], !value.isEmpty else { continue }
            throw .notSupported("Image property \(name) = \(value) is not supported by the Xen driver")
        }
        for (name, value) in flavor.sorted(by: { $0.key < $1.key }) {
            guard scopes.contains(where: { name.hasPrefix($0) }), harmless[name] != value.lowercased() else { continue }
            throw .notSupported("Extra spec \(name) = \(value) is not supported by the Xen driver")
        }
    }

    /// How the guest is virtualized: as its image says, else as the operator says, else as the host can.
    static func kind(_ image: [String: String], _ options: XenOptions, _ facts: XenHost) throws(DriverError)
        -> XenGuest.Kind
    {
        let usual: XenGuest.Kind = facts.runsHardwareGuests ? .pvh : .pv
        var kind = options.guestType ?? usual
        if let wish = image["hw_vm_mode"] ?? image["vm_mode"], !wish.isEmpty {
            switch wish.lowercased() {
            case "xen", "pv": kind = .pv
            case "pvh": kind = .pvh
            case "hvm": kind = .hvm
            default: throw .imageUnacceptable("Image property hw_vm_mode = \(wish); xen, pvh and hvm are possible here")
            }
        }
        guard kind == .pv ? facts.runsParavirtualGuests : facts.runsHardwareGuests else {
            throw .notSupported(
                "\(kind.rawValue.uppercased()) guests cannot run on this host: "
                    + (kind == .pv ? "Xen was built without them" : "it has no hardware virtualization"))
        }
        return kind
    }
}
