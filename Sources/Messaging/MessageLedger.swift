import DriverAPI

/// The messages that a process's receivers work on or have worked on, so that each is worked on once.
final class MessageLedger: Sendable {
    enum Entry {
        /// Nobody works on it: the caller does, and then calls `finish` or `abandon`.
        case first
        /// Somebody works on it; the inbox was noted and gets the answer.
        case running
        /// It was worked on. The inboxes are those that came to wait since the caller asked.
        case finished(ReplyOutcome, inboxes: [String])
    }

    /// Messages being worked on, with the further inboxes that wait for the answer.
    private let running = Locked<[MessageID: [String]]>([:])
    private let replies: any ReplyStore

    init(_ replies: any ReplyStore) { self.replies = replies }

    /// Claims a message, or joins those who wait for its answer.
    func begin(_ id: MessageID, inbox: String?) async -> Entry {
        // Claimed before the store is asked: otherwise two deliveries could both find nothing there.
        let isClaimed = running.with { running in
            guard running[id] != nil else {
                running[id] = []
                return true
            }
            if let inbox { running[id]?.append(inbox) }
            return false
        }
        guard isClaimed else { return .running }
        guard let outcome = await replies.outcome(of: id) else { return .first }
        return .finished(outcome, inboxes: release(id))
    }

    /// The answer to a message, or joins those who wait for it; nil when nobody has worked on it.
    func look(for id: MessageID, inbox: String?) async -> Entry? {
        let isRunning = running.with { running in
            guard running[id] != nil else { return false }
            if let inbox { running[id]?.append(inbox) }
            return true
        }
        if isRunning { return .running }
        return await replies.outcome(of: id).map { .finished($0, inboxes: []) }
    }

    /// Keeps the answer, and gives the further inboxes that wait for it.
    func finish(_ id: MessageID, _ outcome: ReplyOutcome) async -> [String] {
        await replies.keep(outcome, of: id)
        return release(id)
    }

    /// Forgets the claim: the work was not done.
    func abandon(_ id: MessageID) -> [String] { release(id) }

    private func release(_ id: MessageID) -> [String] { running.with { $0.removeValue(forKey: id) ?? [] } }
}
