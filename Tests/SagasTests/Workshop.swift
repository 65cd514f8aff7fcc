import Logging
import Sagas

/// A saga of four steps over a small world, and what tests need around it.
enum Assemble: Saga {
    static let name = "assemble"

    struct Parameters: Codable, Sendable {
        var thing = "chair"
    }

    typealias Services = Workshop

    static let choose = StepKey<String>("choose")
    static let reserve = StepKey<NoOutput>("reserve")
    static let build = StepKey<[String]>("build")
    static let announce = StepKey<NoOutput>("announce")

    static func steps(for parameters: Parameters) -> [SagaStep<Self>] {
        [
            SagaStep(choose, undo: .notNeeded(because: "choosing changes nothing"), isRepeatable: true) {
                try await $0.services.visit("choose")
                return "place-of-\($0.parameters.thing)"
            },
            SagaStep(reserve, undo: .run {
                try await $0.services.visit("undo-reserve", failure: $0.failure)
                $0.services.remove(try $0[choose])
            }) {
                try await $0.services.visit("reserve")
                $0.services.add(try $0[choose])
            },
            SagaStep(build, undo: .run {
                try await $0.services.visit("undo-build")
                for part in try $0[build] { $0.services.remove(part) }
            }) {
                try await $0.services.visit("build")
                let parts = ["\($0.parameters.thing)-leg", "\($0.parameters.thing)-seat"]
                for part in parts { $0.services.add(part) }
                return parts
            },
            SagaStep(
                announce, undo: .notNeeded(because: "it is the last step"),
                wayOut: { await $0.services.wayOut() }
            ) {
                try await $0.services.visit("announce")
                $0.services.add("done-\(try $0[build].count)")
            },
        ]
    }
}

/// The world of ``Assemble``: what exists, who came by, and who is to be held up or to fail.
final class Workshop: Sendable {
    struct Refused: Error, Equatable {}
    struct Hiccup: TransientFailure {}

    private struct State {
        var things: Set<String> = []
        var visits: [String] = []
        var failures: [String: any Error] = [:]
        var hiccups: [String: Int] = [:]
        var wayOut: String?
        var undoReason: SagaFailure?
        var busy = 0
        var busyMax = 0
    }
    private let state = Locked(State())
    let hold: HoldGate
    let heldStep: String?

    init(holding step: String? = nil) {
        (hold, heldStep) = (HoldGate(), step)
    }

    var things: Set<String> { state.withLock { $0.things } }
    var visits: [String] { state.withLock { $0.visits } }
    var undoReason: SagaFailure? { state.withLock { $0.undoReason } }
    var busyMax: Int { state.withLock { $0.busyMax } }

    func fail(_ step: String, _ error: any Error = Refused()) {
        state.withLock { $0.failures[step] = error }
    }

    func hiccup(_ step: String, times: Int) {
        state.withLock { $0.hiccups[step] = times }
    }

    func giveUp(because reason: String) {
        state.withLock { $0.wayOut = reason }
    }

    func wayOut() async -> String? { state.withLock { $0.wayOut } }

    func add(_ thing: String) { state.withLock { _ = $0.things.insert(thing) } }
    func remove(_ thing: String) { state.withLock { _ = $0.things.remove(thing) } }

    func visit(_ step: String, failure: SagaFailure? = nil) async throws {
        try state.withLock { state in
            state.visits.append(step)
            if let failure { state.undoReason = failure }
            if let error = state.failures[step] { throw error }
            if let left = state.hiccups[step], left > 0 {
                state.hiccups[step] = left - 1
                throw Hiccup()
            }
            state.busy += 1
            state.busyMax = max(state.busyMax, state.busy)
        }
        defer { state.withLock { $0.busy -= 1 } }
        if step == heldStep {
            // Each visit is held at a gate of the step's name.
            try await hold.wait(for: SagaID(step))
        }
        await Task.yield()
    }
}

/// A clock that tests move; pauses pass at once and are remembered.
final class TestClock: Sendable {
    private let state = Locked((now: Duration.seconds(1_000_000), pauses: [Duration]()))

    var pauses: [Duration] { state.withLock { $0.pauses } }

    func advance(_ time: Duration) {
        state.withLock { $0.now += time }
    }

    var clock: SagaClock {
        SagaClock(
            now: { self.state.withLock { $0.now } },
            sleep: { pause in
                self.state.withLock { $0.pauses.append(pause) }
                await Task.yield()
                try Task.checkCancellation()
            })
    }
}

