import ComputeModel
import DriverAPI
import DriverConformance
import Foundation
import Testing

@testable import VMwareDriver

/// Guests in a simulated vCenter, from first to last.
@Suite(.enabled(if: VCenterWorld.obstacle == nil, "no vCenter simulator here: \(VCenterWorld.obstacle ?? "")"))
struct LifeTests {
    @Test func theNodeSaysWhatTheClusterHas() async throws {
        let world = try VCenterWorld()
        let driver = try await world.driver(["cpu_allocation_ratio": "2.0", "reserved_host_memory_mb": "100"])
        var inventories = driver.inventory().makeAsyncIterator()
        let inventory = try #require(await inventories.next())
        #expect(inventory.hypervisorType == "VMware vCenter Server")
        #expect(inventory.hypervisorVersion == 6_005_000)
        #expect(inventory.hypervisorHostname.hasSuffix(".dbed6e0c-bd88-4ef6-b594-21283e1c677f"))
        #expect(inventory.resources[.vcpu]?.total == 4)
        #expect(inventory.resources[.vcpu]?.maxUnit == 2)
        #expect(inventory.resources[.vcpu]?.allocationRatio == 2)
        #expect(inventory.resources[.memoryMiB]?.reserved == 100)
        #expect(inventory.resources[.diskGiB] != nil)
        var health = driver.health().makeAsyncIterator()
        #expect(await health.next() == .healthy)
        await driver.shutDown()
        #expect(await health.next() == nil)
    }

    @Test func aGuestLivesItsWholeLife() async throws {
        let world = try VCenterWorld()
        let host = world.host()
        let driver = try await world.driver(host: host)
        let before = try await world.contents()
        let image = host.offer(image: try TestImage.raw(world.directory), format: "vmdk")
        let spec = guestSpec(image, ephemeralGiB: 1, swapMiB: 64, interfaces: [interfaceSpec()])
        let events = driver.events()
        let handle = try await driver.spawn(spec, call(1))
        #expect(try await driver.spawn(spec, call(1)) == handle)
        for await event in events { if event == .power(spec.id, .running) { break } }

        let summary = try #require(try await driver.guests().first { $0.id == spec.id })
        #expect(summary.name == "a <server> & more (\(spec.id))")
        #expect(summary.isOurs && summary.power == .running)
        let machine = try #require(try await driver.find(spec.id))
        #expect(machine.disks.map(\.kib) == [1 << 20, 1 << 20, 64 << 10])
        #expect(machine.rootDisk?.parent?.path == "_base/\(image.id)/\(image.id).1.vmdk")
        #expect(machine.devices.contains { $0.mac == "fa:16:3e:00:00:01" && $0.type == "VirtualVmxnet3" })

        try await driver.powerOff(spec.id, within: .zero, call(2))
        try await driver.powerOff(spec.id, within: .zero, call(2))
        #expect(try await driver.powerState(of: spec.id) == .shutdown)
        try await driver.powerOn(spec.id, call(3))
        try await driver.powerOn(spec.id, call(3))
        #expect(try await driver.powerState(of: spec.id) == .running)
        try await driver.reboot(spec.id, .soft, within: .seconds(1), call(4))
        try await driver.reboot(spec.id, .hard, within: .zero, call(5))
        #expect(try await driver.powerState(of: spec.id) == .running)
        try await driver.powerOff(spec.id, within: .seconds(5), call(6))
        #expect(try await driver.powerState(of: spec.id) == .shutdown)
        try await driver.reboot(spec.id, .hard, within: .zero, call(7))
        #expect(try await driver.powerState(of: spec.id) == .running)

        let stale = await driverError { try await driver.powerOff(spec.id, within: .zero, call(6)) }
        guard case .stale = stale else { throw VCenterWorld.Failure(description: "\(String(describing: stale))") }
        try await driver.destroy(spec.id, call(8))
        try await driver.destroy(spec.id, call(8))
        let gone = await driverError { _ = try await driver.powerState(of: spec.id) }
        #expect(gone == .noSuchGuest(spec.id))
        let late = await driverError { _ = try await driver.spawn(spec, call(1)) }
        guard case .stale = late else { throw VCenterWorld.Failure(description: "\(String(describing: late))") }
        #expect(try await world.contents() == before)
        await driver.shutDown()
    }

    @Test(arguments: ["raw", "flat", "monolithicSparse", "streamOptimized"])
    func everyKindOfImageBecomesTheSameDisk(kind: String) async throws {
        let world = try VCenterWorld()
        let host = world.host()
        let driver = try await world.driver(["use_linked_clone": "false"], host: host)
        let before = try await world.contents()
        let isPlain = kind == "raw" || kind == "flat"
        let path =
            isPlain ? try TestImage.raw(world.directory) : try TestImage.vmdk(world.directory, subformat: kind)
        let image = host.offer(image: path, format: kind == "raw" ? "raw" : "vmdk")
        let spec = guestSpec(image, rootGiB: 0)
        _ = try await driver.spawn(spec, call(1))
        let copy = world.directory + "/copy"
        let disk = try #require(try await driver.find(spec.id)?.rootDisk?.file)
        try await driver.files.download(disk.flat, to: copy)
        #expect(try Data(contentsOf: URL(filePath: copy)) == Data(TestImage.bytes))
        // The second guest takes the image from the cache, also in a process that comes later.
        await driver.shutDown()
        let next = try await world.driver(["use_linked_clone": "false"], host: host)
        let other = guestSpec(image, rootGiB: 0)
        _ = try await next.spawn(other, call(1))
        #expect(host.fetches == 1)
        let staged = try? FileManager.default.contentsOfDirectory(atPath: host.stateDirectory + "/staging")
        #expect(staged ?? [] == [])
        try await next.destroy(spec.id, call(2))
        try await next.destroy(other.id, call(2))
        #expect(try await world.contents() == before)
        await next.shutDown()
    }

    @Test func guestsAreFoundAgainByTheNextProcess() async throws {
        let world = try VCenterWorld(machines: 1)
        let host = world.host()
        let driver = try await world.driver(host: host)
        let image = host.offer(image: try TestImage.raw(world.directory), format: "vmdk")
        let spec = guestSpec(image)
        let handle = try await driver.spawn(spec, call(5))
        await driver.shutDown()
        let next = try await world.driver(host: host)
        #expect(try await next.recover([spec.id: handle, .random(): handle]) == [spec.id: handle])
        #expect(try await next.spawn(spec, call(5)) == handle)
        let foreign = try #require(try await next.guests().first { !$0.isOurs })
        let refused = await driverError { try await next.destroy(foreign.id, call(1)) }
        guard case .refused = refused else { throw VCenterWorld.Failure(description: "\(String(describing: refused))") }
        #expect(try await next.guests().count == 2)
        await next.shutDown()
    }

    @Test func aThousandMachinesAreListedAtOnce() async throws {
        let world = try VCenterWorld(machines: 1000)
        let driver = try await world.driver()
        let started = ContinuousClock.now
        let guests = try await driver.guests()
        let took = ContinuousClock.now - started
        #expect(guests.count == 1000 && guests.allSatisfy { !$0.isOurs && $0.power == .running })
        // A bound for unoptimised builds on a busy machine; what matters is that it is one list and not a call each.
        #expect(took < .seconds(20), "\(took)")
        let calls = try await world.control("calls").split(separator: "\n").filter { $0.hasPrefix("Retrieve") }.count
        #expect(calls < 30)
        await driver.shutDown()
    }
}
