import ComputeModel
import DriverAPI
import Testing

@testable import LibvirtDriver

/// How every kind of volume stands in a definition.
@Suite struct VolumeDiskTests {
    private let id = VolumeID.random()

    private func element(
        _ connection: VolumeConnection, _ change: (inout VolumeSpec) -> Void = { _ in }, direct: Bool = true
    ) throws -> XMLElement {
        var volume = VolumeSpec(id: id, connection: connection, sizeGiB: 1)
        change(&volume)
        let element = try VolumeDisk.element(volume, device: "vdb", bus: "virtio", hasDirectAccess: direct)
        return try XMLReader.parse(element.serialized)
    }

    @Test func aVolumeIsFoundByItsIdentifier() throws {
        let disk = try element(.file(path: "/v & w", format: "qcow2"))
        #expect(disk["type"] == "file")
        #expect(disk.child("source")?["file"] == "/v & w")
        #expect(disk.child("driver")?["type"] == "qcow2")
        #expect(disk.child("driver")?["cache"] == "none")
        #expect(disk.child("serial")?.text == id.description)
        #expect(disk.child("target")?["dev"] == "vdb")
        #expect(GuestDocument.volume(of: disk) == id)
    }

    @Test func caching() throws {
        let file = VolumeConnection.file(path: "/v", format: "raw")
        #expect(try element(file, direct: false).child("driver")?["cache"] == "writeback")
        let shared = try element(file, { $0.isShared = true }, direct: false)
        #expect(shared.child("driver")?["cache"] == "writethrough", "another guest must see every write")
        #expect(shared.child("shareable") != nil)
        #expect(try element(file, { $0.isReadOnly = true }).child("readonly") != nil)
    }

    @Test func devicesAndNetworkDisks() throws {
        let block = try element(.block(path: "/dev/mapper/x"))
        #expect(block["type"] == "block" && block.child("source")?["dev"] == "/dev/mapper/x")
        let nbd = try element(.nbd(host: "192.0.2.1", port: 10809, export: "e"))
        #expect(nbd["type"] == "network")
        #expect(nbd.child("source")?["protocol"] == "nbd" && nbd.child("source")?["name"] == "e")
        #expect(nbd.descendant("source", "host")?["port"] == "10809")
        #expect(try element(.nbd(host: "h", port: 1, export: "")).child("source")?["name"] == nil)
        let nfs = try element(.nfs(export: "[2001:db8::1]:/export/a/", file: "volume-1", format: "qcow2"))
        #expect(nfs.child("source")?["name"] == "/export/a/volume-1")
        #expect(nfs.descendant("source", "host")?["name"] == "2001:db8::1")
        #expect(nfs.child("driver")?["type"] == "qcow2")
    }

    @Test func networkDisksWithSecrets() throws {
        let target = ISCSITarget(portal: "[::1]:3260", name: "iqn.x", lun: 2, user: "chap", password: "secret")
        let iscsi = try element(.iscsi(target))
        #expect(iscsi.child("source")?["name"] == "iqn.x/2")
        #expect(iscsi.descendant("source", "host")?["name"] == "::1")
        #expect(iscsi.descendant("source", "auth")?["username"] == "chap")
        #expect(iscsi.descendant("source", "auth", "secret")?["usage"] == "kilonova-\(id)")
        let image = RBDImage(pool: "p", image: "v", monitors: ["a:6789", "b"], user: "u", key: "AQID")
        let rbd = try element(.rbd(image))
        #expect(rbd.child("source")?["name"] == "p/v")
        #expect(rbd.child("source")?.children("host").map { $0["port"] } == ["6789", nil])
        #expect(rbd.descendant("source", "auth", "secret")?["type"] == "ceph")
        for disk in [iscsi, rbd] {
            for secret in ["secret<", "AQID"] { #expect(!disk.serialized.contains(secret)) }
        }
        #expect(!iscsi.serialized.contains(">secret"))
        #expect(VolumeDisk.secrets(VolumeSpec(id: id, connection: .rbd(image), sizeGiB: 1)).map(\.value) == [[1, 2, 3]])
        let open = try element(.iscsi(ISCSITarget(portal: "h", name: "iqn.y", lun: 0)))
        #expect(open.descendant("source", "auth") == nil)
        let named = try VolumeDisk.element(
            VolumeSpec(id: id, connection: .iscsi(target), sizeGiB: 1), device: "vdb", bus: "virtio",
            initiator: "iqn.z:node")
        #expect(named.descendant("source", "initiator", "iqn")?["name"] == "iqn.z:node")
    }

    @Test func encryptionAndLimits() throws {
        let file = VolumeConnection.file(path: "/v", format: "raw")
        let locked = try element(file) { $0.encryption = VolumeEncryption(provider: "luks", passphrase: [65]) }
        #expect(locked.descendant("source", "encryption")?["format"] == "luks")
        #expect(locked.descendant("source", "encryption", "secret")?["usage"] == "kilonova-\(id)")
        let limited = try element(file) {
            $0.limits.totalOperationsPerSecond = 5
            $0.limits.writeBytesPerSecond = 7
        }
        #expect(limited.descendant("iotune", "total_iops_sec")?.text == "5")
        #expect(limited.descendant("iotune", "write_bytes_sec")?.text == "7")
    }

    @Test func whatIsNotServedIsRefused() {
        let file = VolumeConnection.file(path: "/v", format: "raw")
        #expect(throws: DriverError.self) { try element(.vmdk(machine: "m", datastore: nil)) }
        #expect(throws: DriverError.self) { try element(.file(path: "/v", format: "vhdx")) }
        #expect(throws: DriverError.self) { try element(.nfs(export: "nowhere", file: "f", format: "raw")) }
        #expect(throws: DriverError.self) {
            try element(file) { $0.encryption = VolumeEncryption(provider: "plain", passphrase: []) }
        }
    }

    @Test(arguments: [
        ("h:1", "h", "1"), ("h", "h", nil), ("[::1]:5", "::1", "5"), ("[::1]", "::1", nil), ("::1", "::1", nil),
    ]) func endpointsAreRead(_ text: String, _ host: String, _ port: String?) {
        #expect(VolumeDisk.endpoint(text) == (host, port))
    }
}
