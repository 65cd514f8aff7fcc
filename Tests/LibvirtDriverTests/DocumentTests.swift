import ComputeModel
import DriverAPI
import Testing

@testable import LibvirtDriver

/// What is made of a guest's document when it is rescued, moved, copied or asked.
@Suite struct DocumentTests {
    private let guest = GuestID.random()
    private let volume = VolumeID.random()
    private let port = PortID.random()

    private var directory: GuestDirectory { GuestDirectory(guest, in: "/i") }

    private func disk(_ file: String, _ name: String, boot: Int? = nil, device: String = "disk") -> XMLElement {
        var disk = XMLElement("disk", ["type": "file", "device": device])
        disk.add(XMLElement("driver", ["name": "qemu", "type": "qcow2"]))
        disk.add(XMLElement("source", ["file": file], [XMLElement("privateData")]))
        disk.add(XMLElement("target", ["dev": name, "bus": name.hasPrefix("hd") ? "ide" : "virtio"]))
        if let boot { disk.add(XMLElement("boot", ["order": "\(boot)"])) }
        disk.add(XMLElement("address", ["type": "pci", "slot": "0x0\(name.count)"]))
        return disk
    }

    private var kept: GuestDocument {
        var held = disk("/v/one", "vdb", boot: 2)
        held.add(XMLElement("serial", text: volume.description))
        let interface = InterfaceElement.make(
            NetworkInterfaceSpec(
                portID: port, networkID: .random(), networkName: "n", macAddress: "FA:16:3E:00:00:01", mtu: 1500,
                binding: .bridge(bridge: "br0", tap: "tap0"), addresses: []),
            model: "virtio", bandwidth: nil)
        var devices = XMLElement("devices")
        for device in [
            disk("\(directory.path)/disk", "vda", boot: 1), held,
            disk("\(directory.path)/disk.config", "hda", device: "cdrom"),
        ] { devices.add(device) }
        if let interface { devices.add(interface) }
        devices.add(
            XMLElement(
                "serial", ["type": "tcp"],
                [
                    XMLElement("source", ["mode": "bind", "host": "127.0.0.1", "service": "10001"]),
                    XMLElement("log", ["file": "\(directory.path)/console.log"]),
                ]))
        devices.add(
            XMLElement(
                "graphics", ["type": "vnc", "port": "5901", "listen": "0.0.0.0"],
                [XMLElement("listen", ["type": "address", "address": "0.0.0.0"])]))
        let type = XMLElement("type", ["machine": "pc"], text: "hvm")
        let system = XMLElement("os", [:], [type, XMLElement("nvram", text: "\(directory.path)/vars")])
        return GuestDocument(XMLElement("domain", [:], [system, devices]))
    }

    @Test func devicesAreFoundByWhatTheyAre() {
        let document = kept
        #expect(document.volumes == [volume])
        #expect(document.disk(of: volume)?.child("target")?["dev"] == "vdb")
        #expect(document.interface(of: port) != nil)
        #expect(document.interface(of: .random()) == nil)
        #expect(document.macAddresses == ["fa:16:3e:00:00:01"])
        #expect(document.hasConfigDrive)
        #expect(document.diskBus == "virtio")
    }

    @Test func aSwappedVolumeIsKnownByWhatIsKept() {
        let other = VolumeID.random()
        var live = kept
        // The guest still sees the old serial number on the new file.
        live.editDevices { device in
            if device.child("serial") != nil { device.edit("source") { $0.set("file", "/v/two") } }
        }
        var now = kept
        now.editDevices { device in
            guard device.name == "disk", device.child("serial") != nil else { return }
            device.edit("source") { $0.set("file", "/v/two") }
            device.edit("serial") { $0.contents = [.text(other.description)] }
        }
        #expect(live.liveVolumes(kept: now) == [other])
        #expect(live.liveDisk(of: volume, kept: now) == nil)
        #expect(live.liveVolumes(kept: kept) == [volume], "another file at that place is not it")
    }

