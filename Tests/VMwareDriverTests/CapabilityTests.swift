import ComputeModel
import DriverAPI
import DriverConformance
import Foundation
import Testing

@testable import VMwareDriver

/// What the driver does beyond the core, in a simulated vCenter.
@Suite(.enabled(if: VCenterWorld.obstacle == nil, "no vCenter simulator here: \(VCenterWorld.obstacle ?? "")"))
struct CapabilityTests {
    /// A running guest on a copied disk.
    private func guest(
        _ world: VCenterWorld, _ changes: [String: String] = [:], rootGiB: Int = 0, isLinked: Bool = false
    ) async throws -> (VMwareDriver, ScratchHost, GuestSpec) {
        let host = world.host()
        let driver = try await world.driver(
            changes.merging(["use_linked_clone": isLinked ? "true" : "false"]) { $1 }, host: host)
        let image = host.offer(image: try TestImage.raw(world.directory), format: "vmdk")
        let spec = guestSpec(image, rootGiB: rootGiB, interfaces: [interfaceSpec()])
        _ = try await driver.spawn(spec, call(1))
        return (driver, host, spec)
    }

    @Test func aGuestIsSuspendedAndResumed() async throws {
        let world = try VCenterWorld()
        let (driver, _, spec) = try await guest(world)
        let suspending = try #require(driver.capabilities.suspending)
        try await suspending.suspend(spec.id, call(2))
        try await suspending.suspend(spec.id, call(2))
        #expect(try await driver.powerState(of: spec.id) == .suspended)
        try await suspending.resume(spec.id, call(3))
        try await suspending.resume(spec.id, call(3))
        #expect(try await driver.powerState(of: spec.id) == .running)
        try await driver.powerOff(spec.id, within: .zero, call(4))
        let refused = await driverError { try await suspending.suspend(spec.id, call(5)) }
        guard case .refused = refused else { throw VCenterWorld.Failure(description: "\(String(describing: refused))") }
        await driver.shutDown()
    }

    @Test(arguments: ["raw", "vmdk"], [false, true])
    func aSnapshotIsAnImageOfTheRootDisk(format: String, isLinked: Bool) async throws {
        let world = try VCenterWorld()
        let (driver, host, spec) = try await guest(world, isLinked: isLinked)
        let before = try await world.contents()
        let snapshots = try #require(driver.capabilities.snapshots)
        let image = ImageID.random()
        try await snapshots.snapshot(spec.id, to: SnapshotTarget(image: image, diskFormat: format), call(2))
        let stored = try #require(host.stored(image))
        let raw = world.directory + "/back.raw"
        let (status, text) = VCenterWorld.run(
            "/usr/bin/qemu-img", ["convert", "-f", format, "-O", "raw", stored, raw])
        #expect(status == 0, "\(text)")
        #expect(try Data(contentsOf: URL(filePath: raw)) == Data(TestImage.bytes))
        if format == "vmdk" {
            let size = try #require(try FileManager.default.attributesOfItem(atPath: stored)[.size] as? Int)
            #expect(size < 1 << 20, "what is empty is left out")
        }
        #expect(try await driver.powerState(of: spec.id) == .running)
        #expect(try await world.contents() == before)
        // The image boots again.
        let again = guestSpec(host.offer(image: stored, format: format), rootGiB: 0)
        _ = try await driver.spawn(again, call(1))
        await driver.shutDown()
    }

