import ComputeStore
import DatabaseServers
import Logging
import Sagas
import Testing

/// Which log a test runs on: the promises are the same.
enum LogKind: CaseIterable, Sendable {
    case memory
    case sql

    func make() async throws -> any SagaLog {
        switch self {
        case .memory: InMemorySagaLog()
        case .sql: SQLSagaLog(try await Scene.inMemory())
        }
    }
}

/// The contract of ``SagaLog``, on both logs.
@Suite(.everyEngine) struct SagaLogTests {
    private let id = SagaID("s")
    private let one = SagaOwner(place: "one", incarnation: "a")
    private let two = SagaOwner(place: "two", incarnation: "a")

    private func claim(_ owner: SagaOwner, at now: Int, for seconds: Int = 10) -> SagaClaim {
        SagaClaim(owner: owner, now: .seconds(now), leaseUntil: .seconds(now + seconds))
    }

    private func record(_ id: SagaID, created: Duration = .zero, name: String = "chain") -> SagaRecord {
        SagaRecord(id: id, name: name, parameters: Array("{}".utf8), created: created)
    }

    @Test(arguments: LogKind.allCases) func creatingTwiceKeepsTheFirst(_ kind: LogKind) async throws {
        let log = try await kind.make()
        try await log.create(record(id, created: .seconds(1)))
        try await log.create(record(id, created: .seconds(2)), persistence: .deferred)
        #expect(try await log.list(SagaFilter()).map(\.record) == [record(id, created: .seconds(1))])
    }

