import ComputeModel
import DriverAPI
import DriverConformance
import DriverSupport
import Foundation
import Testing

@testable import LibvirtDriver

/// A driver on a libvirt daemon of its own, with emulated guests.
struct RealHost {
    let daemon: LibvirtDaemon
    let host: ScratchHost
    let driver: LibvirtDriver
    /// A disk without an operating system: enough to start a machine.
    let blank: ImageSpec

    /// - Parameter options: changes to the defaults.
    init(
        on daemon: LibvirtDaemon? = nil, node: String = "test-node",
        options change: (inout LibvirtOptions) -> Void = { _ in }
    ) async throws {
        let daemon = try daemon ?? LibvirtDaemon()
        self.daemon = daemon
        host = ScratchHost(stateDirectory: daemon.path, nodeName: node)
        var options = LibvirtOptions(instancesPath: "\(daemon.path)/instances")
        options.connectionURI = daemon.uri
        options.virtType = .qemu
        change(&options)
        driver = try await LibvirtDriver.start(options, host: host)
        let path = "\(daemon.path)/blank.raw"
        // Its boot sector halts the processor, so that waiting guests cost nothing: cli; hlt; jmp to hlt.
        let halted = ImageBuilder.raw.with(0, [0xfa, 0xf4, 0xeb, 0xfd])
        try Data(halted.bytes).write(to: URL(fileURLWithPath: path))
        blank = host.offer(image: path)
    }

    /// A file for a volume, made by qemu-img.
    func volumeFile(_ name: String, format: String = "raw", mib: Int = 64) throws -> String {
        let path = "\(daemon.path)/\(name)"
        try daemon.run("qemu-img create -q -f \(format) \(path) \(mib)M && chmod 666 \(path)")
        return path
    }

    /// Everything that a guest could have left behind.
    func traces(of guest: GuestID) async throws -> [String] {
        var traces: [String] = []
        if exists("\(daemon.path)/instances/\(guest)") { traces.append("directory") }
        if try await driver.guests().contains(where: { $0.id == guest }) { traces.append("domain") }
        let processes = try daemon.run("pgrep -af qemu-system || true")
        if processes.contains(guest.description) { traces.append("process") }
        return traces
    }

    /// The guest's serial log.
    func console(_ guest: GuestID) async throws -> String {
        String(decoding: try await driver.capabilities.consoleLog?.consoleLog(of: guest, bytesMax: 1 << 20) ?? [],
            as: UTF8.self)
    }
}

private func call(_ operation: Int64) -> DriverCall { DriverCall(operation: operation, requestID: "req-test") }

@Suite(
    .serialized, .enabled(if: LibvirtDaemon.obstacle == nil, "no libvirt daemon here: \(LibvirtDaemon.obstacle ?? "")"))
