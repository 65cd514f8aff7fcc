import ComputeModel
import DriverAPI

@testable import XenAPIDriver

extension FuzzTarget {
    static let xenapi = [xenapiJSON, xenapiXML, xenapiImage, xenapiConfigDrive, xenapiNames]

    private static let guest = "3b241101-e2bb-4255-8caf-4136c566a962"

    private static let jsonTexts = [
        #"{"jsonrpc": "2.0", "id": 7, "result": "OpaqueRef:1"}"#,
        #"{"id":7,"error":{"code":1,"message":"VM_BAD_POWER_STATE","data":["a","b\u00e9\ud83d\ude00"]}}"#,
        #"{"result": {"VM": {"uuid": "u", "name_label": "instance-1", "other_config": {"kilonova:guest": "\#(guest)","#
            + #" "kilonova:operation": "5"}, "VCPUs_max": "2", "memory_static_max": "268435456", "VBDs": ["a"]}}}"#,
        #"{"events": [{"class": "task", "operation": "mod", "ref": "r", "snapshot": {"progress": 0.5}}]}"#,
        "[1, -2, 3.5e-7, 1e308, true, false, null, \"\", {}, []]",
    ]

    private static let xenapiJSON = FuzzTarget(
        "xenapi-json", texts: jsonTexts,
        words: [
            "{", "}", "[", "]", ",", ":", "\"", "\\u0000", "\\ud83d\\ude00", "\\n", "null", "true", "1e5", "-0", "0.1",
        ]
    ) { input in
        let value: XenValue
        do throws(WireTrouble) { value = try JSONText.read(input) } catch {
            try promise(!error.message.isEmpty && error.message.utf8.count < 20_000, "the error \(error)")
            return
        }
        try promise(try JSONText.read(JSONText.write(value)) == value, "written and read again it is another")
        use(value)
    }

    private static func answer(_ value: String) -> String {
        "<?xml version='1.0'?><methodResponse><params><param><value>\(value)</value></param></params></methodResponse>"
    }

    private static let xmlTexts = [
        answer(
            "<struct><member><name>Status</name><value>Success</value></member><member><name>Value</name><value><array>"
                + "<data><value><string>a &lt;&#65;</string></value><value><boolean>1</boolean></value><value><int>5"
                + "</int></value><value><double>0.25</double></value><value><nil/></value></data></array></value>"
                + "</member></struct>"),
        answer(
            "<struct><member><name>Status</name><value>Failure</value></member><member><name>ErrorDescription</name>"
                + "<value><array><data><value>SR_FULL</value><value>1</value></data></array></value></member>"
                + "</struct>"),
        "<methodResponse><fault><value><struct><member><name>faultCode</name><value><int>4</int></value></member>"
            + "</struct></value></fault></methodResponse>",
        answer("<![CDATA[<raw>]]>"),
    ]

    private static let xenapiXML = FuzzTarget(
        "xenapi-xmlrpc", texts: xmlTexts,
        words: [
            "<value>", "</value>", "<array>", "<data>", "<struct>", "<member>", "<name>", "<nil/>", "<string/>",
            "<i8>", "<double>", "<boolean>", "<![CDATA[", "]]>", "<!--", "-->", "<!DOCTYPE", "&amp;", "&#x41;", "&#0;",
        ]
    ) { input in
        let value: XenValue
        do throws(WireTrouble) { value = try XMLRPC.answer(input) } catch {
            try promise(!error.message.isEmpty, "an error without words")
            return
        }
        // As a parameter of a call it says the same.
        let call = String(decoding: XMLRPC.call("m", [value]), as: UTF8.self)
        let again = call.replacing("<methodCall><methodName>m</methodName>", with: "<methodResponse>")
            .replacing("</params></methodCall>", with: "</params></methodResponse>")
        let read = try XMLRPC.answer(Array(again.utf8))
        try promise(read == asText(value), "written and read again it is another")
        use(value)
    }

    /// What XML-RPC keeps of a value: whole numbers and nothing travel as texts, numbers without end as zero.
    private static func asText(_ value: XenValue) -> XenValue {
        switch value {
        case .integer(let number): .text(String(number))
        case .nothing: .text("")
        case .number(let number): .number(number.isFinite ? number : 0)
        case .list(let elements): .list(elements.map(asText))
        case .map(let members): .map(members.mapValues(asText))
        case .text, .truth: value
        }
    }

    /// Reads a value in every way in which the driver reads answers.
    private static func use(_ value: XenValue) {
        _ = (value.percent, value.integer, value.reference, value.texts, value.textMap)
        let failure = XenFailure(description: value["ErrorDescription"].texts)
        _ = failure.driverError("do something").message
        let parts = Array(value.map.values.prefix(8)) + value.list.prefix(8) + [value]
        let mirror = PoolMirror(host: "h", node: "n")
        for part in parts {
            let machine = Machine("OpaqueRef:x", part)
            _ = (machine.memoryMiB, machine.vcpus, machine.guest, machine.operation, machine.power, machine.host)
            _ = mirror.take(machine)
            let disk = MachineDisk("OpaqueRef:d", part)
            _ = (disk.volume, disk.role, disk.isAttached)
            let content = VirtualDisk("OpaqueRef:v", part)
            _ = (content.bytes, content.allocatedBytes, content.image)
            _ = XenAPIDriver.secondsSince(part.text)
        }
        _ = mirror.replace([Machine("OpaqueRef:x", value)])
        _ = InventorySource.version(value.text)
        _ = InventorySource.supportedGuests(value.texts)
    }

    private static let declaredFormats = ["raw", "vhd", "qcow2"]

    private static let xenapiImage = FuzzTarget(
        "xenapi-image",
        seeds: DiskPieces.samples(qcow2: 0, vmdk: 0, vhd: 1, vhdx: 0, vdi: 0, raw: 0, iso: 0).map(\.input),
        words: ["conectix", "cxsparse"]
    ) { input in
        let disk = DiskPieces(reading: input)
        try disk.withFile { path in
            let format = declaredFormats[disk.declared % declaredFormats.count]
            guard let image = try? DiskImage.inspect(path, declared: format) else { return }
            try promise(image.virtualBytes > 0 && image.virtualBytes <= 2040 << 30, "a disk of \(image.virtualBytes)")
        }
    }

    private static let xenapiConfigDrive = FuzzTarget(
        "xenapi-config-drive", texts: ["openstack/latest/meta_data.json\0{}\0ec2/é/user-data\0#!/bin/sh\0a//b\0x"]
    ) { input in
        guard let image = try? ISO9660(label: "config-2", files: namedFiles(input)) else { return }
        try promise(image.bytes.count % 2048 == 0 && image.bytes.count > 32_773, "\(image.bytes.count) bytes")
        try promise(image.bytes[32_769..<32_774].elementsEqual("CD001".utf8), "no volume descriptor")
    }

    private static let xenapiNames = FuzzTarget(
        "xenapi-names",
        texts: [
            "http://a", "https://[::1]:8443/x", "http://h:80?x", "name-label:Fast", "other-config:a=b", "/dev/vdb",
            "20261128T01:02:03Z",
        ], words: ["http://", "https://", "[", "]", ":", "@", "/"]
    ) { input in
        let text = String(decoding: input, as: UTF8.self)
        if let endpoint = XenEndpoint(text) {
            try promise(XenEndpoint(endpoint.description) == endpoint, "\(endpoint) is read as another")
        }
        _ = RepositoryFilter(text)
        _ = DiskPlaces.place(ofDevice: text)
        let escaped = XenTransfers.escaped(text)
        try promise(escaped.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7F }, "an address with \(escaped)")
    }
}
