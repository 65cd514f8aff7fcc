import Logging

/// Everything that can go wrong in a saga, tried one by one.
///
/// For every step: fails there, expects that the saga is undone and the world is as before; the same with every
/// action and undo run twice; and the same, and the way to success too, with a crash, and with a power failure,
/// before and after every event that is written, resumed by another executor.
package enum SagaSuite {
    /// Checks a saga against worlds that `makeScene` makes, all alike and each used once.
    ///
    /// - Throws: ``SagaSuiteFailure`` with the first thing that is not as it should be, or what the scene throws.
    package static func check<S: Saga, Snapshot: Equatable & Sendable>(
        _ saga: S.Type, in makeScene: () async throws -> SagaScene<S, Snapshot>
    ) async throws {
        let scene = try await makeScene()
        let steps = S.steps(for: scene.parameters)
        let done = try await completes(scene)
        try await completesRepeated(done, makeScene)
        try await completesDespiteCrashes(done, makeScene)
        for step in steps {
            try await unwinds(at: step.name, makeScene)
        }
    }

    // MARK: - The way to success

    private static func completes<S: Saga, Snapshot>(_ scene: SagaScene<S, Snapshot>) async throws -> Snapshot {
        let run = try await Attempt(scene)
        try await run.expectCompleted("run without faults")
        return try await scene.snapshot()
    }

    private static func completesRepeated<S: Saga, Snapshot>(
        _ done: Snapshot, _ makeScene: () async throws -> SagaScene<S, Snapshot>
    ) async throws {
        let scene = try await makeScene()
        var run = try await Attempt(scene)
        run.faults.repeatsActions = true
        try await run.expectCompleted("run with every action repeated")
        try await scene.expect(done, "run with every action repeated")
    }

    private static func completesDespiteCrashes<S: Saga, Snapshot>(
        _ done: Snapshot, _ makeScene: () async throws -> SagaScene<S, Snapshot>
    ) async throws {
        for end in Attempt<S>.End.allCases {
            var moment = 0
            while true {
                let scene = try await makeScene()
                let run = try await Attempt(scene)
                guard let place = try await run.stop(atMoment: moment, by: end) else { break }
                try await run.expectCompleted("run after a \(end.rawValue) \(place)")
                try await scene.expect(done, "run after a \(end.rawValue) \(place)")
                moment += 1
            }
        }
    }

    // MARK: - The way back

    private static func unwinds<S: Saga, Snapshot>(
        at step: String, _ makeScene: () async throws -> SagaScene<S, Snapshot>
    ) async throws {
        for repeats in [false, true] {
            let scene = try await makeScene()
            let before = try await scene.snapshot()
            var run = try await Attempt(scene)
            run.faults.failingActions = [step]
            (run.faults.repeatsActions, run.faults.repeatsUndos) = (repeats, repeats)
            let what = "failure of \(step)" + (repeats ? " with every action and undo repeated" : "")
            try await run.expectUnwound(at: step, what)
            try await scene.expect(before, what)
        }
        for end in Attempt<S>.End.allCases {
            var moment = 0
            while true {
                let scene = try await makeScene()
                let before = try await scene.snapshot()
                var run = try await Attempt(scene)
                run.faults.failingActions = [step]
                guard let place = try await run.stop(atMoment: moment, by: end) else { break }
                let what = "failure of \(step) and a \(end.rawValue) \(place)"
                try await run.expectUnwound(at: step, what)
                try await scene.expect(before, what)
                moment += 1
            }
        }
    }
}

/// A world in which one run of a saga takes place.
package struct SagaScene<S: Saga, Snapshot: Equatable & Sendable>: Sendable {
    package let services: S.Services
    package let parameters: S.Parameters
    /// Everything that the saga changes, in a form that can be compared.
    package let snapshot: @Sendable () async throws -> Snapshot
    /// Makes the saga's children known to an executor.
    package let registerChildren: @Sendable (SagaExecutor) async -> Void

    package init(
        services: S.Services, parameters: S.Parameters,
        registerChildren: @escaping @Sendable (SagaExecutor) async -> Void = { _ in },
        snapshot: @escaping @Sendable () async throws -> Snapshot
    ) {
        (self.services, self.parameters, self.snapshot) = (services, parameters, snapshot)
        self.registerChildren = registerChildren
    }

    fileprivate func expect(_ wanted: Snapshot, _ what: String) async throws {
        let found = try await snapshot()
        guard found == wanted else {
            throw SagaSuiteFailure("\(S.name): \(what): the world should be \(wanted) but is \(found)")
        }
    }
}

