import ComputeModel
import DriverAPI
import DriverConformance
import Foundation
import Testing

@testable import FakeDriver

/// Pausing, suspending, rescue, agents, counters.
@Suite(.timeLimit(.minutes(1))) struct GuestStateTests {
    private let node: Node
    private let driver: any ComputeDriver
    private let guest = GuestID.random()

    init() async throws {
        node = try Node(["fetch_images": "true", "quiesce_limit": "0.1"])
        driver = try await node.start()
    }

    private func spawn(_ metadata: [String: String] = [:], image: ImageSpec? = nil) async throws {
        _ = try await driver.spawn(.test(guest, image: image, metadata: metadata), .number(1))
    }

    private var power: PowerState {
        get async throws { try await driver.powerState(of: guest) }
    }

    @Test func pausingFreezesAndLetsGo() async throws {
        let pausing = try #require(driver.capabilities.pausing)
        #expect(await failure { try await pausing.pause(guest, .number(1)) } == "noSuchGuest")
        try await spawn()
        try await pausing.pause(guest, .number(2))
        #expect(try await power == .paused)
        try await pausing.pause(guest, .number(3))
        try await pausing.unpause(guest, .number(4))
        try await pausing.unpause(guest, .number(5))
        #expect(try await power == .running)
        try await driver.powerOff(guest, within: .zero, .number(6))
        #expect(await failure { try await pausing.pause(guest, .number(7)) } == "refused")
        #expect(await failure { try await pausing.unpause(guest, .number(8)) } == "refused")
    }

    @Test func suspendingKeepsWhatTheGuestDid() async throws {
        let suspending = try #require(driver.capabilities.suspending)
        let counters = try #require(driver.capabilities.diagnostics)
        try await spawn()
        #expect(try await counters.diagnostics(of: guest).memoryUsedMiB == 64)
        try await suspending.suspend(guest, .number(2))
        #expect(try await power == .suspended)
        #expect(try await counters.diagnostics(of: guest).memoryUsedMiB == 0)
        // Its memory is on disk, also for the next driver.
        let next = try await node.start()
        let resuming = try #require(next.capabilities.suspending)
        try await resuming.resume(guest, .number(3))
        #expect(try await next.powerState(of: guest) == .running)
        #expect(try await !Node.console(of: guest, next).contains("boot 2"))
        try await resuming.resume(guest, .number(4))
        try await next.powerOff(guest, within: .zero, .number(5))
        #expect(await failure { try await resuming.suspend(guest, .number(6)) } == "refused")
    }

    @Test func poweringOffASuspendedGuestLosesItsMemory() async throws {
        let suspending = try #require(driver.capabilities.suspending)
        try await spawn()
        try await suspending.suspend(guest, .number(2))
        try await driver.powerOff(guest, within: .zero, .number(3))
        #expect(try await power == .shutdown)
        try await suspending.resume(guest, .number(4))
        #expect(try await Node.console(of: guest, driver).contains("boot 2"))
    }

    @Test func rescueBootsTheOtherImageAndGoesBack() async throws {
        let rescue = try #require(driver.capabilities.rescue)
        try await spawn(image: try node.image())
        let before = node.world
        let medium = try node.image("rescue")
        try await rescue.rescue(guest, with: RescueSpec(image: medium), .number(2))
        try await rescue.rescue(guest, with: RescueSpec(image: medium), .number(2))
        #expect(try await Node.console(of: guest, driver).contains("rescue boot"))
        #expect(node.world.count { $0.hasPrefix("disk") } == 2)
        #expect(
            await failure { try await rescue.rescue(guest, with: RescueSpec(image: medium), .number(3)) }
                == "refused")
        try await rescue.unrescue(guest, .number(4))
        try await rescue.unrescue(guest, .number(5))
        #expect(try await power == .running)
        #expect(node.world == before)
    }

    @Test func aRescueThatCannotBeLeavesTheGuest() async throws {
        let rescue = try #require(driver.capabilities.rescue)
        try await spawn(image: try node.image())
        let before = node.world
        var unknown = try node.image()
        unknown.id = .random()
        let lost = unknown
        #expect(
            await failure { try await rescue.rescue(guest, with: RescueSpec(image: lost), .number(2)) }
                == "imageUnavailable")
        let odd = StableRescueDevice(device: "tape", bus: "scsi")
        let wish = RescueSpec(image: try node.image(), stableDevice: odd)
        #expect(await failure { try await rescue.rescue(guest, with: wish, .number(3)) } == "notSupported")
        #expect(node.world == before)
    }

    @Test(arguments: [
        ("none", "notSupported"), ("silent", "timedOut"), ("refuses", "refused"), ("answers", nil as String?),
    ]) func agentsAnswerAsTheyAreToldTo(_ agent: String, _ error: String?) async throws {
        let passwords = try #require(driver.capabilities.passwords)
        let clocks = try #require(driver.capabilities.clocks)
        let quiescing = try #require(driver.capabilities.quiescing)
        try await spawn(["fake:agent": agent])
        #expect(await failure { try await passwords.setPassword("s3cret", user: nil, of: guest, .number(2)) } == error)
        #expect(await failure { try await clocks.setClock(of: guest, .number(3)) } == error)
        #expect(await failure { try await quiescing.quiesce(guest, .number(4)) } == error)
        let journal = try String(contentsOfFile: node.host.stateDirectory + "/guests.jsonl", encoding: .utf8)
        #expect(!journal.contains("s3cret"))
    }

    @Test func frozenFileSystemsThawByThemselves() async throws {
        let quiescing = try #require(driver.capabilities.quiescing)
        try await spawn()
        try await quiescing.quiesce(guest, .number(2))
        #expect(try await Node.console(of: guest, driver).contains("frozen"))
        try await until { try await Node.console(of: guest, driver).contains("thawed by themselves") }
        #expect(!node.world.contains { $0.contains("frozen") })
        try await quiescing.quiesce(guest, .number(3))
        try await quiescing.unquiesce(guest, .number(4))
        try await quiescing.unquiesce(guest, .number(5))
    }

    @Test func aCrashDumpNeedsARunningGuest() async throws {
        let dumps = try #require(driver.capabilities.crashDumps)
        try await spawn()
        try await dumps.triggerCrashDump(of: guest, .number(2))
        #expect(try await Node.console(of: guest, driver).contains("non-maskable interrupt"))
        try await driver.powerOff(guest, within: .zero, .number(3))
        #expect(await failure { try await dumps.triggerCrashDump(of: guest, .number(4)) } == "refused")
    }

    @Test func diagnosticsTellOfEveryDevice() async throws {
        let counters = try #require(driver.capabilities.diagnostics)
        #expect(await failure { _ = try await counters.diagnostics(of: guest) } == "noSuchGuest")
        var spec = GuestSpec.test(
            guest, image: try node.image(), interfaces: [Make.interface()], volumes: [Make.volume()])
        spec.flavor.vcpus = 3
        spec.configDrive = ["openstack/latest/meta_data.json": [123, 125]]
        _ = try await driver.spawn(spec, .number(1))
        let found = try await counters.diagnostics(of: guest)
        #expect(found.power == .running && found.driver == "fake" && found.hasConfigDrive)
        #expect(found.cpus.map(\.id) == [0, 1, 2])
        #expect(found.nics.map(\.macAddress) == ["fa:16:3e:00:00:07"])
        #expect(found.disks.count == 2)
        try await driver.powerOff(guest, within: .zero, .number(2))
        #expect(try await counters.diagnostics(of: guest).uptimeSeconds == 0)
    }

    @Test func theConsoleLogIsCutFromTheFront() async throws {
        let log = try #require(driver.capabilities.consoleLog)
        #expect(await failure { _ = try await log.consoleLog(of: guest, bytesMax: 10) } == "noSuchGuest")
        try await spawn()
        #expect(String(decoding: try await log.consoleLog(of: guest, bytesMax: 7), as: UTF8.self) == "login: ")
        #expect(try await log.consoleLog(of: guest, bytesMax: 0).isEmpty)
        #expect(try await log.consoleLog(of: guest, bytesMax: -1).isEmpty)
    }

    @Test func aLongHistoryIsKeptShort() async throws {
        try await spawn()
        for number in 2...101 { try await driver.reboot(guest, .hard, within: .zero, .number(Int64(number))) }
        let console = try await Node.console(of: guest, driver)
        #expect(console.contains("boot 101 of") && !console.contains("boot 10 of"))
        #expect(console.utf8.count < 8_192)
    }
}
