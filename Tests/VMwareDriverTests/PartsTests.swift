import CDriverABI
import ComputeModel
import DriverAPI
import DriverConformance
import Foundation
import Testing

@testable import VMwareDriver

/// The driver's parts that need no server.
@Suite struct PartsTests {
    private let endpoint = VCenterEndpoint(
        host: "vc", port: 443, user: "", password: "", trust: .system, retriesMax: 0)

    private func fault(_ type: String, _ inner: String = "") -> VimFailure? {
        let text =
            "<Envelope><Body><Fault><faultstring>its words</faultstring><detail><\(type)Fault xsi:type='\(type)'>"
            + "\(inner)</\(type)Fault></detail></Fault></Body></Envelope>"
        do throws(VimFailure) {
            _ = try VCenterClient.decode(Array(text.utf8), "Do_Task of VirtualMachine vm-1", endpoint)
            return nil
        } catch {
            return error
        }
    }

    @Test(arguments: [
        ("NotAuthenticated", DriverError.Remedy.retry), ("InvalidLogin", .giveUp), ("NoPermission", .reschedule),
        ("InvalidPowerState", .reschedule), ("NoDiskSpace", .reschedule),
        ("InsufficientMemoryResourcesFault", .reschedule),
        ("RequestCanceled", .giveUp), ("MethodNotFound", .giveUp), ("TaskInProgress", .retry), ("Unheard", .reschedule),
    ])
    func faultsBecomeErrorsByWhatToDo(type: String, remedy: DriverError.Remedy) throws {
        let error = try #require(fault(type)).driverError
        #expect(error.remedy == remedy)
        if type != "RequestCanceled" {
            #expect(error.message.contains("\(type): its words"))
            #expect(error.message.contains("Do_Task of VirtualMachine vm-1"))
        }
    }

