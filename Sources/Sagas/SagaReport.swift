/// A saga's steps as an operator reads them.
package struct SagaReport: Sendable, Hashable {
    /// One step with what happened to it.
    package struct Step: Sendable, Hashable {
        package enum State: String, Sendable {
            case running
            case done
            case failed
            case undoing
            case undone
            case undoFailed = "undo failed"
        }
        package let name: String
        package var state: State
        /// When it started, and when its state last changed.
        package let started: Duration
        package var changed: Duration
        /// Why it failed, or its undo did.
        package var reason: String?
    }

    /// In the order in which they started. Steps that have not begun are not in the log and not here.
    package private(set) var steps: [Step] = []

    package init(_ history: SagaHistory) {
        for logged in history.events {
            let event = logged.event
            if case .started(let name) = event, !steps.contains(where: { $0.name == name }) {
                steps.append(Step(name: name, state: .running, started: logged.time, changed: logged.time))
                continue
            }
            guard let index = steps.firstIndex(where: { $0.name == event.step }) else { continue }
            steps[index].state = Self.state(after: event)
            steps[index].changed = logged.time
            steps[index].reason = event.reason ?? steps[index].reason
        }
    }

    private static func state(after event: SagaEvent) -> Step.State {
        switch event {
        case .started: .running
        case .succeeded: .done
        case .failed: .failed
        case .undoStarted: .undoing
        case .undoFinished: .undone
        case .undoFailed: .undoFailed
        }
    }
}
