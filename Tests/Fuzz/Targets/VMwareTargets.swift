import ComputeModel
import DriverAPI
import Glibc

@testable import VMwareDriver

extension FuzzTarget {
    static let vmware = [vmwareSOAP, vmwareImage, vmwareSparseDisk, vmwareConfigDrive, vmwareNames]

    private static let soapWords = [
        "<a>", "</a>", "<a/>", "<![CDATA[", "]]>", "<!--", "-->", "<?x?>", "<!DOCTYPE", "&amp;", "&#x41;",
        "&#0;", "xsi:type", "type='Task'", "xmlns:x='u'", "returnval", "objects", "propSet", "name", "val", "filterSet",
        "objectSet", "changeSet", "missingSet", "truncated", "true", "Fault", "detail", "faultstring",
    ]

    private static func envelope(_ inside: String) -> String {
        "<?xml version=\"1.0\"?><soapenv:Envelope xmlns:soapenv=\"u\" xmlns:xsi=\"v\"><soapenv:Body>\(inside)"
            + "</soapenv:Body></soapenv:Envelope>"
    }

    private static let guest = "3b241101-e2bb-4255-8caf-4136c566a962"

    private static let machine = """
        <obj type="VirtualMachine">vm-1</obj>\
        <propSet><name>name</name><val xsi:type="xsd:string">a &amp; b</val></propSet>\
        <propSet><name>runtime.powerState</name><val>poweredOn</val></propSet>\
        <propSet><name>config.instanceUuid</name><val>\(guest)</val></propSet>\
        <propSet><name>config.annotation</name><val>name:x&#10;kilonova:guest=\(guest)</val></propSet>\
        <propSet><name>config.extraConfig</name><val><OptionValue><key>kilonova.operation</key><value>7</value>\
        </OptionValue><OptionValue><key>kilonova.volume.\(guest)</key><value>{"file":"[a] b","shadow":"vm-2"}</value>\
        </OptionValue></val></propSet>\
        <propSet><name>config.hardware.device</name><val><VirtualDevice xsi:type="VirtualDisk"><key>2000</key><backing>\
        <fileName>[ds] f/d.vmdk</fileName></backing><controllerKey>1000</controllerKey><unitNumber>0</unitNumber>\
        <capacityInKB>1048576</capacityInKB></VirtualDevice><VirtualDevice xsi:type="VirtualLsiLogicController"><key>\
        1000</key></VirtualDevice></val></propSet>
        """

    private static let host = """
        <propSet><name>summary.hardware.memorySize</name><val>68719476736</val></propSet>\
        <propSet><name>summary.hardware.numCpuThreads</name><val>16</val></propSet>\
        <propSet><name>summary.hardware.numCpuCores</name><val>8</val></propSet>\
        <propSet><name>summary.hardware.numCpuPkgs</name><val>1</val></propSet>\
        <propSet><name>runtime.connectionState</name><val>connected</val></propSet>
        """

    private static let seedTexts = [
        envelope("<R><returnval><token>1</token><objects>\(machine)</objects></returnval></R>"),
        envelope("<R><returnval><objects><obj type=\"HostSystem\">host-1</obj>\(host)</objects></returnval></R>"),
        envelope(
            "<R><returnval><version>2</version><truncated>true</truncated><filterSet><objectSet><kind>modify</kind>"
                + "<obj type=\"VirtualMachine\">vm-1</obj><changeSet><name>runtime.powerState</name><op>assign</op>"
                + "<val>poweredOff</val></changeSet><changeSet><name>config.instanceUuid</name><val>\(guest)</val>"
                + "</changeSet></objectSet><objectSet><kind>enter</kind><obj type=\"Datastore\">ds-1</obj><changeSet>"
                + "<name>summary.capacity</name><val>1099511627776</val></changeSet><changeSet><name>summary.accessible"
                + "</name><val>true</val></changeSet></objectSet></filterSet></returnval></R>"),
        envelope(
            "<R><returnval><rootFolder type=\"Folder\">g</rootFolder><propertyCollector type=\"PropertyCollector\">p"
                + "</propertyCollector><sessionManager type=\"S\">s</sessionManager><viewManager type=\"V\">v"
                + "</viewManager><searchIndex type=\"S\">s</searchIndex><fileManager type=\"F\">f</fileManager>"
                + "<virtualDiskManager type=\"V\">d</virtualDiskManager><about><apiType>VirtualCenter</apiType>"
                + "<apiVersion>7.0.3</apiVersion><version>7.0.3</version></about></returnval></R>"),
        envelope(
            "<soapenv:Fault><faultcode>x</faultcode><faultstring>no</faultstring><detail><DuplicateNameFault xsi:type="
                + "\"DuplicateName\"><object type=\"VirtualMachine\">vm-1</object></DuplicateNameFault></detail>"
                + "</soapenv:Fault>"),
        envelope(
            "<R><returnval><objects><obj type=\"Task\">task-1</obj><propSet><name>info.state</name><val>error</val>"
                + "</propSet><propSet><name>info.progress</name><val>40</val></propSet><propSet><name>info.error</name>"
                + "<val><fault xsi:type=\"NoDiskSpace\"/><localizedMessage>full</localizedMessage></val></propSet>"
                + "</objects></returnval></R>"),
    ]

