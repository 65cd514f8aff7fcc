import ComputeModel
import DriverAPI
import Messaging
import ServiceInterfaces
import Testing

@testable import ComputeAgent

@Suite(.timeLimit(.minutes(2))) struct OperationTests {
    private let guest = InstanceID.random()
    private let done = OperationOutcome.succeeded(
        power: .running, handle: StoredHandle(version: 3, data: [1, 2]))

    private func failure(_ outcome: OperationOutcome?) throws -> OperationFailure {
        guard case .failed(let failure) = outcome else {
            throw ToolFailure(description: "\(String(describing: outcome))")
        }
        return failure
    }

    @Test func aSpawnPreparesPortsAndIsReported() async throws {
        let bench = try await AgentBench()
        let port = PortID.random()
        try await bench.withAgent { _ in
            try await bench.perform(1, .spawn(.test(guest, interfaces: [.bridged(port)])), on: guest)
            #expect(try await bench.reports(1, on: guest) == [done])
            #expect(bench.notes.with { $0.prepared } == [port])
        }
    }

    @Test func everyCommandReachesTheDriverInOrder() async throws {
        let bench = try await AgentBench()
        try await bench.withAgent { _ in
            bench.driver.hold("spawn")
            try await bench.perform(1, .spawn(.test(guest)), on: guest)
            try await bench.perform(2, .powerOff(graceSeconds: 0), on: guest)
            try await bench.perform(3, .powerOn, on: guest)
            try await bench.perform(4, .reboot(.soft, graceSeconds: 1), on: guest)
            try await bench.perform(5, .reboot(.hard, graceSeconds: 0), on: guest)
            bench.driver.release("spawn")
            #expect(try await bench.reports(5, on: guest) == [.succeeded(power: .running, handle: nil)])
            try await bench.perform(6, .destroy(interfaces: []), on: guest)
            #expect(try await bench.reports(6, on: guest) == [.succeeded(power: .noState, handle: nil)])
            let operations = bench.driver.calls.filter { $0.contains(" ") && !$0.hasPrefix("recover") }
            #expect(
                operations == ["spawn 1", "powerOff 2", "powerOn 3", "reboot SOFT 4", "reboot HARD 5", "destroy 6"])
        }
    }

    @Test func aRepeatIsAnsweredFromMemory() async throws {
        let bench = try await AgentBench()
        try await bench.withAgent { _ in
            bench.driver.hold("spawn")
            for _ in 0..<3 { try await bench.perform(1, .spawn(.test(guest)), on: guest) }
            bench.driver.release("spawn")
            _ = try await bench.reports(1, on: guest)
            try await bench.perform(1, .spawn(.test(guest)), on: guest)
            #expect(try await bench.reports(1, on: guest, atLeast: 2) == [done, done])
            #expect(bench.driver.calls.filter { $0.hasPrefix("spawn") } == ["spawn 1"])
        }
    }

    @Test func aStaleNumberIsRefused() async throws {
        let bench = try await AgentBench()
        try await bench.withAgent { _ in
            try await bench.perform(5, .spawn(.test(guest)), on: guest)
            await expectStale(bench, 4)
            _ = try await bench.reports(5, on: guest)
            await expectStale(bench, 4)
            #expect(!bench.driver.calls.contains("powerOn 4"))
        }
    }

    private func expectStale(_ bench: AgentBench, _ operation: Int64) async {
        let fault = RemoteFault(
            kind: "StaleOperation", message: "operation \(operation) on \(guest) is refused: 5 was seen already")
        await #expect(throws: MessagingError.remote(fault)) {
            try await bench.perform(operation, .powerOn, on: guest)
        }
    }

    @Test func aDestroyCancelsASpawnAndOvertakesWhatWaits() async throws {
        let bench = try await AgentBench()
        try await bench.withAgent { _ in
            bench.driver.hold("spawn")
            try await bench.perform(1, .spawn(.test(guest)), on: guest)
            try await until { bench.driver.calls.contains("spawn 1") }
            try await bench.perform(2, .powerOff(graceSeconds: 600), on: guest)
            try await bench.perform(3, .destroy(interfaces: []), on: guest)
            #expect(try await bench.reports(3, on: guest) == [.succeeded(power: .noState, handle: nil)])
            for overtaken in [Int64(1), 2] {
                let failure = try failure(await bench.reports(overtaken, on: guest).first)
                #expect(failure.remedy == .giveUp)
                #expect(failure.userMessage == "The operation was cancelled.")
            }
            #expect(!bench.driver.calls.contains("powerOff 2"))
            #expect(bench.driver.state.with { $0.guests.isEmpty })
        }
    }

    @Test func aDestroyNeedsNoBuildSlot() async throws {
        let bench = try await AgentBench()
        let other = InstanceID.random()
        try await bench.withAgent(buildsMax: 1) { _ in
            bench.driver.hold("spawn")
            try await bench.perform(1, .spawn(.test(other)), on: other)
            try await until { bench.driver.calls.contains("spawn 1") }
            try await bench.perform(7, .spawn(.test(guest)), on: guest)
            try await bench.perform(8, .destroy(interfaces: []), on: guest)
            #expect(try await bench.reports(8, on: guest) == [.succeeded(power: .noState, handle: nil)])
            #expect(!bench.driver.calls.contains("spawn 7"))
            bench.driver.release("spawn")
            #expect(try await bench.reports(1, on: other) == [done])
        }
    }

    @Test func buildsAreLimited() async throws {
        let bench = try await AgentBench()
        try await bench.withAgent(buildsMax: 3) { _ in
            bench.driver.hold("spawn")
            let guests = (0..<12).map { _ in InstanceID.random() }
            for guest in guests { try await bench.perform(1, .spawn(.test(guest)), on: guest) }
            try await until { bench.driver.calls.filter { $0.hasPrefix("spawn") }.count == 3 }
            bench.driver.release("spawn")
            for guest in guests { _ = try await bench.reports(1, on: guest) }
            // The lists of guests that the agent asks for meanwhile count too.
            #expect(bench.driver.state.with { $0.runningMax } <= 4)
        }
    }

    @Test func whatMayPassIsRepeatedAndWhatMayNotIsReported() async throws {
        let bench = try await AgentBench()
        try await bench.withAgent { _ in
            bench.driver.fail("spawn", .busy("a"), .unreachable("b"))
            try await bench.perform(1, .spawn(.test(guest)), on: guest)
            #expect(try await bench.reports(1, on: guest) == [done])
            #expect(bench.driver.calls.filter { $0 == "spawn 1" }.count == 3)

            bench.driver.fail("powerOn", .failed("qemu said no"))
            try await bench.perform(2, .powerOn, on: guest)
            let failed = try failure(await bench.reports(2, on: guest).first)
            #expect(failed.remedy == .reschedule && failed.details == "qemu said no" && !failed.guestIsGone)
            #expect(failed.userMessage == "The hypervisor reported a failure.")

            bench.driver.fail("powerOn", .noSuchGuest(guest))
            try await bench.perform(3, .powerOn, on: guest)
            let gone = try failure(await bench.reports(3, on: guest).first)
            #expect(gone.guestIsGone && gone.remedy == .giveUp)

            bench.driver.fail("reboot", .busy("1"), .busy("2"), .busy("3"), .busy("4"), .busy("5"), .busy("6"))
            try await bench.perform(4, .reboot(.hard, graceSeconds: 0), on: guest)
            let outcome = try await bench.reports(4, on: guest).first
            #expect(try failure(outcome).details == "6")
        }
    }

    @Test func aFailingNetworkWorkerFailsTheBuildAndALateOneDoesNot() async throws {
        let bench = try await AgentBench()
        try await bench.withAgent { _ in
            let spec = GuestSpec.test(guest, interfaces: [.bridged(.random())])
            bench.notes.with { $0.preparationFault = RemoteFault(kind: "Failed", message: "no bridge") }
            try await bench.perform(1, .spawn(spec), on: guest)
            let failed = try failure(await bench.reports(1, on: guest).first)
            #expect(failed.remedy == .reschedule && failed.details.contains("no bridge"))
            #expect(failed.userMessage == "The host could not prepare the server's network.")
            #expect(bench.driver.calls.allSatisfy { !$0.hasPrefix("spawn") })

            bench.notes.with { $0.preparationFault = nil }
            await bench.stopNetwork()
            try await bench.perform(2, .spawn(spec), on: guest)
            try await bench.serveNetwork()
            #expect(try await bench.reports(2, on: guest) == [done])
        }
    }

    @Test func aReportIsRepeatedUntilAcknowledged() async throws {
        let bench = try await AgentBench()
        try await bench.withAgent { _ in
            bench.notes.with { $0.refusals = 3 }
            try await bench.perform(1, .spawn(.test(guest)), on: guest)
            #expect(try await bench.reports(1, on: guest) == [done])
            #expect(bench.notes.with { $0.refusals } == 0)
        }
    }

    @Test func aNewAgentAnswersRepeatsOfTheOldOne() async throws {
        let bench = try await AgentBench()
        try await bench.withAgent { _ in
            try await bench.perform(4, .spawn(.test(guest)), on: guest)
            _ = try await bench.reports(4, on: guest)
        }
        bench.notes.with { $0.reports = [] }
        try await bench.withAgent { _ in
            try await bench.perform(4, .spawn(.test(guest)), on: guest)
            #expect(try await bench.reports(4, on: guest) == [done])
            #expect(bench.driver.calls.filter { $0.hasPrefix("spawn") } == ["spawn 4"])
            await #expect(throws: MessagingError.self) { try await bench.perform(3, .powerOn, on: guest) }
        }
    }

    @Test func idleGuestsCostNothing() async throws {
        let bench = try await AgentBench()
        try await bench.withAgent { agent in
            let guests = (0..<300).map { _ in InstanceID.random() }
            for guest in guests { try await bench.perform(1, .spawn(.test(guest)), on: guest) }
            for guest in guests { _ = try await bench.reports(1, on: guest) }
            for guest in guests { try await bench.perform(1, .spawn(.test(guest)), on: guest) }
            try await until { await agent.busyGuests == 0 }
        }
    }
}
