/// A durable multi-step operation: every step takes effect, or every step that did is undone.
package protocol Saga: Sendable {
    /// Written to the log; never reuse one for a different saga.
    static var name: String { get }
    /// Everything needed to run, or to resume after a crash. Stored before the first step.
    associatedtype Parameters: Codable & Sendable
    /// Collaborators: clients, stores, clock. Never stored.
    associatedtype Services: Sendable
    /// The plan. A pure function of the parameters, because recovery rebuilds it. Step names are unique in it.
    static func steps(for parameters: Parameters) -> [SagaStep<Self>]
}

/// Names a step and fixes the type of what it leaves for later steps.
package struct StepKey<Output: Codable & Sendable>: Sendable {
    /// The step's name, as a failure tells it.
    package let name: String

    package init(_ name: String) {
        self.name = name
    }
}

/// The output of steps that leave nothing for later ones.
package struct NoOutput: Codable, Sendable {
    package init() {}
}

/// How a finished step is reversed. No default: a step without an undo says why.
package enum Undo<S: Saga>: Sendable {
    /// Reverses the step. It may be run more than once, also after it has succeeded.
    case run(@Sendable (SagaContext<S>) async throws -> Void)
    /// Nothing is to be reversed.
    case notNeeded(because: String)
}

/// One step: what it does, and how that is undone.
///
/// An action may be run again after it has succeeded, when the process died before that was logged; it must then
/// find its work done. An action that throws has cleaned up after itself: the undo of a failed step is not run.
package struct SagaStep<S: Saga>: Sendable {
    /// Written to the log; never reuse or reorder in a way that a running saga would notice.
    package let name: String
    package let undo: Undo<S>
    /// Asked after each transient failure: why trying again is pointless, or nil to go on.
    let wayOut: (@Sendable (SagaContext<S>) async -> String?)?
    /// See ``init(_:undo:isRepeatable:wayOut:_:)``.
    package let isRepeatable: Bool
    let action: @Sendable (SagaContext<S>) async throws -> StepOutput

    /// - Parameters:
    ///   - key: the name, and the type of the output.
    ///   - undo: how it is reversed, or why that is not needed.
    ///   - isRepeatable: whether the action, run once more after *later* steps have run too, gives the same output and
    ///     leaves the world as it is. Its success is then logged without waiting for the disk, which saves
    ///     milliseconds; after a power failure the saga may go on from before it.
    ///   - wayOut: a ``TransientFailure`` is retried for ever until this gives a reason to stop, such as that the
    ///     target host is known to be gone.
    ///   - action: what the step does.
    package init<Output>(
        _ key: StepKey<Output>, undo: Undo<S>, isRepeatable: Bool = false,
        wayOut: (@Sendable (SagaContext<S>) async -> String?)? = nil,
        _ action: @escaping @Sendable (SagaContext<S>) async throws -> Output
    ) {
        (name, self.undo, self.isRepeatable, self.wayOut) = (key.name, undo, isRepeatable, wayOut)
        self.action = { .live(try await action($0)) }
    }

    /// A step that leaves nothing for later ones.
    package init(
        _ key: StepKey<NoOutput>, undo: Undo<S>, isRepeatable: Bool = false,
        wayOut: (@Sendable (SagaContext<S>) async -> String?)? = nil,
        _ action: @escaping @Sendable (SagaContext<S>) async throws -> Void
    ) {
        (name, self.undo, self.isRepeatable, self.wayOut) = (key.name, undo, isRepeatable, wayOut)
        self.action = {
            try await action($0)
            return .nothing
        }
    }

    var hasUndo: Bool {
        switch undo {
        case .run: true
        case .notNeeded: false
        }
    }
}

/// A failure that may pass by itself: the engine tries the action or undo again with growing pauses, for ever, until
/// the step's way out gives a reason to stop. A refusal is not transient.
package protocol TransientFailure: Error {
    /// Whether this very value may pass; true unless the type says otherwise.
    var isTransient: Bool { get }
}

extension TransientFailure {
    package var isTransient: Bool { true }
}

/// Names one saga in the log. Its maker chooses it, usually a random UUID; at most 255 bytes.
package struct SagaID: RawRepresentable, Hashable, Sendable, Codable, CustomStringConvertible {
    package let rawValue: String

    package init(rawValue: String) {
        self.rawValue = rawValue
    }

    package init(_ text: String) {
        rawValue = text
    }

    package var description: String { rawValue }
}

/// How a saga ended, for whoever waits for it.
package enum SagaOutcome: Sendable {
    case completed
    /// The system looks as it did before.
    case unwound(failedStep: String, any Error)
    /// An undo failed. Nothing retries this; an operator must look.
    case stuck(failedStep: String, undoStep: String, any Error)
}

/// Why a saga is being undone, as its undos see it.
package struct SagaFailure: Error, Sendable, Hashable, CustomStringConvertible {
    package let step: String
    /// The error's text.
    package let reason: String

    package init(step: String, reason: String) {
        (self.step, self.reason) = (step, reason)
    }

    package var description: String { reason }
}

/// What the engine itself finds wrong.
package enum SagaError: Error, Sendable, Hashable, CustomStringConvertible {
    /// A step reads the output of one that has not run before it: a mistake in the plan.
    case noOutput(step: String)
    /// An output in the log, or the parameters, do not have the form of this version.
    case unreadable(what: String, reason: String)
    /// The way out of a step ended its retries.
    case gaveUp(reason: String, last: String)
    /// No saga of that name is registered with the executor.
    case unknownSaga(name: String)
    /// The events in the log do not fit the plan of this version.
    case planMismatch(reason: String)
    /// The process is shutting down; the saga goes on elsewhere or later.
    case interrupted
    /// A child saga is stuck, so its parent cannot know what holds.
    case childStuck(SagaID, reason: String)

    package var description: String {
        switch self {
        case .noOutput(let step): "no output of step \(step) is there to be read"
        case .unreadable(let what, let reason): "\(what) cannot be read: \(reason)"
        case .gaveUp(let reason, let last): "given up because \(reason), after: \(last)"
        case .unknownSaga(let name): "no saga \"\(name)\" is registered"
        case .planMismatch(let reason): "the log does not fit the plan: \(reason)"
        case .interrupted: "interrupted by the end of the service"
        case .childStuck(let id, let reason): "the child saga \(id) is stuck: \(reason)"
        }
    }
}