    @Test(arguments: LogKind.allCases) func everyClaimRaisesTheGeneration(_ kind: LogKind) async throws {
        let log = try await kind.make()
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
        #expect(
            try await log.renew([first.ownership, second.ownership], leaseUntil: .seconds(99)) == [second.ownership])
        #expect(try await log.load(id)?.summary.leaseUntil == .seconds(99))
        #expect(try await log.load(id)?.events == [])
        let restarted = SagaOwner(place: "two", incarnation: "b")
        #expect(try await log.claim(id, claim(restarted, at: 12))?.ownership.generation == 3)
    }

    @Test(arguments: LogKind.allCases) func eventsComeBackInOrderWithTheirTimes(_ kind: LogKind) async throws {
        let log = try await kind.make()
        try await log.create(record(id))
        let mine = try #require(try await log.claim(id, claim(one, at: 0))).ownership
        let events: [SagaEvent] = [
            .started(step: "a"), .succeeded(step: "a", output: [1, 2]), .started(step: "b"),
            .failed(step: "b", reason: "no"), .undoStarted(step: "a"), .undoFailed(step: "a", reason: "never"),
        ]
        for (index, event) in events.enumerated() {
            let persistence: SagaPersistence = index % 2 == 0 ? .deferred : .onDisk
            try await log.append([event], to: mine, now: .seconds(500 + index), persistence: persistence)
        }
        let stuck = SagaConclusion.stuck(failedStep: "b", undoStep: "a", reason: "never")
        try await log.finish(mine, events: [], conclusion: stuck, now: .seconds(600), persistence: .deferred)
        let history = try #require(try await log.load(id))
        #expect(history.events.map(\.event) == events)
        #expect(history.events.map(\.time) == (0..<6).map { .seconds(500 + $0) })
        #expect(history.conclusion == stuck && history.summary.owner == nil && history.summary.leaseUntil == nil)
        #expect(try await log.list(SagaFilter(status: .stuck)).count == 1)
        #expect(try await log.deleteFinished(before: .seconds(999), limit: 9) == 0)
    }

    @Test(arguments: LogKind.allCases) func aReleasedSagaIsFreeAndAFinishedOneNever(_ kind: LogKind) async throws {
        let log = try await kind.make()
        try await log.create(record(id))
        let first = try #require(try await log.claim(id, claim(one, at: 0)))
        try await log.release(first.ownership, events: [.started(step: "x")], now: .seconds(1))
        let second = try #require(try await log.claim(id, claim(two, at: 1)))
        #expect(second.events == [.started(step: "x")])
        try await log.finish(second.ownership, events: [], conclusion: .completed, now: .seconds(5))
        #expect(try await log.claim(id, claim(two, at: 100)) == nil)
        #expect(try await log.claimAny(claim(two, at: 100), names: ["chain"], excluding: [], limit: 9) == [])
        #expect(try await log.deleteFinished(before: .seconds(5), limit: 9) == 0)
        #expect(try await log.deleteFinished(before: .seconds(6), limit: 9) == 1)
        #expect(try await log.load(id) == nil)
    }

    @Test(arguments: LogKind.allCases) func theOldestOfTheWantedAreTakenFirst(_ kind: LogKind) async throws {
        let log = try await kind.make()
        for (number, seconds) in [3, 1, 2].enumerated() {
            try await log.create(record(SagaID("s\(number)"), created: .seconds(seconds)))
        }
        try await log.create(record(SagaID("alien"), name: "alien"))
        let taken = try await log.claimAny(
            claim(one, at: 0), names: ["chain"], excluding: [SagaID("s1")], limit: 1)
        #expect(taken.map(\.record.id) == [SagaID("s2")])
        #expect(try await log.claimAny(claim(one, at: 0), names: ["chain"], excluding: [], limit: 9).count == 2)
    }

    @Test func aChildStaysWhileItsParentRuns() async throws {
        let log = try await LogKind.sql.make()
        let child = SagaID("s.host-1")
        for id in [id, child] { try await log.create(record(id)) }
        let mine = try #require(try await log.claim(child, claim(one, at: 0)))
        try await log.finish(mine.ownership, events: [], conclusion: .completed, now: .zero)
        #expect(try await log.deleteFinished(before: .seconds(9), limit: 9) == 0)
        let parent = try #require(try await log.claim(id, claim(one, at: 0)))
        try await log.finish(parent.ownership, events: [], conclusion: .completed, now: .zero)
        #expect(try await log.deleteFinished(before: .seconds(9), limit: 9) == 2)
    }

    @Test func aSagaThatAnotherTransactionStoredLooksLikeACreatedOne() async throws {
        let store = try await Scene.inMemory()
        let log = SQLSagaLog(store)
        try await Scene.create(store, Scene.instance())
        let found = try #require(try await log.list(SagaFilter()).first)
        #expect(found.status == .running && found.owner == nil && found.generation == 0 && found.leaseUntil == nil)
        #expect(try await log.claim(found.record.id, claim(one, at: 0)) != nil)
    }
}

/// The engine on both logs.
@Suite(.everyEngine) struct SagaEngineTests {
    private let id = SagaID("s")

    private func executor(
        _ log: any SagaLog, _ cell: Trail, place: String = "one", incarnation: String = "a",
        time: Duration = .seconds(1000)
    ) async -> SagaExecutor {
        var options = SagaExecutorOptions()
        options.clock.now = { time }
        options.logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
        options.eventHook = { moment in try await cell.pass(moment) }
        let executor = SagaExecutor(
            log: log, owner: SagaOwner(place: place, incarnation: incarnation), options: options)
        await executor.register(Chain.self, services: cell)
        return executor
    }

