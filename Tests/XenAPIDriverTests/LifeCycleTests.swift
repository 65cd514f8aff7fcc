import ComputeModel
import DriverAPI
import DriverConformance
import Foundation
import Testing

@testable import XenAPIDriver

/// The core of the driver against a simulated pool.
@Suite(.serialized) struct LifeCycleTests {
    @Test func aGuestLivesItsWholeLife() async throws {
        try await Pool.with { pool in
            let driver = try await pool.driver()
            let image = try pool.rawImage()
            try await driver.capabilities.imageCache?.cache(image)
            let before = try pool.simulator.dump()
            let spec = pool.spec(
                image, ephemeralGiB: 1, swapMiB: 64, interfaces: 2,
                configDrive: ["openstack/latest/meta_data.json": Array("{}".utf8)])
            let made = pool.call
            let handle = try await driver.spawn(spec, made)
            #expect(try await driver.powerState(of: spec.id) == .running)
            let machine = try #require(try pool.simulator.machine(spec.id))
            #expect(machine["name_description"] as? String == "test")
            #expect(machine["memory_static_max"] as? String == "\(256 << 20)")
            #expect((machine["VBDs"] as? [Any])?.count == 4)
            #expect((machine["VIFs"] as? [Any])?.count == 2)
            // A repeat ends as the first did and changes nothing.
            let between = try pool.simulator.dump()
            #expect(try await driver.spawn(spec, made) == handle)
            #expect(try pool.simulator.dump() == between)

            try await driver.powerOff(spec.id, within: .seconds(5), pool.call)
            #expect(try await driver.powerState(of: spec.id) == .shutdown)
            try await driver.powerOff(spec.id, within: .zero, pool.call)
            try await driver.powerOn(spec.id, pool.call)
            try await driver.powerOn(spec.id, pool.call)
            try await driver.reboot(spec.id, .soft, within: .seconds(5), pool.call)
            try await driver.reboot(spec.id, .hard, within: .zero, pool.call)
            #expect(try await driver.powerState(of: spec.id) == .running)
            let late = DriverCall(operation: 1, requestID: "late")
            let stale = await failure { try await driver.powerOff(spec.id, within: .zero, late) }
            if case .stale = stale {} else { Issue.record("a late call was not refused: \(String(describing: stale))") }

            try await driver.destroy(spec.id, pool.call)
            try await driver.destroy(spec.id, pool.call)
            #expect(try pool.simulator.dump() == before)
            let gone = await failure { try await driver.powerState(of: spec.id) }
            #expect(gone == .noSuchGuest(spec.id))
            let again = await failure { try await driver.spawn(spec, late) }
            if case .stale = again {} else { Issue.record("a late spawn was not refused") }
            #expect(pool.host().progress.contains { $0.phase == "preparing image" })
        }
    }