struct RealGuestTests {
    @Test func theHostIsReported() async throws {
        let real = try await RealHost { $0.reservedMemoryMiB = 300 }
        var stream = real.driver.inventory().makeAsyncIterator()
        let inventory = try #require(await stream.next())
        #expect(inventory.hypervisorType == "QEMU")
        #expect(inventory.hypervisorVersion > 5_000_000)
        #expect(inventory.hypervisorHostname == "kn-libvirt-test")
        #expect(inventory.resources[.vcpu]?.allocationRatio == 4)
        #expect(inventory.resources[.memoryMiB]?.reserved == 300)
        #expect((inventory.resources[.diskGiB]?.total ?? 0) > 0)
        #expect(inventory.traits.contains(Trait("HW_CPU_X86_SSE2")))
        #expect(!inventory.traits.contains(Trait("HW_CPU_X86_AVX2")), "emulated qemu64 has none")
        #expect(inventory.traits.contains(Trait("COMPUTE_STORAGE_BUS_VIRTIO")))
        #expect(real.driver.capabilities.placementTraits.contains(Trait("COMPUTE_IMAGE_TYPE_QCOW2")))
        #expect(inventory.supportedGuests.contains {
            $0 == SupportedGuest(architecture: "x86_64", hypervisorType: "qemu", machineMode: "hvm")
        })
        #expect(inventory.uptime?.contains("load average") == true)
        #expect(inventory.cpu.arch == "x86_64")
        var health = real.driver.health().makeAsyncIterator()
        #expect(await health.next() == .healthy)
        #expect(real.host.logged.contains { $0.contains("virt_type = qemu") })
        await real.driver.shutDown()
        #expect(await stream.next() == nil)
    }

    @Test func spawnAndDestroyCanBeRepeatedAndLateCallsAreRefused() async throws {
        let real = try await RealHost()
        let driver = real.driver
        let spec = guestSpec(real.blank, interfaces: [interfaceSpec(bridge: "br-test", tap: "tap-one")])
        let handle = try await driver.spawn(spec, call(5))
        #expect(try await driver.powerState(of: spec.id) == .running)
        #expect(try await driver.spawn(spec, call(5)) == handle)
        #expect(await driverError { _ = try await driver.spawn(spec, call(6)) }?.remedy == .giveUp)
        #expect(await driverError { try await driver.powerOn(spec.id, call(4)) }
            == .stale("operation 4 on guest \(spec.id) comes after operation 6"))
        #expect(try real.daemon.run("ip -o link show tap-one").contains("mtu 1450"))
        #expect(try real.daemon.run("ip -o link show tap-one").contains("br-test"))
        #expect(try await driver.guests() == [
            GuestSummary(id: spec.id, name: "kn-\(spec.id)", power: .running, isOurs: true)
        ])
        try await driver.destroy(spec.id, call(7))
        try await driver.destroy(spec.id, call(7))
        #expect(try await real.traces(of: spec.id).isEmpty)
        #expect(await driverError { _ = try await driver.spawn(spec, call(5)) }
            == .stale("operation 5 on guest \(spec.id) comes after operation 7"))
        #expect(await driverError { _ = try await driver.powerState(of: spec.id) } == .noSuchGuest(spec.id))
        #expect(await driverError { try await driver.powerOn(spec.id, call(8)) } == .noSuchGuest(spec.id))
        #expect(await driverError {
            _ = try await driver.capabilities.consoleLog?.consoleLog(of: spec.id, bytesMax: 10)
        } == .noSuchGuest(spec.id))
        _ = try await driver.spawn(spec, call(9))
        try await driver.destroy(spec.id, call(10))
        await driver.shutDown()
    }

    @Test func aFailedSpawnLeavesNothing() async throws {
        let real = try await RealHost()
        let driver = real.driver
        let hostile = "\(real.daemon.path)/hostile"
        try Data(ImageBuilder.qcow2.big64(8, 0x400).bytes).write(to: URL(fileURLWithPath: hostile))
        let interface = interfaceSpec(bridge: "no-such-br", tap: "tap-two")
        var unbound = interface
        unbound.binding = .unbound
        let table: [(GuestSpec, DriverError.Remedy)] = [
            (guestSpec(real.blank, interfaces: [interface]), .reschedule),
            (guestSpec(real.blank, interfaces: [unbound]), .giveUp),
            (guestSpec(real.host.offer(image: hostile, format: "qcow2")), .giveUp),
            (guestSpec(nil), .giveUp),
            (guestSpec(real.blank, memoryMiB: 1 << 30), .reschedule),
            (guestSpec(real.blank, configDrive: ["../x": [1]]), .giveUp),
            (guestSpec(real.host.offer(image: hostile, properties: ["hw_machine_type": "no-such"])), .giveUp),
        ]
        for (number, (spec, remedy)) in table.enumerated() {
            let error = await driverError { _ = try await driver.spawn(spec, call(1)) }
            #expect(error?.remedy == remedy, "\(number): \(String(describing: error))")
            #expect(try await real.traces(of: spec.id).isEmpty, "\(number)")
        }
        await driver.shutDown()
    }

    @Test func aCancelledSpawnLeavesNothingAndEndsSoon() async throws {
        let real = try await RealHost()
        let driver = real.driver
        let image = real.blank
        _ = try await driver.disks.cache.base(for: image, sizeMax: nil)
        for delay in [0, 20, 100, 300, 700] {
            let spec = guestSpec(image, swapMiB: 8, configDrive: ["a": [1]])
            let task = Task { await driverError { _ = try await driver.spawn(spec, call(1)) } }
            try await Task.sleep(for: .milliseconds(delay))
            let cancelledAt = ContinuousClock.now
            task.cancel()
            let error = await task.value
            #expect(ContinuousClock.now - cancelledAt < .seconds(5 * TestGuest.scale))
            if error == nil {
                try await driver.destroy(spec.id, call(2))
            } else {
                #expect(error == .cancelled)
            }
            #expect(try await real.traces(of: spec.id).isEmpty)
        }
        await driver.shutDown()
    }

    @Test func aForeignGuestIsReportedAndNeverTouched() async throws {
        let real = try await RealHost()
        let driver = real.driver
        let foreign = GuestID.random()
        let xml = """
            <domain type='qemu'><name>foreign</name><uuid>\(foreign)</uuid><memory unit='MiB'>32</memory><vcpu>1</vcpu>
            <os><type arch='x86_64' machine='pc'>hvm</type></os></domain>
            """
        try await driver.session.change { connection throws(LibvirtFailure) in try connection.define(xml).start() }
        #expect(try await driver.guests() == [
            GuestSummary(id: foreign, name: "foreign", power: .running, isOurs: false)
        ])
        let spec = guestSpec(real.blank, id: foreign)
        let attempts: [() async throws -> Void] = [
            { try await driver.destroy(foreign, call(1)) }, { try await driver.powerOn(foreign, call(1)) },
            { try await driver.powerOff(foreign, within: .zero, call(1)) },
            { try await driver.reboot(foreign, .hard, within: .zero, call(1)) },
            { _ = try await driver.spawn(spec, call(1)) },
        ]
        for attempt in attempts {
            guard case .refused(let text) = await driverError(attempt) else {
                Issue.record("not refused")
                continue
            }
            #expect(text.contains("foreign"))
        }
        #expect(try await driver.recover([foreign: GuestIdentity(foreign).handle]).isEmpty)
        #expect(try await driver.powerState(of: foreign) == .running)
        await driver.shutDown()
    }

    @Test func whatAnInterruptedSpawnLeftIsReplaced() async throws {
        let real = try await RealHost()
        let driver = real.driver
        let spec = guestSpec(real.blank)
        _ = try await driver.spawn(spec, call(1))
        // As if the process had died just before the end.
        try driver.directory(of: spec.id).write(.init(operation: 1, spawnedBy: 1, complete: false))
        try writeDurably([1], to: "\(driver.directory(of: spec.id).path)/leftover")
        _ = try await driver.spawn(spec, call(1))
        #expect(!exists("\(driver.directory(of: spec.id).path)/leftover"))
        #expect(try await driver.powerState(of: spec.id) == .running)
        try await driver.destroy(spec.id, call(2))
        #expect(try await real.traces(of: spec.id).isEmpty)
        await driver.shutDown()
    }

    @Test(.timeLimit(.minutes(3))) func guestsOutliveTheDriverAndTheDaemon() async throws {
        let real = try await RealHost { $0.inventoryInterval = .milliseconds(200) }
        let driver = real.driver
        let (first, second) = (guestSpec(real.blank), guestSpec(real.blank))
        let handles = [
            first.id: try await driver.spawn(first, call(1)), second.id: try await driver.spawn(second, call(1)),
        ]
        let process = try real.daemon.run("pgrep -f 'qemu-system.*\(first.id)'")

        // The daemon goes away and comes back.
        var health = driver.health().makeAsyncIterator()
        #expect(await health.next() == .healthy)
        try real.daemon.stopDaemon()
        guard case .unhealthy(let reason) = await health.next() else {
            Issue.record("not unhealthy")
            return
        }
        #expect(reason.contains("libvirt"))
        guard case .unreachable = await driverError({ _ = try await driver.guests() }) else {
            Issue.record("not unreachable")
            return
        }
        try real.daemon.startDaemon()
        var state = await health.next()
        while let current = state, current != .healthy { state = await health.next() }
        #expect(try real.daemon.run("pgrep -f 'qemu-system.*\(first.id)'") == process)
        let unknown = GuestID.random()
        let recovered = try await driver.recover(handles.merging([unknown: GuestIdentity(unknown).handle]) { $1 })
        #expect(recovered == handles)

        // Events come over the new connection too; one that is lost on the way is said to be.
        let events = driver.events()
        try await driver.powerOff(second.id, within: .zero, call(2))
        for await event in events {
            if event == .power(second.id, .shutdown) { break }
            if event == .missed, try await driver.powerState(of: second.id) == .shutdown { break }
        }

        // libvirt loses a definition; the disks are still here.
        try await driver.session.change { connection throws(LibvirtFailure) in
            try connection.domain(second.id)?.undefine()
        }
        #expect(try await driver.recover(handles) == handles)
        #expect(try await driver.powerState(of: second.id) == .shutdown)
        await driver.shutDown()

        // Another process's driver finds the guests again.
        var options = driver.options
        options.inventoryInterval = .seconds(60)
        let later = try await LibvirtDriver.start(options, host: real.host)
        #expect(try await later.recover(handles) == handles)
        #expect(try await later.powerState(of: first.id) == .running)
        try await later.powerOn(second.id, call(3))
        try await later.powerOn(second.id, call(3))
        #expect(try await later.powerState(of: second.id) == .running)
        for spec in [first, second] { try await later.destroy(spec.id, call(4)) }
        await later.shutDown()
    }

    @Test func othersActionsAreSeenAsEvents() async throws {
        let real = try await RealHost()
        let driver = real.driver
        let spec = guestSpec(real.blank)
        _ = try await driver.spawn(spec, call(1))
        let events = driver.events()
        try real.daemon.run("pkill -9 -f 'qemu-system.*\(spec.id)'")
        var power: PowerState?
        for await event in events {
            if case .power(spec.id, let state) = event {
                power = state
                break
            }
        }
        #expect(power == .shutdown || power == .crashed)
        try await driver.reboot(spec.id, .hard, within: .zero, call(2))
        #expect(try await driver.powerState(of: spec.id) == .running)
        // A guest without an operating system does not hear the button: the plug is pulled after the grace.
        let began = ContinuousClock.now
        try await driver.powerOff(spec.id, within: .seconds(1), call(3))
        #expect(ContinuousClock.now - began >= .seconds(1))
        #expect(try await driver.powerState(of: spec.id) == .shutdown)
        try await driver.destroy(spec.id, call(4))
        await driver.shutDown()
    }

    @Test(arguments: [
        ["hw_machine_type": "q35"], ["hw_disk_bus": "scsi", "hw_vif_model": "e1000"],
        ["hw_disk_bus": "sata", "hw_video_model": "cirrus"], ["hw_disk_bus": "ide", "hw_qemu_guest_agent": "yes"],
        ["hw_disk_bus": "usb", "hw_video_model": "none", "hw_vif_model": "rtl8139"],
    ]) func machinesOfEveryShapeStart(_ properties: [String: String]) async throws {
        let real = try await RealHost()
        var image = real.blank
        image.properties = properties
        let spec = guestSpec(
            image, ephemeralGiB: 1, swapMiB: 8, interfaces: [interfaceSpec(bridge: "br-test", tap: "tap-shape")],
            configDrive: ["a": [1]])
        _ = try await real.driver.spawn(spec, call(1))
        #expect(try await real.driver.powerState(of: spec.id) == .running)
        try await real.driver.destroy(spec.id, call(2))
        await real.driver.shutDown()
    }

    @Test(.enabled(if: TestGuest.image != nil, "no guest image: make guest-image, or KILONOVA_TEST_GUEST_IMAGE"))
    func aLinuxGuestLivesItsWholeLife() async throws {
        let real = try await RealHost()
        let driver = real.driver
        let image = real.host.offer(image: try #require(TestGuest.image), format: "qcow2")
        let id = GuestID.random()
        let meta = "{\"uuid\": \"\(id)\", \"hostname\": \"from-drive\"}"
        let spec = guestSpec(
            image, rootGiB: 1, ephemeralGiB: 1, swapMiB: 64, memoryMiB: 256,
            interfaces: [interfaceSpec(bridge: "br-test", tap: "tap-linux", mac: "fa:16:3e:aa:bb:cc")],
            configDrive: ["openstack/latest/meta_data.json": Array(meta.utf8)], id: id)
        func booted(_ count: Int) async throws -> Bool {
            try await eventually(within: TestGuest.bootTime) {
                try await real.console(id).components(separatedBy: "GUEST-READY").count > count
            }
        }
        _ = try await driver.spawn(spec, call(1))
        let isUp = try await booted(1)
        try #require(isUp)
        let first = try await real.console(id)
        for fact in [
            "GUEST-DISK vda sectors=\(1 << 21)", "GUEST-DISK vdb sectors=\(1 << 21)",
            "GUEST-DISK vdc sectors=\(64 << 11)", "GUEST-CONFIGDRIVE dev=/dev/sr0",
            "openstack/latest/meta_data.json", "mac=fa:16:3e:aa:bb:cc mtu=1450", "uuid=\(id)",
        ] {
            #expect(first.contains(fact), "\(fact) is not in the console")
        }

        // The guest hears the power button.
        let began = ContinuousClock.now
        try await driver.powerOff(id, within: .seconds(60 * TestGuest.scale), call(2))
        #expect(ContinuousClock.now - began < .seconds(55 * TestGuest.scale))
        #expect(try await real.console(id).contains("GUEST-SHUTDOWN"))
        try await driver.powerOn(id, call(3))
        try #require(try await booted(2))
        try await driver.reboot(id, .soft, within: .seconds(60 * TestGuest.scale), call(4))
        try #require(try await booted(3))
        #expect(try await real.console(id).components(separatedBy: "GUEST-SHUTDOWN").count == 3)
        try await driver.reboot(id, .hard, within: .zero, call(5))
        try #require(try await booted(4))
        #expect(try await real.console(id).contains("boots=4"), "the root disk keeps what was written")
        try await driver.destroy(id, call(6))
        #expect(try await real.traces(of: id).isEmpty)
        await driver.shutDown()
    }
}
