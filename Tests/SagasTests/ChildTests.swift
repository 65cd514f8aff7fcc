import Sagas
import Testing

/// A parent that tries hosts in turn, each as a child.
enum Reschedule: Saga {
    static let name = "reschedule"
    struct Parameters: Codable, Sendable {
        let hosts: [String]
    }
    typealias Services = Workshop
    struct NoHost: Error {}

    static let place = StepKey<String>("place")

    static func steps(for parameters: Parameters) -> [SagaStep<Self>] {
        [
            SagaStep(place, undo: .notNeeded(because: "it is the only step")) { context in
                for host in context.parameters.hosts {
                    let child = try await context.runChild(Assemble.self, label: host, parameters: .init(thing: host))
                    if case .completed(let outputs) = child { return try outputs[Assemble.choose] }
                }
                throw NoHost()
            }
        ]
    }
}

struct ChildTests {
    private let id = SagaID("p")

    private func executor(_ log: any SagaLog, _ workshop: Workshop, incarnation: String = "a") async -> SagaExecutor {
        var options = makeOptions()
        options.runningMax = 1  // children need no place of their own
        let executor = await makeExecutor(log, workshop, incarnation: incarnation, options: options)
        await executor.register(Reschedule.self, services: workshop)
        return executor
    }

    private func output(_ log: any SagaLog) async throws -> [UInt8]? {
        try await log.load(id)?.events.compactMap(\.event.output).last
    }

    @Test func aParentUsesWhatItsChildLeft() async throws {
        let (log, workshop) = (InMemorySagaLog(), Workshop())
        let executor = await executor(log, workshop)
        try await executor.submit(Reschedule.self, id: id, parameters: .init(hosts: ["h1", "h2"]))
        await executor.becomeIdle()
        #expect(try await output(log) == Array("\"place-of-h1\"".utf8))
        #expect(try await log.load(SagaID("p.h1"))?.conclusion == .completed)
        #expect(try await log.load(SagaID("p.h2")) == nil)
    }

    @Test func aParentTriesTheNextHostWhenAChildIsUndone() async throws {
        let (log, workshop) = (InMemorySagaLog(), Workshop())
        let executor = await executor(log, workshop)
        workshop.fail("announce")
        try await executor.submit(Reschedule.self, id: id, parameters: .init(hosts: ["h1", "h2"]))
        await executor.becomeIdle()
        #expect(try await log.load(id)?.conclusion == .unwound(failedStep: "place", reason: "NoHost()"))
        #expect(workshop.things == [])
    }

    @Test func aParentThatIsResumedJoinsItsChild() async throws {
        let (log, first) = (InMemorySagaLog(), Workshop(holding: "build"))
        let one = await executor(log, first)
        try await one.submit(Reschedule.self, id: id, parameters: .init(hosts: ["h1"]))
        try await until("the child is held") { !first.hold.waiting.isEmpty }
        await one.drain(grace: .milliseconds(1))
        #expect(try await log.list(SagaFilter(status: .running)).allSatisfy { $0.owner == nil })
        let second = Workshop()
        let two = await executor(log, second, incarnation: "b")
        _ = await two.run(id)
        #expect(second.visits == ["build", "announce"])
        #expect(try await output(log) == Array("\"place-of-h1\"".utf8))
    }
}
