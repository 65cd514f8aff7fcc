import ComputeModel
import DriverAPI
import DriverConformance
import Foundation
import Testing

@testable import XenAPIDriver

/// What the driver can do beyond the core, against a simulated pool.
@Suite(.serialized) struct CapabilityTests {
    /// A volume behind a target that the simulator knows.
    private func volume(_ pool: Pool, gib: Int = 1, user: String? = nil, password: String? = nil, bootIndex: Int? = nil)
        throws -> VolumeSpec
    {
        let id = VolumeID.random()
        let name = "iqn.2010-10.org.openstack:volume-\(id)"
        try pool.simulator.steer(
            "target",
            [
                "portal": "192.0.2.1:3260", "name": name, "luns": ["1": gib << 30], "user": user ?? "",
                "password": password ?? "",
            ])
        return VolumeSpec(
            id: id,
            connection: .iscsi(
                ISCSITarget(portal: "192.0.2.1:3260", name: name, lun: 1, user: user, password: password)),
            sizeGiB: gib, bootIndex: bootIndex)
    }

    @Test func aGuestIsPausedAndSuspended() async throws {
        try await Pool.with { pool in
            let driver = try await pool.driver()
            let spec = pool.spec(try pool.rawImage())
            _ = try await driver.spawn(spec, pool.call)
            let before = try pool.simulator.dump()
            for _ in 1...2 { try await driver.pause(spec.id, pool.call) }
            #expect(try await driver.powerState(of: spec.id) == .paused)
            for _ in 1...2 { try await driver.unpause(spec.id, pool.call) }
            try await driver.pause(spec.id, pool.call)
            for _ in 1...2 { try await driver.suspend(spec.id, pool.call) }
            #expect(try await driver.powerState(of: spec.id) == .suspended)
            #expect(try pool.simulator.records("host").allSatisfy { ($0["resident_VMs"] as? [Any])?.count == 1 })
            for _ in 1...2 { try await driver.resume(spec.id, pool.call) }
            #expect(try await driver.powerState(of: spec.id) == .running)
            #expect(
                try pool.simulator.dump().filter { !$0.hasPrefix("console") }
                    == before.filter { !$0.hasPrefix("console") })
            try await driver.powerOff(spec.id, within: .zero, pool.call)
            for error in [
                await failure { try await driver.pause(spec.id, pool.call) },
                await failure { try await driver.unpause(spec.id, pool.call) },
                await failure { try await driver.suspend(spec.id, pool.call) },
            ] {
                if case .refused = error {} else { Issue.record("not refused: \(String(describing: error))") }
            }
        }
    }

    @Test(arguments: ["raw", "vhd"]) func anImageIsMadeOfARunningGuest(format: String) async throws {
        try await Pool.with { pool in
            let driver = try await pool.driver()
            let spec = pool.spec(try pool.rawImage(), rootGiB: 0)
            _ = try await driver.spawn(spec, pool.call)
            let before = try pool.simulator.dump()
            let image = ImageID.random()
            try await driver.snapshot(spec.id, to: SnapshotTarget(image: image, diskFormat: format), pool.call)
            #expect(try pool.simulator.dump() == before)
            #expect(try await driver.powerState(of: spec.id) == .running)
            let path = try #require(pool.host().stored(image))
            defer { try? FileManager.default.removeItem(atPath: path) }
            #expect(try DiskImage.inspect(path, declared: format).virtualBytes == 4 << 20)
            // What was made boots again, with the same content.
            var made = pool.host().offer(image: path, format: format)
            made.name = "snapshot"
            let second = pool.spec(made)
            _ = try await driver.spawn(second, pool.call)
            let disk = try #require(
                try pool.simulator.records("VDI", ["name_label": DiskRole.root.name(of: second.id)]).first)
            let uuid = try #require(disk["uuid"] as? String)
            #expect(try pool.simulator.bytes(ofDisk: uuid, count: 16) == Array("IMAGE-CONTENT-01".utf8))
            let left = try FileManager.default.contentsOfDirectory(atPath: pool.host().stateDirectory + "/scratch")
            #expect(left.isEmpty)
        }
    }

    @Test(arguments: ["VDI.set_name_label", "/export_raw_vdi"])
    func aSnapshotThatFailsLeavesNothing(method: String) async throws {
        try await Pool.with { pool in
            let driver = try await pool.driver()
            let spec = pool.spec(try pool.rawImage())
            _ = try await driver.spawn(spec, pool.call)
            let before = try pool.simulator.dump()
            try pool.simulator.steer("fault", ["method": method, "error": ["INTERNAL_ERROR", "no"]])
            let error = await failure {
                try await driver.snapshot(
                    spec.id, to: SnapshotTarget(image: .random(), diskFormat: "vhd"), pool.call)
            }
            #expect(error != nil)
            #expect(try pool.simulator.dump() == before)
        }
    }

    @Test func aGuestIsRescuedAndComesBackAcrossARestart() async throws {
        try await Pool.with { pool in
            var driver = try await pool.driver()
            let spec = pool.spec(try pool.rawImage(), configDrive: ["a": [1]])
            _ = try await driver.spawn(spec, pool.call)
            let before = try pool.simulator.dump()
            func layout() throws -> [String: String] {
                var found: [String: String] = [:]
                for disk in try pool.simulator.records("VBD") {
                    let place = disk["userdevice"] as? String ?? ""
                    found[place] = (disk["other_config"] as? [String: String])?[Mark.role]
                }
                return found
            }
            #expect(try layout() == ["0": "root", "3": "config"])
            let rescue = RescueSpec(image: try pool.rawImage(mib: 2), configDrive: ["b": [2]])
            let call = pool.call
            for _ in 1...2 { try await driver.rescue(spec.id, with: rescue, call) }
            #expect(try layout() == ["0": "rescue", "3": "rescue-config", "4": "root"])
            #expect(try await driver.powerState(of: spec.id) == .running)
            await driver.shutDown()
            driver = try await pool.driver()
            for _ in 1...2 { try await driver.unrescue(spec.id, pool.call) }
            #expect(try layout() == ["0": "root", "3": "config"])
            #expect(try await driver.powerState(of: spec.id) == .running)
            _ = try await driver.capabilities.imageCache?.removeImages(unusedFor: .zero)
            func machines(_ dump: [String]) -> [String] {
                dump.filter { $0.hasPrefix("VM") || ($0.hasPrefix("VDI") && !$0.contains("kilonova image")) }
            }
            #expect(machines(try pool.simulator.dump()) == machines(before))
        }
    }

    @Test(arguments: ["VDI.clone", "VBD.destroy", "VBD.create", "VM.start_on"])
    func aRescueThatFailsLeavesTheGuestAsItWas(method: String) async throws {
        try await Pool.with { pool in
            let driver = try await pool.driver()
            let spec = pool.spec(try pool.rawImage())
            _ = try await driver.spawn(spec, pool.call)
            try pool.simulator.steer("fault", ["method": method, "error": ["INTERNAL_ERROR", "no"]])
            let error = await failure {
                try await driver.rescue(spec.id, with: RescueSpec(image: try pool.rawImage(mib: 2)), pool.call)
            }
            #expect(error != nil)
            let disks = try pool.simulator.records("VBD")
            #expect(disks.count == 1)
            #expect(disks.first?["userdevice"] as? String == "0")
            try await driver.powerOn(spec.id, pool.call)
            #expect(try pool.simulator.records("VDI").filter { "\($0["name_label"] ?? "")".contains("rescue") }.isEmpty)
        }
    }

    @Test func aVolumeIsAttachedAndDetached() async throws {
        try await Pool.with { pool in
            let driver = try await pool.driver()
            let volumes = try #require(driver.capabilities.volumes)
            let spec = pool.spec(try pool.rawImage())
            _ = try await driver.spawn(spec, pool.call)
            let before = try pool.simulator.dump()
            let volume = try volume(pool, user: "chap", password: "secret")
            for _ in 1...2 { try await volumes.attach(volume, to: spec.id, pool.call) }
            #expect(try await volumes.volumes(of: spec.id) == [volume.id])
            let disk = try #require(try pool.simulator.records("VBD", ["userdevice": "4"]).first)
            #expect(disk["currently_attached"] as? Bool == true)
            // A guest that holds on to it.
            try pool.simulator.steer("set", ["refuses_unplug": ["instance-\(spec.id)"]])
            let held = await failure { try await volumes.detach(volume.id, from: spec.id, pool.call) }
            if case .busy = held {} else { Issue.record("\(String(describing: held))") }
            #expect(try await volumes.volumes(of: spec.id) == [volume.id])
            try pool.simulator.steer("set", ["refuses_unplug": [String]()])
            for _ in 1...2 { try await volumes.detach(volume.id, from: spec.id, pool.call) }
            #expect(try await volumes.volumes(of: spec.id) == [])
            #expect(try pool.simulator.dump() == before)
            // Of a guest that is off the definition changes.
            try await driver.powerOff(spec.id, within: .zero, pool.call)
            try await volumes.attach(volume, to: spec.id, pool.call)
            try await driver.powerOn(spec.id, pool.call)
            try await driver.destroy(spec.id, pool.call)
            #expect(try pool.simulator.records("SR", ["type": "iscsi"]).isEmpty)
        }
    }

    @Test func aVolumeThatCannotBeReachedLeavesNothing() async throws {
        try await Pool.with { pool in
            let driver = try await pool.driver()
            let volumes = try #require(driver.capabilities.volumes)
            let spec = pool.spec(try pool.rawImage())
            _ = try await driver.spawn(spec, pool.call)
            let before = try pool.simulator.dump()
            var wrong = try volume(pool, user: "chap", password: "secret")
            if case .iscsi(var target) = wrong.connection {
                target.password = "guess"
                wrong.connection = .iscsi(target)
            }
            let refused = await failure { try await volumes.attach(wrong, to: spec.id, pool.call) }
            #expect(refused?.remedy == .giveUp)
            #expect(refused?.message.contains("guess") == false)
            let absent = VolumeSpec(
                id: .random(), connection: .iscsi(ISCSITarget(portal: "192.0.2.9:3260", name: "iqn.x", lun: 0)),
                sizeGiB: 1)
            let away = await failure { try await volumes.attach(absent, to: spec.id, pool.call) }
            #expect(away?.remedy == .retry)
            let other = VolumeSpec(id: .random(), connection: .block(path: "/dev/x"), sizeGiB: 1)
            let unknown = await failure { try await volumes.attach(other, to: spec.id, pool.call) }
            if case .notSupported = unknown {} else { Issue.record("\(String(describing: unknown))") }
            let good = try volume(pool)
            try pool.simulator.steer("fault", ["method": "VBD.plug", "error": ["INTERNAL_ERROR", "no"]])
            #expect(await failure { try await volumes.attach(good, to: spec.id, pool.call) } != nil)
            #expect(try pool.simulator.dump() == before)
        }
    }

    @Test func aGuestBootsFromAVolume() async throws {
        try await Pool.with { pool in
            let driver = try await pool.driver()
            let before = try pool.simulator.dump()
            let spec = pool.spec(nil, volumes: [try volume(pool, bootIndex: 0), try volume(pool)])
            _ = try await driver.spawn(spec, pool.call)
            let disks = try pool.simulator.records("VBD")
            #expect(Set(disks.compactMap { $0["userdevice"] as? String }) == ["0", "4"])
            #expect(disks.first { $0["userdevice"] as? String == "0" }?["bootable"] as? Bool == true)
            let none = await failure {
                try await driver.snapshot(spec.id, to: SnapshotTarget(image: .random(), diskFormat: "raw"), pool.call)
            }
            if case .notSupported = none {} else { Issue.record("\(String(describing: none))") }
            try await driver.rescue(spec.id, with: RescueSpec(image: try pool.rawImage(mib: 2)), pool.call)
            try await driver.unrescue(spec.id, pool.call)
            #expect(try await driver.capabilities.volumes?.volumes(of: spec.id).count == 2)
            try await driver.destroy(spec.id, pool.call)
            _ = try await driver.capabilities.imageCache?.removeImages(unusedFor: .zero)
            #expect(try pool.simulator.dump() == before)
        }
    }

    @Test func anInterfaceIsAttachedAndDetached() async throws {
        try await Pool.with { pool in
            let driver = try await pool.driver()
            let interfaces = try #require(driver.capabilities.interfaces)
            let spec = pool.spec(try pool.rawImage())
            _ = try await driver.spawn(spec, pool.call)
            let before = try pool.simulator.dump()
            let interface = Pool.interface(7, tag: "net")
            for _ in 1...2 { try await interfaces.attach(interface, to: spec.id, pool.call) }
            #expect(
                try await interfaces.interfaces(of: spec.id)
                    == [spec.interfaces[0].macAddress, interface.macAddress])
            for _ in 1...2 { try await interfaces.detach(interface.portID, from: spec.id, pool.call) }
            #expect(try pool.simulator.dump() == before)
            try pool.simulator.steer("fault", ["method": "VIF.plug", "error": ["INTERNAL_ERROR", "no"]])
            #expect(await failure { try await interfaces.attach(interface, to: spec.id, pool.call) } != nil)
            #expect(try pool.simulator.dump() == before)
            for number in 1..<7 { try await interfaces.attach(Pool.interface(number), to: spec.id, pool.call) }
            let full = await failure { try await interfaces.attach(Pool.interface(8), to: spec.id, pool.call) }
            if case .insufficientResources = full {} else { Issue.record("\(String(describing: full))") }
        }
    }

    @Test func consolesAndCountersAreFound() async throws {
        try await Pool.with { pool in
            let driver = try await pool.driver()
            let spec = pool.spec(try pool.rawImage())
            _ = try await driver.spawn(spec, pool.call)
            let console = try await driver.console(.vnc, of: spec.id)
            #expect(console.host.hasPrefix("127.0."))
            #expect(console.port == pool.simulator.port)
            let path = try #require(console.internalPath)
            #expect(path.hasPrefix("/console?ref=OpaqueRef:"))
            let answer = try Self.connect(console.host, console.port, path)
            #expect(answer.hasPrefix("HTTP/1.1 200 OK"))
            #expect(answer.hasSuffix("RFB 003.008\n"))
            let counters = try await driver.diagnostics(of: spec.id)
            #expect(counters.driver == "xenapi")
            #expect(counters.cpus.map(\.utilisationPercent) == [13, 13])
            #expect(counters.nics.map(\.macAddress) == [spec.interfaces[0].macAddress])
            #expect(counters.memoryMaximumMiB == 256)
            #expect((counters.uptimeSeconds ?? 1000) < 300)
            try await driver.powerOff(spec.id, within: .zero, pool.call)
            let off = await failure { try await driver.console(.vnc, of: spec.id) }
            if case .refused = off {} else { Issue.record("\(String(describing: off))") }
            #expect(try await driver.diagnostics(of: spec.id).power == .shutdown)
        }
    }

    /// A CONNECT request, as a console proxy makes it, and what comes back.
    private static func connect(_ host: String, _ port: Int, _ path: String) throws -> String {
        let process = Process()
        let output = Pipe()
        process.executableURL = URL(filePath: "/usr/bin/python3")
        process.arguments = [
            "-c",
            "import socket,sys; s=socket.create_connection((sys.argv[1],int(sys.argv[2]))); "
                + "s.sendall(('CONNECT %s HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n'%sys.argv[3]).encode()); "
                + "d=b''\nwhile True:\n p=s.recv(1000)\n d+=p\n if not p: break\nsys.stdout.buffer.write(d)",
            host, "\(port)", path,
        ]
        process.standardOutput = output
        try process.run()
        return String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
    }
}
