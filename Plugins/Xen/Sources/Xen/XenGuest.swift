import CXen
import ComputeModel
import DriverAPI
import Glibc

/// A guest as it is given to Xen at each start; kept with its disks, because Xen knows only domains that exist.
struct XenGuest: Hashable, Codable, Sendable {
    /// How a guest is virtualized.
    enum Kind: String, Codable, CaseIterable, Sendable {
        /// Paravirtual: needs no hardware virtualization.
        case pv
        /// Paravirtual devices in a hardware container.
        case pvh
        /// A whole machine, with devices by QEMU.
        case hvm
    }
    /// A disk; all are raw files or block devices.
    struct Disk: Hashable, Codable, Sendable {
        var path: String
        /// The guest's name for it: `xvda`.
        var device: String
        var isReadOnly = false
    }
    /// A network interface.
    struct Interface: Hashable, Codable, Sendable {
        var macAddress: String
        var bridge: String
        /// The name of its end in the control domain.
        var name: String
        var mtu: Int
    }

    var id: GuestID
    var kind: Kind
    var vcpus: Int
    var memoryMiB: Int
    /// A kernel, or a boot loader in the form of one; `nil` for a machine that boots by itself.
    var kernel: String?
    var ramdisk: String?
    var commandLine: String?
    var disks: [Disk] = []
    var interfaces: [Interface] = []
    /// The address on which a graphical console listens; `nil` for none.
    var vncListen: String?
    var hasConfigDrive = false

    /// Xen's name for the guest.
    var name: String { Self.name(id) }

    /// Xen's name for a guest of this driver.
    static func name(_ id: GuestID) -> String { "kn-\(id)" }

    /// Six bytes from `fa:16:3e:00:00:01`; `nil` for anything else.
    static func bytes(ofMAC text: String) -> [UInt8]? {
        let parts = text.split(separator: ":", omittingEmptySubsequences: false)
        let bytes = parts.compactMap { $0.utf8.count == 2 ? UInt8($0, radix: 16) : nil }
        return parts.count == 6 && bytes.count == 6 ? bytes : nil
    }

    /// The identifier in sixteen bytes.
    static func uuid(_ bytes: some Sequence<UInt8>) -> UUIDValue? {
        UUIDValue(parsing: bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined())
    }

    /// The sixteen bytes of an identifier.
    static func bytes(of uuid: UUIDValue) -> [UInt8] {
        let digits = Array(uuid.compact)
        return stride(from: 0, to: digits.count - 1, by: 2).map { UInt8(String(digits[$0...($0 + 1)]), radix: 16) ?? 0 }
    }

    /// libxl's form, to be freed by `kn_xen_config_free`.
    func makeConfig() -> UnsafeMutablePointer<libxl_domain_config> {
        // libxl copies all texts, so these live only as long as the call.
        var texts: [UnsafeMutablePointer<CChar>?] = []
        defer { for text in texts { free(text) } }
        func keep(_ text: String?) -> UnsafePointer<CChar>? {
            guard let text else { return nil }
            texts.append(strdup(text))
            return texts.last.flatMap { $0 }.map { UnsafePointer($0) }
        }
        var guest = kn_xen_guest()
        switch kind {
        case .pv: guest.kind = KN_XEN_PV
        case .pvh: guest.kind = KN_XEN_PVH
        case .hvm: guest.kind = KN_XEN_HVM
        }
        guest.name = keep(name)
        withUnsafeMutableBytes(of: &guest.uuid) { $0.copyBytes(from: Self.bytes(of: id.uuid)) }
        guest.vcpus = Int32(vcpus)
        guest.memory_kib = UInt64(memoryMiB) << 10
        guest.kernel = keep(kernel)
        guest.ramdisk = keep(ramdisk)
        guest.command_line = keep(commandLine)
        guest.vnc_listen = keep(vncListen)
        let given = disks.map { disk in
            kn_xen_disk(path: keep(disk.path), device: keep(disk.device), read_only: disk.isReadOnly ? 1 : 0)
        }
        let nics = interfaces.map { interface in
            var nic = kn_xen_interface()
            withUnsafeMutableBytes(of: &nic.mac) { $0.copyBytes(from: Self.bytes(ofMAC: interface.macAddress) ?? []) }
            nic.bridge = keep(interface.bridge)
            nic.name = keep(interface.name)
            nic.mtu = Int32(interface.mtu)
            return nic
        }
        return kn_xen_config(&guest, given, Int32(given.count), nics, Int32(nics.count))
    }
}