    private static let endpoint = VCenterEndpoint(
        host: "h", port: 1, user: "", password: "", trust: .system, retriesMax: 0)

    private static let vmwareSOAP = FuzzTarget("vmware-soap", texts: seedTexts, words: soapWords) { input in
        let content: XMLElement
        do throws(VimFailure) {
            content = try VCenterClient.decode(input, "a call", endpoint)
        } catch {
            let message = error.driverError.message
            try promise(error.driverError == .cancelled || !message.isEmpty, "an error without words")
            try promise(message.utf8.count < 20_000, "an error of \(message.utf8.count) bytes")
            return
        }
        // What was written from it reads as itself, once what XML cannot carry is gone.
        let once = try XMLElement(parsing: Array(content.serialized.utf8))
        let twice = try XMLElement(parsing: Array(once.serialized.utf8))
        try promise(once == twice, "written and read again it is another")
        guard let answer = content["returnval"] else { return }
        useContent(answer)
        var mirror = Mirror()
        let update = UpdateSet(answer)
        _ = mirror.apply(update)
        _ = mirror.apply(update)
        for object in answer.all("objects") { use(object) }
        for object in update.objects { _ = TaskProgress(object.changes.compactMapValues { $0 }) }
        _ = (mirror.hosts, mirror.datastores)
    }

    private static func useContent(_ answer: XMLElement) {
        guard let content = try? ServiceContent(answer) else { return }
        _ = try? content.check("h:1")
        _ = InventorySource.number(content.version)
    }

    private static func use(_ object: XMLElement) {
        guard let reference = object["obj"]?.reference else { return }
        let properties = ObjectProperties(
            reference: reference, values: VCenterClient.values(object.all("propSet")))
        _ = (MachineSummary(properties), HostFacts(properties), DatastoreFacts(properties))
        _ = TaskProgress(properties.values)
        var record = GuestRecord(properties["config.extraConfig"])
        for (volume, held) in record.volumes { record.hold(volume, held) }
        _ = record.options(removing: ["x"])
        let devices = (properties["config.hardware.device"]?.children ?? []).map { Device($0) }
        _ = (devices.freeDiskPlace?.unit, devices.freeIDEPlace?.unit)
        _ = devices.reduce(0) { $0 + ($1.kib ?? 0) << 10 }
        for device in devices { _ = (device.file, device.parent, device.mac, device.specification.serialized) }
    }

    private static let declaredFormats = ["raw", "vmdk", "iso", "qcow2"]

    private static let vmwareImage = FuzzTarget(
        "vmware-image",
        seeds: DiskPieces.samples(qcow2: 3, vmdk: 1, vhd: 0, vhdx: 0, vdi: 0, raw: 0, iso: 2).map(\.input),
        words: ["KDMV", "RW 1 SPARSE \"a\"", "parentCID=0", "createType=\"", "streamOptimized", "FLAT", "\n"]
    ) { input in
        let disk = DiskPieces(reading: input)
        let image = ImageSpec(
            id: .random(), name: "x", diskFormat: declaredFormats[disk.declared % declaredFormats.count],
            containerFormat: "bare", sizeBytes: 0, checksum: "", properties: [:])
        try disk.withFile { path in
            guard let content = try? ImageInspection.inspect(path, declared: image) else { return }
            try promise(content.diskBytes % 512 == 0 && content.diskBytes <= 62 << 40, "a disk of \(content.diskBytes)")
        }
    }