    @Test func plainRescueBootsTheImageWithTheRootDiskBeside() throws {
        let document = try Rescuing.definition(from: kept, directory, stable: nil, bus: "virtio", hasConfigDrive: true)
        let disks = document.disks
        #expect(disks.map { $0.child("source")?["file"] } == [
            directory.rescueDisk, directory.rootDisk, directory.rescueConfigDrive,
        ])
        #expect(disks.map { $0.child("target")?["dev"] } == ["vda", "vdb", "hda"])
        #expect(disks.map { $0.child("boot")?["order"] } == ["1", nil, nil])
        #expect(disks.allSatisfy { $0.child("address") == nil })
        let plain = try Rescuing.definition(from: kept, directory, stable: nil, bus: "ide", hasConfigDrive: false)
        #expect(plain.disks.map { $0.child("target")?["dev"] } == ["hdb", "vda", "hda"])
        #expect(plain.disks.last?.child("source")?["file"] == directory.configDrive)
    }

    @Test func stableRescueKeepsEveryDeviceInItsPlace() throws {
        let drive = StableRescueDevice(device: "cdrom", bus: "ide")
        let document = try Rescuing.definition(
            from: kept, directory, stable: drive, bus: "virtio", hasConfigDrive: false)
        #expect(document.disks.count == 4)
        #expect(document.disks.prefix(3).map { $0.child("address") } == kept.disks.map { $0.child("address") })
        let rescue = try #require(document.disks.last)
        #expect(rescue["device"] == "cdrom" && rescue.child("target")?["dev"] == "hdb")
        #expect(document.disks.compactMap { $0.child("boot")?["order"] } == ["1"])
    }

    @Test func aMovingGuestIsDescribedAsItShallBeThere() throws {
        var package = LivePackage(
            offer: .init(
                node: "n", daemon: "d", memory: nil, directory: "/other/\(guest)", token: nil, kernel: "k",
                arch: "x86_64", virtType: "qemu"))
        package.source = .init(
            directory: directory.path, isShared: false, sharesCache: false, disks: [], cpu: nil, adminUser: nil)
        let there = try VolumeDisk.element(
            VolumeSpec(id: volume, connection: .nbd(host: "h", port: 1, export: "e"), sizeGiB: 1), device: "vda",
            bus: "virtio")
        package.arrival = .init(
            volumes: [volume.description: there.serialized],
            interfaces: ["fa:16:3e:00:00:01": .bridge(bridge: "br9", tap: "tap9")], listen: "192.0.2.9",
            serialPort: 12_345)
        package = try LivePackage(package.package([]))
        let document = package.document(from: kept)
        #expect(document.disks[0].child("source")?["file"] == "/other/\(guest)/disk")
        #expect(document.disks[0].child("target") == kept.disks[0].child("target"))
        #expect(document.disks[1]["type"] == "network")
        #expect(document.disks[1].child("source")?["protocol"] == "nbd")
        #expect(document.disks[1].child("serial")?.text == volume.description)
        #expect(document.interfaces[0].child("source")?["bridge"] == "br9")
        #expect(document.interfaces[0].child("target")?["dev"] == "tap9")
        let devices = document.root.child("devices")
        #expect(devices?.descendant("serial", "source")?["service"] == "12345")
        #expect(devices?.descendant("serial", "log")?["file"] == "/other/\(guest)/console.log")
        #expect(devices?.child("graphics")?["listen"] == "192.0.2.9")
        #expect(document.root.descendant("os", "nvram")?.text == "/other/\(guest)/vars")
        #expect(throws: DriverError.self) { try LivePackage(MovePackage(version: 9, data: [])) }
    }

    @Test func consolesAreFoundInTheLiveDocument() {
        func address(_ kind: ConsoleKind, _ proxied: String? = nil) -> ConsoleAddress? {
            Consoles.address(kind, in: kept, reachedAt: proxied)
        }
        #expect(address(.vnc) == ConsoleAddress(host: "127.0.0.1", port: 5901), "everywhere is also here")
        #expect(address(.vnc, "192.0.2.1") == ConsoleAddress(host: "192.0.2.1", port: 5901))
        #expect(address(.serial) == ConsoleAddress(host: "127.0.0.1", port: 10_001))
        #expect(address(.spice) == nil)
        #expect(address(.mks) == nil)
    }

    @Test func onlyTheRootDiskIsCopied() {
        let document = Snapshots.backup(of: "vda", among: kept, to: "/t", .raw)
        let disks = document.child("disks")?.children ?? []
        #expect(disks.filter { $0["backup"] == "yes" }.map { $0["name"] } == ["vda"])
        #expect(disks.filter { $0["backup"] == "no" }.map { $0["name"] } == ["hda", "vdb"])
    }

    @Test func theTopologyOfTheHostIsRead() throws {
        let xml = """
            <capabilities><host><cpu><arch>x86_64</arch></cpu><topology><cells num='1'><cell id='0'>
            <memory unit='KiB'>2097152</memory><pages unit='KiB' size='4'>500</pages>
            <pages unit='KiB' size='2048'>3</pages><cpus num='2'><cpu id='0' core_id='0' siblings='0-1'/>
            <cpu id='1' core_id='0' siblings='0-1'/></cpus></cell></cells></topology></host></capabilities>
            """
        #expect(try HostCapabilities(xml: xml).topology == HostTopology(cells: [
            HostCell(id: 0, cpus: [0, 1], siblings: [[0, 1]], memoryMiB: 2048, pages: [4: 500, 2048: 3])
        ]))
    }
}
