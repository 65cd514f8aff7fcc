import ComputeModel

/// What libvirt is told of a guest. Pure: the same input gives the same document.
struct DomainDefinition: Sendable {
    /// A disk of the guest.
    struct Disk: Hashable, Sendable {
        /// What it is for.
        enum Role: Hashable, Sendable { case root, ephemeral, swap, configDrive }
        var role: Role
        var path: String
        /// `qcow2` or `raw`.
        var format: DiskFormat
        /// Bus and device name, `vda`.
        var bus: String
        var device: String
    }

    var spec: GuestSpec
    /// `kvm` or `qemu`.
    var virtType: String
    var arch: String
    var machine: String
    var emulator: String?
    /// The `<cpu>` element; `nil` leaves it to QEMU.
    var cpu: XMLElement?
    var devices: GuestDevices
    var disks: [Disk]
    var cacheMode: String
    var consoleLog: String
    var vncListen: String
    var rngDevicePath: String
    /// The node's name and the operation, for the metadata.
    var node: String
    var operation: Int64

    /// The hypervisor's name of a guest.
    static func name(of guest: GuestID) -> String { "kn-\(guest)" }

    /// The whole document.
    var xml: String { element.serialized }

    /// The whole document as a tree.
    var element: XMLElement {
        let flavor = spec.flavor
        var domain = XMLElement("domain", ["type": virtType])
        domain.add(XMLElement("name", text: Self.name(of: spec.id)))
        domain.add(XMLElement("uuid", text: spec.id.description))
        domain.add(XMLElement("title", text: Self.oneLine(spec.name)))
        domain.add(
            XMLElement("metadata", [:], [GuestMetadata.element(spec, node: node, operation: operation)]))
        domain.add(XMLElement("memory", ["unit": "MiB"], text: "\(flavor.memoryMiB)"))
        domain.add(XMLElement("vcpu", ["placement": "static"], text: "\(flavor.vcpus)"))
        domain.add(sysinfo)
        domain.add(
            XMLElement(
                "os", [:],
                [
                    XMLElement("type", ["arch": arch, "machine": machine], text: "hvm"),
                    XMLElement("boot", ["dev": "hd"]),
                    XMLElement("smbios", ["mode": "sysinfo"]),
                ]))
        domain.add(XMLElement("features", [:], [XMLElement("acpi"), XMLElement("apic")]))
        if let cpu { domain.add(cpu) }
        domain.add(clock)
        domain.add(XMLElement("on_poweroff", text: "destroy"))
        domain.add(XMLElement("on_reboot", text: "restart"))
        domain.add(XMLElement("on_crash", text: "destroy"))
        domain.add(deviceList)
        return domain
    }

    // libvirt refuses a title with line breaks.
    private static func oneLine(_ text: String) -> String {
        String(text.map { $0.isNewline || $0 == "\t" ? " " : $0 })
    }

    // cloud-init looks for this product name before it believes in an OpenStack metadata service.
    private var sysinfo: XMLElement {
        func entry(_ name: String, _ text: String) -> XMLElement { XMLElement("entry", ["name": name], text: text) }
        return XMLElement(
            "sysinfo", ["type": "smbios"],
            [
                XMLElement(
                    "system", [:],
                    [
                        entry("manufacturer", "Kilonova"), entry("product", "OpenStack Compute"),
                        entry("serial", spec.id.description), entry("uuid", spec.id.description),
                        entry("family", "Virtual Machine"),
                    ])
            ])
    }

    private var clock: XMLElement {
        guard virtType == "kvm" else { return XMLElement("clock", ["offset": "utc"]) }
        return XMLElement(
            "clock", ["offset": "utc"],
            [
                XMLElement("timer", ["name": "pit", "tickpolicy": "delay"]),
                XMLElement("timer", ["name": "rtc", "tickpolicy": "catchup"]),
                XMLElement("timer", ["name": "hpet", "present": "no"]),
            ])
    }

    private var deviceList: XMLElement {
        var list = XMLElement("devices")
        if let emulator { list.add(XMLElement("emulator", text: emulator)) }
        for disk in disks { list.add(element(of: disk)) }
        if disks.contains(where: { $0.bus == "scsi" }) {
            list.add(XMLElement("controller", ["type": "scsi", "index": "0", "model": "virtio-scsi"]))
        }
        for interface in spec.interfaces { if let element = element(of: interface) { list.add(element) } }
        list.add(
            XMLElement(
                "serial", ["type": "pty"],
                [XMLElement("log", ["file": consoleLog, "append": "on"]), XMLElement("target", ["port": "0"])]))
        if devices.hasAgentChannel {
            list.add(
                XMLElement(
                    "channel", ["type": "unix"],
                    [XMLElement("target", ["type": "virtio", "name": "org.qemu.guest_agent.0"])]))
        }
        if let video = devices.videoModel {
            list.add(XMLElement("input", ["type": "tablet", "bus": "usb"]))
            list.add(
                XMLElement(
                    "graphics", ["type": "vnc", "port": "-1", "autoport": "yes", "listen": vncListen],
                    [XMLElement("listen", ["type": "address", "address": vncListen])]))
            list.add(XMLElement("video", [:], [XMLElement("model", ["type": video])]))
        } else {
            list.add(XMLElement("video", [:], [XMLElement("model", ["type": "none"])]))
        }
        if devices.hasRNG {
            list.add(
                XMLElement(
                    "rng", ["model": "virtio"], [XMLElement("backend", ["model": "random"], text: rngDevicePath)]))
        }
        list.add(XMLElement("memballoon", ["model": "virtio"]))
        return list
    }

    private func element(of disk: Disk) -> XMLElement {
        let isDrive = disk.role == .configDrive
        var element = XMLElement("disk", ["type": "file", "device": isDrive ? "cdrom" : "disk"])
        var driver = XMLElement("driver", ["name": "qemu", "type": disk.format.qemuName ?? "raw"])
        if !isDrive, cacheMode != "default" { driver.attributes.append((name: "cache", value: cacheMode)) }
        element.add(driver)
        element.add(XMLElement("source", ["file": disk.path]))
        element.add(XMLElement("target", ["dev": disk.device, "bus": disk.bus]))
        if isDrive { element.add(XMLElement("readonly")) }
        return element
    }

    private func element(of interface: NetworkInterfaceSpec) -> XMLElement? {
        guard case .bridge(let bridge, let tap) = interface.binding else { return nil }
        return XMLElement(
            "interface", ["type": "bridge"],
            [
                XMLElement("mac", ["address": interface.macAddress]),
                XMLElement("source", ["bridge": bridge]),
                XMLElement("target", ["dev": tap]),
                XMLElement("model", ["type": devices.vifModel]),
                XMLElement("mtu", ["size": "\(interface.mtu)"]),
            ])
    }
}

/// Hands out device names in order: `vda`, `vdb`, …
struct DeviceNames {
    private var used: [String: Int] = [:]

    /// The next name on a bus; `nil` when the bus is full.
    mutating func next(on bus: String) -> String? {
        let prefix = switch bus {
        case "virtio": "vd"
        case "ide": "hd"
        default: "sd"
        }
        let index = used[prefix, default: 0]
        guard index < (prefix == "hd" ? 4 : 26), let letter = Unicode.Scalar(UInt32(97 + index)) else { return nil }
        used[prefix] = index + 1
        return prefix + String(Character(letter))
    }
}
