/// Where one saga stands and what is to be done next: a pure function of the plan and the events.
///
/// The same machine replays the log and follows the running saga, so both agree by construction.
struct SagaStateMachine {
    /// The parts of a step that decide the order.
    struct Step {
        let name: String
        let hasUndo: Bool
    }

    /// What the engine does next.
    enum Move: Hashable {
        /// Run the action of the step at that index; `isLogged` when its start is in the log already.
        case act(Int, isLogged: Bool)
        /// Run the undo of the step at that index.
        case undo(Int, isLogged: Bool)
        case conclude(SagaConclusion)
    }

    private enum State {
        /// All steps before `next` have succeeded.
        case forward(next: Int, isStarted: Bool)
        /// All steps before `next` that can be are yet to be undone, `next` first when it has started.
        case backward(SagaFailure, next: Int, isStarted: Bool)
        case stuck(SagaFailure, undoStep: String, reason: String)
    }

    private let steps: [Step]
    private var state = State.forward(next: 0, isStarted: false)

    init(steps: [Step]) throws(SagaError) {
        guard Set(steps.map(\.name)).count == steps.count else {
            throw .planMismatch(reason: "two steps have the same name")
        }
        self.steps = steps
    }

    /// Why the saga is being undone, if it is.
    var failure: SagaFailure? {
        switch state {
        case .forward: nil
        case .backward(let failure, _, _), .stuck(let failure, _, _): failure
        }
    }

    var nextMove: Move {
        switch state {
        case .forward(let next, let isStarted):
            return next < steps.count ? .act(next, isLogged: isStarted) : .conclude(.completed)
        case .backward(let failure, let next, let isStarted):
            guard next >= 0 else { return .conclude(.unwound(failedStep: failure.step, reason: failure.reason)) }
            return .undo(next, isLogged: isStarted)
        case .stuck(let failure, let undoStep, let reason):
            return .conclude(.stuck(failedStep: failure.step, undoStep: undoStep, reason: reason))
        }
    }

    /// Takes in an event that is, or is about to be, in the log.
    ///
    /// - Throws: ``SagaError/planMismatch(reason:)`` when it cannot follow what was there before.
    mutating func apply(_ event: SagaEvent) throws(SagaError) {
        switch (state, event) {
        case (.forward(let next, _), .started(let step)) where isStep(next, step):
            state = .forward(next: next, isStarted: true)
        case (.forward(let next, true), .succeeded(let step, _)) where isStep(next, step):
            state = .forward(next: next + 1, isStarted: false)
        case (.forward(let next, true), .failed(let step, let reason)) where isStep(next, step):
            state = backward(SagaFailure(step: step, reason: reason), before: next)
        case (.backward(let failure, let next, _), .undoStarted(let step)) where isStep(next, step):
            state = .backward(failure, next: next, isStarted: true)
        case (.backward(let failure, let next, true), .undoFinished(let step)) where isStep(next, step):
            state = backward(failure, before: next)
        case (.backward(let failure, let next, true), .undoFailed(let step, let reason)) where isStep(next, step):
            state = .stuck(failure, undoStep: step, reason: reason)
        case (.forward, _), (.backward, _), (.stuck, _):
            throw .planMismatch(reason: "\(event.kind.rawValue) of step \(event.step) cannot follow here")
        }
    }

    private func isStep(_ index: Int, _ name: String) -> Bool {
        steps.indices.contains(index) && steps[index].name == name
    }

    /// Steps without an undo are passed over; nothing about them needs to be logged.
    private func backward(_ failure: SagaFailure, before index: Int) -> State {
        let next = steps[..<index].lastIndex(where: \.hasUndo) ?? -1
        return .backward(failure, next: next, isStarted: false)
    }
}