    @Test func aGuestIsRescuedAndComesBackAsItWas() async throws {
        let world = try VCenterWorld()
        let (driver, host, spec) = try await guest(world)
        let rescue = try #require(driver.capabilities.rescue)
        let before = try await world.contents()
        let disks = try #require(try await driver.find(spec.id)).disks.compactMap(\.file)
        let image = host.offer(image: try TestImage.raw(world.directory), format: "raw")
        let wish = RescueSpec(image: image, configDrive: ["openstack/latest/meta_data.json": Array("{}".utf8)])
        try await rescue.rescue(spec.id, with: wish, call(2))
        try await rescue.rescue(spec.id, with: wish, call(2))
        let rescued = try #require(try await driver.find(spec.id))
        #expect(rescued.power == .running)
        #expect(rescued.disks.count == disks.count + 1)
        #expect(rescued.devices.contains { $0.isCDROM && $0.file?.name == "rescue-configdrive.iso" })
        let twice = await driverError { try await rescue.rescue(spec.id, with: wish, call(3)) }
        guard case .refused = twice else { throw VCenterWorld.Failure(description: "\(String(describing: twice))") }
        try await rescue.unrescue(spec.id, call(4))
        try await rescue.unrescue(spec.id, call(4))
        let back = try #require(try await driver.find(spec.id))
        #expect(back.power == .running && back.disks.compactMap(\.file) == disks)
        #expect(try await world.contents() == before)
        await driver.shutDown()
    }

    @Test func volumesComeAndGoAndOutliveTheGuest() async throws {
        let world = try VCenterWorld()
        let (driver, host, spec) = try await guest(world)
        // Another guest's machine stands for the shadow machine that the volume service keeps.
        let image = host.offer(image: try TestImage.raw(world.directory), format: "vmdk")
        var shadowSpec = guestSpec(image, rootGiB: 0)
        shadowSpec.isRunning = false
        _ = try await driver.spawn(shadowSpec, call(1))
        let shadow = try #require(try await driver.find(shadowSpec.id))
        let volumes = try #require(driver.capabilities.volumes)
        #expect(try await volumes.connector().kinds == [.vmdk])
        let volume = VolumeSpec(
            id: .random(), connection: .vmdk(machine: shadow.reference.value, datastore: nil), sizeGiB: 1)
        try await volumes.attach(volume, to: spec.id, call(2))
        try await volumes.attach(volume, to: spec.id, call(2))
        #expect(try await volumes.volumes(of: spec.id) == [volume.id])
        #expect(try #require(try await driver.find(spec.id)).disks.count == 2)
        let extending = try #require(driver.capabilities.volumeExtending)
        try await extending.extend(volume.id, of: spec.id, toGiB: 2, call(3))
        try await extending.extend(volume.id, of: spec.id, toGiB: 2, call(3))
        #expect(try #require(try await driver.find(spec.id)).device(of: volume.id)?.kib == 2 << 20)
        try await volumes.detach(volume.id, from: spec.id, call(4))
        try await volumes.detach(volume.id, from: spec.id, call(4))
        #expect(try await volumes.volumes(of: spec.id).isEmpty)
        // Destroying a guest leaves the volume's disk.
        try await volumes.attach(volume, to: spec.id, call(5))
        try await driver.destroy(spec.id, call(6))
        let disk = try #require(shadow.rootDisk?.file?.flat)
        #expect(try await world.files()[disk.description] == 4 << 20)
        // A guest can boot from it.
        var boot = volume
        boot.bootIndex = 0
        let fromVolume = guestSpec(nil, ephemeralGiB: 1, volumes: [boot])
        _ = try await driver.spawn(fromVolume, call(1))
        let machine = try #require(try await driver.find(fromVolume.id))
        #expect(machine.device(of: volume.id)?.unit == 0 && machine.rootDisk == nil)
        let missing = VolumeSpec(id: .random(), connection: .vmdk(machine: "vm-none", datastore: nil), sizeGiB: 1)
        let refused = await driverError { try await volumes.attach(missing, to: fromVolume.id, call(2)) }
        guard case .refused = refused else { throw VCenterWorld.Failure(description: "\(String(describing: refused))") }
        await driver.shutDown()
    }

    @Test func interfacesComeAndGo() async throws {
        let world = try VCenterWorld()
        let (driver, _, spec) = try await guest(world)
        let interfaces = try #require(driver.capabilities.interfaces)
        let more = interfaceSpec(mac: "fa:16:3e:00:00:02")
        try await interfaces.attach(more, to: spec.id, call(2))
        try await interfaces.attach(more, to: spec.id, call(2))
        #expect(try await interfaces.interfaces(of: spec.id) == ["fa:16:3e:00:00:01", "fa:16:3e:00:00:02"])
        try await interfaces.detach(more.portID, from: spec.id, call(3))
        try await interfaces.detach(more.portID, from: spec.id, call(3))
        try await interfaces.detach(spec.interfaces[0].portID, from: spec.id, call(4))
        #expect(try await interfaces.interfaces(of: spec.id).isEmpty)
        await driver.shutDown()
    }