    @Test func faultsCarryWhatCallersNeed() {
        #expect(
            fault("DuplicateName", "<name>x</name><object type='Folder'>group-v3</object>")?.kind
                == .duplicateName(ManagedReference("Folder", "group-v3")))
        #expect(fault("FileNotFound", "<file>[ds] x</file>")?.kind == .fileNotFound)
        #expect(fault("ManagedObjectNotFound", "<obj type='Task'>task-1</obj>")?.kind == .managedObjectNotFound)
        let localized = "<error><fault xsi:type='InvalidPowerState'/><localizedMessage>words</localizedMessage></error>"
        let task = try? XMLElement(parsing: Array(localized.utf8))
        #expect(task.map { VimFault(localized: $0).kind } == .invalidPowerState)
    }

    @Test(arguments: [
        "<html>not found</html>", "{}", "<Envelope/>", "<Envelope><Body/></Envelope>",
        "<a:Envelope><Body></a:Envelope>",
    ])
    func whatIsNoSOAPIsATypedError(text: String) {
        let error = {
            do throws(VimFailure) {
                _ = try VCenterClient.decode(Array(text.utf8), "a call", endpoint)
                return DriverError.cancelled
            } catch {
                return error.driverError
            }
        }()
        guard case .failed(let text) = error else {
            Issue.record("\(error)")
            return
        }
        #expect(text.contains("no SOAP"))
    }

    @Test func datastorePathsAreReadAndEscaped() throws {
        let path = try #require(DatastorePath("[data store (1)] a b/c%.vmdk"))
        #expect(path.description == "[data store (1)] a b/c%.vmdk")
        #expect(path.name == "c%.vmdk" && path.folder.path == "a b" && path.flat.path == "a b/c%-flat.vmdk")
        #expect(
            path.url("https://h:1", datacenterPath: "x/DC ö")
                == "https://h:1/folder/a%20b/c%25.vmdk?dcPath=x%2FDC%20%C3%B6&dsName=data%20store%20%281%29")
        #expect(DatastorePath("no brackets") == nil && DatastorePath("[never closed") == nil)
    }

    @Test func aMarkCannotBeForgedByAName() {
        let (ours, other) = (GuestID.random(), GuestID.random())
        let spec = guestSpec(nil, name: "x\nkilonova:guest=\(other)", id: ours)
        let notes = GuestMark.notes(of: spec, node: "n")
        #expect(GuestMark.isThere(in: notes, for: ours))
        #expect(!GuestMark.isThere(in: notes, for: other))
    }

    @Test func recordsSurviveTheirOwnWriting() throws {
        var record = GuestRecord(operation: 7, spawnedBy: 3, isComplete: true)
        let volume = VolumeID.random()
        record.hold(volume, HeldVolume(file: "[d] a/\"b\" & c.vmdk", diskUUID: nil, shadow: "vm-1"))
        let options = XMLElement("val", [:], record.options(removing: ["gone"]))
        let text = Array(options.serialized.utf8)
        #expect(GuestRecord(try XMLElement(parsing: text)) == record)
        #expect(record.volumes[volume]?.shadow == "vm-1")
    }

    @Test func machinesAreNamedAsNovaDoes() {
        let id = GuestID.random()
        let name = VMwareDriver.machineName(String(repeating: "long/", count: 20), id)
        #expect(name.count == 80 && name.hasSuffix("(\(id))") && !name.contains("/"))
    }

    @Test func wishesAreUnderstoodOrRefusedByName() throws {
        let image = ImageSpec(
            id: .random(), name: "i", diskFormat: "vmdk", containerFormat: "bare", sizeBytes: 1,
            properties: [
                "vmware_adaptertype": "paraVirtual", "hw_vif_model": "e1000", "vmware_ostype": "debian10_64Guest",
                "vmware_linked_clone": "false", "vmware_disktype": "preallocated", "hw_firmware_type": "uefi",
            ])
        let plan = try MachinePlan(image, ["quota:cpu_limit": "500", "other": "x"], usesLinkedClones: true)
        #expect(plan.adapter == .paraVirtual && plan.networkCard == "VirtualE1000" && !plan.isLinked && !plan.isThin)
        #expect(plan.firmware == "efi" && plan.allocation.map(\.name) == ["cpuAllocation"])
        for (key, value) in [
            ("hw:cpu_policy", "dedicated"), ("quota:disk_read_iops_sec", "1"), ("quota:cpu_limit", "x"),
        ] {
            let error = #expect(throws: VimFailure.self) { try MachinePlan(nil, [key: value], usesLinkedClones: true) }
            #expect(error?.driverError.message.contains(key) == true)
        }
        let wrong = [
            ("hw_vif_model", "rtl8139"), ("hw_disk_bus", "virtio"), ("vmware_adaptertype", "nvme"),
            ("vmware_disktype", "thick"), ("hw_firmware_type", "coreboot"),
        ]
        for (key, value) in wrong {
            var odd = image
            odd.properties[key] = value
            let error = #expect(throws: VimFailure.self) { try MachinePlan(odd, [:], usesLinkedClones: true) }
            #expect(error?.driverError.message.contains("\(key)=\(value)") == true)
        }
        var bios = image
        bios.properties["hw_firmware_type"] = "bios"
        bios.properties["os_secure_boot"] = "required"
        #expect(throws: VimFailure.self) { try MachinePlan(bios, [:], usesLinkedClones: true) }
    }

    @Test(arguments: [
        ("host_ip", ""), ("host_username", ""), ("cluster_name", ""), ("datastore_regex", "(["),
    ])
    func badOptionsAreNamed(name: String, value: String) {
        var values = [
            "host_ip": "h", "host_username": "u", "host_password": "p", "cluster_name": "c",
        ]
        values[name] = value.isEmpty ? nil : value
        let error = #expect(throws: DriverError.self) { try VMwareOptions(DriverConfiguration(values)) }
        guard case .badConfiguration(let text) = error else {
            Issue.record("\(String(describing: error))")
            return
        }
        #expect(text.contains("[vmware] \(name)"))
    }

    @Test func aConfigurationDriveIsReadByOthers() throws {
        let folder = NSTemporaryDirectory() + "/iso-" + UUID().uuidString
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let long = [UInt8](repeating: 7, count: 5000)
        var files = ["openstack/latest/meta_data.json": Array("{\"a\": 1}".utf8), "openstack/content/0000": long]
        for number in 0..<60 { files["ec2/latest/a-rather-long-name-\(number).json"] = [UInt8(number)] }
        try Data(ISOImage.bytes(files, label: "config-2", date: Timestamp(seconds: 1_700_000_000)))
            .write(to: URL(filePath: folder + "/x.iso"))
        guard FileManager.default.isExecutableFile(atPath: "/usr/bin/isoinfo") else { return }
        let (_, list) = VCenterWorld.run("/usr/bin/isoinfo", ["-J", "-f", "-i", folder + "/x.iso"])
        let names = Set(list.split(separator: "\n").map { $0.replacingOccurrences(of: ";1", with: "") })
        for path in files.keys { #expect(names.contains("/" + path), "\(list)") }
        let (_, text) = VCenterWorld.run(
            "/usr/bin/isoinfo", ["-J", "-i", folder + "/x.iso", "-x", "/openstack/latest/meta_data.json;1"])
        let (_, plain) = VCenterWorld.run(
            "/usr/bin/isoinfo", ["-J", "-i", folder + "/x.iso", "-x", "/openstack/latest/meta_data.json"])
        #expect(text == "{\"a\": 1}" || plain == "{\"a\": 1}")
        let (_, label) = VCenterWorld.run("/usr/bin/isoinfo", ["-d", "-i", folder + "/x.iso"])
        #expect(label.contains("Volume id: config-2"))
    }
}
