import ComputeModel
import DriverAPI
import Messaging
import ServiceInterfaces
import Testing

@testable import ComputeAgent

/// Drivers that do not come back.
@Suite(.timeLimit(.minutes(2))) struct HangingDriverTests {
    private let guest = InstanceID.random()
    private let other = InstanceID.random()
    private let done = OperationOutcome.succeeded(power: .running, handle: StoredHandle(version: 3, data: [1, 2]))

    private func hurried(_ options: inout ComputeAgentOptions) {
        // Long enough for what answers at once, also on a busy machine.
        options.deadlines.ordinary = .milliseconds(400)
        options.deadlines.spawn = .milliseconds(400)
        options.deadlines.start = .milliseconds(400)
        options.deadlines.cancelGrace = .milliseconds(200)
        options.limits.reopenPause = .milliseconds(10)
        options.reportInterval = .milliseconds(20)
        options.limits.pace = .milliseconds(5)
    }

    private func failure(_ outcome: OperationOutcome?) throws -> OperationFailure {
        guard case .failed(let failure) = outcome else {
            throw ToolFailure(description: "\(String(describing: outcome))")
        }
        return failure
    }

    @Test func aHangingCallIsGivenUpAndItsNodeIsDownUntilItComesBack() async throws {
        let bench = try await AgentBench()
        try await bench.withAgent(adjust: hurried) { agent in
            bench.driver.hang("powerOn")
            try await bench.perform(1, .powerOn, on: guest)
            let failed = try failure(await bench.reports(1, on: guest).first)
            #expect(failed.details == "the driver 'scripted' did not end power-on of guest \(guest) within 400 ms")
            #expect(failed.remedy == .reschedule)
            try await bench.trouble("the driver has not come back from power-on of guest \(guest)")
            // The guest takes no other change meanwhile: a driver never sees two at once.
            try await bench.perform(2, .reboot(.hard, graceSeconds: 0), on: guest)
            let refused = try failure(await bench.reports(2, on: guest).first)
            #expect(refused.details.contains("reboot of guest \(guest) is not begun"))
            #expect(!bench.driver.calls.contains { $0.hasPrefix("reboot") })
            // Other guests do.
            try await bench.perform(1, .spawn(.test(other)), on: other)
            #expect(try await bench.reports(1, on: other) == [done])
            bench.driver.release("powerOn")
            try await bench.trouble(nil)
            #expect(agent.supervisor.givenUp.total == 1 && agent.supervisor.givenUp.hanging == 0)
            try await bench.perform(3, .reboot(.hard, graceSeconds: 0), on: guest)
            #expect(try await bench.reports(3, on: guest) == [.succeeded(power: .running, handle: nil)])
        }
    }

    @Test func callsThatBlockTheirThreadsHarmNobodyElse() async throws {
        let bench = try await AgentBench()
        try await bench.withAgent(adjust: hurried) { _ in
            bench.driver.block("powerOn")
            let stuck = (0..<4).map { _ in InstanceID.random() }
            for guest in stuck { try await bench.perform(1, .powerOn, on: guest) }
            for guest in stuck { _ = try failure(await bench.reports(1, on: guest).first) }
            try await bench.perform(1, .spawn(.test(other)), on: other)
            #expect(try await bench.reports(1, on: other) == [done])
            try await bench.trouble("and 3 more calls")
            bench.driver.release("powerOn")
            try await bench.trouble(nil)
        }
    }

    @Test func aDriverWhoseThreadsAreAllKeptIsRefusedUntilTheyComeBack() async throws {
        let bench = try await AgentBench()
        try await bench.withAgent(adjust: hurried) { _ in
            bench.driver.block("powerOn")
            let stuck = (0..<12).map { _ in InstanceID.random() }
            for guest in stuck { try await bench.perform(1, .powerOn, on: guest) }
            for guest in stuck { _ = try failure(await bench.reports(1, on: guest).first) }
            try await bench.trouble("has not come back")
            bench.driver.release("powerOn")
            try await bench.trouble(nil)
            try await bench.perform(1, .spawn(.test(other)), on: other)
            #expect(try await bench.reports(1, on: other) == [done])
        }
    }

    @Test func aGuestThatIsMadeTooLateIsRemoved() async throws {
        let bench = try await AgentBench()
        try await bench.withAgent(adjust: hurried) { _ in
            bench.driver.hang("spawn")
            try await bench.perform(1, .spawn(.test(guest)), on: guest)
            #expect(try failure(await bench.reports(1, on: guest).first).remedy == .reschedule)
            bench.driver.release("spawn")
            try await bench.trouble(nil)
            try await until { bench.driver.calls.contains("destroy 1") }
            try await until { bench.driver.state.with { $0.guests.isEmpty } }
        }
    }

    @Test func aCallThatAnswersItsCancellationIsLateButNotGivenUp() async throws {
        let bench = try await AgentBench()
        try await bench.withAgent(adjust: hurried) { agent in
            bench.driver.hold("spawn")
            try await bench.perform(1, .spawn(.test(guest)), on: guest)
            let failed = try failure(await bench.reports(1, on: guest).first)
            #expect(failed.details.contains("did not end spawn of guest \(guest) within 400 ms"))
            #expect(agent.supervisor.givenUp.total == 0)
            #expect(bench.notes.with { $0.services.allSatisfy { $0.trouble == nil } })
        }
    }

    @Test func graceOfAShutDownDoesNotCountAgainstTheDriver() async throws {
        let bench = try await AgentBench()
        try await bench.withAgent(adjust: hurried) { _ in
            bench.driver.hold("powerOff")
            try await bench.perform(1, .powerOff(graceSeconds: 600), on: guest)
            try await until { bench.driver.calls.contains("powerOff 1") }
            // Longer than the deadline of an ordinary call.
            try await Task.sleep(for: .milliseconds(900))
            bench.driver.release("powerOff")
            #expect(try await bench.reports(1, on: guest) == [.succeeded(power: .shutdown, handle: nil)])
        }
    }

    @Test func aDestroyIsNotHeldUpByASpawnThatDoesNotListen() async throws {
        let bench = try await AgentBench()
        try await bench.withAgent(adjust: { hurried(&$0); $0.deadlines.spawn = .seconds(60) }) { _ in
            bench.driver.hang("spawn")
            try await bench.perform(1, .spawn(.test(guest)), on: guest)
            try await until { bench.driver.calls.contains("spawn 1") }
            try await bench.perform(2, .destroy(interfaces: []), on: guest)
            #expect(try failure(await bench.reports(1, on: guest).first).userMessage == "The operation was cancelled.")
            let refused = try failure(await bench.reports(2, on: guest).first)
            #expect(refused.details.contains("has not come back from spawn"))
            bench.driver.release("spawn")
            try await bench.trouble(nil)
            try await bench.perform(3, .destroy(interfaces: []), on: guest)
            #expect(try await bench.reports(3, on: guest) == [.succeeded(power: .noState, handle: nil)])
            #expect(bench.driver.state.with { $0.guests.isEmpty })
        }
    }

    @Test func guestsThatCannotBeFoundAreLookedForAgain() async throws {
        let bench = try await AgentBench()
        bench.driver.hang("recover")
        try await bench.withAgent(adjust: hurried) { _ in
            try await bench.trouble("guests of earlier runs cannot be found")
            bench.driver.release("recover")
            try await bench.trouble(nil)
        }
    }

    @Test func anAgentEndsAlthoughItsDriverHangs() async throws {
        let bench = try await AgentBench()
        try await bench.withAgent(adjust: { hurried(&$0); $0.deadlines.ordinary = .seconds(60) }) { _ in
            bench.driver.hang("guests")
            bench.driver.eventBroadcast.send(.missed)
            try await until { bench.driver.calls.filter { $0 == "guests" }.count >= 2 }
        }
        bench.driver.release("guests")
    }

    @Test func beyondALimitOfLostCallsNoneIsBegun() async throws {
        let driver = ScriptedDriver()
        driver.hang("powerOn")
        var deadlines = CallDeadlines()
        (deadlines.ordinary, deadlines.cancelGrace) = (.milliseconds(5), .milliseconds(5))
        let supervisor = DriverSupervisor(
            driver, name: "scripted", deadlines: deadlines, troubles: NodeTroubles(), logger: .quiet, straysMax: 3)
        for _ in 0..<3 {
            let guest = GuestID.random()
            await #expect(throws: DriverError.self) {
                try await supervisor.call(.powerOn, guest) { driver throws(DriverError) in
                    try await driver.powerOn(guest, .number(1))
                }
            }
        }
        await #expect(
            throws: DriverError.unreachable(
                "the driver 'scripted' has not come back from 3 calls; no other is begun")
        ) {
            try await supervisor.call(.guests) { driver throws(DriverError) in try await driver.guests() }
        }
        driver.release("powerOn")
        try await until { supervisor.givenUp.hanging == 0 }
        #expect(
            try await supervisor.call(.guests) { driver throws(DriverError) in try await driver.guests() }.count == 3)
    }

    @Test func aDriverThatDoesNotStartIsNotWaitedForForEver() async throws {
        let isReleased = Locked(false)
        let driver = ScriptedDriver()
        let factory = DriverFactory(optionGroup: "x", options: []) { _, _ throws(DriverError) in
            while !isReleased.with({ $0 }) { await Task { try? await Task.sleep(for: .milliseconds(1)) }.value }
            return driver
        }
        let scratch = try ScratchDirectory()
        await #expect(throws: DriverError.timedOut("it did not start within 50 ms")) {
            try await DriverStart.start(
                factory, DriverConfiguration([:]), host: scratch.host, within: .milliseconds(50))
        }
        isReleased.with { $0 = true }
        // A driver that comes late is ended again.
        try await until { driver.calls.contains("shutDown") }
    }
}
