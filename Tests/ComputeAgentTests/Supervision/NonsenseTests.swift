import ComputeModel
import DriverAPI
import Messaging
import ServiceInterfaces
import Testing

@testable import ComputeAgent

/// Drivers that answer what cannot be.
@Suite(.timeLimit(.minutes(2))) struct NonsenseTests {
    private let guest = InstanceID.random()
    static let good = NodeInventory(
        hypervisorType: "fake", hypervisorVersion: 1, hypervisorHostname: "n1",
        cpu: CPUDescription(arch: "x86_64", vendor: "v", model: "m"), supportedGuests: [],
        resources: [.vcpu: ResourceInventory(total: 4)], traits: [], diskFreeGiB: 1)

    static let wrong: [(words: String, change: @Sendable (inout NodeInventory) -> Void)] = [
        ("VCPU total is -3", { $0.resources[.vcpu] = ResourceInventory(total: -3) }),
        ("VCPU total is 9223372036854775807", { $0.resources[.vcpu] = ResourceInventory(total: .max) }),
        ("VCPU reserved is 9", { $0.resources[.vcpu] = ResourceInventory(total: 4, reserved: 9) }),
        ("min_unit is 0", { $0.resources[.vcpu]?.minUnit = 0 }),
        ("step_size is -1", { $0.resources[.vcpu]?.stepSize = -1 }),
        ("max_unit is -1", { $0.resources[.vcpu]?.maxUnit = -1 }),
        ("allocation_ratio is nan", { $0.resources[.vcpu]?.allocationRatio = .nan }),
        ("allocation_ratio is 0", { $0.resources[.vcpu]?.allocationRatio = 0 }),
        ("'vcpu; drop' is no name of a resource class", {
            $0.resources[ResourceClass("vcpu; drop")] = .init(total: 1)
        }),
        ("resource classes", { inventory in
            for number in 0..<500 { inventory.resources[ResourceClass("CUSTOM_\(number)")] = .init(total: 1) }
        }),
        ("traits are 5000 traits", { inventory in
            inventory.traits = Set((0..<5000).map { Trait("CUSTOM_\($0)") })
        }),
        ("'hw cpu' is no name of a trait", { $0.traits = [Trait("hw cpu")] }),
        ("is no name of a trait", { $0.traits = [Trait(String(repeating: "A", count: 300))] }),
        ("free disk space in GiB is -1", { $0.diskFreeGiB = -1 }),
        ("host name is empty", { $0.hypervisorHostname = "" }),
        ("host name has 300 bytes", { $0.hypervisorHostname = String(repeating: "h", count: 300) }),
        ("type has control characters", { $0.hypervisorType = "a\u{0}b" }),
        ("hypervisor version is -1", { $0.hypervisorVersion = -1 }),
        ("cores is -1", { $0.cpu.cores = -1 }),
        ("text about its processors", { $0.cpu.model = String(repeating: "x", count: 10 << 20) }),
        ("NUMA cell 0 is there twice", {
            let cells = [HostCell(id: 0, cpus: [0], memoryMiB: 1), HostCell(id: 0, cpus: [1], memoryMiB: 1)]
            $0.topology = HostTopology(cells: cells)
        }),
        ("memory of NUMA cell 0 is -5", {
            $0.topology = HostTopology(cells: [HostCell(id: 0, cpus: [0], memoryMiB: -5)])
        }),
    ]

    private func hurried(_ options: inout ComputeAgentOptions) {
        options.reportInterval = .milliseconds(20)
        options.limits.pace = .milliseconds(2)
        options.limits.eventPace = .milliseconds(2)
        options.limits.reopenPause = .milliseconds(5)
    }

    @Test(arguments: wrong.indices) func anInventoryThatCannotBeIsRefusedWithTheReason(index: Int) {
        let (words, change) = Self.wrong[index]
        var inventory = Self.good
        #expect(NonsenseCheck.trouble(in: inventory, capabilities: Capabilities()) == nil)
        change(&inventory)
        let trouble = NonsenseCheck.trouble(in: inventory, capabilities: Capabilities())
        #expect(trouble?.contains(words) == true, "\(trouble ?? "accepted")")
        #expect((trouble?.utf8.count ?? 0) < 400)
    }

    @Test func aNodeWithARefusedInventoryIsDownAndComesBackWithAGoodOne() async throws {
        let bench = try await AgentBench()
        try await bench.withAgent(adjust: hurried) { _ in
            var bad = Self.good
            bad.resources[.memoryMiB] = ResourceInventory(total: -1)
            bench.driver.inventoryBroadcast.send(bad)
            try await bench.trouble("the driver's inventory is refused: MEMORY_MB total is -1")
            #expect(bench.notes.with { $0.nodes.isEmpty })
            bench.driver.inventoryBroadcast.send(Self.good)
            try await bench.trouble(nil)
            try await until { bench.notes.with { $0.nodes.last?.inventory == Self.good } }
        }
    }

    @Test func aNodeThatPlacementDoesNotTakeSaysSo() async throws {
        let bench = try await AgentBench()
        bench.notes.with { $0.nodeFault = RemoteFault(kind: "NotFound", message: "No such trait(s): HW_X.") }
        try await bench.withAgent(adjust: { hurried(&$0); $0.inventoryInterval = .milliseconds(20) }) { _ in
            bench.driver.inventoryBroadcast.send(Self.good)
            try await bench.trouble("the node's description is not taken: No such trait(s): HW_X.")
            bench.notes.with { $0.nodeFault = nil }
            try await bench.trouble(nil)
        }
    }

    @Test func capabilitiesWithThousandsOfTraitsAreRefused() async throws {
        let driver = ScriptedDriver(traits: Set((0..<3000).map { Trait("CUSTOM_\($0)") }))
        let bench = try await AgentBench(driver: driver)
        try await bench.withAgent(adjust: hurried) { _ in
            driver.inventoryBroadcast.send(Self.good)
            try await bench.trouble("capabilities are 3001 traits")
        }
    }

    @Test func twoNodesOfOneNameInOneProcessAreNotConfused() async throws {
        let names = NodeNames()
        #expect(names.take("n1", for: "elsewhere") == nil)
        let bench = try await AgentBench()
        try await bench.withAgent(adjust: { hurried(&$0); $0.nodeNames = names }) { _ in
            bench.driver.inventoryBroadcast.send(Self.good)
            try await bench.trouble("host name 'n1' is that of node 'elsewhere' too")
        }
    }

    @Test func aListWithAGuestTwiceIsRefusedAndAskedForAgain() async throws {
        let bench = try await AgentBench()
        bench.driver.state.with { state in
            state.guests = [guest: .running]
            state.doubled = [guest]
        }
        try await bench.withAgent(adjust: hurried) { _ in
            try await bench.trouble("it lists guest \(guest) twice")
            #expect(bench.notes.with { $0.guests.isEmpty })
            bench.driver.state.with { $0.doubled = [] }
            try await bench.trouble(nil)
            try await until { bench.notes.with { $0.guests.contains { $0.complete } } }
        }
    }

    @Test func aHypervisorThatComesAndGoesCountsAsAwayUntilItIsSteady() async throws {
        let bench = try await AgentBench()
        try await bench.withAgent(adjust: { hurried(&$0); $0.limits.healthWindow = .milliseconds(400) }) { _ in
            for number in 0..<400 {
                bench.driver.healthBroadcast.send(number % 2 == 0 ? .unhealthy("away \(number)") : .healthy)
                if number % 20 == 0 { try await Task.sleep(for: .milliseconds(1)) } else { await Task.yield() }
            }
            try await bench.trouble("the hypervisor comes and goes")
            try await bench.trouble(nil)
            #expect(bench.notes.with { $0.services.count } < 400)
        }
    }

    @Test func aFloodOfEventsIsBoundedAndSaid() async throws {
        let bench = try await AgentBench()
        let adjust = { (options: inout ComputeAgentOptions) in
            hurried(&options)
            options.limits.eventsMax = 500
            options.limits.eventWindow = .milliseconds(300)
        }
        try await bench.withAgent(adjust: adjust) { _ in
            let before = bench.driver.calls.count
            for _ in 0..<40 {
                for _ in 0..<200 { bench.driver.eventBroadcast.send(.power(.random(), .running)) }
                try await Task.sleep(for: .milliseconds(1))
            }
            try await bench.trouble("floods its host with events")
            #expect(bench.driver.calls.count - before < 800)
            try await bench.trouble(nil)
        }
    }

    @Test func theGateKeepsNoMoreThanItsBound() {
        let gate = EventGate(guestsMax: 4, eventsMax: 100, window: .seconds(10))
        let guests = (0..<4).map { _ in GuestID.random() }
        for guest in guests + guests { gate.take(.power(guest, .running)) }
        #expect(gate.drain() == .some(guests.sorted()))
        #expect(gate.drain() == nil)
        for _ in 0..<5 { gate.take(.power(.random(), .running)) }
        #expect(gate.drain() == .everything)
        gate.take(.missed)
        #expect(gate.drain() == .everything)
        #expect(gate.trouble() == nil)
        for _ in 0..<100 { gate.take(.missed) }
        #expect(gate.trouble() != nil)
        #expect(gate.trouble(at: .now + .seconds(30)) == nil)
    }

    @Test func aStreamThatEndsIsATrouble() async throws {
        let bench = try await AgentBench()
        try await bench.withAgent(adjust: hurried) { _ in
            try await bench.trouble(nil)
            bench.driver.eventBroadcast.finish()
            bench.driver.healthBroadcast.finish()
            try await bench.trouble("the driver does not tell any more: events, health")
        }
    }

    @Test func aDriverThatSaysNothingOfItsHealthIsATrouble() async throws {
        let bench = try await AgentBench(driver: ScriptedDriver(health: nil))
        try await bench.withAgent(adjust: { hurried(&$0); $0.limits.firstWord = .milliseconds(50) }) { _ in
            try await bench.trouble("has not said whether its hypervisor can be used")
            bench.driver.healthBroadcast.send(.healthy)
            try await bench.trouble(nil)
        }
    }

    @Test func endlessTextsAndHandlesAreCut() async throws {
        let bench = try await AgentBench()
        try await bench.withAgent(adjust: hurried) { _ in
            bench.driver.healthBroadcast.send(.unhealthy(String(repeating: "a\n", count: 1 << 20)))
            try await bench.trouble("a a a")
            #expect(bench.notes.with { $0.services.last?.trouble?.utf8.count ?? 0 } < 1100)
            bench.driver.fail("powerOn", .failed(String(repeating: "x", count: 10 << 20)))
            try await bench.perform(1, .powerOn, on: guest)
            guard case .failed(let failure) = try await bench.reports(1, on: guest).first else {
                throw ToolFailure(description: "it succeeded")
            }
            #expect(failure.details.utf8.count < 4100)
            bench.driver.state.with { $0.handle = GuestHandle(version: 1, data: Array(repeating: 0, count: 1 << 20)) }
            try await bench.perform(2, .spawn(.test(guest)), on: guest)
            guard case .failed(let refused) = try await bench.reports(2, on: guest).first else {
                throw ToolFailure(description: "it succeeded")
            }
            #expect(refused.details.contains("handle of guest \(guest) has 1048576 bytes"))
            #expect(bench.driver.state.with { $0.guests[guest] } == nil)
        }
    }

    @Test func aDriverThatSaysCancelledThoughNobodyDidHasFailed() async throws {
        let bench = try await AgentBench()
        try await bench.withAgent { _ in
            bench.driver.fail("powerOn", .cancelled)
            try await bench.perform(1, .powerOn, on: guest)
            guard case .failed(let failure) = try await bench.reports(1, on: guest).first else {
                throw ToolFailure(description: "it succeeded")
            }
            #expect(failure.details.contains("which nobody did") && failure.remedy == .reschedule)
        }
    }
}
