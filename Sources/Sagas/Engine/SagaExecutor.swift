import Logging

/// Runs sagas: those it is told of, and those that their owner left.
///
/// ```swift
/// await executor.register(BuildInstance.self, services: services)
/// async let service: Void = executor.serve()       // adopts and renews leases, until cancelled
/// executor.start(id)                               // a hint that a saga was put into the log
/// ```
/// A hint may be lost: adoption finds the saga a little later.
package actor SagaExecutor {
    package nonisolated let owner: SagaOwner
    package nonisolated let log: any SagaLog
    private let options: SagaExecutorOptions
    private var types: [String: any RegisteredSaga] = [:]
    private var running: [SagaID: Running] = [:]
    /// Hints that wait for a free place, oldest first.
    private var waiting: [SagaID] = []
    private var waitingIDs: Set<SagaID> = []
    /// Sagas whose log this version does not understand; another executor may.
    private var refused: Set<SagaID> = []
    /// Claimed while a run that has no claim was still in flight.
    private var handedOver: [SagaID: ClaimedSaga] = [:]
    private var topLevelRunning = 0
    private var isDraining = false
    private var idleWaiters: [CheckedContinuation<Void, Never>] = []

    private struct Running {
        let control: RunControl
        let isChild: Bool
        var waiters: [CheckedContinuation<RunEnd?, Never>] = []
    }

    package init(log: any SagaLog, owner: SagaOwner, options: SagaExecutorOptions = SagaExecutorOptions()) {
        (self.log, self.owner, self.options) = (log, owner, options)
    }

    /// Makes a type of saga known. All types must be known before the first saga is started.
    package func register<S: Saga>(_ saga: S.Type, services: S.Services) {
        types[S.name] = Registered<S>(services: services)
    }

    /// Stores a new saga and starts it. Returns once it is stored.
    package func submit<S: Saga>(_ saga: S.Type, id: SagaID, parameters: S.Parameters) async throws {
        try await log.create(SagaRecord(id: id, saga, parameters: parameters, created: options.clock.now()))
        start(id)
    }

    /// Runs the saga of that id from the log when a place is free, unless somebody has it. Returns at once.
    package func start(_ id: SagaID) {
        guard !isDraining, running[id] == nil, waitingIDs.insert(id).inserted else { return }
        waiting.append(id)
        fillPlaces()
    }

    /// Runs the saga of that id now and returns its outcome. Nil when it ends elsewhere: somebody owns it, there is
    /// none, the log failed, or the executor is draining.
    package func run(_ id: SagaID) async -> SagaOutcome? {
        guard case .finished(let outcome) = await runToEnd(id, isChild: false) else { return nil }
        return outcome
    }

    /// Looks once for sagas that nobody owns and runs them, as many as places are free.
    ///
    /// - Returns: the number of sagas taken.
    @discardableResult
    package func adopt() async throws -> Int {
        let places = options.runningMax - topLevelRunning - waiting.count
        guard !isDraining, places > 0, !types.isEmpty else { return 0 }
        let busy = refused.union(running.keys)
        let found = try await log.claimAny(claim(), names: types.keys.sorted(), excluding: busy, limit: places)
        for saga in found {
            if running[saga.record.id] == nil {
                launch(saga.record.id, claimed: saga, isChild: false)
            } else {
                // A hint came meanwhile; its run is about to find the saga owned, by us, and to end.
                handedOver[saga.record.id] = saga
            }
        }
        return found.count
    }

    /// Adopts sagas and renews leases until the task is cancelled. Failures of the log are logged and tried again.
    package func serve() async {
        let renewal = options.lease / 3
        var nextRenewal = options.clock.now() + renewal
        var nextAdoption = options.clock.now()
        while !Task.isCancelled {
            do {
                if options.clock.now() >= nextAdoption {
                    try await adopt()
                    nextAdoption = options.clock.now() + options.adoptionInterval
                }
                if options.clock.now() >= nextRenewal {
                    try await renewLeases()
                    nextRenewal = options.clock.now() + renewal
                }
            } catch {
                options.logger.warning("the saga log cannot be used", metadata: ["reason": "\(error)"])
                nextAdoption = options.clock.now() + options.adoptionInterval
            }
            let pause = min(nextAdoption, nextRenewal) - options.clock.now()
            try? await options.clock.sleep(max(pause, .milliseconds(10)))
        }
    }

    /// Moves the leases of all running sagas; stops those that somebody else has taken.
    package func renewLeases() async throws {
        let mine = running.values.compactMap { running in running.control.ownership.map { ($0, running.control) } }
        guard !mine.isEmpty else { return }
        let kept = Set(try await log.renew(mine.map(\.0), leaseUntil: options.clock.now() + options.lease))
        for (ownership, control) in mine where !kept.contains(ownership) && running[ownership.saga] != nil {
            options.logger.notice("a saga was taken over by another executor", metadata: ["saga": "\(ownership.saga)"])
            control.lose()
        }
    }

    /// Takes no more sagas, lets each running one finish its current step and releases it for others. Steps that
    /// are still running after `grace` are cancelled; they are run again by whoever takes the saga.
    package func drain(grace: Duration = .seconds(30)) async {
        isDraining = true
        waiting = []
        waitingIDs = []
        for saga in running.values { saga.control.stop() }
        let deadline = Task { [clock = options.clock] in
            try await clock.sleep(grace)
            self.interruptAll()
        }
        await becomeIdle()
        deadline.cancel()
    }

    /// The sagas that run here now.
    package var runningIDs: [SagaID] { Array(running.keys) }

    /// Returns when nothing runs and nothing waits.
    package func becomeIdle() async {
        guard !running.isEmpty || !waiting.isEmpty else { return }
        await withCheckedContinuation { idleWaiters.append($0) }
    }

    // MARK: - Places

    private func fillPlaces() {
        while topLevelRunning < options.runningMax, !waiting.isEmpty {
            let id = waiting.removeFirst()
            waitingIDs.remove(id)
            if running[id] == nil { launch(id, claimed: nil, isChild: false) }
        }
    }

    private func launch(_ id: SagaID, claimed: ClaimedSaga?, isChild: Bool) {
        let control = RunControl()
        running[id] = Running(control: control, isChild: isChild)
        if !isChild { topLevelRunning += 1 }
        if isDraining { control.stop() }
        control.attach(Task { await work(id, claimed, control) })
    }

    private func work(_ id: SagaID, _ claimed: ClaimedSaga?, _ control: RunControl) async {
        var end: RunEnd?
        do {
            if let saga = if let claimed { claimed } else { try await log.claim(id, claim()) } {
                control.ownership = saga.ownership
                end = await run(saga, control)
            }
        } catch {
            end = .logFailed(error)
        }
        ended(id, end)
    }

    private func run(_ saga: ClaimedSaga, _ control: RunControl) async -> RunEnd {
        guard let type = types[saga.record.name] else {
            try? await log.release(saga.ownership, events: [], now: options.clock.now())
            return .refused(.unknownSaga(name: saga.record.name))
        }
        return await type.run(saga, log: log, options: options, control: control, children: self)
    }

    private func ended(_ id: SagaID, _ end: RunEnd?) {
        guard let saga = running.removeValue(forKey: id) else { return }
        if !saga.isChild { topLevelRunning -= 1 }
        if let claimed = handedOver.removeValue(forKey: id) {
            launch(id, claimed: claimed, isChild: saga.isChild)
            running[id]?.waiters = saga.waiters
            return
        }
        report(id, end)
        for waiter in saga.waiters { waiter.resume(returning: end) }
        fillPlaces()
        if running.isEmpty, waiting.isEmpty {
            for waiter in idleWaiters { waiter.resume() }
            idleWaiters = []
        }
    }

    private func report(_ id: SagaID, _ end: RunEnd?) {
        switch end {
        case .refused(let error):
            refused.insert(id)
            options.logger.error("a saga is left to others", metadata: ["saga": "\(id)", "reason": "\(error)"])
        case .logFailed(let error):
            options.logger.error("a saga stopped because its log cannot be used; it will be resumed", metadata: [
                "saga": "\(id)", "reason": "\(error)",
            ])
        case .crashed(let error):
            options.logger.error("a saga was stopped by its hook", metadata: ["saga": "\(id)", "reason": "\(error)"])
        case .finished, .released, .lostOwnership, nil:
            break
        }
    }

    private func interruptAll() {
        for saga in running.values { saga.control.interrupt() }
    }

    private func claim() -> SagaClaim {
        let now = options.clock.now()
        return SagaClaim(owner: owner, now: now, leaseUntil: now + options.lease)
    }

    /// Joins the run of that saga here, or begins it, and waits for the run's end. Nil when somebody else has it.
    func runToEnd(_ id: SagaID, isChild: Bool) async -> RunEnd? {
        if running[id] == nil {
            guard !isDraining else { return .released }
            launch(id, claimed: nil, isChild: isChild)
        }
        return await withCheckedContinuation { running[id]?.waiters.append($0) }
    }
}

