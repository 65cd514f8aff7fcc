import ComputeModel

/// Builders of the changes to a machine's devices. Keys below zero name devices that are only being made.
enum DeviceChange {
    static func add(_ device: XMLElement, file operation: String? = nil) -> XMLElement {
        XMLElement(
            "deviceChange", type: "VirtualDeviceConfigSpec",
            [XMLElement("operation", "add"), operation.map { XMLElement("fileOperation", $0) }, device])
    }

    /// Takes a device away; its file stays unless `destroysFile`.
    static func remove(_ device: Device, destroysFile: Bool = false) -> XMLElement {
        XMLElement(
            "deviceChange", type: "VirtualDeviceConfigSpec",
            [
                XMLElement("operation", "remove"), destroysFile ? XMLElement("fileOperation", "destroy") : nil,
                device.specification,
            ])
    }

    static func edit(_ device: XMLElement) -> XMLElement {
        XMLElement(
            "deviceChange", type: "VirtualDeviceConfigSpec", [XMLElement("operation", "edit"), device])
    }

    static func controller(_ adapter: DiskAdapter, key: Int, bus: Int = 0) -> XMLElement {
        var parts = [XMLElement("key", key), XMLElement("busNumber", bus)]
        if adapter != .ide { parts.append(XMLElement("sharedBus", "noSharing")) }
        return XMLElement("device", type: adapter.controllerType, parts)
    }

    /// A disk.
    ///
    /// - Parameters:
    ///   - file: the disk's file; "" lets the server choose one beside the machine's.
    ///   - parent: the disk that it leans on; `nil` for one that stands alone.
    static func disk(
        key: Int, controller: Int, unit: Int, file: String, kib: Int?, parent: DatastorePath? = nil,
        isThin: Bool = true, mode: String = "persistent"
    ) -> XMLElement {
        let base = parent.map {
            XMLElement(
                "parent", type: "VirtualDiskFlatVer2BackingInfo",
                [XMLElement("fileName", $0.description), XMLElement("diskMode", "persistent")])
        }
        return XMLElement(
            "device", type: "VirtualDisk",
            [
                XMLElement("key", key),
                XMLElement(
                    "backing", type: "VirtualDiskFlatVer2BackingInfo",
                    [
                        XMLElement("fileName", file), XMLElement("diskMode", mode),
                        XMLElement("thinProvisioned", isThin), base,
                    ]),
                XMLElement("controllerKey", controller), XMLElement("unitNumber", unit),
                XMLElement("capacityInKB", kib ?? 0),
            ])
    }

    static func cdrom(key: Int, controller: Int, unit: Int, file: DatastorePath) -> XMLElement {
        XMLElement(
            "device", type: "VirtualCdrom",
            [
                XMLElement("key", key),
                XMLElement(
                    "backing", type: "VirtualCdromIsoBackingInfo", [XMLElement("fileName", file.description)]),
                connectable, XMLElement("controllerKey", controller), XMLElement("unitNumber", unit),
            ])
    }

    static func networkCard(key: Int, type: String, mac: String, backing: XMLElement) -> XMLElement {
        XMLElement(
            "device", type: type,
            [
                XMLElement("key", key), backing, connectable, XMLElement("addressType", "manual"),
                XMLElement("macAddress", mac), XMLElement("wakeOnLanEnabled", true),
            ])
    }

    private static var connectable: XMLElement {
        XMLElement(
            "connectable",
            [
                XMLElement("startConnected", true), XMLElement("allowGuestControl", true),
                XMLElement("connected", true),
            ])
    }
}

/// A device that a machine has.
struct Device: Hashable, Sendable {
    let type: String
    let key: Int
    let controllerKey: Int?
    let unit: Int?
    private let element: XMLElement

    init(_ element: XMLElement) {
        self.element = element
        type = element.type
        key = element.int("key") ?? 0
        controllerKey = element.int("controllerKey")
        unit = element.int("unitNumber")
    }

    var isDisk: Bool { type == "VirtualDisk" }
    var isCDROM: Bool { type == "VirtualCdrom" }
    var isSCSIController: Bool { type.hasSuffix("SCSIController") || type.contains("Logic") }
    var isIDEController: Bool { type == "VirtualIDEController" }
    /// Lower case; `nil` for what is no network card.
    var mac: String? { element.string("macAddress")?.lowercased() }
    /// The file of a disk or CD-ROM.
    var file: DatastorePath? { element.string("backing/fileName").flatMap { DatastorePath($0) } }
    /// The disk that it leans on.
    var parent: DatastorePath? { element.string("backing/parent/fileName").flatMap { DatastorePath($0) } }
    /// Its size; never more than a pebibyte, so that sums of sizes in bytes never overflow.
    var kib: Int? { element.int("capacityInKB").map { Swift.min(1 << 40, Swift.max(0, $0)) } }
    /// The disk's identity, which survives other names of the file.
    var diskUUID: String? { element.string("backing/uuid")?.lowercased() }
    /// Which adapter a controller is.
    var adapter: DiskAdapter? { DiskAdapter.allCases.first { $0.controllerType == type } }

    /// The device as a change names it.
    var specification: XMLElement {
        var device = element
        device.name = "device"
        return device
    }
}

extension [Device] {
    /// The lowest unit of a controller that is free; SCSI controllers keep 7 for themselves.
    func freeUnit(on controller: Int, isSCSI: Bool) -> Int? {
        let taken = Set(filter { $0.controllerKey == controller }.compactMap(\.unit))
        return (0..<(isSCSI ? 16 : 2)).first { !taken.contains($0) && !(isSCSI && $0 == 7) }
    }

    /// The controller and unit for another CD-ROM: a place on the IDE bus.
    var freeIDEPlace: (controller: Int, unit: Int)? {
        for controller in filter(\.isIDEController).sorted(by: { $0.key < $1.key }) {
            if let unit = freeUnit(on: controller.key, isSCSI: false) { return (controller.key, unit) }
        }
        return nil
    }

    /// The controller and unit for another disk.
    var freeDiskPlace: (controller: Int, unit: Int)? {
        for controller in filter(\.isSCSIController).sorted(by: { $0.key < $1.key }) {
            if let unit = freeUnit(on: controller.key, isSCSI: true) { return (controller.key, unit) }
        }
        return freeIDEPlace
    }
}
