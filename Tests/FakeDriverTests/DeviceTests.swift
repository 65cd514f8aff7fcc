import ComputeModel
import DriverAPI
import DriverConformance
import Foundation
import Testing

@testable import FakeDriver

/// Volumes, interfaces, devices passed through.
@Suite(.timeLimit(.minutes(1))) struct DeviceTests {
    private let node: Node
    private let driver: any ComputeDriver
    private let volumes: any AttachingVolumes
    private let guest = GuestID.random()

    init() async throws {
        node = try Node(["pci_devices": "0000:81:00.1 8086 1520 type-VF 0", "numa_cells": "2", "vcpus": "8"])
        driver = try await node.start()
        volumes = try #require(driver.capabilities.volumes)
    }

    @Test func volumesComeAndGo() async throws {
        let volume = Make.volume()
        #expect(await failure { try await volumes.attach(volume, to: guest, .number(1)) } == "noSuchGuest")
        _ = try await driver.spawn(.test(guest), .number(1))
        let before = node.world
        try await volumes.attach(volume, to: guest, .number(2))
        try await volumes.attach(volume, to: guest, .number(3))
        #expect(try await volumes.volumes(of: guest) == [volume.id])
        #expect(node.world.count { $0.hasPrefix("volume") } == 1)
        // One operation may attach several.
        let (second, third) = (Make.volume(), Make.volume())
        try await volumes.attach(second, to: guest, .number(4))
        try await volumes.attach(third, to: guest, .number(4))
        #expect(try await volumes.volumes(of: guest) == [volume.id, second.id, third.id])
        for id in [volume.id, second.id, third.id] { try await volumes.detach(id, from: guest, .number(5)) }
        try await volumes.detach(volume.id, from: guest, .number(6))
        #expect(node.world == before)
    }

    @Test func aVolumeIsHeldByOneGuestUnlessItIsShared() async throws {
        let other = GuestID.random()
        _ = try await driver.spawn(.test(guest), .number(1))
        _ = try await driver.spawn(.test(other), .number(1))
        let alone = Make.volume()
        try await volumes.attach(alone, to: guest, .number(2))
        #expect(await failure { try await volumes.attach(alone, to: other, .number(2)) } == "refused")
        let shared = Make.volume(isShared: true)
        try await volumes.attach(shared, to: guest, .number(3))
        try await volumes.attach(shared, to: other, .number(3))
        #expect(try await volumes.volumes(of: other) == [shared.id])
    }

    @Test func onlyOneOfManyGuestsGetsAVolume() async throws {
        let guests = (0..<8).map { _ in GuestID.random() }
        let volume = Make.volume()
        for guest in guests { _ = try await driver.spawn(.test(guest), .number(1)) }
        let failures = await withTaskGroup(of: String?.self, returning: [String].self) { group in
            for guest in guests {
                group.addTask { await failure { try await volumes.attach(volume, to: guest, .number(2)) } }
            }
            return await group.reduce(into: []) { if let error = $1 { $0.append(error) } }
        }
        #expect(failures == Array(repeating: "refused", count: 7))
    }

    @Test func whatAVolumeWantsMustExist() async throws {
        _ = try await driver.spawn(.test(guest), .number(1))
        var bus = Make.volume()
        bus.bus = "mfm"
        var encrypted = Make.volume()
        encrypted.encryption = VolumeEncryption(provider: "rot13", passphrase: [1])
        let vmdk = VolumeSpec(id: .random(), connection: .vmdk(machine: "vm-1", datastore: nil), sizeGiB: 1)
        for volume in [bus, encrypted, vmdk] {
            #expect(await failure { try await volumes.attach(volume, to: guest, .number(2)) } == "notSupported")
        }
        try await volumes.attach(Make.volume(name: "/dev/vdb"), to: guest, .number(3))
        #expect(
            await failure { try await volumes.attach(Make.volume(name: "/dev/vdb"), to: guest, .number(4)) }
                == "refused")
        #expect(try await volumes.volumes(of: guest).count == 1)
    }

    @Test func theConnectorNamesWhatTheDriverTakes() async throws {
        let connector = try await volumes.connector()
        #expect(connector.host == "one")
        #expect(connector.kinds.contains(.iscsi) && !connector.kinds.contains(.vmdk))
    }

    @Test func secretsOfConnectionsAreNotKept() async throws {
        _ = try await driver.spawn(.test(guest), .number(1))
        let target = ISCSITarget(portal: "192.0.2.1:3260", name: "iqn.x", lun: 1, user: "chap", password: "verysecret")
        var volume = VolumeSpec(id: .random(), connection: .iscsi(target), sizeGiB: 1)
        volume.encryption = VolumeEncryption(provider: "luks", passphrase: Array("alsosecret".utf8))
        try await volumes.attach(volume, to: guest, .number(2))
        let journal = try String(contentsOfFile: node.host.stateDirectory + "/guests.jsonl", encoding: .utf8)
        #expect(journal.contains("\(volume.id)") && !journal.contains("secret"))
    }

    @Test func volumesGrowAndNeverShrink() async throws {
        let extending = try #require(driver.capabilities.volumeExtending)
        let volume = Make.volume(sizeGiB: 2)
        _ = try await driver.spawn(.test(guest), .number(1))
        #expect(await failure { try await extending.extend(volume.id, of: guest, toGiB: 3, .number(2)) } == "refused")
        try await volumes.attach(volume, to: guest, .number(3))
        try await extending.extend(volume.id, of: guest, toGiB: 3, .number(4))
        try await extending.extend(volume.id, of: guest, toGiB: 3, .number(5))
        #expect(await failure { try await extending.extend(volume.id, of: guest, toGiB: 1, .number(6)) } == "refused")
        #expect(node.world.contains { $0.hasPrefix("volume \(volume.id)") && $0.contains("3 GiB") })
    }

    @Test func aSwapCarriesTheContentOver() async throws {
        let swapping = try #require(driver.capabilities.volumeSwapping)
        let folder = try node.scratch.folder("volumes")
        let (oldPath, newPath) = (folder + "/old", folder + "/new")
        try Data(repeating: 7, count: 3 << 20).write(to: URL(filePath: oldPath))
        try Data(repeating: 0, count: 4 << 20).write(to: URL(filePath: newPath))
        let (old, new) = (Make.volume(path: oldPath, name: "/dev/vdc"), Make.volume(path: newPath, sizeGiB: 2))
        _ = try await driver.spawn(.test(guest), .number(1))
        #expect(await failure { try await swapping.swap(old.id, for: new, of: guest, .number(2)) } == "refused")
        try await volumes.attach(old, to: guest, .number(3))
        #expect(
            await failure {
                try await swapping.swap(old.id, for: Make.volume(sizeGiB: 0), of: guest, .number(4))
            } == "refused")
        for _ in 0..<2 { try await swapping.swap(old.id, for: new, of: guest, .number(5)) }
        try await swapping.swap(old.id, for: new, of: guest, .number(6))
        #expect(try await volumes.volumes(of: guest) == [new.id])
        let copied = try Data(contentsOf: URL(filePath: newPath))
        #expect(copied.count == 4 << 20 && copied.prefix(3 << 20).allSatisfy { $0 == 7 })
        #expect(node.world.contains { $0.hasPrefix("volume \(new.id)") && $0.contains("/dev/vdc") })
        #expect(node.host.progress.contains { $0.phase == "copying volume" && $0.percent == 100 })
    }

    @Test func interfacesComeAndGo() async throws {
        let interfaces = try #require(driver.capabilities.interfaces)
        _ = try await driver.spawn(.test(guest, interfaces: [Make.interface()]), .number(1))
        let before = node.world
        let port = Make.interface(mac: "FA:16:3E:00:00:08")
        try await interfaces.attach(port, to: guest, .number(2))
        try await interfaces.attach(port, to: guest, .number(3))
        #expect(try await interfaces.interfaces(of: guest) == ["fa:16:3e:00:00:07", "fa:16:3e:00:00:08"])
        let bridged = Make.interface(binding: .bridge(bridge: "br0", tap: "tap0"))
        #expect(await failure { try await interfaces.attach(bridged, to: guest, .number(4)) } == "notSupported")
        try await interfaces.detach(port.portID, from: guest, .number(5))
        try await interfaces.detach(port.portID, from: guest, .number(6))
        #expect(node.world == before)
        for number in 7..<38 {
            let another = Make.interface(mac: "fa:16:3e:00:01:\(number)")
            try await interfaces.attach(another, to: guest, .number(Int64(number)))
        }
        #expect(
            await failure { try await interfaces.attach(Make.interface(), to: guest, .number(38)) }
                == "insufficientResources")
    }

    @Test func aDeviceBelongsToOneGuest() async throws {
        var spec = GuestSpec.test(guest)
        spec.pciDevices = ["0000:81:00.1"]
        spec.topology = GuestTopology(
            cells: [GuestTopology.Cell(hostCell: 1, vcpus: [0], memoryMiB: 64, pinned: [0: 4])])
        _ = try await driver.spawn(spec, .number(1))
        var second = GuestSpec.test()
        second.pciDevices = ["0000:81:00.1"]
        let rival = second
        #expect(await failure { _ = try await driver.spawn(rival, .number(1)) } == "insufficientResources")
        var third = GuestSpec.test()
        third.topology = GuestTopology(
            cells: [GuestTopology.Cell(hostCell: 1, vcpus: [0], memoryMiB: 64, pinned: [0: 1])])
        let misplaced = third
        #expect(await failure { _ = try await driver.spawn(misplaced, .number(1)) } == "refused")
        try await driver.destroy(guest, .number(2))
        _ = try await driver.spawn(rival, .number(2))
    }
}