extension SagaExecutor: ChildRunner {
    func runChild(_ id: SagaID, name: String, parameters: [UInt8]) async throws -> SagaHistory {
        let record = SagaRecord(id: id, name: name, parameters: parameters, created: options.clock.now())
        // The parent's log is on disk, and a parent that is resumed makes its child again.
        try await log.create(record, persistence: .deferred)
        var looks = 0
        while true {
            switch await runToEnd(id, isChild: true) {
            case .released: throw SagaError.interrupted
            case .logFailed(let error), .crashed(let error): throw ChildUnavailable(reason: "\(error)")
            case .refused(let error): throw error
            case .finished, .lostOwnership, nil: break
            }
            if let history = try await log.load(id), history.conclusion != nil { return history }
            // Somebody else runs it; look again, seldom when it takes long.
            looks += 1
            let pause = options.backOff.pause(afterFailures: looks, random: options.random())
            try await options.clock.sleep(pause)
        }
    }
}

/// The child's log failed; its parent tries again.
private struct ChildUnavailable: TransientFailure {
    let reason: String
}

/// A type of saga with its services.
private protocol RegisteredSaga: Sendable {
    @concurrent
    func run(
        _ claimed: ClaimedSaga, log: any SagaLog, options: SagaExecutorOptions, control: RunControl,
        children: any ChildRunner
    ) async -> RunEnd
}

private struct Registered<S: Saga>: RegisteredSaga {
    let services: S.Services

    @concurrent
    func run(
        _ claimed: ClaimedSaga, log: any SagaLog, options: SagaExecutorOptions, control: RunControl,
        children: any ChildRunner
    ) async -> RunEnd {
        await SagaRun<S>(
            services: services, log: log, options: options, control: control, children: children, claimed: claimed
        ).run()
    }
}
