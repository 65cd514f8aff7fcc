import ComputeModel
import DriverAPI

extension DomainDefinition.Disk {
    /// The `<disk>` element.
    func element(cacheMode: String, limits: DiskLimits) -> XMLElement {
        let isDrive = role == .configDrive
        // virtio has no drives with media that come and go.
        let isMedium = isDrive && bus != "virtio"
        var element = XMLElement("disk", ["type": "file", "device": isMedium ? "cdrom" : "disk"])
        var driver = XMLElement("driver", ["name": "qemu", "type": format.qemuName ?? "raw"])
        if !isDrive, cacheMode != "default" { driver.attributes.append((name: "cache", value: cacheMode)) }
        element.add(driver)
        element.add(XMLElement("source", ["file": path]))
        element.add(XMLElement("target", ["dev": device, "bus": bus]))
        if !isDrive, let iotune = GuestLimits.iotune(limits) { element.add(iotune) }
        if isDrive { element.add(XMLElement("readonly")) }
        if let bootOrder { element.add(XMLElement("boot", ["order": "\(bootOrder)"])) }
        return element
    }
}

/// The `<disk>` element of a volume.
enum VolumeDisk {
    /// Kinds of connection that QEMU reaches by itself or as files of the host.
    static let kinds: Set<VolumeConnection.Kind> = [.file, .block, .nbd, .iscsi, .rbd, .nfs]
    /// Buses that a volume can be on.
    static let buses: Set<String> = ["virtio", "scsi", "ide", "sata", "usb"]

    /// Makes the element.
    ///
    /// - Parameters:
    ///   - device: name in the guest's order of devices, `vdb`.
    ///   - bootOrder: place in the order of devices to boot from, from 1.
    ///   - hasDirectAccess: whether its file can be opened past the host's cache; not asked for other kinds.
    ///   - initiator: the name that an iSCSI target is asked under; not asked for other kinds.
    /// - Throws: ``DriverError/notSupported(_:)``.
    static func element(
        _ volume: VolumeSpec, device: String, bus: String, bootOrder: Int? = nil, hasDirectAccess: Bool = true,
        initiator: String? = nil
    ) throws(DriverError) -> XMLElement {
        let (type, format, place) = try source(volume)
        var source = place
        if let initiator, volume.connection.kind == .iscsi {
            source.add(XMLElement("initiator", [:], [XMLElement("iqn", ["name": initiator])]))
        }
        var element = XMLElement("disk", ["type": type, "device": "disk"])
        var driver = XMLElement("driver", ["name": "qemu", "type": format])
        // Through the host's cache only where nothing else works, and then with every write brought to disk when
        // another guest may read it.
        let cache = hasDirectAccess ? "none" : volume.isShared ? "writethrough" : "writeback"
        driver.attributes.append((name: "cache", value: cache))
        element.add(driver)
        element.add(source)
        element.add(XMLElement("target", ["dev": device, "bus": bus]))
        if let iotune = GuestLimits.iotune(volume.limits) { element.add(iotune) }
        if volume.isReadOnly { element.add(XMLElement("readonly")) }
        if volume.isShared { element.add(XMLElement("shareable")) }
        element.add(XMLElement("serial", text: volume.id.description))
        element.add(XMLElement("alias", ["name": alias(volume.id)]))
        if let bootOrder { element.add(XMLElement("boot", ["order": "\(bootOrder)"])) }
        return element
    }

    /// libvirt's name of the device.
    static func alias(_ volume: VolumeID) -> String { "ua-volume-\(volume)" }

    /// Which secrets the definition refers to, with their values.
    static func secrets(_ volume: VolumeSpec) -> [(use: SecretUse, value: [UInt8])] {
        var secrets: [(use: SecretUse, value: [UInt8])] = []
        if let encryption = volume.encryption { secrets.append((.volume, encryption.passphrase)) }
        switch volume.connection {
        case .iscsi(let target): if let password = target.password { secrets.append((.iscsi, Array(password.utf8))) }
        case .rbd(let image): if let key = image.key, let bytes = base64(key) { secrets.append((.ceph, bytes)) }
        case .file, .block, .nfs, .nbd, .vmdk: break
        }
        return secrets
    }

    /// Type of the disk, QEMU's format, and the `<source>` element.
    private static func source(
        _ volume: VolumeSpec
    ) throws(DriverError) -> (type: String, format: String, source: XMLElement) {
        var source: XMLElement
        var format = "raw"
        let type: String
        switch volume.connection {
        case .file(let path, let given):
            (type, format, source) = ("file", try known(given), XMLElement("source", ["file": path]))
        case .block(let path):
            (type, source) = ("block", XMLElement("source", ["dev": path]))
        case .nbd(let host, let port, let export):
            (type, source) = ("network", network("nbd", export, [(host, "\(port)")]))
        case .iscsi(let target):
            (type, source) = ("network", network("iscsi", "\(target.name)/\(target.lun)", [endpoint(target.portal)]))
            if let user = target.user {
                source.add(auth(user, .iscsi, volume.id))
            }
        case .rbd(let image):
            let name = "\(image.pool)/\(image.image)"
            (type, source) = ("network", network("rbd", name, image.monitors.map(endpoint)))
            if image.key != nil { source.add(auth(image.user, .ceph, volume.id)) }
        case .nfs(let export, let file, let given):
            // `server:/export`; an address of IPv6 stands in brackets.
            guard let slash = export.firstIndex(of: "/"), export[..<slash].last == ":" else {
                throw .refused("the NFS export '\(export)' of volume \(volume.id) has no form server:/path")
            }
            var path = export[slash...]
            while path.last == "/" { path.removeLast() }
            let server = export[..<slash].dropLast().filter { $0 != "[" && $0 != "]" }
            (type, format) = ("network", try known(given))
            source = network("nfs", "\(path)/\(file)", [(String(server), nil)])
        case .vmdk:
            throw .notSupported("volumes of VMware's volume driver: this is libvirt")
        }
        if let encryption = volume.encryption {
            guard encryption.provider == "luks", format == "raw" else {
                throw .notSupported("encryption \(encryption.provider) of a \(format) volume; luks on raw is")
            }
            source.add(
                XMLElement(
                    "encryption", ["format": "luks"],
                    [XMLElement("secret", ["type": "passphrase", "usage": SecretUse.volume.name(volume.id)])]))
        }
        return (type, format, source)
    }

