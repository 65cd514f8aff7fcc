import ComputeModel
import DriverAPI
import DriverConformance
import DriverSupport
import Foundation
import Testing

@testable import LibvirtDriver

/// Capabilities that need a machine but no operating system inside: guests whose processor halts at once.
@Suite(
    .serialized, .enabled(if: LibvirtDaemon.obstacle == nil, "no libvirt daemon here: \(LibvirtDaemon.obstacle ?? "")"))
struct CapabilityTests {
    @Test func aGuestIsPausedSuspendedInterruptedAndAskedHowItIs() async throws {
        let real = try await RealHost {
            $0.graphics = ["vnc", "spice"]
            $0.serialConsole = true
        }
        let driver = real.driver
        let all = driver.capabilities
        let (pausing, suspending) = (try #require(all.pausing), try #require(all.suspending))
        let crash = try #require(all.crashDumps)
        var spec = guestSpec(real.blank, interfaces: [interfaceSpec(bridge: "br-test", tap: "tap-life")])
        spec.isRunning = false
        let id = spec.id
        let handle = try await driver.spawn(spec, operation(1))
        #expect(try await driver.powerState(of: id) == .shutdown)
        #expect(try await driver.spawn(spec, operation(1)) == handle)
        for attempt: () async throws -> Void in [
            { try await pausing.pause(id, operation(1)) }, { try await suspending.suspend(id, operation(1)) },
            { try await crash.triggerCrashDump(of: id, operation(1)) },
            { try await pausing.unpause(id, operation(1)) },
            { _ = try await all.consoles?.console(.vnc, of: id) },
        ] {
            #expect(isCase(await driverError(attempt), DriverError.refused))
        }
        #expect(try await all.diagnostics?.diagnostics(of: id).power == .shutdown)
        try await driver.powerOn(id, operation(2))
        for _ in 1...2 { try await pausing.pause(id, operation(3)) }
        #expect(try await driver.powerState(of: id) == .paused)
        for _ in 1...2 { try await pausing.unpause(id, operation(4)) }
        #expect(try await driver.powerState(of: id) == .running)
        try await crash.triggerCrashDump(of: id, operation(5))

        let diagnosing = try #require(all.diagnostics)
        #expect(try await eventually {
            try await diagnosing.diagnostics(of: id).disks.first?.readBytes ?? 0 > 0
        }, "the firmware reads the boot sector")
        let found = try await diagnosing.diagnostics(of: id)
        #expect(found.power == .running && found.hypervisor == "qemu" && found.driver == "libvirt")
        #expect(found.memoryMaximumMiB == 128)
        #expect(found.cpus.count == 1 && (found.cpus.first?.timeNanoseconds ?? 0) > 0)
        #expect(found.nics.map(\.macAddress) == ["fa:16:3e:00:00:01"])
        #expect(found.disks.count == 1)

        let consoles = try #require(all.consoles)
        #expect(consoles.kinds == [.vnc, .spice, .serial])
        for (kind, greeting) in [(ConsoleKind.vnc, "RFB "), (.spice, ""), (.serial, "")] {
            let address = try await consoles.console(kind, of: id)
            let look = "exec 3<>/dev/tcp/\(address.host)/\(address.port) && echo open && timeout 2 head -c 4 <&3"
            let answer = try real.daemon.run("bash -c '\(look); echo'")
            #expect(answer.hasPrefix("open\n\(greeting)") || answer == "open" && greeting.isEmpty, "\(kind): \(answer)")
        }
        #expect(isCase(await driverError { _ = try await consoles.console(.mks, of: id) }, DriverError.notSupported))