/// What a saga did wrong, in one sentence.
package struct SagaSuiteFailure: Error, CustomStringConvertible {
    package let description: String

    init(_ description: String) {
        self.description = description
    }
}

/// One saga in one log; each run is by an executor of its own, as after a restart.
private struct Attempt<S: Saga> {
    private let services: S.Services
    private let registerChildren: @Sendable (SagaExecutor) async -> Void
    private let log = InMemorySagaLog()
    private let id = SagaID("suite")
    private let runs = Counter()
    var faults = SagaFaults()

    /// How a process ends in the middle of a saga.
    enum End: String, CaseIterable {
        case crash
        /// What the log had not yet put on disk is lost too.
        case powerFailure = "power failure"
    }

    init<Snapshot>(_ scene: SagaScene<S, Snapshot>) async throws {
        (services, registerChildren) = (scene.services, scene.registerChildren)
        try await log.create(SagaRecord(id: id, S.self, parameters: scene.parameters, created: .zero))
    }

    /// Runs until the moment of that number, counting both sides of each event of the saga itself, and stops there.
    /// Returns the moment in words, or nil when the saga ended before.
    func stop(atMoment wanted: Int, by end: End) async throws -> String? {
        let moments = Counter()
        let place = Place()
        let saga = id
        let executor = await executor { moment in
            guard moment.saga == saga else { return }
            if await moments.next() == wanted {
                await place.set("\(moment.side.rawValue) \(moment.event.kind.rawValue) of \(moment.event.step)")
                throw Crash()
            }
        }
        _ = await executor.run(id)
        if end == .powerFailure { log.losePower() }
        return await place.text
    }

    func expectCompleted(_ what: String) async throws {
        switch await executor(hook: nil).run(id) {
        case .completed: return
        case .unwound(let step, let error):
            throw SagaSuiteFailure("\(S.name): \(what): undone because step \(step) failed: \(error)")
        case .stuck(let step, let undoStep, let error):
            throw SagaSuiteFailure("\(S.name): \(what): \(step) failed, stuck in the undo of \(undoStep): \(error)")
        case nil:
            try await expectConclusion(.completed, what)
        }
    }

    func expectUnwound(at wanted: String, _ what: String) async throws {
        switch await executor(hook: nil).run(id) {
        case .unwound(wanted, _): return
        case .unwound(let step, let error):
            throw SagaSuiteFailure("\(S.name): \(what): undone because of step \(step): \(error)")
        case .completed:
            throw SagaSuiteFailure("\(S.name): \(what): completed")
        case .stuck(_, let undoStep, let error):
            throw SagaSuiteFailure("\(S.name): \(what): stuck in the undo of \(undoStep): \(error)")
        case nil:
            try await expectConclusion(.unwound(failedStep: wanted, reason: "injected failure of \(wanted)"), what)
        }
    }

    /// The crash came after the last write: there was nothing left to run.
    private func expectConclusion(_ wanted: SagaConclusion, _ what: String) async throws {
        let found = try await log.load(id)?.conclusion
        guard found == wanted else {
            throw SagaSuiteFailure("\(S.name): \(what): cannot be resumed, its conclusion is \(found as Any)")
        }
    }

    private func executor(hook: SagaEventHook?) async -> SagaExecutor {
        var options = SagaExecutorOptions()
        options.backOff = SagaBackOff(first: .milliseconds(1), max: .milliseconds(5))
        options.logger = Logger(label: "suite") { _ in SwiftLogNoOpLogHandler() }
        options.eventHook = hook
        options.faults = faults
        let owner = SagaOwner(place: "suite", incarnation: "\(await runs.next())")
        let executor = SagaExecutor(log: log, owner: owner, options: options)
        await executor.register(S.self, services: services)
        await registerChildren(executor)
        return executor
    }
}

private struct Crash: Error {}

private actor Counter {
    private var count = 0

    func next() -> Int {
        defer { count += 1 }
        return count
    }
}

private actor Place {
    private(set) var text: String?

    func set(_ text: String) {
        self.text = text
    }
}
