import DriverAPI

/// Keeps answers so that a message which comes again is answered without its work being done again, and so that
/// senders can fetch an answer that was lost.
package protocol ReplyStore: Sendable {
    /// The answer to a message, if it is kept.
    func outcome(of id: MessageID) async -> ReplyOutcome?
    /// Keeps an answer. Called after the work is durable and before the message is acknowledged.
    func keep(_ outcome: ReplyOutcome, of id: MessageID) async
}

/// Keeps the last answers in memory, for a while. They do not survive the process; receivers are idempotent.
package final class RecentReplies: ReplyStore {
    private struct Kept: Sendable {
        var id: MessageID
        var until: ContinuousClock.Instant
    }
    private struct State: Sendable {
        var outcomes: [MessageID: ReplyOutcome] = [:]
        /// In the order in which they were kept; the first `head` ones are forgotten.
        var order: [Kept] = []
        var head = 0
    }
    private let state = Locked(State())
    private let limit: Int
    private let age: Duration

    /// - Parameters:
    ///   - limit: the most answers kept.
    ///   - age: how long one is kept; longer than any deadline after which senders try again.
    package init(limit: Int = 8192, age: Duration = .seconds(180)) {
        (self.limit, self.age) = (max(1, limit), age)
    }

    package func outcome(of id: MessageID) async -> ReplyOutcome? { state.with { $0.outcomes[id] } }

    package func keep(_ outcome: ReplyOutcome, of id: MessageID) async {
        let now = ContinuousClock.now
        state.with { state in
            if state.outcomes.updateValue(outcome, forKey: id) == nil {
                state.order.append(Kept(id: id, until: now + age))
            }
            while state.head < state.order.count,
                state.outcomes.count > limit || state.order[state.head].until <= now
            {
                state.outcomes[state.order[state.head].id] = nil
                state.head += 1
            }
            if state.head > 1024, state.head * 2 > state.order.count {
                state.order.removeFirst(state.head)
                state.head = 0
            }
        }
    }
}
