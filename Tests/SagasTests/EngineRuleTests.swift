import Sagas
import Testing

/// The rules of the engine, one by one.
struct EngineRuleTests {
    private let id = SagaID("s")

    @Test func aSagaRunsItsStepsInOrderAndHandsOutputsOn() async throws {
        let (log, workshop) = (InMemorySagaLog(), Workshop())
        let executor = await makeExecutor(log, workshop)
        try await executor.submit(Assemble.self, id: id, parameters: .init())
        await executor.becomeIdle()
        #expect(workshop.visits == ["choose", "reserve", "build", "announce"])
        #expect(workshop.things == ["place-of-chair", "chair-leg", "chair-seat", "done-2"])
        #expect(try await log.load(id)?.conclusion == .completed)
    }

    @Test func parametersAreStoredBeforeTheFirstStepAndEachEventBeforeTheNextMove() async throws {
        let (log, workshop) = (MoodyLog(), Workshop())
        let executor = await makeExecutor(log, workshop)
        try await executor.submit(Assemble.self, id: id, parameters: .init())
        await executor.becomeIdle()
        let kinds = log.writes.map { $0.map { "\($0.kind.rawValue) \($0.step)" } }
        #expect(kinds == [
            [], ["started choose"], ["succeeded choose", "started reserve"], ["succeeded reserve", "started build"],
            ["succeeded build", "started announce"], ["succeeded announce"],
        ])
    }

    @Test func onlyWhatCannotBeRepeatedWaitsForTheDisk() async throws {
        let (log, workshop) = (MoodyLog(), Workshop())
        let executor = await makeExecutor(log, workshop)
        try await executor.submit(Assemble.self, id: id, parameters: .init())
        await executor.becomeIdle()
        // Start of the first; the repeatable step; two that are flushed; the end, after which nothing follows.
        #expect(log.persistences == [.deferred, .deferred, .onDisk, .onDisk, .deferred])
    }

    @Test func afterAFailureEveryMoveBackWaitsForTheDisk() async throws {
        let (log, workshop) = (MoodyLog(), Workshop())
        workshop.fail("build")
        try await log.create(record(id))
        _ = await makeExecutor(log, workshop).run(id)
        #expect(log.persistences == [.deferred, .deferred, .onDisk, .onDisk, .onDisk])
    }

    @Test func aStepDoesNotRunWhenItsStartCannotBeWritten() async throws {
        let (log, workshop) = (MoodyLog(), Workshop(holding: "reserve"))
        let executor = await makeExecutor(log, workshop)
        try await executor.submit(Assemble.self, id: id, parameters: .init())
        try await until("reserve is held") { !workshop.hold.waiting.isEmpty }
        log.setBroken(true)
        workshop.hold.open(for: SagaID("reserve"))
        await executor.becomeIdle()
        // Not a failed step: nothing is undone, and the saga is resumed from the log.
        #expect(workshop.visits == ["choose", "reserve"])
        #expect(try await log.load(id)?.conclusion == nil)
        log.setBroken(false)
        let successor = await makeExecutor(log, workshop, incarnation: "b")
        #expect(try await successor.adopt() == 1)
        await successor.becomeIdle()
        #expect(workshop.visits == ["choose", "reserve", "reserve", "build", "announce"])
        #expect(try await log.load(id)?.conclusion == .completed)
    }

    @Test func aStepThatHadStartedIsRunAgainAfterACrash() async throws {
        let (log, workshop) = (InMemorySagaLog(), Workshop())
        var options = makeOptions()
        struct Crash: Error {}
        options.eventHook = { moment in
            if moment.side == .before, moment.event.kind == .succeeded, moment.event.step == "build" { throw Crash() }
        }
        try await log.create(record(id))
        #expect(await makeExecutor(log, workshop, options: options).run(id) == nil)
        guard case .completed = await makeExecutor(log, workshop, incarnation: "b").run(id) else {
            Issue.record("not completed")
            return
        }
        #expect(workshop.visits == ["choose", "reserve", "build", "build", "announce"])
    }

    @Test func aFailedStepIsNotUndoneButThoseBeforeItAreNewestFirst() async throws {
        let (log, workshop) = (InMemorySagaLog(), Workshop())
        workshop.fail("announce")
        try await log.create(record(id))
        let outcome = await makeExecutor(log, workshop).run(id)
        guard case .unwound("announce", let error) = outcome else {
            Issue.record("not unwound at announce: \(outcome as Any)")
            return
        }
        #expect(error is Workshop.Refused)
        #expect(workshop.visits == ["choose", "reserve", "build", "announce", "undo-build", "undo-reserve"])
        #expect(workshop.things == [])
        #expect(workshop.undoReason == SagaFailure(step: "announce", reason: "Refused()"))
        #expect(try await log.load(id)?.conclusion == .unwound(failedStep: "announce", reason: "Refused()"))
    }

    @Test func transientFailuresAreRetriedWithGrowingPauses() async throws {
        let (log, workshop, clock) = (InMemorySagaLog(), Workshop(), TestClock())
        workshop.hiccup("announce", times: 6)
        try await log.create(record(id))
        guard case .completed = await makeExecutor(log, workshop, options: makeOptions(clock.clock)).run(id) else {
            Issue.record("not completed")
            return
        }
        #expect(clock.pauses == [1, 2, 4, 8, 8, 8].map { .milliseconds($0) })
    }

    @Test func theWayOutEndsTheRetries() async throws {
        let (log, workshop) = (InMemorySagaLog(), Workshop())
        workshop.hiccup("announce", times: .max)
        try await log.create(record(id))
        let executor = await makeExecutor(log, workshop)
        async let outcome = executor.run(id)
        try await until("announce was tried a few times") { workshop.visits.count { $0 == "announce" } > 3 }
        workshop.giveUp(because: "the host is gone")
        guard case .unwound("announce", let error) = await outcome else {
            Issue.record("not unwound")
            return
        }
        #expect(error as? SagaError == .gaveUp(reason: "the host is gone", last: "Hiccup()"))
        #expect(workshop.things == [])
    }

    @Test func transientFailuresOfUndosAreRetriedToo() async throws {
        let (log, workshop) = (InMemorySagaLog(), Workshop())
        workshop.fail("announce")
        workshop.hiccup("undo-build", times: 5)
        try await log.create(record(id))
        guard case .unwound = await makeExecutor(log, workshop).run(id) else {
            Issue.record("not unwound")
            return
        }
        #expect(workshop.things == [])
    }

    @Test func anUndoThatFailsLeavesTheSagaStuckAndRecorded() async throws {
        let (log, workshop) = (InMemorySagaLog(), Workshop())
        workshop.fail("announce")
        workshop.fail("undo-build")
        try await log.create(record(id))
        guard case .stuck("announce", undoStep: "build", _) = await makeExecutor(log, workshop).run(id) else {
            Issue.record("not stuck")
            return
        }
        #expect(try await log.list(SagaFilter(status: .stuck)).map(\.record.id) == [id])
        #expect(try await log.load(id)?.conclusion
            == .stuck(failedStep: "announce", undoStep: "build", reason: "Refused()"))
        #expect(try await makeExecutor(log, workshop, incarnation: "b").adopt() == 0)
        #expect(try await log.deleteFinished(before: .seconds(9_999_999_999), limit: 10) == 0)
    }

    @Test func undoIsNotReachedByTheCancellationOfWhoeverWaits() async throws {
        let (log, workshop) = (InMemorySagaLog(), Workshop(holding: "undo-build"))
        workshop.fail("announce")
        try await log.create(record(id))
        let executor = await makeExecutor(log, workshop)
        let waiter = Task { await executor.run(id) }
        try await until("the undo is held") { !workshop.hold.waiting.isEmpty }
        waiter.cancel()
        workshop.hold.open(for: SagaID("undo-build"))
        guard case .unwound = await waiter.value else {
            Issue.record("not unwound")
            return
        }
        #expect(workshop.things == [])
    }

    @Test func theReportShowsStepsWithTheirStates() async throws {
        let (log, workshop) = (InMemorySagaLog(), Workshop())
        workshop.fail("announce")
        workshop.fail("undo-reserve")
        try await log.create(record(id))
        _ = await makeExecutor(log, workshop).run(id)
        let report = SagaReport(try #require(try await log.load(id)))
        #expect(report.steps.map { "\($0.name): \($0.state.rawValue)" }
            == ["choose: done", "reserve: undo failed", "build: undone", "announce: failed"])
        #expect(report.steps.last?.reason == "Refused()")
    }
}