    @Test func disksHoldWhatTheyShould() async throws {
        try await Pool.with { pool in
            let driver = try await pool.driver()
            let spec = pool.spec(
                try pool.rawImage(), ephemeralGiB: 2, swapMiB: 64,
                configDrive: ["openstack/latest/user_data": Array("hello".utf8)])
            _ = try await driver.spawn(spec, pool.call)
            func disk(_ role: DiskRole) throws -> [String: Any] {
                try #require(try pool.simulator.records("VDI", ["name_label": role.name(of: spec.id)]).first)
            }
            let root = try disk(.root)
            #expect(root["virtual_size"] as? String == "\(1 << 30)")
            let uuid = try #require(root["uuid"] as? String)
            #expect(try pool.simulator.bytes(ofDisk: uuid, count: 16) == Array("IMAGE-CONTENT-01".utf8))
            #expect(
                try pool.simulator.bytes(ofDisk: uuid, at: (4 << 20) - 16, count: 16) == Array("IMAGE-CONTENT-02".utf8))
            #expect(try disk(.ephemeral)["virtual_size"] as? String == "\(2 << 30)")
            let swap = try #require(try disk(.swap)["uuid"] as? String)
            #expect(try pool.simulator.bytes(ofDisk: swap, at: 4086, count: 10) == Array("SWAPSPACE2".utf8))
            let config = try #require(try disk(.config)["uuid"] as? String)
            #expect(try pool.simulator.bytes(ofDisk: config, at: 0x8001, count: 5) == Array("CD001".utf8))
        }
    }

    @Test func anImageIsImportedOnceHoweverManyWait() async throws {
        try await Pool.with { pool in
            let driver = try await pool.driver()
            let image = try pool.rawImage()
            let specs = (0..<8).map { _ in pool.spec(image) }
            let calls = specs.map { _ in pool.call }
            try await withThrowingTaskGroup(of: Void.self) { group in
                for (spec, call) in zip(specs, calls) {
                    group.addTask { _ = try await driver.spawn(spec, call) }
                }
                try await group.waitForAll()
            }
            #expect(pool.host().fetches == 1)
            #expect(try pool.simulator.calls()["/import_raw_vdi"] == 1)
            let cached = try await driver.capabilities.imageCache?.cachedImages() ?? []
            #expect(cached.map(\.guests) == [8])
            #expect(try await driver.capabilities.imageCache?.removeImages(unusedFor: .zero) == [])
            for spec in specs { try await driver.destroy(spec.id, pool.call) }
            let removed = try await driver.capabilities.imageCache?.removeImages(unusedFor: .zero)
            #expect(removed?.map(\.image) == [image.id])
            #expect(try pool.simulator.records("VDI").isEmpty)
        }
    }

    /// Every call that a spawn makes fails in turn; each time nothing must remain.
    @Test(arguments: [
        ("VM.create", false), ("VM.create", true), ("VDI.create", false), ("/import_raw_vdi", false),
        ("VDI.clone", false),
        ("VDI.set_name_label", false), ("VDI.set_other_config", false), ("VDI.resize", false), ("VBD.create", false),
        ("VIF.create", false), ("VIF.create", true), ("VM.start_on", false), ("VM.start_on", true),
        ("VM.add_to_other_config", false), ("network.get_all_records", false),
    ])
    func aSpawnThatFailsLeavesNothing(method: String, after: Bool) async throws {
        try await Pool.with { pool in
            let driver = try await pool.driver()
            let image = try pool.rawImage()
            let spec = pool.spec(image, swapMiB: 64, configDrive: ["a": [1]])
            let before = try pool.simulator.dump()
            try pool.simulator.steer(
                "fault", ["method": method, "error": ["SR_FULL", "1", "0"], "after": after])
            let error = await failure { try await driver.spawn(spec, pool.call) }
            #expect(error?.remedy == .reschedule)
            #expect(error?.message.contains("SR_FULL") == true)
            let rest = try pool.simulator.dump().filter { !$0.contains("kilonova image") }
            let left = Set(rest).subtracting(before).filter { !$0.hasPrefix("file") }
            if after, method == "VM.create" {
                // The server made it and said that it did not: nobody knows its reference but its name.
                try await driver.destroy(spec.id, pool.call)
            } else {
                #expect(left.isEmpty, "\(left)")
            }
            // And it works afterwards.
            _ = try await driver.spawn(spec, pool.call)
            try await driver.destroy(spec.id, pool.call)
            _ = try await driver.capabilities.imageCache?.removeImages(unusedFor: .zero)
            #expect(try pool.simulator.dump() == before)
        }
    }

    @Test func aCancelledSpawnLeavesNothing() async throws {
        try await Pool.with { pool in
            let driver = try await pool.driver()
            let image = try pool.rawImage()
            try await driver.capabilities.imageCache?.cache(image)
            let before = try pool.simulator.dump()
            try pool.simulator.steer("set", ["task_seconds": 30])
            let (spec, call) = (pool.spec(image), pool.call)
            let spawn = Task { try await driver.spawn(spec, call) }
            try await eventually("the guest is being started") {
                let machine = try pool.simulator.machine(spec.id)
                return (machine?["current_operations"] as? [String: Any])?.isEmpty == false
            }
            let clock = ContinuousClock()
            let begun = clock.now
            spawn.cancel()
            let error = await failure { try await spawn.value }
            #expect(error == .cancelled)
            #expect(clock.now - begun < .seconds(5 * slowness))
            #expect(try pool.simulator.dump() == before)
        }
    }

    @Test func guestsOutliveDriverAndServer() async throws {
        try await Pool.with { pool in
            let first = try await pool.driver()
            let spec = pool.spec(try pool.rawImage())
            let made = pool.call
            let handle = try await first.spawn(spec, made)
            await first.shutDown()
            pool.simulator.kill()
            try pool.simulator.start()
            let second = try await pool.driver()
            let lost = GuestID.random()
            let found = try await second.recover([spec.id: handle, lost: GuestHandle(version: 1, data: [])])
            #expect(found == [spec.id: handle])
            #expect(try await second.powerState(of: spec.id) == .running)
            #expect(try await second.spawn(spec, made) == handle)
            try await second.destroy(spec.id, pool.call)
        }
    }

    @Test func theDriverIsUnwellWhileTheServerIsAway() async throws {
        try await Pool.with { pool in
            let driver = try await pool.driver()
            let spec = pool.spec(try pool.rawImage())
            _ = try await driver.spawn(spec, pool.call)
            var health = driver.health().makeAsyncIterator()
            #expect(await health.next() == .healthy)
            pool.simulator.kill()
            guard case .unhealthy(let text) = await health.next() else {
                Issue.record("still healthy")
                return
            }
            #expect(text.contains("XenAPI at http://127.0."))
            let error = await failure { try await driver.powerState(of: spec.id) }
            #expect(error?.remedy == .retry)
            try pool.simulator.start()
            // It may say in other words why it is unwell before it is well again.
            while let next = await health.next(), next != .healthy {}
            #expect(try await driver.powerState(of: spec.id) == .running)
        }
    }

    @Test func foreignMachinesAreShownAndNeverTouched() async throws {
        try await Pool.with { pool in
            let driver = try await pool.driver()
            let uuid = try #require(try pool.simulator.steer("foreign", ["name": "somebody's"]) as? String)
            let guest = try #require(GuestID(uuid))
            let before = try pool.simulator.dump()
            let listed = try await driver.guests()
            #expect(listed == [GuestSummary(id: guest, name: "somebody's", power: .running, isOurs: false)])
            for error in [
                await failure { try await driver.destroy(guest, pool.call) },
                await failure { try await driver.powerOff(guest, within: .zero, pool.call) },
                await failure { try await driver.spawn(pool.spec(try pool.rawImage(), id: guest), pool.call) },
            ] {
                if case .refused = error {} else { Issue.record("not refused: \(String(describing: error))") }
            }
            #expect(try pool.simulator.dump() == before)
        }
    }

    @Test func aGuestThatDoesNotListenIsTakenOff() async throws {
        try await Pool.with { pool in
            let driver = try await pool.driver()
            let spec = pool.spec(try pool.rawImage())
            _ = try await driver.spawn(spec, pool.call)
            try pool.simulator.steer("set", ["ignores_shutdown": ["instance-\(spec.id)"]])
            let clock = ContinuousClock()
            let begun = clock.now
            try await driver.powerOff(spec.id, within: .milliseconds(500), pool.call)
            #expect(clock.now - begun >= .milliseconds(500))
            #expect(try await driver.powerState(of: spec.id) == .shutdown)
            try await driver.powerOn(spec.id, pool.call)
            try await driver.reboot(spec.id, .soft, within: .milliseconds(300), pool.call)
            #expect(try await driver.powerState(of: spec.id) == .running)
        }
    }

    @Test func changesOfGuestsAreTold() async throws {
        try await Pool.with { pool in
            let driver = try await pool.driver()
            var events = driver.events().makeAsyncIterator()
            let spec = pool.spec(try pool.rawImage())
            _ = try await driver.spawn(spec, pool.call)
            #expect(await events.next() == .power(spec.id, .running))
            let uuid = try #require(try pool.simulator.machine(spec.id)?["uuid"] as? String)
            let clock = ContinuousClock()
            let begun = clock.now
            try pool.simulator.steer("crash", ["uuid": uuid])
            #expect(await events.next() == .power(spec.id, .shutdown))
            #expect(clock.now - begun < .seconds(2 * slowness))
            // Events that the server lost do not lose a change.
            try pool.simulator.steer("lose-events")
            try await driver.powerOn(spec.id, pool.call)
            #expect(await events.next() == .power(spec.id, .running))
        }
    }

    @Test func theInventoryFollowsTheHost() async throws {
        try await Pool.with { pool in
            let driver = try await pool.driver(["reserved_host_memory_mb": "1024"])
            var inventories = driver.inventory().makeAsyncIterator()
            let inventory = try #require(await inventories.next())
            #expect(inventory.hypervisorType == "XenServer")
            #expect(inventory.hypervisorVersion == 8_003_000)
            #expect(inventory.resources[.vcpu]?.total == 8)
            #expect(inventory.resources[.memoryMiB]?.total == 64 * 1024 - 512)
            #expect(inventory.resources[.memoryMiB]?.reserved == 1024)
            #expect(inventory.resources[.diskGiB]?.total == 500)
            #expect(inventory.supportedGuests.contains { $0.machineMode == "hvm" && $0.architecture == "x86_64" })
            #expect(inventory.traits.contains(Trait("HW_CPU_X86_AVX2")))
        }
    }

    @Test func requestsThatCannotBeMetAreRefusedBeforeAnythingIsMade() async throws {
        try await Pool.with { pool in
            let driver = try await pool.driver()
            let before = try pool.simulator.dump()
            let image = try pool.rawImage(properties: ["vm_mode": "exe"])
            var wrongs = [pool.spec(image), pool.spec(nil)]
            var devices = pool.spec(try pool.rawImage())
            devices.pciDevices = ["0000:00:01.0"]
            wrongs.append(devices)
            wrongs.append(pool.spec(try pool.rawImage(), interfaces: 9))
            wrongs.append(pool.spec(try pool.rawImage(properties: ["hw_firmware_type": "uefi", "vm_mode": "xen"])))
            for spec in wrongs {
                let error = await failure { try await driver.spawn(spec, pool.call) }
                #expect(error?.remedy == .giveUp, "\(String(describing: error))")
            }
            #expect(try pool.simulator.dump() == before)
            let large = await failure {
                try await driver.spawn(pool.spec(try pool.rawImage(), memoryMiB: 1 << 20), pool.call)
            }
            #expect(large?.remedy == .reschedule)
            let tooLarge = await failure {
                var image = try pool.rawImage()
                image.diskFormat = "qcow2"
                return try await driver.spawn(pool.spec(image), pool.call)
            }
            if case .imageUnacceptable = tooLarge {} else { Issue.record("\(String(describing: tooLarge))") }
            _ = try await driver.capabilities.imageCache?.removeImages(unusedFor: .zero)
            #expect(try pool.simulator.dump() == before)
        }
    }
}
