/// What the log records. Recovery is a replay of these.
package enum SagaEvent: Codable, Sendable, Hashable {
    /// The action is about to run. After a crash it is run again.
    case started(step: String)
    /// The action has taken effect; `output` is its JSON, empty when it leaves nothing.
    case succeeded(step: String, output: [UInt8])
    /// The action has failed and left nothing. From here on the saga is undone.
    case failed(step: String, reason: String)
    case undoStarted(step: String)
    case undoFinished(step: String)
    /// The undo has failed; the saga is stuck.
    case undoFailed(step: String, reason: String)
}

// Taken apart and put together again, for logs that keep events in columns.
extension SagaEvent {
    /// The kind as it is stored. Never change a released text.
    package enum Kind: String, Sendable, CaseIterable {
        case started
        case succeeded
        case failed
        case undoStarted = "undo-started"
        case undoFinished = "undo-finished"
        case undoFailed = "undo-failed"
    }

    package var kind: Kind {
        switch self {
        case .started: .started
        case .succeeded: .succeeded
        case .failed: .failed
        case .undoStarted: .undoStarted
        case .undoFinished: .undoFinished
        case .undoFailed: .undoFailed
        }
    }

    package var step: String {
        switch self {
        case .started(let step), .succeeded(let step, _), .failed(let step, _), .undoStarted(let step),
            .undoFinished(let step), .undoFailed(let step, _):
            step
        }
    }

    /// The output of ``succeeded(step:output:)``, else nil.
    package var output: [UInt8]? {
        if case .succeeded(_, let output) = self { output } else { nil }
    }

    /// The reason of the two failures, else nil.
    package var reason: String? {
        switch self {
        case .failed(_, let reason), .undoFailed(_, let reason): reason
        case .started, .succeeded, .undoStarted, .undoFinished: nil
        }
    }

    /// The event of those columns.
    package init(kind: Kind, step: String, output: [UInt8]?, reason: String?) {
        switch kind {
        case .started: self = .started(step: step)
        case .succeeded: self = .succeeded(step: step, output: output ?? [])
        case .failed: self = .failed(step: step, reason: reason ?? "")
        case .undoStarted: self = .undoStarted(step: step)
        case .undoFinished: self = .undoFinished(step: step)
        case .undoFailed: self = .undoFailed(step: step, reason: reason ?? "")
        }
    }
}