    @Test func distributedPortGroupsAreJoinedByKey() async throws {
        let world = try VCenterWorld()
        let (driver, _, spec) = try await guest(world, ["integration_bridge": "DC0_DVPG0"])
        let card = try #require(try await driver.find(spec.id)?.devices.first { $0.mac != nil })
        #expect(card.specification.at("backing/port/portgroupKey")?.text.hasPrefix("dvportgroup-") == true)
        await driver.shutDown()
    }

    @Test(arguments: [false, true]) func aResizeIsRevertedOrConfirmed(confirms: Bool) async throws {
        let world = try VCenterWorld()
        let (driver, _, spec) = try await guest(world)
        let before = try await world.contents()
        let resizing = try #require(driver.capabilities.resizing)
        var bigger = spec
        bigger.flavor.vcpus = 2
        bigger.flavor.memoryMiB = 256
        bigger.flavor.rootGiB = 1
        let move = ColdMove(destination: "here", staysOnNode: true, flavor: bigger.flavor, grace: .seconds(1))
        let package = try await resizing.depart(spec.id, move, call(2))
        #expect(try await resizing.depart(spec.id, move, call(2)) == package)
        #expect(try await driver.powerState(of: spec.id) == .shutdown)
        _ = try await resizing.arrive(bigger, with: package, call(3))
        _ = try await resizing.arrive(bigger, with: package, call(3))
        let grown = try #require(try await driver.find(spec.id))
        #expect(grown.cpus == 2 && grown.memoryMiB == 256 && grown.rootDisk?.kib == 1 << 20)
        #expect(grown.power == .running)
        if confirms {
            try await resizing.confirmDeparture(of: spec.id, package, call(4))
            try await resizing.confirmDeparture(of: spec.id, package, call(4))
            let kept = try #require(try await driver.find(spec.id))
            #expect(kept.rootDisk?.kib == 1 << 20 && kept.record.entries["move"] == nil)
            let disks = try await world.files().keys.filter { $0.contains("-flat.vmdk") && !$0.contains("_base/") }
            #expect(disks.count == 1, "\(disks)")
            let shrink = ColdMove(destination: "here", staysOnNode: true, flavor: spec.flavor, grace: .zero)
            var smaller = shrink
            smaller.flavor.rootGiB = 0
            _ = try await resizing.depart(spec.id, smaller, call(5))
        } else {
            try await resizing.abandonArrival(of: spec.id, package, call(4))
            try await resizing.abandonArrival(of: spec.id, package, call(4))
            _ = try await resizing.takeBack(spec, package, call(5))
            _ = try await resizing.takeBack(spec, package, call(5))
            let back = try #require(try await driver.find(spec.id))
            #expect(back.cpus == 1 && back.memoryMiB == 128 && back.rootDisk?.kib == 4096 && back.power == .running)
            #expect(try await world.contents() == before)
        }
        await driver.shutDown()
    }

    @Test func aGuestMovesToAnotherCluster() async throws {
        let world = try VCenterWorld(clusters: 2)
        let (source, _, spec) = try await guest(world)
        let target = try await world.driver(["cluster_name": "DC0_C1"], host: world.host("other"))
        let (leaving, coming) = (
            try #require(source.capabilities.resizing), try #require(target.capabilities.resizing)
        )
        let move = ColdMove(destination: "other", staysOnNode: false, flavor: spec.flavor, grace: .zero)
        let package = try await leaving.depart(spec.id, move, call(2))
        _ = try await coming.arrive(spec, with: package, call(3))
        #expect(try await target.powerState(of: spec.id) == .running)
        #expect(try await target.guests().map(\.id) == [spec.id])
        #expect(await driverError { _ = try await source.powerState(of: spec.id) } == .noSuchGuest(spec.id))
        try await coming.abandonArrival(of: spec.id, package, call(4))
        _ = try await leaving.takeBack(spec, package, call(5))
        #expect(try await source.powerState(of: spec.id) == .running)
        #expect(try await target.guests().isEmpty)
        await source.shutDown()
        await target.shutDown()
    }

