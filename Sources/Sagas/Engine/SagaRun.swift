import Logging

/// How a run of a claimed saga ended; the saga itself may go on elsewhere.
enum RunEnd: Sendable {
    case finished(SagaOutcome)
    /// Stopped between two steps and given up for others.
    case released
    /// Somebody else has it.
    case lostOwnership
    /// The log could not be written. Whoever adopts the saga resumes it.
    case logFailed(any Error)
    /// The event hook threw.
    case crashed(any Error)
    /// The log does not fit this version of the saga.
    case refused(SagaError)
}

/// One saga on its way through one process.
struct SagaRun<S: Saga>: Sendable {
    let services: S.Services
    let log: any SagaLog
    let options: SagaExecutorOptions
    let control: RunControl
    let children: any ChildRunner
    let claimed: ClaimedSaga

    /// Why the run cannot go on. None of these is a failure of the saga.
    private enum Halt: Error {
        case lost
        case log(any Error)
        case crashed(any Error)
        case interrupted
        case mismatch(SagaError)
    }

    private enum StepResult {
        case success(StepOutput)
        case failure(any Error)
    }

    /// Everything that changes while the saga goes on.
    private struct Progress {
        var machine: SagaStateMachine
        var context: SagaContext<S>
        /// Happened, and to be written with the next write.
        var unwritten: [SagaEvent] = []
        /// When that must be on disk.
        var persistence = SagaPersistence.deferred
        /// The value behind the reason in the log, where it happened in this process.
        var failure: (any Error)?
        var undoFailure: (any Error)?

        mutating func note(_ event: SagaEvent, _ persistence: SagaPersistence) throws(Halt) {
            do {
                try machine.apply(event)
            } catch {
                throw .mismatch(error)
            }
            unwritten.append(event)
            if persistence == .onDisk { self.persistence = .onDisk }
        }
    }

    /// Replays the log and goes on from there, to the end or to where it must stop.
    @concurrent
    func run() async -> RunEnd {
        do {
            let parameters = try StepOutput.decode(
                S.Parameters.self, claimed.record.parameters, what: "the parameters of saga \(claimed.record.id)")
            let steps = S.steps(for: parameters)
            var machine = try SagaStateMachine(steps: steps.map { .init(name: $0.name, hasUndo: $0.hasUndo) })
            for event in claimed.events { try machine.apply(event) }
            let context = SagaContext<S>(
                sagaID: claimed.record.id, parameters: parameters, services: services,
                outputs: StepOutput.collect(claimed.events), children: children)
            var progress = Progress(machine: machine, context: context)
            return await follow(steps, &progress)
        } catch {
            await release([])
            return .refused(error)
        }
    }

    private func follow(_ steps: [SagaStep<S>], _ progress: inout Progress) async -> RunEnd {
        do {
            while true {
                switch progress.machine.nextMove {
                case .conclude(let conclusion):
                    try await finish(conclusion, &progress)
                    return .finished(outcome(conclusion, progress))
                case .act(let index, let isLogged):
                    try await act(steps[index], isLogged, isLast: index == steps.count - 1, &progress)
                case .undo(let index, let isLogged):
                    try await undo(steps[index], isLogged, &progress)
                }
            }
        } catch {
            switch error {
            case .lost: return .lostOwnership
            case .crashed(let error): return .crashed(error)
            case .interrupted:
                await release(progress.unwritten)
                return .released
            case .log(let error):
                await release([])
                return .logFailed(error)
            case .mismatch(let error):
                await release([])
                return .refused(error)
            }
        }
    }

    private func act(
        _ step: SagaStep<S>, _ isLogged: Bool, isLast: Bool, _ progress: inout Progress
    ) async throws(Halt) {
        try stopIfAsked()
        // Recovery runs a step whose start was lost just as one whose end was lost.
        if !isLogged { try progress.note(.started(step: step.name), .deferred) }
        try await write(&progress)
        let result = try await attempt(step, progress.context) { [faults = options.faults] context in
            if faults.failingActions.contains(step.name) { throw SagaFaults.Injected(step: step.name) }
            if faults.repeatsActions { _ = try await step.action(context) }
            return try await step.action(context)
        }
        switch result {
        case .success(let output):
            let encoded: [UInt8]
            do {
                encoded = try output.encoded()
            } catch {
                // The action has taken effect, and without its output neither later steps nor its undo can run.
                throw .mismatch(error)
            }
            progress.context.outputs[step.name] = output
            // Later steps build on this output; it must not come out differently in a second try after theirs.
            let persistence = step.isRepeatable || isLast ? SagaPersistence.deferred : .onDisk
            try progress.note(.succeeded(step: step.name, output: encoded), persistence)
        case .failure(let error):
            progress.failure = error
            let reason = Self.text(error)
            options.logger.info("a step of a saga failed and the saga is undone", metadata: about(step, reason))
            // Once something is undone, the step must never be tried again.
            try progress.note(.failed(step: step.name, reason: reason), .onDisk)
        }
    }