    @Test(arguments: LogKind.allCases) func aSagaIsResumedAfterACrashAtEveryMoment(_ kind: LogKind) async throws {
        for moment in 0..<100 {
            let (log, trail) = (try await kind.make(), Trail())
            await trail.crash(at: moment)
            let first = await executor(log, trail)
            try await first.submit(Chain.self, id: id, parameters: .init())
            await first.becomeIdle()
            let isDone = try await log.load(id)?.conclusion != nil
            await trail.crash(at: nil)
            let second = await executor(log, trail, incarnation: "b")
            if !isDone { #expect(try await second.adopt() == 1) }
            await second.becomeIdle()
            #expect(try await log.load(id)?.conclusion == .completed, "moment \(moment)")
            #expect(await trail.things == ["a", "b", "c"])
            if isDone, await trail.moments <= moment { break }
        }
    }

    @Test(arguments: LogKind.allCases) func aFailureUndoesInReverse(_ kind: LogKind) async throws {
        let (log, trail) = (try await kind.make(), Trail())
        let executor = await executor(log, trail)
        try await executor.submit(Chain.self, id: id, parameters: .init(failing: "c"))
        await executor.becomeIdle()
        #expect(await trail.things == [])
        #expect(try await log.load(id)?.conclusion == .unwound(failedStep: "c", reason: "Refused()"))
    }

    @Test(arguments: LogKind.allCases) func anotherTakesOverWhenTheLeaseEnds(_ kind: LogKind) async throws {
        let (log, trail) = (try await kind.make(), Trail())
        await trail.crash(at: 5)
        let dead = await executor(log, trail)
        try await dead.submit(Chain.self, id: id, parameters: .init())
        await dead.becomeIdle()
        await trail.crash(at: nil)
        let early = await executor(log, trail, place: "two", time: .seconds(1029))
        #expect(try await early.adopt() == 0)
        let heir = await executor(log, trail, place: "two", time: .seconds(1031))
        #expect(try await heir.adopt() == 1)
        await heir.becomeIdle()
        #expect(try await log.load(id)?.conclusion == .completed)
    }

    @Test(arguments: LogKind.allCases) func manySagasRunOnceEachOnTwoExecutors(_ kind: LogKind) async throws {
        let (log, trail) = (try await kind.make(), Trail())
        let (one, two) = (await executor(log, trail), await executor(log, trail, place: "two"))
        let ids = (0..<30).map { SagaID("s\($0)") }
        for id in ids { try await log.create(try SagaRecord(id: id, Chain.self, parameters: .init(), created: .zero)) }
        try await withThrowingTaskGroup(of: Void.self) { tasks in
            for id in ids {
                tasks.addTask { await one.start(id) }
                tasks.addTask { _ = await two.run(id) }
                tasks.addTask { _ = try await one.adopt() }
            }
            try await tasks.waitForAll()
        }
        await one.becomeIdle()
        await two.becomeIdle()
        #expect(try await log.list(SagaFilter(status: .completed)).count == 30)
        #expect(await trail.visits == 90)
    }

    @Test func stepsThatNeedNoDiskCostNoFlush() async throws {
        try await Scene.inFile { store in
            let (log, trail) = (SQLSagaLog(store), Trail())
            let executor = await executor(log, trail)
            let saga = try SagaRecord(id: id, Chain.self, parameters: .init(), created: .zero)
            try await log.create(saga)
            let before = Scene.flushes(store)
            _ = await executor.run(id)
            // Only "b" must be on disk before what follows it.
            #expect(Scene.flushes(store) - before == 1)
        }
    }
}

/// Adds three things in a row; the middle one must not be repeated after later steps.
enum Chain: Saga {
    static let name = "chain"
    struct Parameters: Codable, Sendable {
        var failing: String?
    }
    struct Refused: Error {}
    typealias Services = Trail

    static func steps(for parameters: Parameters) -> [SagaStep<Self>] {
        ["a", "b", "c"].map { name in
            SagaStep(
                StepKey<NoOutput>(name), undo: .run { await $0.services.remove(name) }, isRepeatable: name != "b"
            ) { context in
                if context.parameters.failing == name { throw Refused() }
                await context.services.add(name)
            }
        }
    }
}

/// What ``Chain`` left, and when the process is to end.
actor Trail {
    private(set) var things: [String] = []
    private(set) var visits = 0
    private(set) var moments = 0
    private var crashMoment: Int?
    struct Crash: Error {}

    func add(_ thing: String) {
        visits += 1
        if !things.contains(thing) { things.append(thing) }
    }

    func remove(_ thing: String) { things.removeAll { $0 == thing } }

    func crash(at moment: Int?) { crashMoment = moment }

    func pass(_ moment: SagaEventMoment) throws {
        defer { moments += 1 }
        if moments == crashMoment { throw Crash() }
    }
}
