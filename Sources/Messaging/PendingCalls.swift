import DriverAPI

/// The calls of a bus that wait for an answer, and the watch over their deadlines.
final class PendingCalls: Sendable {
    private struct State: Sendable {
        /// Several attempts with one id may wait at the same time; an answer serves all of them.
        var calls: [MessageID: [PendingCall]] = [:]
        var isClosed = false
        /// When the sleeping watch wakes up, and the watch.
        var watchWakes: ContinuousClock.Instant?
        var watch: Task<Void, Never>?
    }
    private let state = Locked(State())

    /// Registers the call, sends it and waits until it is answered, its deadline passes, its task is cancelled or
    /// the bus closes.
    func outcome(
        of envelope: Envelope, at address: Address, send: () async throws(MessagingError) -> Void
    ) async throws(MessagingError) -> ReplyOutcome {
        let call = PendingCall(envelope, address)
        try register(call, envelope.id)
        defer { remove(call, envelope.id) }
        try await send()
        return try await call.outcome().get()
    }

    /// Gives an answer to those who wait for it. Nobody waits for late and repeated answers.
    func resolve(_ reply: ReplyEnvelope) {
        let calls = state.with { $0.calls[reply.id] }
        for call in calls ?? [] where call.takes(reply.outcome) { call.finish(.success(reply.outcome)) }
    }

    /// The calls that wait, as questions for their answers: some may have been lost.
    var questions: [(envelope: Envelope, address: Address)] {
        state.with { state in state.calls.values.compactMap { $0.first { $0.purpose == .call }?.question } }
    }

    /// Fails all that wait and all that come.
    func close() {
        let (calls, watch) = state.with { state in
            state.isClosed = true
            return (state.calls.values.flatMap(\.self), state.watch)
        }
        watch?.cancel()
        for call in calls { call.finish(.failure(.closed)) }
    }

    private func register(_ call: PendingCall, _ id: MessageID) throws(MessagingError) {
        let isOpen = state.with { state in
            guard !state.isClosed else { return false }
            state.calls[id, default: []].append(call)
            if state.watchWakes.map({ call.deadline < $0 }) ?? true { startWatch(until: call.deadline, &state) }
            return true
        }
        if !isOpen { throw .closed }
    }

    private func remove(_ call: PendingCall, _ id: MessageID) {
        state.with { state in
            guard let index = state.calls[id]?.firstIndex(where: { $0 === call }) else { return }
            if state.calls[id]?.count == 1 {
                state.calls[id] = nil
            } else {
                state.calls[id]?.remove(at: index)
            }
        }
    }

    /// One watch sleeps until the earliest deadline it knew of; most calls are over by then, so a timer for each
    /// would be waste.
    private func startWatch(until deadline: ContinuousClock.Instant, _ state: inout State) {
        state.watch?.cancel()
        state.watchWakes = deadline
        state.watch = Task.detached { [weak self] in
            guard (try? await Task.sleep(until: deadline, clock: .continuous)) != nil else { return }
            self?.expire()
        }
    }

    private func expire() {
        let now = ContinuousClock.now
        let expired = state.with { state in
            (state.watch, state.watchWakes) = (nil, nil)
            let calls = state.calls.values.joined()
            if let next = calls.lazy.map(\.deadline).filter({ $0 > now }).min() { startWatch(until: next, &state) }
            return calls.filter { $0.deadline <= now }
        }
        for call in expired { call.finish(.failure(.deadlineExceeded(call.address))) }
    }
}

/// One waiting call. The answer may come before anybody waits for it.
final class PendingCall: Sendable {
    typealias Outcome = Result<ReplyOutcome, MessagingError>

    private enum State: Sendable {
        case running
        case waiting(CheckedContinuation<Outcome, Never>)
        case finished(Outcome)
    }
    let deadline: ContinuousClock.Instant
    let address: Address
    let purpose: Envelope.Purpose
    /// What was sent, without its content.
    private let head: Envelope
    private let state = Locked(State.running)

    init(_ envelope: Envelope, _ address: Address) {
        (deadline, self.address, purpose) = (envelope.deadline ?? .now, address, envelope.purpose)
        var head = envelope
        head.payload = .encoded([])
        self.head = head
    }

    /// Asks for the answer again.
    var question: (envelope: Envelope, address: Address) {
        var envelope = head
        envelope.purpose = .fetchReply
        return (envelope, address)
    }

    /// Whether an answer is one to this call. That a receiver has no answer does not end a call: another one may work
    /// on it, or the message is still on its way.
    func takes(_ outcome: ReplyOutcome) -> Bool {
        if purpose == .call, case .fault(let fault) = outcome { return fault.kind != RemoteFault.replyUnknown }
        return true
    }

    func outcome() async -> Outcome {
        await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let finished = state.with { state -> Outcome? in
                    if case .finished(let outcome) = state { return outcome }
                    state = .waiting(continuation)
                    return nil
                }
                if let finished { continuation.resume(returning: finished) }
            }
        } onCancel: {
            finish(.failure(.cancelled))
        }
    }

    /// The first outcome counts.
    func finish(_ outcome: Outcome) {
        let waiting = state.with { state -> CheckedContinuation<Outcome, Never>? in
            switch state {
            case .finished: return nil
            case .running:
                state = .finished(outcome)
                return nil
            case .waiting(let continuation):
                state = .finished(outcome)
                return continuation
            }
        }
        waiting?.resume(returning: outcome)
    }
}