    private func undo(_ step: SagaStep<S>, _ isLogged: Bool, _ progress: inout Progress) async throws(Halt) {
        guard case .run(let undo) = step.undo else {
            throw .mismatch(.planMismatch(reason: "step \(step.name) has no undo"))
        }
        try stopIfAsked()
        progress.context.failure = progress.machine.failure
        if !isLogged { try progress.note(.undoStarted(step: step.name), .deferred) }
        try await write(&progress)
        let result = try await attempt(step, progress.context) { [faults = options.faults] context in
            if faults.failingUndos.contains(step.name) { throw SagaFaults.Injected(step: step.name) }
            if faults.repeatsUndos { try await undo(context) }
            try await undo(context)
            return .nothing
        }
        switch result {
        case .success:
            try progress.note(.undoFinished(step: step.name), .onDisk)
        case .failure(let error):
            progress.undoFailure = error
            let reason = Self.text(error)
            options.logger.critical("an undo failed and the saga is stuck", metadata: about(step, reason))
            try progress.note(.undoFailed(step: step.name, reason: reason), .onDisk)
        }
    }

    /// Runs an action or undo until it succeeds, is refused, or its way out ends the transient failures.
    private func attempt(
        _ step: SagaStep<S>, _ context: SagaContext<S>, _ body: (SagaContext<S>) async throws -> StepOutput
    ) async throws(Halt) -> StepResult {
        var failures = 0
        while true {
            do {
                return .success(try await body(context))
            } catch {
                if control.isLost { throw .lost }
                if control.isInterrupted || (error as? SagaError) == .interrupted { throw .interrupted }
                let isTransient = (error as? any TransientFailure)?.isTransient ?? false
                guard isTransient else { return .failure(error) }
                if let reason = await step.wayOut?(context) {
                    return .failure(SagaError.gaveUp(reason: reason, last: Self.text(error)))
                }
                if control.isLost { throw .lost }
                if control.isStopping { throw .interrupted }
                failures += 1
                let pause = options.backOff.pause(afterFailures: failures, random: options.random())
                options.logger.debug("a step is tried again", metadata: about(step, Self.text(error)))
                await control.sleep(pause, options.clock)
                try stopIfAsked()
            }
        }
    }

    private func stopIfAsked() throws(Halt) {
        if control.isLost { throw .lost }
        if control.isStopping { throw .interrupted }
    }

    // MARK: - The log

    private func write(_ progress: inout Progress) async throws(Halt) {
        let events = progress.unwritten
        guard !events.isEmpty else { return }
        try await announce(.before, events)
        do {
            try await log.append(
                events, to: claimed.ownership, now: options.clock.now(), persistence: progress.persistence)
        } catch {
            throw Self.halt(error)
        }
        progress.unwritten.removeAll(keepingCapacity: true)
        progress.persistence = .deferred
        try await announce(.after, events)
    }

    private func finish(_ conclusion: SagaConclusion, _ progress: inout Progress) async throws(Halt) {
        let events = progress.unwritten
        try await announce(.before, events)
        do {
            try await log.finish(
                claimed.ownership, events: events, conclusion: conclusion, now: options.clock.now(),
                persistence: progress.persistence)
        } catch {
            throw Self.halt(error)
        }
        progress.unwritten.removeAll()
        try await announce(.after, events)
    }

    /// Gives the saga up for others. When even that fails, they take it once the lease has ended.
    private func release(_ events: [SagaEvent]) async {
        do {
            // In a task of its own, because this one may have been cancelled to end a step.
            try await Task { try await log.release(claimed.ownership, events: events, now: options.clock.now()) }.value
        } catch {
            options.logger.notice("a saga could not be released; its lease will end", metadata: [
                "saga": "\(claimed.record.id)", "reason": "\(error)",
            ])
        }
    }

    private func announce(_ side: SagaEventMoment.Side, _ events: [SagaEvent]) async throws(Halt) {
        guard let hook = options.eventHook else { return }
        do {
            for event in events {
                try await hook(SagaEventMoment(side: side, saga: claimed.record.id, name: S.name, event: event))
            }
        } catch {
            throw .crashed(error)
        }
    }

    private static func halt(_ error: any Error) -> Halt {
        (error as? SagaLogError) == .notOwner ? .lost : .log(error)
    }

    // MARK: - Words

    private func outcome(_ conclusion: SagaConclusion, _ progress: Progress) -> SagaOutcome {
        switch conclusion {
        case .completed:
            .completed
        case .unwound(let step, let reason):
            .unwound(failedStep: step, progress.failure ?? SagaFailure(step: step, reason: reason))
        case .stuck(let step, let undoStep, let reason):
            .stuck(
                failedStep: step, undoStep: undoStep,
                progress.undoFailure ?? SagaFailure(step: undoStep, reason: reason))
        }
    }

    private func about(_ step: SagaStep<S>, _ reason: String) -> Logger.Metadata {
        ["saga": "\(claimed.record.id)", "type": "\(S.name)", "step": "\(step.name)", "reason": "\(reason)"]
    }

    private static func text(_ error: any Error) -> String { "\(error)" }
}
