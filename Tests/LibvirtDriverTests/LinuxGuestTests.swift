import ComputeModel
import DriverAPI
import DriverConformance
import Foundation
import Testing

@testable import LibvirtDriver

/// What only an operating system inside can show: it sees devices come and go, and its agent answers. One boot serves
/// all steps.
@Suite(
    .serialized, .enabled(if: LibvirtDaemon.obstacle == nil, "no libvirt daemon here: \(LibvirtDaemon.obstacle ?? "")"))
struct LinuxGuestTests {
    @Test(.enabled(if: TestGuest.image != nil, "no guest image: make guest-image, or KILONOVA_TEST_GUEST_IMAGE"))
    func aLinuxGuestSeesItsDevicesComeAndGoAndItsAgentAnswers() async throws {
        let real = try await RealHost()
        let driver = real.driver
        let image = real.host.offer(
            image: try #require(TestGuest.image), format: "qcow2", properties: ["hw_qemu_guest_agent": "yes"])
        let spec = guestSpec(image, memoryMiB: 256)
        let id = spec.id
        func says(_ text: String, within limit: Duration = .seconds(60 * TestGuest.scale)) async throws -> Bool {
            try await eventually(within: limit) { try await real.console(id).contains(text) }
        }
        _ = try await driver.spawn(spec, operation(1))
        let isUp = try await says("GUEST-READY", within: TestGuest.bootTime)
        try #require(isUp)
        try #require(try await real.console(id).contains("GUEST-AGENT up"), "the image has an agent")

        // A volume: attached, grown, swapped, detached.
        let all = driver.capabilities
        let volumes = try #require(all.volumes)
        let file = try real.volumeFile("volume", mib: 64)
        let volume = VolumeSpec(id: .random(), connection: .file(path: file, format: "raw"), sizeGiB: 1)
        try await volumes.attach(volume, to: id, operation(2))
        let serial = volume.id.description.prefix(20)
        #expect(try await says("HOTPLUG added vdb sectors=\(64 << 11) serial=\(serial)"))
        try await all.volumeExtending?.extend(volume.id, of: id, toGiB: 1, operation(3))
        #expect(try await says("HOTPLUG added vdb sectors=\(1 << 21)"))
        let other = VolumeSpec(
            id: .random(),
            connection: .file(path: try real.volumeFile("other", format: "qcow2", mib: 1024), format: "qcow2"),
            sizeGiB: 1)
        try await all.volumeSwapping?.swap(volume.id, for: other, of: id, operation(4))
        #expect(try await volumes.volumes(of: id) == [other.id])
        try await volumes.detach(other.id, from: id, operation(5))
        #expect(try await volumes.volumes(of: id).isEmpty)
        #expect(try await says("HOTPLUG removed vdb sectors=\(1 << 21)"))
        // A network block device.
        try real.daemon.run("qemu-img create -q -f raw \(real.daemon.path)/net 64M")
        try real.daemon.run("qemu-nbd --fork -t -x e -f raw -b 127.0.0.1 -p 10809 \(real.daemon.path)/net")
        let network = VolumeSpec(
            id: .random(), connection: .nbd(host: "127.0.0.1", port: 10_809, export: "e"), sizeGiB: 1)
        try await volumes.attach(network, to: id, operation(6))
        #expect(try await says("serial=\(network.id.description.prefix(20))"))
        try await volumes.detach(network.id, from: id, operation(7))

        // An interface.
        let interfaces = try #require(all.interfaces)
        let nic = interfaceSpec(bridge: "br-test", tap: "tap-hot", mac: "fa:16:3e:00:00:09")
        try await interfaces.attach(nic, to: id, operation(8))
        #expect(try await says("HOTPLUG added eth0 mac=fa:16:3e:00:00:09"))
        try await interfaces.detach(nic.portID, from: id, operation(9))
        #expect(try await interfaces.interfaces(of: id).isEmpty)
        #expect(try await says("HOTPLUG removed eth0"))

        // The agent.
        let quiescing = try #require(all.quiescing)
        for _ in 1...2 { try await quiescing.quiesce(id, operation(10)) }
        for _ in 1...2 { try await quiescing.unquiesce(id, operation(11)) }
        try await all.passwords?.setPassword("s3cret", user: nil, of: id, operation(12))
        #expect(try await says("PASSWORD set for root"))
        #expect(isCase(
            await driverError { try await all.passwords?.setPassword("x", user: "nobody-here", of: id, operation(13)) },
            DriverError.refused))
        try await all.clocks?.setClock(of: id, operation(14))
        let target = SnapshotTarget(image: .random(), diskFormat: "qcow2", mustQuiesce: true)
        try await all.snapshots?.snapshot(id, to: target, operation(15))
        let stored = try #require(real.host.stored(target.image))
        #expect(try real.daemon.run("qemu-img check -f qcow2 \(stored)").contains("No errors"))
        try? FileManager.default.removeItem(atPath: stored)
        let record = driver.directory(of: id).record()
        #expect(record?.isFrozen == nil)

        // Its memory goes to disk and comes back: it does not boot again.
        try await all.suspending?.suspend(id, operation(16))
        try await all.suspending?.resume(id, operation(17))
        try await all.passwords?.setPassword("again", user: "root", of: id, operation(18))
        #expect(try await real.console(id).components(separatedBy: "GUEST-INIT").count == 2)
        let used = try #require(try await all.diagnostics?.diagnostics(of: id).memoryUsedMiB)
        #expect(used > 0 && used < 256)
        try await driver.destroy(id, operation(19))
        #expect(try await real.traces(of: id).isEmpty)
        await driver.shutDown()
    }
}
