import ComputeModel
import DriverAPI
import Logging
import Messaging
import ServiceInterfaces
import Testing

@testable import ComputeAgent

@Suite(.timeLimit(.minutes(2))) struct ReportTests {
    private let guest = InstanceID.random()
    private static let inventory = NodeInventory(
        hypervisorType: "fake", hypervisorVersion: 1, hypervisorHostname: "h1",
        cpu: CPUDescription(arch: "x86_64", vendor: "v", model: "m"), supportedGuests: [],
        resources: [.vcpu: ResourceInventory(total: 4)], traits: [], diskFreeGiB: 1)

    @Test func aStartingAgentFindsItsGuestsAndWiresThem() async throws {
        let port = PortID.random()
        let expected = ExpectedGuest(
            instance: guest, operation: 3, status: InstanceStatus(vm: .active, task: nil), power: .running,
            handle: StoredHandle(version: 3, data: [1]), interfaces: [.bridged(port)])
        let bench = try await AgentBench(expected: [expected])
        bench.driver.state.with { $0.guests[guest] = .shutdown }
        try await bench.withAgent { _ in
            #expect(bench.driver.calls.first == "recover 1")
            #expect(bench.notes.with { $0.prepared } == [port])
            try await until { bench.notes.with { $0.guests.contains { $0.complete } } }
            let report = try #require(bench.notes.with { $0.guests.first { $0.complete } })
            #expect(report.observed == [GuestObservation(instance: guest, power: .shutdown, operation: 0)])
        }
    }

    @Test func aConductorThatComesLaterIsWaitedFor() async throws {
        let bench = try await AgentBench()
        let agentIsReady = Locked(false)
        // A second bus without a conductor: the agent asks until its task ends.
        let alone = try await MessageBus(over: InProcessTransport())
        let options = ComputeAgentOptions(
            host: "h2", driverName: "scripted", hostIP: "::1", stateDirectory: bench.scratch.path)
        let agent = try ComputeAgent(options, driver: bench.driver, bus: alone, logger: Logger(label: "quiet"))
        let task = Task { try await agent.run { agentIsReady.with { $0 = true } } }
        _ = try await alone.serve(
            topic: Topic.conductor,
            [RPCHandler { (_: AskExpectedGuests, _) in AskExpectedGuests.Reply(guests: []) }])
        try await until { agentIsReady.with { $0 } }
        task.cancel()
        _ = try? await task.value
    }

    @Test func healthIsReportedAndGuestsAreFoundAgain() async throws {
        let bench = try await AgentBench()
        try await bench.withAgent { _ in
            try await until { bench.notes.with { $0.services.contains { $0.trouble == nil } } }
            bench.driver.healthBroadcast.send(.unhealthy("libvirtd is away"))
            try await until { bench.notes.with { $0.services.contains { $0.trouble == "libvirtd is away" } } }
            let recoveries = bench.driver.calls.filter { $0.hasPrefix("recover") }.count
            bench.driver.healthBroadcast.send(.healthy)
            try await until { bench.notes.with { $0.services.last?.trouble == nil } }
            try await until { bench.driver.calls.filter { $0.hasPrefix("recover") }.count == recoveries + 1 }
            let service = try #require(bench.notes.with { $0.services.last })
            #expect(service.binary == "nova-compute" && service.host == "h1" && service.topic == "compute")
        }
    }

    @Test func everyInventoryIsReported() async throws {
        let bench = try await AgentBench()
        try await bench.withAgent { _ in
            var inventory = Self.inventory
            bench.driver.inventoryBroadcast.send(inventory)
            try await until { bench.notes.with { $0.nodes.last?.inventory == inventory } }
            inventory.diskFreeGiB = 77
            bench.driver.inventoryBroadcast.send(inventory)
            try await until { bench.notes.with { $0.nodes.last?.inventory == inventory } }
            let node = try #require(bench.notes.with { $0.nodes.last })
            #expect(node.driver == "scripted" && node.hostIP == "127.0.0.1" && node.bindings == [.bridge])
            #expect(node.capabilityTraits == [Trait("COMPUTE_IMAGE_TYPE_RAW")])
        }
    }

    @Test func aGuestThatStopsByItselfIsReportedWithItsLastOperation() async throws {
        let bench = try await AgentBench()
        try await bench.withAgent { _ in
            try await bench.perform(6, .spawn(.test(guest)), on: guest)
            _ = try await bench.reports(6, on: guest)
            bench.driver.state.with { $0.guests[guest] = .crashed }
            bench.driver.eventBroadcast.send(.power(guest, .shutdown))
            // What counts is the state when the event is read.
            let expected = GuestObservation(instance: guest, power: .crashed, operation: 6)
            try await until { bench.notes.with { $0.guests.contains { $0.observed == [expected] && !$0.complete } } }
        }
    }

    @Test func eventsDuringAnOperationAreLeftToItsReport() async throws {
        let bench = try await AgentBench()
        let other = InstanceID.random()
        bench.driver.state.with { $0.guests = [guest: .running, other: .running] }
        try await bench.withAgent { _ in
            bench.driver.hold("reboot")
            try await bench.perform(1, .reboot(.hard, graceSeconds: 0), on: guest)
            bench.driver.eventBroadcast.send(.power(guest, .shutdown))
            bench.driver.eventBroadcast.send(.power(other, .running))
            let seen = { bench.notes.with { $0.guests.filter { !$0.complete }.flatMap(\.observed).map(\.instance) } }
            try await until { seen().contains(other) }
            #expect(seen() == [other])
            bench.driver.release("reboot")
        }
    }

    @Test func lostEventsCauseAFullReportWithoutForeignGuests() async throws {
        let bench = try await AgentBench()
        let foreign = InstanceID.random()
        try await bench.withAgent { _ in
            try await until { bench.notes.with { $0.guests.contains { $0.complete } } }
            bench.driver.state.with { state in
                state.guests = [guest: .paused, foreign: .running]
                state.foreign = [foreign]
            }
            bench.notes.with { $0.guests = [] }
            bench.driver.eventBroadcast.send(.missed)
            let expected = GuestObservation(instance: guest, power: .paused, operation: 0)
            try await until { bench.notes.with { $0.guests.contains { $0.complete && $0.observed == [expected] } } }
            #expect(bench.notes.with { !$0.guests.flatMap(\.observed).contains { $0.instance == foreign } })
        }
    }

    @Test func aReportIsNotCompleteWhileAGuestIsBeingMade() async throws {
        let bench = try await AgentBench()
        try await bench.withAgent { _ in
            try await until { bench.notes.with { $0.guests.contains { $0.complete } } }
            bench.driver.state.with { $0.guests[.random()] = .running }
            bench.driver.hold("spawn")
            try await bench.perform(1, .spawn(.test(guest)), on: guest)
            bench.notes.with { $0.guests = [] }
            bench.driver.eventBroadcast.send(.missed)
            try await until { bench.notes.with { !$0.guests.isEmpty } }
            #expect(bench.notes.with { $0.guests.allSatisfy { !$0.complete } })
            bench.driver.release("spawn")
        }
    }

    @Test func theConsoleLogAndItsErrors() async throws {
        let bench = try await AgentBench()
        let address = Address(topic: Topic.compute, host: "h1")
        let question = ReadConsoleLog(instance: guest, bytesMax: 3)
        try await bench.withAgent { _ in
            bench.driver.state.with { $0.guests[guest] = .running }
            let end = try await bench.bus.call(question, to: address)
            #expect(end.bytes == Array("llo".utf8))
            let nothing = try await bench.bus.call(ReadConsoleLog(instance: guest, bytesMax: -5), to: address)
            #expect(nothing.bytes.isEmpty)
            await expectFault("NotFound") {
                _ = try await bench.bus.call(ReadConsoleLog(instance: .random(), bytesMax: 3), to: address)
            }
            bench.driver.fail("console", .unreachable("libvirtd is away"))
            await expectFault("Unavailable") { _ = try await bench.bus.call(question, to: address) }
        }
        let mute = try await AgentBench(driver: ScriptedDriver(hasConsole: false))
        try await mute.withAgent { _ in
            await expectFault("NotSupported") { _ = try await mute.bus.call(question, to: address) }
        }
    }

    private func expectFault(_ kind: String, _ body: () async throws -> Void) async {
        do {
            try await body()
            Issue.record("no fault of kind \(kind)")
        } catch {
            guard case .remote(let fault) = error as? MessagingError else {
                Issue.record("\(error)")
                return
            }
            #expect(fault.kind == kind)
        }
    }
}
