import ComputeModel
import DriverAPI
import Testing

@testable import LibvirtDriver

@Suite struct DefinitionTests {
    private func image(_ properties: [String: String] = [:]) -> ImageSpec {
        ImageSpec(
            id: .random(), name: "image", diskFormat: "raw", containerFormat: "bare", sizeBytes: 1,
            properties: properties)
    }

    private func definition(_ spec: GuestSpec, virtType: String = "qemu", machine: String = "pc") throws -> XMLElement {
        let devices = try GuestDevices.choose(spec, .machine(machine), arch: "x86_64")
        let disk = DomainDefinition.Disk(role: .root, path: "/a & b/disk", format: .qcow2, bus: "virtio", device: "vda")
        let drive = DomainDefinition.Disk(role: .configDrive, path: "/c", format: .raw, bus: "ide", device: "hda")
        let document = DomainDefinition(
            spec: spec, virtType: virtType, arch: "x86_64", machine: machine, emulator: nil, cpu: nil,
            devices: devices, limits: try GuestLimits(spec.flavor.extraSpecs), disks: [disk, drive],
            cacheMode: "none", consoles: .init(log: "/log", vnc: "127.0.0.1"), firmwareVariables: "/vars",
            rngDevicePath: "/dev/urandom", expressPorts: 3, hostCells: [0: [0, 1], 1: [2, 3]], node: "node",
            operation: 7)
        return try XMLReader.parse(document.xml)
    }

    @Test func theDocumentSaysEverythingOfTheGuest() throws {
        let spec = guestSpec(image(), interfaces: [interfaceSpec(bridge: "br0", tap: "tap0")])
        let domain = try definition(spec)
        #expect(domain["type"] == "qemu")
        #expect(domain.child("uuid")?.text == spec.id.description)
        #expect(domain.child("name")?.text == "kn-\(spec.id)")
        #expect(domain.child("title")?.text == spec.name)
        #expect(domain.descendant("metadata", "kilonova:guest", "kilonova:operation")?.text == "7")
        let entries = domain.descendant("sysinfo", "system")?.children("entry") ?? []
        #expect(entries.first { $0["name"] == "uuid" }?.text == spec.id.description)
        let devices = try #require(domain.child("devices"))
        let disks = devices.children("disk")
        #expect(disks[0].child("source")?["file"] == "/a & b/disk")
        #expect(disks[0].child("driver")?["cache"] == "none")
        #expect(disks[0].child("driver")?["type"] == "qcow2")
        #expect(disks[1]["device"] == "cdrom")
        #expect(disks[1].child("readonly") != nil)
        let interface = try #require(devices.child("interface"))
        #expect(interface.child("source")?["bridge"] == "br0")
        #expect(interface.child("target")?["dev"] == "tap0")
        #expect(interface.child("mtu")?["size"] == "1450")
        #expect(devices.descendant("serial", "log")?["append"] == "on")
        #expect(devices.child("graphics")?["listen"] == "127.0.0.1")
        #expect(devices.child("rng") != nil)
        #expect(GuestMetadata.isOurs(domain.descendant("metadata", "kilonova:guest")?.serialized))
    }

    @Test func aNameCannotBreakOutOfTheDocument() throws {
        var spec = guestSpec(image())
        spec.name = "x</title><os><kernel>/etc/shadow</kernel></os>\n\u{0}'\""
        let domain = try definition(spec)
        #expect(domain.children("os").count == 1)
        #expect(domain.child("os")?.child("kernel") == nil)
        #expect(domain.child("title")?.text.contains("\n") == false)
    }

