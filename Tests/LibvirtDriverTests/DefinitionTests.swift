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

    private func definition(_ spec: GuestSpec, virtType: String = "qemu") throws -> XMLElement {
        let devices = try GuestDevices.choose(spec, .sample, arch: "x86_64")
        let disk = DomainDefinition.Disk(role: .root, path: "/a & b/disk", format: .qcow2, bus: "virtio", device: "vda")
        let drive = DomainDefinition.Disk(role: .configDrive, path: "/c", format: .raw, bus: "ide", device: "hda")
        let document = DomainDefinition(
            spec: spec, virtType: virtType, arch: "x86_64", machine: "pc", emulator: nil, cpu: nil, devices: devices,
            disks: [disk, drive], cacheMode: "none", consoleLog: "/log", vncListen: "127.0.0.1",
            rngDevicePath: "/dev/urandom", node: "node", operation: 7)
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
        ["hw_vm_mode": "xen"], ["hw_firmware_type": "uefi"], ["kernel_id": "x"], ["hw_tpm_version": "2.0"],
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

    @Test(arguments: ["hw:cpu_policy", "quota:disk_read_iops_sec", "pci_passthrough:alias", "hw:mem_page_size"])
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
