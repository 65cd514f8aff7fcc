import Sagas
import Testing

/// What every ``SagaLog`` promises, on the one in memory.
struct LogContractTests {
    private let id = SagaID("s")
    private let one = SagaOwner(place: "one", incarnation: "a")
    private let two = SagaOwner(place: "two", incarnation: "a")

    private func claim(_ owner: SagaOwner, at now: Int, for seconds: Int = 10) -> SagaClaim {
        SagaClaim(owner: owner, now: .seconds(now), leaseUntil: .seconds(now + seconds))
    }

    @Test func creatingTwiceKeepsTheFirst() async throws {
        let log = InMemorySagaLog()
        try await log.create(record(id, created: .seconds(1)))
        try await log.create(record(id, created: .seconds(2)))
        #expect(try await log.list(SagaFilter()).map(\.record.created) == [.seconds(1)])
    }

    @Test func everyClaimRaisesTheGeneration() async throws {
        let log = InMemorySagaLog()
        try await log.create(record(id))
        let first = try #require(try await log.claim(id, claim(one, at: 0)))
        #expect(try await log.claim(id, claim(two, at: 9)) == nil)
        #expect(try await log.claim(id, claim(one, at: 9)) == nil)
        let second = try #require(try await log.claim(id, claim(two, at: 11)))
        #expect((first.ownership.generation, second.ownership.generation) == (1, 2))
        await #expect(throws: SagaLogError.notOwner) {
            try await log.append([.started(step: "x")], to: first.ownership, now: .zero)
        }
        await #expect(throws: SagaLogError.notOwner) {
            try await log.finish(first.ownership, events: [], conclusion: .completed, now: .zero)
        }
        await #expect(throws: SagaLogError.notOwner) { try await log.release(first.ownership, events: [], now: .zero) }
        let kept = try await log.renew([first.ownership, second.ownership], leaseUntil: .seconds(99))
        #expect(kept == [second.ownership])
    }

    @Test func anOwnerWhoseLeaseRanOutButWasNotReplacedStillOwns() async throws {
        let log = InMemorySagaLog()
        try await log.create(record(id))
        let mine = try #require(try await log.claim(id, claim(one, at: 0)))
        try await log.append([.started(step: "x")], to: mine.ownership, now: .seconds(500))
        #expect(try await log.load(id)?.events.map(\.time) == [.seconds(500)])
    }

    @Test func aFinishedSagaIsNeverClaimedAgain() async throws {
        let log = InMemorySagaLog()
        try await log.create(record(id))
        let mine = try #require(try await log.claim(id, claim(one, at: 0)))
        try await log.finish(mine.ownership, events: [], conclusion: .completed, now: .seconds(5))
        #expect(try await log.claim(id, claim(two, at: 100)) == nil)
        #expect(try await log.claimAny(claim(two, at: 100), names: ["assemble"], excluding: [], limit: 9) == [])
        #expect(try await log.deleteFinished(before: .seconds(5), limit: 9) == 0)
        #expect(try await log.deleteFinished(before: .seconds(6), limit: 9) == 1)
        #expect(try await log.load(id) == nil)
    }

    @Test func theOldestOfTheWantedAreTakenFirst() async throws {
        let log = InMemorySagaLog()
        for (number, seconds) in [3, 1, 2].enumerated() {
            try await log.create(record(SagaID("s\(number)"), created: .seconds(seconds)))
        }
        try await log.create(SagaRecord(id: SagaID("alien"), name: "alien", parameters: [], created: .zero))
        let taken = try await log.claimAny(
            claim(one, at: 0), names: ["assemble"], excluding: [SagaID("s1")], limit: 1)
        #expect(taken.map(\.record.id) == [SagaID("s2")])
    }

    @Test func aPowerFailureLosesOnlyTheTailThatWasDeferred() async throws {
        let log = InMemorySagaLog()
        try await log.create(record(id))
        let mine = try #require(try await log.claim(id, claim(one, at: 0))).ownership
        try await log.append([.started(step: "a")], to: mine, now: .zero, persistence: .deferred)
        try await log.append([.started(step: "b")], to: mine, now: .zero, persistence: .onDisk)
        try await log.append([.started(step: "c")], to: mine, now: .zero, persistence: .deferred)
        try await log.finish(mine, events: [], conclusion: .completed, now: .zero, persistence: .deferred)
        log.losePower()
        let history = try #require(try await log.load(id))
        #expect(history.events.map(\.event.step) == ["a", "b"] && history.conclusion == nil)
    }

    @Test func eventsSurviveTheirColumns() {
        let events: [SagaEvent] = [
            .started(step: "a"), .succeeded(step: "a", output: [1, 2]), .failed(step: "b", reason: "no"),
            .undoStarted(step: "a"), .undoFinished(step: "a"), .undoFailed(step: "a", reason: "never"),
        ]
        for event in events {
            #expect(SagaEvent(kind: event.kind, step: event.step, output: event.output, reason: event.reason) == event)
        }
        #expect(Set(events.map(\.kind)) == Set(SagaEvent.Kind.allCases))
    }
}