    @Test func wishesOfTheImageAreMet() throws {
        let wishes = [
            "hw_disk_bus": "scsi", "hw_vif_model": "e1000", "hw_video_model": "cirrus", "hw_rng_model": "virtio",
            "hw_cdrom_bus": "sata", "hw_qemu_guest_agent": "yes",
        ]
        let devices = try GuestDevices.choose(guestSpec(image(wishes)), .sample, arch: "x86_64")
        #expect(devices == GuestDevices(
            diskBus: "scsi", cdromBus: "sata", vifModel: "e1000", videoModel: "cirrus", hasRNG: true,
            hasAgentChannel: true))
        let more = try GuestDevices.choose(
            guestSpec(
                image([
                    "hw_scsi_model": "lsilogic", "hw_watchdog_action": "reset", "hw_pointer_model": "ps2mouse",
                    "hw_boot_menu": "true", "os_type": "windows", "hw_video_ram": "32", "hw_cpu_cores": "2",
                ]),
                vcpus: 4,
                extraSpecs: ["hw:watchdog_action": "poweroff", "hw_video:ram_max_mb": "64", "hw_rng:rate_bytes": "9"]),
            .sample, arch: "x86_64")
        #expect(more.scsiModel == "lsilogic")
        #expect(more.watchdogAction == "poweroff", "the flavor goes before the image")
        #expect(more.pointer == "mouse" && more.inputBus == "ps2")
        #expect(more.hasBootMenu && more.hasLocalClock)
        #expect(more.videoMiB == 32)
        #expect(more.rngRate == .init(bytes: 9, period: 1000))
        #expect(more.processors.sockets == 2 && more.processors.cores == 2 && more.processors.threads == 1)
        let plain = try GuestDevices.choose(guestSpec(image()), .machine("pc-q35-7.2"), arch: "x86_64")
        #expect(plain.cdromBus == "scsi")
        #expect(plain.diskBus == "virtio")
        let none = try GuestDevices.choose(
            guestSpec(image(["hw_video_model": "none"]), extraSpecs: ["hw_rng:allowed": "False"]), .sample,
            arch: "x86_64")
        #expect(none.videoModel == nil)
        #expect(!none.hasRNG)
    }

    @Test(arguments: [
        ["hw_disk_bus": "xen"], ["hw_disk_bus": "fdc"], ["hw_vif_model": "VirtualE1000"], ["hw_video_model": "qxl"],
        ["hw_rng_model": "egd"], ["hw_cdrom_bus": "lxc"], ["hw_architecture": "aarch64"], ["img_hv_type": "xen"],
        ["hw_vm_mode": "xen"], ["hw_firmware_type": "coreboot"], ["kernel_id": "x"], ["hw_scsi_model": "buslogic"],
        ["hw_watchdog_action": "explode"], ["hw_pointer_model": "finger"], ["hw_mem_page_size": "large"],
        ["hw_tpm_version": "2.0"],
    ]) func aWishThatCannotBeMetIsRefusedByName(_ properties: [String: String]) {
        #expect {
            try GuestDevices.choose(guestSpec(image(properties)), .sample, arch: "x86_64")
        } throws: { error in
            guard let error = error as? DriverError, error.remedy == .giveUp else { return false }
            return properties.allSatisfy { error.userMessage.contains("\($0.key) = \($0.value)") }
        }
    }

    @Test func anIDEDiskIsRefusedWhereTheMachineHasNone() {
        #expect(throws: DriverError.self) {
            try GuestDevices.choose(
                guestSpec(image(["hw_disk_bus": "ide"])), .machine("pc-q35-7.2"), arch: "x86_64")
        }
    }

    @Test(arguments: [
        "hw:cpu_policy", "quota:disk_read_parsecs", "pci_passthrough:alias", "hw:mem_page_size", "hw:cpu_realtime",
        "accel:device_profile",
    ])
    func aPromiseOfTheFlavorThatWouldNotBeKeptIsRefused(_ name: String) {
        #expect(throws: DriverError.self) {
            try GuestDevices.choose(guestSpec(image(), extraSpecs: [name: "dedicated"]), .sample, arch: "x86_64")
        }
    }

    @Test func deviceNamesAreHandedOutPerBus() {
        var names = DeviceNames()
        #expect(names.next(on: "virtio") == "vda")
        #expect(names.next(on: "virtio") == "vdb")
        #expect(names.next(on: "scsi") == "sda")
        #expect(names.next(on: "sata") == "sdb")
        #expect((0..<5).map { _ in names.next(on: "ide") } == ["hda", "hdb", "hdc", "hdd", nil])
    }

    @Test func aWishedDeviceNameIsTakenWhenItIsFree() throws {
        var names = DeviceNames(used: ["vda"])
        #expect(try names.take("/dev/vdc", on: "virtio", insists: true) == "vdc")
        #expect(try names.take("/dev/sdb", on: "virtio", insists: true) == "vdb", "another bus has other names")
        #expect(try names.take("/dev/vda", on: "virtio", insists: false) == "vdd")
        #expect(throws: DriverError.refused("the guest has a device /dev/vda already")) {
            try names.take("/dev/vda", on: "virtio", insists: true)
        }
    }

    @Test func limitsOfTheFlavorStandInTheDocument() throws {
        let specs = [
            "quota:cpu_shares": "10", "quota:cpu_period": "1000", "quota:cpu_quota": "500",
            "quota:disk_read_bytes_sec": "1000000", "quota:disk_total_iops_sec": "70",
            "quota:vif_inbound_average": "1000", "quota:vif_inbound_burst": "2000",
        ]
        let spec = guestSpec(image(), interfaces: [interfaceSpec(bridge: "b", tap: "t")], extraSpecs: specs)
        let domain = try definition(spec)
        #expect(domain.descendant("cputune", "shares")?.text == "10")
        #expect(domain.descendant("cputune", "period")?.text == "1000")
        #expect(domain.descendant("cputune", "quota")?.text == "500")
        let disk = try #require(domain.descendant("devices", "disk"))
        #expect(disk.descendant("iotune", "read_bytes_sec")?.text == "1000000")
        #expect(disk.descendant("iotune", "total_iops_sec")?.text == "70")
        let inbound = domain.descendant("devices", "interface", "bandwidth", "inbound")
        #expect(inbound?["average"] == "1000" && inbound?["burst"] == "2000")
        #expect(domain.descendant("devices", "interface", "bandwidth")?.child("outbound") == nil)
        for bad in [["quota:cpu_shares": "many"], ["quota:disk_read_iops_sec": "0"], ["quota:vif_inbound_peak": "1"]] {
            #expect(throws: DriverError.self, "\(bad)") { try GuestLimits(bad) }
        }
        #expect(try GuestLimits(["quota:cpu_quota": "-1"]).cpuQuota == nil)
    }

    @Test func pinnedAndFloatingGuestsKeepToTheirCells() throws {
        var spec = guestSpec(image(), vcpus: 4, extraSpecs: ["hw:cpu_policy": "dedicated", "hw:numa_nodes": "2"])
        spec.topology = GuestTopology(
            cells: [
                .init(hostCell: 0, vcpus: [0, 1], memoryMiB: 64, pageKiB: 2048, pinned: [0: 1, 1: 0]),
                .init(hostCell: 1, vcpus: [2, 3], memoryMiB: 64),
            ], emulatorCPUs: [3])
        let domain = try definition(spec)
        let pins = domain.child("cputune")?.children("vcpupin") ?? []
        #expect(pins.map { $0["cpuset"] } == ["1", "0", "2-3", "2-3"])
        #expect(domain.descendant("cputune", "emulatorpin")?["cpuset"] == "3")
        #expect(domain.descendant("numatune", "memory")?["nodeset"] == "0-1")
        #expect(domain.child("numatune")?.children("memnode").map { $0["nodeset"] } == ["0", "1"])
        let cells = domain.descendant("cpu", "numa")?.children("cell") ?? []
        #expect(cells.map { $0["cpus"] } == ["0-1", "2-3"])
        #expect(cells.map { $0["memory"] } == ["64", "64"])
        let page = domain.descendant("memoryBacking", "hugepages", "page")
        #expect(page?["size"] == "2048" && page?["nodeset"] == "0")
        spec.topology = nil
        #expect(throws: DriverError.self, "nobody has placed it") { try definition(spec) }
    }

    @Test func listsOfProcessorsAreWrittenAndRead() {
        #expect(GuestPlacement.list([7, 0, 1, 2, 5]) == "0-2,5,7")
        #expect(GuestPlacement.numbers("0-2,5,7") == [0, 1, 2, 5, 7])
        #expect(GuestPlacement.numbers("3-1,x") == [])
    }

    @Test func firmwareIsChosenByTheImage() throws {
        let uefi = try definition(guestSpec(image(["hw_firmware_type": "uefi"])))
        let system = try #require(uefi.child("os"))
        #expect(system["firmware"] == "efi")
        #expect(system.child("nvram")?.text == "/vars")
        #expect(system.child("firmware")?.children("feature").map { $0["enabled"] } == ["no", "no"])
        #expect(uefi.child("features")?.child("smm") == nil)
        let wish = ["hw_firmware_type": "uefi", "os_secure_boot": "required"]
        let secure = try definition(guestSpec(image(wish)), machine: "pc-q35-7.2")
        let features = secure.descendant("os", "firmware")?.children("feature") ?? []
        #expect(features.map { $0["name"] } == ["enrolled-keys", "secure-boot"])
        #expect(features.allSatisfy { $0["enabled"] == "yes" })
        #expect(secure.descendant("features", "smm")?["state"] == "on")
        let ports = secure.child("devices")?.children("controller").filter { $0["model"] == "pcie-root-port" }
        #expect(ports?.count == 3, "room for devices that come later")
        #expect(throws: DriverError.self, "pc cannot protect the keys") { try definition(guestSpec(image(wish))) }
        let optional = ["hw_firmware_type": "uefi", "os_secure_boot": "optional"]
        let feature = try definition(guestSpec(image(optional))).descendant("os", "firmware", "feature")
        #expect(feature?["enabled"] == "no")
    }

    @Test func devicesOfTheNodeArePassedThrough() throws {
        var spec = guestSpec(image(), extraSpecs: ["pci_passthrough:alias": "card:1"])
        spec.pciDevices = ["0000:81:00.1"]
        let address = try definition(spec).descendant("devices", "hostdev", "source", "address")
        #expect(address?["bus"] == "0x81" && address?["function"] == "0x1")
    }

    @Test func handlesAreSmallVersionedJSON() throws {
        let id = GuestID.random()
        let handle = GuestIdentity(id).handle
        #expect(handle.version == 1)
        #expect(String(decoding: handle.data, as: UTF8.self) == "{\"domain\":\"kn-\(id)\",\"guest\":\"\(id)\"}")
        #expect(GuestIdentity(handle)?.guest == id)
        #expect(GuestIdentity(GuestHandle(version: 2, data: handle.data)) == nil)
    }

    @Test func optionsAreCheckedAgainstEachOther() throws {
        func options(_ values: [String: String]) throws -> LibvirtOptions {
            try LibvirtOptions(DriverConfiguration(values), stateDirectory: "/state")
        }
        #expect(try options([:]).instancesPath == "/state/instances")
        #expect(try options(["hw_machine_type": "x86_64=q35, aarch64=virt"]).machineTypes["aarch64"] == "virt")
        #expect(try options(["disk_cachemodes": "file=unsafe"]).diskCacheMode == "unsafe")
        #expect(try options(["images_type": "flat", "force_raw_images": "no"]).imagesType == .raw)
        for bad in [
            ["hw_machine_type": "q35"], ["disk_cachemodes": "block=none"], ["cpu_mode": "custom"],
            ["cpu_models": "EPYC"], ["virt_type": "qemu", "cpu_mode": "host-passthrough"], ["instances_path": "here"],
            ["graphics": "vnc,rdp"], ["serial_port_range": "20000:10000"],
        ] {
            #expect(throws: DriverError.self, "\(bad)") { try options(bad) }
        }
    }

    @Test func everyDeclaredDefaultIsTheDefaultInUse() throws {
        let defaults = Dictionary(
            uniqueKeysWithValues: LibvirtOptions.declared.compactMap { option in
                option.defaultValue.map { (option.name, $0) }
            })
        let declared = try LibvirtOptions(DriverConfiguration(defaults), stateDirectory: "/state")
        let plain = LibvirtOptions(instancesPath: "/state/instances")
        #expect("\(declared)" == "\(plain)")
        #expect(Set(LibvirtOptions.declared.map(\.name)).count == LibvirtOptions.declared.count)
    }
}
