import ComputeModel
import DriverAPI
import DriverConformance
import DriverSupport
import Foundation
import Testing

@testable import LibvirtDriver

@Suite(
    .serialized, .enabled(if: LibvirtDaemon.obstacle == nil, "no libvirt daemon here: \(LibvirtDaemon.obstacle ?? "")"))
struct RescueAndSnapshotTests {
    private func files(_ real: RealHost, _ guest: GuestID) async throws -> [String] {
        try await real.driver.document(of: guest, .live).disks.compactMap { $0.child("source")?["file"] }
    }

    @Test func aGuestIsRescuedAndStaysSoUntilItIsUnrescued() async throws {
        let real = try await RealHost()
        let driver = real.driver
        let rescue = try #require(driver.capabilities.rescue)
        var spec = guestSpec(real.blank, swapMiB: 8)
        let volume = VolumeSpec(
            id: .random(), connection: .file(path: try real.volumeFile("data"), format: "raw"), sizeGiB: 1)
        spec.volumes = [volume]
        let id = spec.id
        let directory = driver.directory(of: id)
        _ = try await driver.spawn(spec, operation(1))
        let before = try readText(directory.definition, bytesMax: 1 << 20)

        // What cannot be booted changes nothing.
        let hostile = "\(real.daemon.path)/hostile"
        try Data(ImageBuilder.qcow2.big64(8, 0x400).bytes).write(to: URL(fileURLWithPath: hostile))
        let bad = RescueSpec(image: real.host.offer(image: hostile, format: "qcow2"))
        #expect(isCase(
            await driverError { try await rescue.rescue(id, with: bad, operation(2)) }, DriverError.imageUnacceptable))
        #expect(try readText(directory.definition, bytesMax: 1 << 20) == before)
        #expect(!exists(directory.rescueDisk))
        let floppy = RescueSpec(image: real.blank, stableDevice: .init(device: "floppy", bus: "fdc"))
        #expect(isCase(
            await driverError { try await rescue.rescue(id, with: floppy, operation(2)) }, DriverError.notSupported))

        let plain = RescueSpec(image: real.blank, configDrive: ["a": [1]])
        for _ in 1...2 { try await rescue.rescue(id, with: plain, operation(3)) }
        #expect(try await files(real, id) == [directory.rescueDisk, directory.rootDisk, directory.rescueConfigDrive])
        #expect(isCase(
            await driverError { try await rescue.rescue(id, with: plain, operation(4)) }, DriverError.refused))
        await driver.shutDown()
        // Another process's driver, after a restart of everything, still has it in rescue.
        let later = try await LibvirtDriver.start(driver.options, host: real.host)
        try await later.powerOff(id, within: .zero, operation(5))
        try await later.session.change { connection throws(LibvirtFailure) in try connection.domain(id)?.undefine() }
        try await later.reboot(id, .hard, within: .zero, operation(6))
        let disks = try await later.document(of: id, .live).disks.compactMap { $0.child("source")?["file"] }
        #expect(disks.first == directory.rescueDisk)
        let again = try #require(later.capabilities.rescue)
        for _ in 1...2 { try await again.unrescue(id, operation(7)) }
        #expect(try await later.powerState(of: id) == .running)
        let usual = try await later.document(of: id, .live)
        #expect(usual.disks.first?.child("source")?["file"] == directory.rootDisk)
        #expect(usual.volumes == [volume.id])
        #expect(!exists(directory.rescueDisk) && !exists(directory.rescueDefinition))

        // Stable: everything stays in its place, the image is a CD.
        let iso = "\(real.daemon.path)/rescue.iso"
        try Data(ImageBuilder.iso.bytes).write(to: URL(fileURLWithPath: iso))
        let image = real.host.offer(image: iso, format: "iso")
        let stable = RescueSpec(image: image, stableDevice: .init(device: "cdrom", bus: "ide"))
        try await again.rescue(id, with: stable, operation(8))
        let document = try await later.document(of: id, .live)
        #expect(document.volumes == [volume.id])
        #expect(document.disks.map { $0.child("target")?["dev"] } == ["vda", "vdb", "vdc", "hda"])
        #expect(document.disks.last?.child("boot")?["order"] == "1")
        try await again.unrescue(id, operation(9))
        try await later.destroy(id, operation(10))
        #expect(try await later.guests().isEmpty)
        #expect(!exists(directory.path))
        await later.shutDown()
    }

    @Test func snapshotsAreFlatAndLeaveNothingBehind() async throws {
        let real = try await RealHost()
        let driver = real.driver
        let snapshots = try #require(driver.capabilities.snapshots)
        let spec = guestSpec(real.blank)
        let id = spec.id
        _ = try await driver.spawn(spec, operation(1))
        func take(_ format: String, _ number: Int64) async throws -> String {
            let image = ImageID.random()
            try await snapshots.snapshot(id, to: SnapshotTarget(image: image, diskFormat: format), operation(number))
            let path = try #require(real.host.stored(image))
            defer { try? FileManager.default.removeItem(atPath: path) }
            let name = format == "vhd" ? "vpc" : format
            let text = try real.daemon.run("qemu-img info -f \(name) \(path); head -c 4 \(path) | od -An -tx1")
            #expect(!text.contains("backing file"))
            return text
        }
        // Running: the guest runs on; the boot sector is the image's.
        #expect(try await take("raw", 2).contains("fa f4 eb fd"))
        #expect(try await take("qcow2", 3).contains("1 GiB"))
        #expect(try await take("vmdk", 4).contains("1 GiB"))
        #expect(try await driver.powerState(of: id) == .running)
        try await driver.capabilities.pausing?.pause(id, operation(5))
        #expect(try await take("raw", 6).contains("fa f4 eb fd"))
        #expect(try await driver.powerState(of: id) == .paused)
        try await driver.powerOff(id, within: .zero, operation(7))
        #expect(try await take("raw", 8).contains("fa f4 eb fd"))
        #expect(try await take("vhd", 9).contains("1 GiB"))
        #expect(isCase(await driverError { _ = try await take("ploop", 10) }, DriverError.notSupported))
        try await driver.powerOn(id, operation(11))
        // No agent, so no quiet moment: it fails, and nothing remains.
        let quiet = SnapshotTarget(image: .random(), diskFormat: "raw", mustQuiesce: true)
        #expect(isCase(
            await driverError { try await snapshots.snapshot(id, to: quiet, operation(12)) }, DriverError.notSupported))
        let task = Task {
            await driverError {
                let target = SnapshotTarget(image: .random(), diskFormat: "qcow2")
                try await snapshots.snapshot(id, to: target, operation(13))
            }
        }
        task.cancel()
        #expect(await task.value == .cancelled)
        let names = namesInDirectory(driver.directory(of: id).path).filter { $0.contains("snapshot") }
        #expect(names.isEmpty)
        let agent = driver.capabilities
        for attempt: () async throws -> Void in [
            { try await agent.quiescing?.quiesce(id, operation(14)) },
            { try await agent.passwords?.setPassword("x", user: nil, of: id, operation(14)) },
            { try await agent.clocks?.setClock(of: id, operation(14)) },
        ] {
            #expect(isCase(await driverError(attempt), DriverError.notSupported))
        }
        try await driver.destroy(id, operation(15))
        await driver.shutDown()
    }

    @Test func imagesAreKeptWhileGuestsLeanOnThem() async throws {
        let real = try await RealHost()
        let driver = real.driver
        let cache = try #require(driver.capabilities.imageCache)
        for _ in 1...2 { try await cache.cache(real.blank) }
        #expect(real.host.fetches == 1)
        let spec = guestSpec(real.blank)
        _ = try await driver.spawn(spec, operation(1))
        let kept = try #require(try await cache.cachedImages().first)
        #expect(kept.image == real.blank.id && kept.guests == 1 && kept.bytes > 0)
        #expect(try await cache.removeImages(unusedFor: .zero).isEmpty)
        try await driver.destroy(spec.id, operation(2))
        #expect(try await cache.removeImages(unusedFor: .seconds(3600)).isEmpty, "not old enough")
        let removed = try await cache.removeImages(unusedFor: .zero)
        #expect(removed.map(\.image) == [real.blank.id])
        #expect(try await cache.cachedImages().isEmpty)
        // Whoever wishes for a signature does not get what came without one.
        var signed = real.blank
        signed.trustedCertificates = ["one"]
        try await cache.cache(real.blank)
        try await cache.cache(signed)
        #expect(real.host.fetches == 3)
        var missing = real.blank
        missing.id = .random()
        let nowhere = missing
        #expect(isCase(await driverError { try await cache.cache(nowhere) }, DriverError.imageUnavailable))
        await driver.shutDown()
    }

    @Test(arguments: [
        ["hw_firmware_type": "uefi"],
        ["hw_firmware_type": "uefi", "hw_machine_type": "q35", "os_secure_boot": "required"],
        ["hw_disk_bus": "scsi", "hw_scsi_model": "lsilogic", "hw_watchdog_action": "reset", "hw_cpu_cores": "1"],
    ]) func firmwareAndFurtherDevicesStart(_ properties: [String: String]) async throws {
        let real = try await RealHost()
        let driver = real.driver
        var image = real.blank
        image.properties = properties
        let spec = guestSpec(
            image, interfaces: [interfaceSpec(bridge: "br-test", tap: "tap-more")],
            extraSpecs: ["quota:disk_total_iops_sec": "500"])
        _ = try await driver.spawn(spec, operation(1))
        let live = try await driver.document(of: spec.id, .live)
        #expect(live.disks.first?.descendant("iotune", "total_iops_sec")?.text == "500")
        if properties["hw_firmware_type"] == "uefi" {
            #expect(exists(driver.directory(of: spec.id).firmwareVariables))
            let loader = live.root.descendant("os", "loader")
            #expect((loader?["secure"] == "yes") == (properties["os_secure_boot"] == "required"))
        }
        try await driver.reboot(spec.id, .hard, within: .zero, operation(2))
        try await driver.destroy(spec.id, operation(3))
        #expect(try await real.traces(of: spec.id).isEmpty)
        await driver.shutDown()
    }
}
