
/// A saga that changes nothing and waits until it is told to go on, so that operators can rehearse what happens when
/// a conductor dies, is drained, or fails in the middle of an operation.
package enum HoldSaga: Saga {
    package static let name = "demo-hold"

    package struct Parameters: Codable, Sendable {
        /// Whether the last step fails, so that the saga is undone.
        package let fails: Bool

        package init(fails: Bool = false) {
            self.fails = fails
        }
    }

    package typealias Services = HoldGate

    static let prepare = StepKey<NoOutput>("prepare")
    static let hold = StepKey<NoOutput>("hold")
    static let conclude = StepKey<NoOutput>("conclude")

    /// Why the last step fails when it is told to.
    package struct Refusal: Error, CustomStringConvertible {
        package let description = "the demonstration was asked to fail"
    }

    package static func steps(for parameters: Parameters) -> [SagaStep<Self>] {
        [
            SagaStep(prepare, undo: .run { _ in }) { _ in },
            SagaStep(hold, undo: .notNeeded(because: "waiting changes nothing")) {
                try await $0.services.wait(for: $0.sagaID)
            },
            SagaStep(conclude, undo: .notNeeded(because: "it is the last step")) {
                if $0.parameters.fails { throw Refusal() }
            },
        ]
    }
}

/// Where ``HoldSaga`` waits. Each process has its own; after a restart the saga waits again.
package final class HoldGate: Sendable {
    private struct State {
        var isOpen: Set<SagaID> = []
        var waiting: [SagaID: CheckedContinuation<Void, any Error>] = [:]
    }
    private let state = Locked(State())

    package init() {}

    /// The sagas that wait here.
    package var waiting: [SagaID] { state.withLock { Array($0.waiting.keys) } }

    /// Lets that saga go on, now or when it arrives.
    package func open(for id: SagaID) {
        let continuation = state.withLock { state in
            state.isOpen.insert(id)
            return state.waiting.removeValue(forKey: id)
        }
        continuation?.resume()
    }

    /// Returns once the gate is open for that saga; throws when the task is cancelled before.
    package func wait(for id: SagaID) async throws {
        try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { continuation in
                let result: Result<Void, any Error>? = state.withLock { state in
                    if state.isOpen.contains(id) { return .success(()) }
                    if Task.isCancelled { return .failure(CancellationError()) }
                    state.waiting[id] = continuation
                    return nil
                }
                if let result { continuation.resume(with: result) }
            }
        } onCancel: {
            state.withLock { $0.waiting.removeValue(forKey: id) }?.resume(throwing: CancellationError())
        }
    }
}
