/// What an action or undo works with.
package struct SagaContext<S: Saga>: Sendable {
    package let sagaID: SagaID
    package let parameters: S.Parameters
    package let services: S.Services
    /// Why the saga is being undone. Nil in actions.
    package internal(set) var failure: SagaFailure?
    var outputs: [String: StepOutput]
    /// Runs children. Nil where there is no executor.
    let children: (any ChildRunner)?

    /// What that step left.
    ///
    /// - Throws: ``SagaError/noOutput(step:)`` when the step has not succeeded before.
    package subscript<Output>(key: StepKey<Output>) -> Output {
        get throws(SagaError) {
            guard let output = outputs[key.name] else { throw .noOutput(step: key.name) }
            return try output.value(of: key)
        }
    }

    /// Runs another saga inside this step and waits for its end, however many processes that takes.
    ///
    /// When the step is run again, the same child goes on or tells its result; it never runs twice. What a completed
    /// child did is undone by this step's own undo, not by the child.
    ///
    /// - Parameter label: names the child within this saga, such as `host-2`.
    /// - Throws: ``SagaError/childStuck(_:reason:)``, ``SagaError/interrupted``, or the log's error.
    package func runChild<C: Saga>(
        _ saga: C.Type, label: String, parameters: C.Parameters
    ) async throws -> SagaChildResult<C> {
        guard let children else { throw SagaError.unknownSaga(name: C.name) }
        let id = SagaID("\(sagaID).\(label)")
        let encoded = try StepOutput.encode(parameters)
        let history = try await children.runChild(id, name: C.name, parameters: encoded)
        switch history.conclusion {
        case .completed: return .completed(SagaOutputs(outputs: StepOutput.collect(history.events.map(\.event))))
        case .unwound(let step, let reason): return .unwound(SagaFailure(step: step, reason: reason))
        case .stuck(_, _, let reason): throw SagaError.childStuck(id, reason: reason)
        case nil: throw SagaError.interrupted
        }
    }
}

/// How a child saga ended, for the step that ran it.
package enum SagaChildResult<C: Saga>: Sendable {
    case completed(SagaOutputs<C>)
    case unwound(SagaFailure)
}

/// What the steps of a completed saga left.
package struct SagaOutputs<S: Saga>: Sendable {
    let outputs: [String: StepOutput]

    /// What that step left.
    package subscript<Output>(key: StepKey<Output>) -> Output {
        get throws(SagaError) {
            guard let output = outputs[key.name] else { throw .noOutput(step: key.name) }
            return try output.value(of: key)
        }
    }
}

/// Makes a child saga where it is not there yet and waits for its conclusion.
protocol ChildRunner: Sendable {
    func runChild(_ id: SagaID, name: String, parameters: [UInt8]) async throws -> SagaHistory
}