        let events = driver.events()
        for _ in 1...2 { try await suspending.suspend(id, operation(6)) }
        for await event in events { if event == .power(id, .suspended) { break } }
        #expect(try await driver.powerState(of: id) == .suspended)
        #expect(try real.daemon.run("pgrep -af qemu-system || true").contains(id.description) == false)
        for _ in 1...2 { try await suspending.resume(id, operation(7)) }
        #expect(try await driver.powerState(of: id) == .running)
        // Saved memory that is lost costs the memory, not the guest.
        try await suspending.suspend(id, operation(8))
        try real.daemon.run("rm /var/lib/libvirt/qemu/save/*")
        try await suspending.resume(id, operation(9))
        #expect(try await driver.powerState(of: id) == .running)
        // A hard reboot forgets what was saved.
        try await suspending.suspend(id, operation(10))
        try await driver.reboot(id, .hard, within: .zero, operation(11))
        #expect(try await driver.powerState(of: id) == .running)
        let nobody = GuestID.random()
        #expect(await driverError { try await pausing.pause(nobody, operation(1)) } == .noSuchGuest(nobody))
        #expect(await driverError { _ = try await all.diagnostics?.diagnostics(of: nobody) } == .noSuchGuest(nobody))
        try await driver.destroy(id, operation(12))
        await driver.shutDown()
    }

    @Test func volumesComeAndGoAndOutliveRestarts() async throws {
        let real = try await RealHost {
            $0.detachAttempts = 2
            $0.detachTimeout = .milliseconds(500)
        }
        let driver = real.driver
        let volumes = try #require(driver.capabilities.volumes)
        let connector = try await volumes.connector()
        #expect(connector.kinds.isSuperset(of: [.file, .block, .nbd]))
        #expect(connector.host == "test-node")
        let spec = guestSpec(real.blank)
        let id = spec.id
        _ = try await driver.spawn(spec, operation(1))
        let one = VolumeSpec(
            id: .random(), connection: .file(path: try real.volumeFile("one"), format: "raw"), sizeGiB: 1)
        let two = VolumeSpec(
            id: .random(), connection: .file(path: try real.volumeFile("two", format: "qcow2"), format: "qcow2"),
            sizeGiB: 1, deviceName: "/dev/vdf", tag: "data")
        for _ in 1...2 { try await volumes.attach(one, to: id, operation(2)) }
        #expect(try await volumes.volumes(of: id) == [one.id])
        // The halted guest never answers.
        #expect(isCase(
            await driverError { try await volumes.detach(one.id, from: id, operation(3)) }, DriverError.busy))
        #expect(try await volumes.volumes(of: id) == [one.id])
        try await volumes.attach(two, to: id, operation(4))
        var taken = one
        taken.id = .random()
        taken.deviceName = "/dev/vdf"
        #expect(isCase(
            await driverError { try await volumes.attach(taken, to: id, operation(5)) }, DriverError.refused))
        #expect(try await volumes.volumes(of: id) == [one.id, two.id])
        try real.daemon.stopDaemon()
        try real.daemon.startDaemon()
        #expect(await eventually { (try? await volumes.volumes(of: id)) == [one.id, two.id] })
        // A hard reboot begins from what is kept, so the volumes must be there too.
        try await driver.reboot(id, .hard, within: .zero, operation(6))
        #expect(try await volumes.volumes(of: id) == [one.id, two.id])
        let live = try await driver.document(of: id, .live)
        #expect(live.disk(of: two.id)?.child("target")?["dev"] == "vdf")

        let extending = try #require(driver.capabilities.volumeExtending)
        for _ in 1...2 { try await extending.extend(one.id, of: id, toGiB: 1, operation(7)) }
        #expect(try real.daemon.run("qemu-img info -U \(real.daemon.path)/one").contains("1 GiB"))
        #expect(isCase(
            await driverError { try await extending.extend(.random(), of: id, toGiB: 1, operation(7)) },
            DriverError.refused))

        let swapping = try #require(driver.capabilities.volumeSwapping)
        let target = try real.volumeFile("three", mib: 1024)
        let three = VolumeSpec(id: .random(), connection: .file(path: target, format: "raw"), sizeGiB: 1)
        var small = three
        small.id = .random()
        small.sizeGiB = 0
        #expect(isCase(
            await driverError { try await swapping.swap(one.id, for: small, of: id, operation(8)) },
            DriverError.refused))
        for _ in 1...2 { try await swapping.swap(one.id, for: three, of: id, operation(9)) }
        #expect(try await volumes.volumes(of: id) == [two.id, three.id])
        // The same volume in another place, as when its type is changed.
        var moved = three
        let place = try real.volumeFile("four", format: "qcow2", mib: 1024)
        moved.connection = .file(path: place, format: "qcow2")
        let retyped = moved
        for _ in 1...2 { try await swapping.swap(three.id, for: retyped, of: id, operation(9)) }
        #expect(try await driver.document(of: id, .live).disks.contains { $0.child("source")?["file"] == place })
        try await swapping.swap(three.id, for: three, of: id, operation(9))
        #expect(try await volumes.volumes(of: id) == [two.id, three.id])
        #expect(try await driver.document(of: id, .live).disks.contains { $0.child("source")?["file"] == target })
        try await driver.reboot(id, .hard, within: .zero, operation(10))
        #expect(try await driver.document(of: id, .live).volumes == [two.id, three.id])

        try await driver.powerOff(id, within: .zero, operation(11))
        for volume in [two.id, three.id, three.id] { try await volumes.detach(volume, from: id, operation(12)) }
        try await volumes.attach(one, to: id, operation(13))
        #expect(try await volumes.volumes(of: id) == [one.id])
        try await driver.powerOn(id, operation(14))
        #expect(try await volumes.volumes(of: id) == [one.id])
        try await driver.destroy(id, operation(15))
        #expect(try await real.traces(of: id).isEmpty)
        await driver.shutDown()
    }

    @Test func guestsBootFromSharedEncryptedAndNetworkVolumes() async throws {
        let real = try await RealHost()
        let driver = real.driver
        let path = real.daemon.path
        let volumes = try #require(driver.capabilities.volumes)
        // Two guests hold one volume.
        var shared = VolumeSpec(
            id: .random(), connection: .file(path: try real.volumeFile("shared"), format: "raw"), sizeGiB: 1)
        shared.isShared = true
        shared.limits.totalOperationsPerSecond = 100
        // A guest that boots from a volume, with an encrypted one beside.
        try real.daemon.run("cp \(path)/blank.raw \(path)/root && chmod 666 \(path)/root")
        try real.daemon.run(
            "qemu-img create -q -f luks --object secret,id=s,data=open-sesame -o key-secret=s,iter-time=10 "
                + "\(path)/luks 64M && chmod 666 \(path)/luks")
        let root = VolumeSpec(
            id: .random(), connection: .file(path: "\(path)/root", format: "raw"), sizeGiB: 1, bootIndex: 0)
        let locked = VolumeSpec(
            id: .random(), connection: .file(path: "\(path)/luks", format: "raw"), sizeGiB: 1,
            encryption: VolumeEncryption(provider: "luks", passphrase: Array("open-sesame".utf8)))
        // A network block device, served for as long as the namespaces live.
        try real.daemon.run("qemu-img create -q -f raw \(path)/net 64M")
        try real.daemon.run("qemu-nbd --fork -t -e 4 -x export -f raw -b 127.0.0.1 -p 10809 \(path)/net")
        let network = VolumeSpec(
            id: .random(), connection: .nbd(host: "127.0.0.1", port: 10_809, export: "export"), sizeGiB: 1)

        var spec = guestSpec(nil)
        spec.volumes = [root, locked, network, shared]
        _ = try await driver.spawn(spec, operation(1))
        let live = try await driver.document(of: spec.id, .live)
        #expect(live.disks.first?.child("serial")?.text == root.id.description)
        #expect(live.disks.first?.child("boot")?["order"] == "1")
        #expect(try await volumes.volumes(of: spec.id) == Set(spec.volumes.map(\.id)))
        #expect(!exists(driver.directory(of: spec.id).rootDisk))
        let kept = try readText(driver.directory(of: spec.id).definition, bytesMax: 1 << 20)
        #expect(!kept.contains("open-sesame"))
        #expect(try real.daemon.run("virsh -q secret-list || true").contains("kilonova-\(locked.id)"))

        let other = guestSpec(real.blank)
        _ = try await driver.spawn(other, operation(1))
        try await volumes.attach(shared, to: other.id, operation(2))
        #expect(try await volumes.volumes(of: other.id) == [shared.id])
        // A wrong passphrase is found out when the guest should start, and leaves nothing.
        var wrong = guestSpec(nil)
        wrong.volumes = [root, locked]
        wrong.volumes[0].id = .random()
        wrong.volumes[1].id = .random()
        wrong.volumes[1].encryption = VolumeEncryption(provider: "luks", passphrase: [65])
        let refused = wrong
        #expect(await driverError { _ = try await driver.spawn(refused, operation(1)) } != nil)
        #expect(try await real.traces(of: wrong.id).isEmpty)

        let extending = try #require(driver.capabilities.volumeExtending)
        try real.daemon.run("truncate -s 1G \(path)/luks")
        try await extending.extend(locked.id, of: spec.id, toGiB: 1, operation(2))
        #expect(try real.daemon.run("stat -c %s \(path)/luks") == "\(1 << 30)", "not beyond the volume's end")
        await #expect(throws: DriverError.self, "no root disk of its own") {
            try await driver.capabilities.snapshots?.snapshot(
                spec.id, to: SnapshotTarget(image: .random(), diskFormat: "qcow2"), operation(3))
        }
        for guest in [spec.id, other.id] { try await driver.destroy(guest, operation(9)) }
        #expect(try !real.daemon.run("virsh -q secret-list || true").contains("kilonova"))
        await driver.shutDown()
    }

    @Test func interfacesComeAndGo() async throws {
        let real = try await RealHost {
            $0.detachAttempts = 1
            $0.detachTimeout = .milliseconds(300)
        }
        let driver = real.driver
        let interfaces = try #require(driver.capabilities.interfaces)
        let spec = guestSpec(real.blank)
        let id = spec.id
        _ = try await driver.spawn(spec, operation(1))
        let second = interfaceSpec(bridge: "br-test", tap: "tap-late", mac: "fa:16:3e:00:00:02")
        for _ in 1...2 { try await interfaces.attach(second, to: id, operation(2)) }
        #expect(try await interfaces.interfaces(of: id) == ["fa:16:3e:00:00:02"])
        #expect(try real.daemon.run("ip -o link show tap-late").contains("br-test"))
        var unbound = second
        unbound.binding = .unbound
        let wrong = unbound
        #expect(isCase(
            await driverError { try await interfaces.attach(wrong, to: id, operation(3)) }, DriverError.notSupported))
        let missing = interfaceSpec(bridge: "no-such", tap: "tap-none", mac: "fa:16:3e:00:00:03")
        #expect(await driverError { try await interfaces.attach(missing, to: id, operation(3)) } != nil)
        #expect(try await interfaces.interfaces(of: id) == ["fa:16:3e:00:00:02"])
        #expect(isCase(
            await driverError { try await interfaces.detach(second.portID, from: id, operation(4)) }, DriverError.busy))
        try await driver.reboot(id, .hard, within: .zero, operation(5))
        #expect(try await interfaces.interfaces(of: id) == ["fa:16:3e:00:00:02"])
        try await driver.powerOff(id, within: .zero, operation(6))
        for _ in 1...2 { try await interfaces.detach(second.portID, from: id, operation(7)) }
        #expect(try await interfaces.interfaces(of: id).isEmpty)
        try await driver.destroy(id, operation(8))
        await driver.shutDown()
    }
}