func makeOptions(_ clock: SagaClock = .system) -> SagaExecutorOptions {
    var options = SagaExecutorOptions()
    options.clock = clock
    options.random = { 0 }
    options.backOff = SagaBackOff(first: .milliseconds(1), max: .milliseconds(8))
    options.logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
    return options
}

func makeExecutor(
    _ log: any SagaLog, _ workshop: Workshop, place: String = "one", incarnation: String = "a",
    options: SagaExecutorOptions = makeOptions()
) async -> SagaExecutor {
    let executor = SagaExecutor(
        log: log, owner: SagaOwner(place: place, incarnation: incarnation), options: options)
    await executor.register(Assemble.self, services: workshop)
    return executor
}

func record(_ id: SagaID, created: Duration = .zero) throws -> SagaRecord {
    try SagaRecord(id: id, Assemble.self, parameters: .init(), created: created)
}

/// Waits for a condition, at most ten seconds.
func until(_ what: String, _ condition: () async throws -> Bool) async throws {
    struct NeverCame: Error { let what: String }
    let deadline = ContinuousClock.now + .seconds(10)
    while try await !condition() {
        guard ContinuousClock.now < deadline else { throw NeverCame(what: what) }
        try await Task.sleep(for: .milliseconds(1))
    }
}

/// A log that cannot be written when told so, and remembers its writes.
final class MoodyLog: SagaLog {
    struct Broken: Error {}
    let inner = InMemorySagaLog()
    private let state = Locked((isBroken: false, writes: [[SagaEvent]](), persistences: [SagaPersistence]()))

    var persistences: [SagaPersistence] { state.withLock { $0.persistences } }
    var writes: [[SagaEvent]] { state.withLock { $0.writes } }
    func setBroken(_ isBroken: Bool) { state.withLock { $0.isBroken = isBroken } }

    private func write(_ events: [SagaEvent], _ persistence: SagaPersistence? = nil) throws {
        try state.withLock { state in
            if state.isBroken { throw Broken() }
            state.writes.append(events)
            if let persistence { state.persistences.append(persistence) }
        }
    }

    func create(_ record: SagaRecord) async throws {
        try write([])
        try await inner.create(record)
    }
    func claim(_ id: SagaID, _ claim: SagaClaim) async throws -> ClaimedSaga? { try await inner.claim(id, claim) }
    func claimAny(
        _ claim: SagaClaim, names: [String], excluding: Set<SagaID>, limit: Int
    ) async throws -> [ClaimedSaga] {
        try await inner.claimAny(claim, names: names, excluding: excluding, limit: limit)
    }
    func append(_ events: [SagaEvent], to ownership: SagaOwnership, now: Duration) async throws {
        try write(events)
        try await inner.append(events, to: ownership, now: now)
    }
    func append(
        _ events: [SagaEvent], to ownership: SagaOwnership, now: Duration, persistence: SagaPersistence
    ) async throws {
        try write(events, persistence)
        try await inner.append(events, to: ownership, now: now, persistence: persistence)
    }
    func finish(
        _ ownership: SagaOwnership, events: [SagaEvent], conclusion: SagaConclusion, now: Duration,
        persistence: SagaPersistence
    ) async throws {
        try write(events, persistence)
        try await inner.finish(
            ownership, events: events, conclusion: conclusion, now: now, persistence: persistence)
    }
    func renew(_ ownerships: [SagaOwnership], leaseUntil: Duration) async throws -> [SagaOwnership] {
        try await inner.renew(ownerships, leaseUntil: leaseUntil)
    }
    func release(_ ownership: SagaOwnership, events: [SagaEvent], now: Duration) async throws {
        try write(events)
        try await inner.release(ownership, events: events, now: now)
    }
    func finish(
        _ ownership: SagaOwnership, events: [SagaEvent], conclusion: SagaConclusion, now: Duration
    ) async throws {
        try write(events)
        try await inner.finish(ownership, events: events, conclusion: conclusion, now: now)
    }
    func load(_ id: SagaID) async throws -> SagaHistory? { try await inner.load(id) }
    func list(_ filter: SagaFilter) async throws -> [SagaSummary] { try await inner.list(filter) }
    func deleteFinished(before: Duration, limit: Int) async throws -> Int {
        try await inner.deleteFinished(before: before, limit: limit)
    }
}