    @Test func aRunningGuestMovesToAnotherClusterOrStays() async throws {
        let world = try VCenterWorld(clusters: 2)
        let (source, _, spec) = try await guest(world)
        let target = try await world.driver(["cluster_name": "DC0_C1"], host: world.host("other"))
        let (leaving, coming) = (
            try #require(source.capabilities.liveMigration), try #require(target.capabilities.liveMigration)
        )
        let move = LiveMove(source: "test-node", destination: "other")
        func prepared(_ operation: Int64) async throws -> MovePackage {
            let offer = try await coming.offer(for: spec, move)
            let checked = try await leaving.check(spec.id, move, offer)
            return try await coming.prepareArrival(of: spec, move, checked, call(operation))
        }
        let first = try await prepared(2)
        // vCenter refuses: the guest stays and runs.
        try await world.control("fault?method=RelocateVM_Task&type=NoCompatibleHost")
        #expect(try await leaving.migrate(spec.id, move, first, call(3)) == .stayed)
        try await coming.abandonArrival(of: spec.id, first, call(4))
        // Somebody ends it.
        try await world.control("slow?method=RelocateVM_Task&milliseconds=60000")
        let second = try await prepared(5)
        async let end = leaving.migrate(spec.id, move, second, call(6))
        #expect(await eventually { await driverError { try await leaving.abort(spec.id) } == nil })
        #expect(try await end == .stayed)
        #expect(await driverError { try await leaving.abort(spec.id) }?.remedy == .giveUp)
        #expect(try await source.powerState(of: spec.id) == .running)

        let package = try await prepared(7)
        #expect(try await leaving.migrate(spec.id, move, package, call(8)) == .moved)
        #expect(try await leaving.migrate(spec.id, move, package, call(8)) == .moved)
        let handle = try await coming.finishArrival(of: spec, package, call(9))
        try await leaving.finishDeparture(of: spec.id, package, call(10))
        #expect(try await target.recover([spec.id: handle]) == [spec.id: handle])
        #expect(try await target.powerState(of: spec.id) == .running)
        #expect(try await source.guests().isEmpty)
        await source.shutDown()
        await target.shutDown()
    }

    @Test(arguments: DiskAdapter.allCases) func everyAdapterCarriesTheDisk(adapter: DiskAdapter) async throws {
        let world = try VCenterWorld()
        let host = world.host()
        let driver = try await world.driver(host: host)
        let image = host.offer(
            image: try TestImage.raw(world.directory), format: "vmdk",
            properties: [
                "vmware_adaptertype": adapter.rawValue, "hw_firmware_type": "uefi", "os_secure_boot": "required",
            ])
        let spec = guestSpec(image, swapMiB: 64, configDrive: ["a": [1]])
        _ = try await driver.spawn(spec, call(1))
        let machine = try #require(try await driver.find(spec.id))
        let root = try #require(machine.rootDisk)
        #expect(machine.devices.first { $0.key == root.controllerKey }?.adapter == adapter)
        #expect(root.unit == 0 && root.kib == 1 << 20 && machine.disks.count == 2)
        let paths = ["config.firmware", "config.bootOptions.efiSecureBootEnabled"]
        let facts = try await driver.client.properties(paths, of: machine.reference)
        #expect(facts.string(paths[0]) == "efi" && facts[paths[1]]?.bool == true)
        try await driver.destroy(spec.id, call(2))
        await driver.shutDown()
    }

