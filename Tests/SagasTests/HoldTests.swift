import Sagas
import Testing

struct HoldTests {
    private func executor(_ log: any SagaLog, _ gate: HoldGate, incarnation: String) async -> SagaExecutor {
        let executor = SagaExecutor(
            log: log, owner: SagaOwner(place: "one", incarnation: incarnation), options: makeOptions())
        await executor.register(HoldSaga.self, services: gate)
        return executor
    }

    @Test func itWaitsUntilItIsToldToGoOn() async throws {
        let (log, gate, id) = (InMemorySagaLog(), HoldGate(), SagaID("demo"))
        let executor = await executor(log, gate, incarnation: "a")
        try await executor.submit(HoldSaga.self, id: id, parameters: .init(fails: true))
        try await until("it waits") { gate.waiting == [id] }
        #expect(try await log.load(id)?.conclusion == nil)
        gate.open(for: id)
        await executor.becomeIdle()
        #expect(try await log.load(id)?.conclusion
            == .unwound(failedStep: "conclude", reason: "the demonstration was asked to fail"))
    }

    @Test func itWaitsAgainInTheNextProcess() async throws {
        let (log, id) = (InMemorySagaLog(), SagaID("demo"))
        let (before, after) = (HoldGate(), HoldGate())
        let first = await executor(log, before, incarnation: "a")
        try await first.submit(HoldSaga.self, id: id, parameters: .init())
        try await until("it waits") { before.waiting == [id] }
        await first.drain(grace: .zero)
        let second = await executor(log, after, incarnation: "b")
        try await second.adopt()
        try await until("it waits again") { after.waiting == [id] }
        after.open(for: id)
        await second.becomeIdle()
        #expect(try await log.load(id)?.conclusion == .completed)
    }
}
