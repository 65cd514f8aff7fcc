import Sagas
import Testing

struct OwnershipTests {
    private let id = SagaID("s")

    @Test func aSagaThatSomebodyOwnsIsNotTaken() async throws {
        let (log, workshop) = (InMemorySagaLog(), Workshop(holding: "build"))
        try await log.create(record(id))
        let one = await makeExecutor(log, workshop)
        await one.start(id)
        try await until("build is held") { !workshop.hold.waiting.isEmpty }
        let two = await makeExecutor(log, workshop, place: "two")
        #expect(try await two.adopt() == 0)
        #expect(await two.run(id) == nil)
        workshop.hold.open(for: SagaID("build"))
        await one.becomeIdle()
        #expect(workshop.visits.count == 4)
    }

    @Test func theSagaOfADeadOwnerIsAdoptedAfterItsLease() async throws {
        let (log, clock) = (InMemorySagaLog(), TestClock())
        let (first, second) = (Workshop(holding: "build"), Workshop())
        try await log.create(record(id))
        let one = await makeExecutor(log, first, options: makeOptions(clock.clock))
        await one.start(id)
        try await until("build is held") { !first.hold.waiting.isEmpty }
        let two = await makeExecutor(log, second, place: "two", options: makeOptions(clock.clock))
        clock.advance(.seconds(29))
        #expect(try await two.adopt() == 0)
        try await one.renewLeases()
        clock.advance(.seconds(29))
        #expect(try await two.adopt() == 0)
        clock.advance(.seconds(2))
        #expect(try await two.adopt() == 1)
        await two.becomeIdle()
        #expect(second.visits == ["build", "announce"])
        #expect(try await log.load(id)?.conclusion == .completed)
        // The old owner was only slow. What it did late must not be written.
        let events = try await log.load(id)?.events.count
        first.hold.open(for: SagaID("build"))
        await one.becomeIdle()
        #expect(first.visits == ["choose", "reserve", "build"])
        #expect(try await log.load(id)?.events.count == events)
    }

    @Test func anOwnerThatLostItsSagaIsStoppedByTheRenewal() async throws {
        let (log, clock) = (InMemorySagaLog(), TestClock())
        let (first, second) = (Workshop(holding: "build"), Workshop(holding: "announce"))
        try await log.create(record(id))
        let one = await makeExecutor(log, first, options: makeOptions(clock.clock))
        await one.start(id)
        try await until("build is held") { !first.hold.waiting.isEmpty }
        clock.advance(.seconds(31))
        let two = await makeExecutor(log, second, place: "two", options: makeOptions(clock.clock))
        #expect(try await two.adopt() == 1)
        try await until("announce is held") { !second.hold.waiting.isEmpty }
        try await one.renewLeases()
        // The held step is cancelled; that is neither a failure nor an undo.
        await one.becomeIdle()
        #expect(first.visits == ["choose", "reserve", "build"])
        second.hold.open(for: SagaID("announce"))
        await two.becomeIdle()
        #expect(try await log.load(id)?.conclusion == .completed)
    }

    @Test func aRestartedProcessTakesItsOwnSagasAtOnce() async throws {
        let (log, workshop) = (InMemorySagaLog(), Workshop())
        try await log.create(record(id))
        let past = SagaOwner(place: "one", incarnation: "past")
        let now = SagaClock.system.now()
        _ = try await log.claim(id, SagaClaim(owner: past, now: now, leaseUntil: now + .seconds(3600)))
        #expect(try await makeExecutor(log, workshop, place: "two").adopt() == 0)
        let successor = await makeExecutor(log, workshop, incarnation: "b")
        #expect(try await successor.adopt() == 1)
        await successor.becomeIdle()
        #expect(try await log.load(id)?.conclusion == .completed)
    }

    @Test func sagasPutIntoTheLogByOthersAreFoundWithoutAHint() async throws {
        let (log, workshop) = (InMemorySagaLog(), Workshop())
        var options = makeOptions()
        options.adoptionInterval = .milliseconds(5)
        let executor = await makeExecutor(log, workshop, options: options)
        let service = Task { await executor.serve() }
        try await log.create(record(id))
        try await until("the saga is adopted and done") { try await log.load(id)?.conclusion == .completed }
        service.cancel()
        await service.value
    }