    @Test func consolesAreReached() async throws {
        let world = try VCenterWorld()
        let (driver, _, spec) = try await guest(world, ["vnc_port": "6000", "vnc_password": "open"])
        let consoles = try #require(driver.capabilities.consoles)
        #expect(consoles.kinds == [.vnc, .mks])
        let vnc = try await consoles.console(.vnc, of: spec.id)
        #expect(vnc.port == 6000 && vnc.secret == "open" && vnc.host.hasPrefix("DC0_C0_H"))
        let mks = try await consoles.console(.mks, of: spec.id)
        #expect(mks.tlsPort == world.port && mks.internalPath == "/ticket/web-ticket")
        try await driver.powerOff(spec.id, within: .zero, call(2))
        let refused = await driverError { _ = try await consoles.console(.vnc, of: spec.id) }
        guard case .refused = refused else { throw VCenterWorld.Failure(description: "\(String(describing: refused))") }
        await driver.shutDown()
    }

    @Test func aGuestIsDiagnosed() async throws {
        let world = try VCenterWorld()
        let (driver, _, spec) = try await guest(world)
        let facts = try await #require(driver.capabilities.diagnostics).diagnostics(of: spec.id)
        #expect(facts.power == .running && facts.driver == "vmwareapi")
        #expect(facts.cpus.count == 1 && facts.nics.map(\.macAddress) == ["fa:16:3e:00:00:01"])
        #expect(facts.memoryMaximumMiB == 128 && facts.disks.count == 1)
        await driver.shutDown()
    }

    @Test func anEmptyClusterIsMaintained() async throws {
        let world = try VCenterWorld()
        let (driver, _, spec) = try await guest(world)
        let maintenance = try #require(driver.capabilities.hostMaintenance)
        let refused = await driverError { try await maintenance.setMaintenance(true, call(2)) }
        guard case .refused = refused else { throw VCenterWorld.Failure(description: "\(String(describing: refused))") }
        try await driver.powerOff(spec.id, within: .zero, call(3))
        try await maintenance.setMaintenance(true, call(4))
        try await maintenance.setMaintenance(true, call(4))
        #expect(try await maintenance.isInMaintenance())
        try await maintenance.setMaintenance(false, call(5))
        #expect(try await !maintenance.isInMaintenance())
        await driver.shutDown()
    }

    @Test func imagesAreCachedAheadAndAgeAway() async throws {
        let world = try VCenterWorld()
        let host = world.host()
        let driver = try await world.driver(host: host)
        let cache = try #require(driver.capabilities.imageCache)
        let image = host.offer(image: try TestImage.raw(world.directory), format: "vmdk")
        try await cache.cache(image)
        try await cache.cache(image)
        #expect(host.fetches == 1)
        let held = try #require(try await cache.cachedImages().first)
        #expect(held.image == image.id && held.guests == 0 && held.bytes >= 4 << 20)
        let spec = guestSpec(image, rootGiB: 0)
        _ = try await driver.spawn(spec, call(1))
        #expect(try await cache.cachedImages().first?.guests == 1)
        #expect(try await cache.removeImages(unusedFor: .zero).isEmpty, "a guest leans on it")
        try await driver.destroy(spec.id, call(2))
        #expect(try await cache.removeImages(unusedFor: .seconds(3600)).isEmpty, "it was needed a moment ago")
        #expect(try await cache.removeImages(unusedFor: .zero).map(\.image) == [image.id])
        #expect(try await cache.cachedImages().isEmpty)
        #expect(try await world.files().keys.allSatisfy { !$0.contains("_base/") })
        await driver.shutDown()
    }

    @Test func aConfigDriveAndACDROMAreThere() async throws {
        let world = try VCenterWorld()
        let host = world.host()
        let driver = try await world.driver(host: host)
        let iso = world.directory + "/install.iso"
        let content = ISOImage.bytes(["read.me": Array("install".utf8)], label: "install", date: .now())
        try Data(content).write(to: URL(filePath: iso))
        let spec = guestSpec(
            host.offer(image: iso, format: "iso"), configDrive: ["openstack/latest/meta_data.json": Array("{}".utf8)])
        _ = try await driver.spawn(spec, call(1))
        let machine = try #require(try await driver.find(spec.id))
        let discs = machine.devices.filter(\.isCDROM).compactMap(\.file?.name)
        #expect(Set(discs) == ["\(try #require(spec.image).id).iso", "configdrive.iso"])
        #expect(machine.rootDisk?.kib == 1 << 20)
        try await driver.destroy(spec.id, call(2))
        await driver.shutDown()
    }
}
