import DriverAPI

/// One holder at a time for each key, in the order of asking; different keys do not wait for each other.
final class KeyedLocks<Key: Hashable & Sendable>: Sendable {
    private struct Waiter {
        let number: Int
        let continuation: CheckedContinuation<Bool, Never>
    }
    private struct State {
        /// The keys that are held, with who waits.
        var queues: [Key: [Waiter]] = [:]
        /// Who asked and does not wait in a queue yet, and whether it was cancelled meanwhile.
        var early: [Int: Bool] = [:]
        var lastNumber = 0
    }
    private let state = Locked(State())

    /// Runs `body` as the only holder of the key.
    ///
    /// - Throws: ``DriverError/cancelled`` when the task is cancelled before its turn comes.
    func alone<Answer>(
        with key: Key, _ body: () async throws(DriverError) -> Answer
    ) async throws(DriverError) -> Answer {
        guard await acquire(key) else { throw .cancelled }
        defer { release(key) }
        return try await body()
    }

    private func acquire(_ key: Key) async -> Bool {
        let number: Int? = state.with { state in
            guard state.queues[key] != nil else {
                state.queues[key] = []
                return nil
            }
            state.lastNumber += 1
            state.early[state.lastNumber] = false
            return state.lastNumber
        }
        guard let number else { return true }
        return await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let answer: Bool? = state.with { state in
                    if state.early.removeValue(forKey: number) == true { return false }
                    // The holder may have gone between the two looks.
                    guard state.queues[key] != nil else {
                        state.queues[key] = []
                        return true
                    }
                    state.queues[key]?.append(Waiter(number: number, continuation: continuation))
                    return nil
                }
                if let answer { continuation.resume(returning: answer) }
            }
        } onCancel: {
            let waiter: Waiter? = state.with { state in
                if let index = state.queues[key]?.firstIndex(where: { $0.number == number }) {
                    return state.queues[key]?.remove(at: index)
                }
                if state.early[number] != nil { state.early[number] = true }
                return nil
            }
            waiter?.continuation.resume(returning: false)
        }
    }

    private func release(_ key: Key) {
        let next: Waiter? = state.with { state in
            guard state.queues[key]?.isEmpty == false else {
                state.queues[key] = nil
                return nil
            }
            return state.queues[key]?.removeFirst()
        }
        next?.continuation.resume(returning: true)
    }
}