    @Test func noMoreSagasRunAtOnceThanAllowed() async throws {
        let (log, workshop) = (InMemorySagaLog(), Workshop())
        var options = makeOptions()
        options.runningMax = 3
        let executor = await makeExecutor(log, workshop, options: options)
        for number in 0..<40 {
            try await executor.submit(Assemble.self, id: SagaID("s\(number)"), parameters: .init(thing: "t\(number)"))
        }
        await executor.becomeIdle()
        #expect(workshop.busyMax <= 3)
        #expect(try await log.list(SagaFilter(status: .completed)).count == 40)
    }

    @Test func hintsAndAdoptionAtTheSameTimeRunEachSagaOnce() async throws {
        let (log, workshop) = (InMemorySagaLog(), Workshop())
        let executor = await makeExecutor(log, workshop)
        let other = await makeExecutor(log, workshop, place: "two")
        let ids = (0..<50).map { SagaID("s\($0)") }
        for id in ids { try await log.create(record(id)) }
        try await withThrowingTaskGroup(of: Void.self) { tasks in
            for id in ids {
                tasks.addTask { await executor.start(id) }
                tasks.addTask { _ = await other.run(id) }
                tasks.addTask { try await executor.adopt() }
            }
            try await tasks.waitForAll()
        }
        await executor.becomeIdle()
        await other.becomeIdle()
        #expect(try await log.list(SagaFilter(status: .completed)).count == 50)
        #expect(workshop.visits.count == 200)
    }

    @Test func drainingFinishesTheCurrentStepAndReleases() async throws {
        let (log, workshop) = (InMemorySagaLog(), Workshop(holding: "reserve"))
        try await log.create(record(id))
        let executor = await makeExecutor(log, workshop)
        await executor.start(id)
        try await until("reserve is held") { !workshop.hold.waiting.isEmpty }
        let drain = Task { await executor.drain() }
        workshop.hold.open(for: SagaID("reserve"))
        await drain.value
        let history = try #require(try await log.load(id))
        #expect(history.summary.owner == nil && history.conclusion == nil)
        #expect(workshop.visits == ["choose", "reserve"] || workshop.visits == ["choose", "reserve", "build"])
        let successor = await makeExecutor(log, workshop, place: "two")
        #expect(try await successor.adopt() == 1)
        await successor.becomeIdle()
        #expect(workshop.visits == ["choose", "reserve", "build", "announce"])
    }

    @Test func drainingInterruptsWhatTakesTooLongWithoutFailingIt() async throws {
        let (log, workshop) = (InMemorySagaLog(), Workshop(holding: "build"))
        try await log.create(record(id))
        let executor = await makeExecutor(log, workshop)
        await executor.start(id)
        try await until("build is held") { !workshop.hold.waiting.isEmpty }
        await executor.drain(grace: .milliseconds(5))
        let history = try #require(try await log.load(id))
        #expect(history.conclusion == nil && history.summary.owner == nil)
        #expect(!history.events.contains { $0.event.kind == .failed })
        let rest = Workshop()
        let successor = await makeExecutor(log, rest, place: "two")
        #expect(try await successor.adopt() == 1)
        await successor.becomeIdle()
        #expect(rest.visits == ["build", "announce"])
    }

    @Test func drainingEndsTheRetriesOfATransientFailure() async throws {
        let (log, workshop) = (InMemorySagaLog(), Workshop())
        workshop.hiccup("announce", times: .max)
        var options = makeOptions()
        options.backOff = SagaBackOff(first: .seconds(3600), max: .seconds(3600))
        let executor = await makeExecutor(log, workshop, options: options)
        try await log.create(record(id))
        await executor.start(id)
        try await until("announce was tried") { workshop.visits.contains("announce") }
        await executor.drain()
        #expect(try await log.load(id)?.summary.owner == nil)
    }

    @Test func aLogThatDoesNotFitThePlanIsLeftToOthers() async throws {
        let (log, workshop) = (InMemorySagaLog(), Workshop())
        try await log.create(record(id))
        let other = SagaOwner(place: "newer", incarnation: "x")
        let claim = SagaClaim(owner: other, now: .zero, leaseUntil: .seconds(1))
        let claimed = try #require(try await log.claim(id, claim))
        let events: [SagaEvent] = [.started(step: "paint"), .succeeded(step: "paint", output: [])]
        try await log.release(claimed.ownership, events: events, now: .zero)
        let executor = await makeExecutor(log, workshop)
        #expect(try await executor.adopt() == 1)
        await executor.becomeIdle()
        let history = try #require(try await log.load(id))
        #expect(history.conclusion == nil && history.summary.owner == nil && history.events.count == 2)
        #expect(workshop.visits == [])
        #expect(try await executor.adopt() == 0)
    }
}

extension Workshop {
    func visited(_ step: String) -> Int { visits.count { $0 == step } }
}
