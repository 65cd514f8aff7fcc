import ComputeModel

/// What libvirt is told of a guest. Pure: the same input gives the same document.
struct DomainDefinition: Sendable {
    /// A local disk of the guest.
    struct Disk: Hashable, Sendable {
        /// What it is for.
        enum Role: Hashable, Sendable { case root, ephemeral, swap, configDrive, rescue }
        var role: Role
        var path: String
        /// `qcow2` or `raw`.
        var format: DiskFormat
        /// Bus and device name, `vda`.
        var bus: String
        var device: String
        /// Place in the order of devices to boot from, from 1; `nil` for none.
        var bootOrder: Int?
    }

    /// How people and programs look into the guest.
    struct Consoles: Hashable, Sendable {
        var log: String
        /// Addresses on which the servers listen; `nil` for no such server.
        var vnc: String?
        var spice: String?
        /// Address and port of the serial port; `nil` for one that only the log sees.
        var serial: (address: String, port: Int)?

        static func == (left: Self, right: Self) -> Bool {
            left.log == right.log && left.vnc == right.vnc && left.spice == right.spice
                && left.serial?.address == right.serial?.address && left.serial?.port == right.serial?.port
        }
        func hash(into hasher: inout Hasher) {
            for text in [log, vnc, spice, serial?.address] { hasher.combine(text) }
            hasher.combine(serial?.port)
        }
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
    var limits = GuestLimits.none
    var disks: [Disk]
    /// The `<disk>` elements of volumes; see ``VolumeDisk``.
    var volumes: [XMLElement] = []
    var cacheMode: String
    var consoles: Consoles
    /// File of the firmware's variables.
    var firmwareVariables: String
    var rngDevicePath: String
    /// Slots for devices, also for those that come later, on machines with PCI Express.
    var expressPorts = 0
    /// Processors of the node by NUMA cell, for guests that float in one.
    var hostCells: [Int: Set<Int>] = [:]
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
        if let topology = spec.topology, let pages = GuestPlacement.pages(topology) { domain.add(pages) }
        domain.add(XMLElement("vcpu", ["placement": "static"], text: "\(flavor.vcpus)"))
        if let tuning = GuestPlacement.tuning(spec.topology, limits, hostCells) { domain.add(tuning) }
        if let topology = spec.topology { domain.add(GuestPlacement.memory(topology)) }
        domain.add(sysinfo)
        domain.add(system)
        domain.add(features)
        if let cpu = processor { domain.add(cpu) }
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

    private var system: XMLElement {
        var system = XMLElement("os")
        if case .uefi = devices.firmware { system.attributes.append((name: "firmware", value: "efi")) }
        system.add(XMLElement("type", ["arch": arch, "machine": machine], text: "hvm"))
        if case .uefi(let isSecure) = devices.firmware {
            let answer = isSecure ? "yes" : "no"
            func feature(_ name: String) -> XMLElement { XMLElement("feature", ["enabled": answer, "name": name]) }
            system.add(XMLElement("firmware", [:], [feature("enrolled-keys"), feature("secure-boot")]))
            system.add(XMLElement("nvram", text: firmwareVariables))
        }
        if devices.hasBootMenu { system.add(XMLElement("bootmenu", ["enable": "yes"])) }
        system.add(XMLElement("smbios", ["mode": "sysinfo"]))
        return system
    }

    private var features: XMLElement {
        var features = XMLElement("features", [:], [XMLElement("acpi"), XMLElement("apic")])
        if case .uefi(true) = devices.firmware { features.add(XMLElement("smm", ["state": "on"])) }
        if devices.processors.hidesHypervisor, virtType == "kvm" {
            features.add(XMLElement("kvm", [:], [XMLElement("hidden", ["state": "on"])]))
        }
        if let hasPMU = devices.processors.hasPMU { features.add(XMLElement("pmu", ["state": hasPMU ? "on" : "off"])) }
        return features
    }

    private var processor: XMLElement? {
        let parts = devices.processors
        guard parts.sockets != nil || spec.topology != nil else { return cpu }
        var cpu = cpu ?? XMLElement("cpu")
        if let sockets = parts.sockets, let cores = parts.cores, let threads = parts.threads {
            cpu.add(XMLElement("topology", ["sockets": "\(sockets)", "cores": "\(cores)", "threads": "\(threads)"]))
        }
        if let topology = spec.topology { cpu.add(GuestPlacement.cells(topology)) }
        return cpu
    }

    private var clock: XMLElement {
        var clock = XMLElement("clock", ["offset": devices.hasLocalClock ? "localtime" : "utc"])
        guard virtType == "kvm" else { return clock }
        clock.add(XMLElement("timer", ["name": "pit", "tickpolicy": "delay"]))
        clock.add(XMLElement("timer", ["name": "rtc", "tickpolicy": "catchup"]))
        clock.add(XMLElement("timer", ["name": "hpet", "present": "no"]))
        return clock
    }

