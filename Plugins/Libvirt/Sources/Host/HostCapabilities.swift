import ComputeModel

/// What libvirt says of the host (`virConnectGetCapabilities`).
struct HostCapabilities: Hashable, Sendable {
    /// A kind of guest.
    struct Guest: Hashable, Sendable {
        var arch: String
        /// `hvm`.
        var machineMode: String
        /// `qemu`, `kvm`.
        var virtTypes: [String]
        var emulator: String?
    }

    /// The host's own architecture.
    var arch: String
    var cpu: CPUDescription
    var guests: [Guest]
    /// Processors and memory by NUMA cell; `nil` where libvirt says nothing of them.
    var topology: HostTopology?

    /// Reads libvirt's document.
    init(xml: String) throws(XMLReader.Failure) {
        let root = try XMLReader.parse(xml)
        let cpu = root.descendant("host", "cpu")
        arch = cpu?.child("arch")?.text ?? ""
        let topology = cpu?.child("topology")
        func count(_ name: String) -> Int { topology?[name].flatMap { Int($0) } ?? 1 }
        self.cpu = CPUDescription(
            arch: arch, vendor: cpu?.child("vendor")?.text ?? "", model: cpu?.child("model")?.text ?? "",
            sockets: count("sockets"), cores: count("cores"), threads: count("threads"),
            features: (cpu?.children("feature") ?? []).compactMap { $0["name"] }.sorted())
        self.topology = Self.topology(root.descendant("host", "topology", "cells"))
        guests = root.children("guest").compactMap { guest in
            guard let arch = guest.child("arch"), let name = arch["name"] else { return nil }
            return Guest(
                arch: name, machineMode: guest.child("os_type")?.text ?? "hvm",
                virtTypes: arch.children("domain").compactMap { $0["type"] },
                emulator: arch.child("emulator")?.text)
        }
    }

    private static func topology(_ cells: XMLElement?) -> HostTopology? {
        let found = (cells?.children("cell") ?? []).compactMap { cell -> HostCell? in
            guard let id = cell["id"].flatMap({ Int($0) }) else { return nil }
            let processors = cell.child("cpus")?.children("cpu") ?? []
            let siblings = Set(processors.map { GuestPlacement.numbers($0["siblings"] ?? "") }).filter { $0.count > 1 }
            var pages: [Int: Int] = [:]
            for page in cell.children("pages") {
                if let size = page["size"].flatMap({ Int($0) }) { pages[size] = Int(page.text) ?? 0 }
            }
            return HostCell(
                id: id, cpus: Set(processors.compactMap { $0["id"].flatMap { Int($0) } }),
                siblings: siblings.sorted { ($0.min() ?? 0) < ($1.min() ?? 0) },
                memoryMiB: (cell.child("memory").flatMap { Int($0.text) } ?? 0) / 1024, pages: pages)
        }
        return found.isEmpty ? nil : HostTopology(cells: found.sorted { $0.id < $1.id })
    }

    /// What can run here, for reports. KVM is left out where guests could not use it.
    func supportedGuests(kvm: Bool) -> [SupportedGuest] {
        guests.flatMap { guest in
            guest.virtTypes.filter { kvm || $0 != "kvm" }.map {
                SupportedGuest(architecture: guest.arch, hypervisorType: $0, machineMode: guest.machineMode)
            }
        }
    }
}

/// What guests of one virtualisation type, architecture and machine can have (`virConnectGetDomainCapabilities`).
struct DomainCapabilities: Hashable, Sendable {
    var virtType: String
    var machine: String
    var vcpusMax: Int?
    var diskBuses: Set<String>
    var videoModels: Set<String>
    var graphics: Set<String>
    var rngModels: Set<String>
    /// Kinds of firmware that libvirt finds by itself: `bios`, `efi`.
    var firmwares: Set<String>
    /// Whether there is firmware that boots signed systems only.
    var hasSecureFirmware: Bool
    /// Supported CPU modes.
    var cpuModes: Set<String>
    /// The `<mode name='host-model'>` element as a `<cpu>` element.
    var hostModel: XMLElement?
    /// Names for cpu_mode = custom that can be used here.
    var usableCPUModels: Set<String>

    /// Reads libvirt's document.
    init(xml: String) throws(XMLReader.Failure) {
        let root = try XMLReader.parse(xml)
        virtType = root.child("domain")?.text ?? ""
        machine = root.child("machine")?.text ?? ""
        vcpusMax = root.child("vcpu")?["max"].flatMap { Int($0) }
        let devices = root.child("devices")
        func values(_ device: String, _ name: String) -> Set<String> {
            guard let device = devices?.child(device), device["supported"] == "yes" else { return [] }
            let list = device.children("enum").first { $0["name"] == name }
            return Set((list?.children("value") ?? []).map(\.text))
        }
        diskBuses = values("disk", "bus")
        videoModels = values("video", "modelType")
        graphics = values("graphics", "type")
        rngModels = values("rng", "model")
        let system = root.child("os")
        func systemValues(_ list: XMLElement?, _ name: String) -> Set<String> {
            let named = list?.children("enum").first { $0["name"] == name }
            return Set((named?.children("value") ?? []).map(\.text))
        }
        firmwares = systemValues(system, "firmware")
        hasSecureFirmware = systemValues(system?.child("loader"), "secure").contains("yes")
        let modes = (root.child("cpu")?.children("mode") ?? []).filter { $0["supported"] == "yes" }
        cpuModes = Set(modes.compactMap { $0["name"] })
        hostModel = modes.first { $0["name"] == "host-model" }.map { mode in
            var cpu = XMLElement("cpu", ["mode": "custom", "match": "exact"])
            cpu.contents = mode.contents
            return cpu
        }
        let models = modes.first { $0["name"] == "custom" }?.children("model") ?? []
        usableCPUModels = Set(models.filter { $0["usable"] != "no" }.map(\.text))
    }
}