    private static func known(_ format: String) throws(DriverError) -> String {
        guard ["raw", "qcow2"].contains(format) else { throw .notSupported("volumes of format \(format)") }
        return format
    }

    private static func network(_ name: String, _ path: String, _ hosts: [(String, String?)]) -> XMLElement {
        var source = XMLElement("source", ["protocol": name])
        // An NBD server may have a nameless export.
        if !path.isEmpty { source.attributes.append((name: "name", value: path)) }
        for (host, port) in hosts {
            var element = XMLElement("host", ["name": host])
            if let port { element.attributes.append((name: "port", value: port)) }
            source.add(element)
        }
        return source
    }

    private static func auth(_ user: String, _ use: SecretUse, _ volume: VolumeID) -> XMLElement {
        XMLElement(
            "auth", ["username": user], [XMLElement("secret", ["type": use.rawValue, "usage": use.name(volume)])])
    }

    /// Host and port of `host:port`, `[::1]:port` or a host alone.
    static func endpoint(_ text: String) -> (String, String?) {
        if text.hasPrefix("["), let end = text.firstIndex(of: "]") {
            let host = String(text[text.index(after: text.startIndex)..<end])
            let rest = text[text.index(after: end)...]
            return (host, rest.hasPrefix(":") ? String(rest.dropFirst()) : nil)
        }
        let parts = text.split(separator: ":", omittingEmptySubsequences: false)
        return parts.count == 2 ? (String(parts[0]), String(parts[1])) : (text, nil)
    }

    /// The bytes of a text in base 64; `nil` when it is none.
    static func base64(_ text: String) -> [UInt8]? {
        let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)
        var bytes: [UInt8] = []
        var (bits, count): (UInt32, Int) = (0, 0)
        for byte in text.utf8 where byte != UInt8(ascii: "=") {
            guard let value = alphabet.firstIndex(of: byte) else { return nil }
            bits = bits << 6 | UInt32(value)
            count += 6
            guard count >= 8 else { continue }
            count -= 8
            bytes.append(UInt8(truncatingIfNeeded: bits >> UInt32(count)))
        }
        return bytes
    }
}

/// The `<interface>` element of a port.
enum InterfaceElement {
    /// Makes the element; `nil` for a kind of binding that is not served.
    ///
    /// - Parameter queues: pairs of queues; `nil` for one.
    static func make(
        _ interface: NetworkInterfaceSpec, model: String, queues: Int? = nil, bandwidth: XMLElement?
    ) -> XMLElement? {
        guard case .bridge(let bridge, let tap) = interface.binding else { return nil }
        var element = XMLElement(
            "interface", ["type": "bridge"],
            [
                XMLElement("mac", ["address": interface.macAddress]),
                XMLElement("source", ["bridge": bridge]),
                XMLElement("target", ["dev": tap]),
                XMLElement("model", ["type": model]),
            ])
        if let queues { element.add(XMLElement("driver", ["queues": "\(queues)"])) }
        if let bandwidth { element.add(bandwidth) }
        element.add(XMLElement("mtu", ["size": "\(interface.mtu)"]))
        element.add(XMLElement("alias", ["name": alias(interface.portID)]))
        return element
    }

    /// libvirt's name of the device.
    static func alias(_ port: PortID) -> String { "ua-port-\(port)" }
}

/// Hands out device names in order: `vda`, `vdb`, …
struct DeviceNames {
    private var used: Set<String>

    /// Names for a guest that has those already.
    init(used: Set<String> = []) { self.used = used }

    /// The beginning of names on a bus.
    static func prefix(_ bus: String) -> String {
        switch bus {
        case "virtio": "vd"
        case "ide": "hd"
        default: "sd"
        }
    }

    /// The next name on a bus; `nil` when the bus is full.
    mutating func next(on bus: String) -> String? {
        let prefix = Self.prefix(bus)
        for index in 0..<(prefix == "hd" ? 4 : 26) {
            guard let letter = Unicode.Scalar(UInt32(97 + index)) else { continue }
            let name = prefix + String(Character(letter))
            if used.insert(name).inserted { return name }
        }
        return nil
    }

    /// Takes a wished name (`/dev/vdb` or `vdb`) when it suits the bus and is free, else the next one.
    ///
    /// - Parameter insists: whether a name in use is an error and not only a wish that is passed over.
    mutating func take(_ wish: String?, on bus: String, insists: Bool) throws(DriverError) -> String {
        if let wish {
            let name = wish.hasPrefix("/dev/") ? String(wish.dropFirst(5)) : wish
            let letters = name.dropFirst(2).utf8
            let isName = letters.count == 1 && letters.allSatisfy { $0 >= 97 && $0 <= 122 }
            if name.hasPrefix(Self.prefix(bus)), isName {
                if used.insert(name).inserted { return name }
                if insists { throw .refused("the guest has a device \(wish) already") }
            }
        }
        guard let name = next(on: bus) else { throw .refused("too many disks for the bus \(bus)") }
        return name
    }
}