    private var deviceList: XMLElement {
        var list = XMLElement("devices")
        if let emulator { list.add(XMLElement("emulator", text: emulator)) }
        let disks = disks.map { $0.element(cacheMode: cacheMode, limits: limits.disk) } + volumes
        for disk in disks { list.add(disk) }
        if machine.contains("q35") {
            list.add(XMLElement("controller", ["type": "pci", "index": "0", "model": "pcie-root"]))
            for number in 1..<(expressPorts + 1) {
                list.add(XMLElement("controller", ["type": "pci", "index": "\(number)", "model": "pcie-root-port"]))
            }
        }
        if disks.contains(where: { $0.child("target")?["bus"] == "scsi" }) {
            list.add(XMLElement("controller", ["type": "scsi", "index": "0", "model": devices.scsiModel]))
        }
        for interface in spec.interfaces {
            if let element = InterfaceElement.make(
                interface, model: devices.vifModel, queues: devices.hasManyQueues ? spec.flavor.vcpus : nil,
                bandwidth: limits.bandwidth)
            {
                list.add(element)
            }
        }
        for address in spec.pciDevices { if let device = Self.hostDevice(address) { list.add(device) } }
        for element in consoleDevices { list.add(element) }
        if devices.hasRNG {
            var random = XMLElement("rng", ["model": "virtio"])
            if let rate = devices.rngRate {
                random.add(XMLElement("rate", ["period": "\(rate.period)", "bytes": "\(rate.bytes)"]))
            }
            random.add(XMLElement("backend", ["model": "random"], text: rngDevicePath))
            list.add(random)
        }
        if let action = devices.watchdogAction {
            list.add(XMLElement("watchdog", ["model": "i6300esb", "action": action]))
        }
        list.add(XMLElement("memballoon", ["model": "virtio"], [XMLElement("stats", ["period": "10"])]))
        return list
    }

    /// A device of the node for the guest alone; `nil` for an address that is none.
    private static func hostDevice(_ address: String) -> XMLElement? {
        let parts = address.split(whereSeparator: { $0 == ":" || $0 == "." })
        guard parts.count == 4 else { return nil }
        return XMLElement(
            "hostdev", ["mode": "subsystem", "type": "pci", "managed": "yes"],
            [
                XMLElement(
                    "source", [:],
                    [
                        XMLElement(
                            "address",
                            [
                                "domain": "0x\(parts[0])", "bus": "0x\(parts[1])", "slot": "0x\(parts[2])",
                                "function": "0x\(parts[3])",
                            ])
                    ])
            ])
    }
}

extension DomainDefinition {
    /// Serial port, agent's channel, screen, keyboard and pointer.
    private var consoleDevices: [XMLElement] {
        var list: [XMLElement] = []
        let log = XMLElement("log", ["file": consoles.log, "append": "on"])
        if let serial = consoles.serial {
            list.append(
                XMLElement(
                    "serial", ["type": "tcp"],
                    [
                        XMLElement(
                            "source", ["mode": "bind", "host": serial.address, "service": "\(serial.port)"]),
                        XMLElement("protocol", ["type": "raw"]), log, XMLElement("target", ["port": "0"]),
                    ]))
        } else {
            list.append(XMLElement("serial", ["type": "pty"], [log, XMLElement("target", ["port": "0"])]))
        }
        if devices.hasAgentChannel {
            list.append(
                XMLElement(
                    "channel", ["type": "unix"],
                    [XMLElement("target", ["type": "virtio", "name": "org.qemu.guest_agent.0"])]))
        }
        guard let model = devices.videoModel else {
            list.append(XMLElement("video", [:], [XMLElement("model", ["type": "none"])]))
            return list
        }
        list.append(XMLElement("input", ["type": devices.pointer, "bus": devices.inputBus]))
        for (kind, address) in [("vnc", consoles.vnc), ("spice", consoles.spice)] {
            guard let address else { continue }
            list.append(
                XMLElement(
                    "graphics", ["type": kind, "port": "-1", "autoport": "yes", "listen": address],
                    [XMLElement("listen", ["type": "address", "address": address])]))
        }
        if consoles.spice != nil {
            list.append(
                XMLElement(
                    "channel", ["type": "spicevmc"],
                    [XMLElement("target", ["type": "virtio", "name": "com.redhat.spice.0"])]))
        }
        var video = XMLElement("model", ["type": model])
        if let mib = devices.videoMiB { video.attributes.append((name: "vram", value: "\(mib * 1024)")) }
        list.append(XMLElement("video", [:], [video]))
        return list
    }
}