    /// A disk written as a sparse VMDK is one for our own inspection, and holds what it held.
    private static let vmwareSparseDisk = FuzzTarget(
        "vmware-sparse-disk", seeds: [DiskPieces(declared: 0).with("boot", at: 0).with([1, 2], at: 131_070).input]
    ) { input in
        var disk = DiskPieces(reading: input)
        let end = disk.pieces.map { $0.offset + $0.bytes.count }.max() ?? 0
        guard end > 0, end < 4 << 20 else { return }
        disk = disk.with([0x55], at: end / 512 * 512 + 511)
        try disk.withFile { flat in
            let path = flat + ".vmdk"
            defer { unlink(path) }
            try SparseVMDK.write(flat, to: path, adapter: "lsiLogic") { false }
            let image = ImageSpec(
                id: .random(), name: "x", diskFormat: "vmdk", containerFormat: "bare", sizeBytes: 0, checksum: "",
                properties: [:])
            let (source, target) = (try LocalFile(reading: flat), try LocalFile(reading: path))
            let found = try ImageInspection.inspect(path, declared: image)
            try promise(found == .sparse(bytes: source.length), "inspected as \(found)")
            for piece in disk.pieces {
                let wanted = try source.read(piece.bytes.count, at: UInt64(piece.offset))
                let have = try grains(target, piece.offset, piece.bytes.count)
                try promise(wanted == have, "other bytes at \(piece.offset)")
            }
        }
    }

    /// Bytes of a sparse VMDK, read by its tables.
    private static func grains(_ file: LocalFile, _ offset: Int, _ count: Int) throws -> [UInt8] {
        func number(_ at: UInt64, _ count: Int) throws -> UInt64 {
            try file.read(count, at: at).reversed().reduce(0) { $0 << 8 | UInt64($1) }
        }
        let directory = try number(56, 8) * 512
        var bytes: [UInt8] = []
        while bytes.count < count {
            let at = offset + bytes.count
            let (grain, inside) = (at >> 16, at & 0xFFFF)
            let table = try number(directory + UInt64(grain / 512 * 4), 4) * 512
            let place = try number(table + UInt64(grain % 512 * 4), 4) * 512
            let wanted = min(count - bytes.count, 0x10000 - inside)
            var piece = place == 0 ? [] : try file.read(wanted, at: place + UInt64(inside))
            piece += [UInt8](repeating: 0, count: wanted - piece.count)
            bytes += piece
        }
        return bytes
    }

    private static let vmwareConfigDrive = FuzzTarget(
        "vmware-config-drive", texts: ["openstack/latest/meta_data.json\0{}\0ec2/é/user-data\0#!/bin/sh\0a//b\0x"]
    ) { input in
        let image = ISOImage.bytes(namedFiles(input), label: "config-2", date: Timestamp(microseconds: 0))
        try promise(image.count % 2048 == 0 && image.count > 32_773, "\(image.count) bytes")
        try promise(image[32_769..<32_774].elementsEqual("CD001".utf8), "no volume descriptor")
    }

    /// Names and contents, by turns, between zeros.
    static func namedFiles(_ input: [UInt8]) -> [String: [UInt8]] {
        let parts = input.split(separator: 0, omittingEmptySubsequences: false)
        var files: [String: [UInt8]] = [:]
        for index in stride(from: 0, to: parts.count - 1, by: 2) {
            files[String(decoding: parts[index], as: UTF8.self)] = Array(parts[index + 1])
        }
        return files
    }

    private static let vmwareNames = FuzzTarget(
        "vmware-names", texts: ["[ds 1] folder/disk.vmdk", "[] x", "[a]b", "kilonova:guest=\(guest)\nnode:x"]
    ) { input in
        let text = String(decoding: input, as: UTF8.self)
        _ = GuestMark.isThere(in: text, for: .random())
        guard let path = DatastorePath(text) else { return }
        try promise(DatastorePath(path.description)?.datastore == path.datastore, "another datastore")
        _ = (path.name, path.folder.appending("x"), path.flat)
        let url = path.url("https://h", datacenterPath: text)
        try promise(url.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7F }, "an address with \(url)")
    }
}
