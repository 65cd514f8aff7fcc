import DriverAPI

/// One piece of work at a time for each key; work for different keys does not wait for each other. First come, first
/// served.
actor KeyedLocks<Key: Hashable & Sendable> {
    private struct Waiter {
        let number: Int
        let continuation: CheckedContinuation<Bool, Never>
    }
    private var held: Set<Key> = []
    private var waiting: [Key: [Waiter]] = [:]
    private var lastNumber = 0

    /// Runs `body` when it is this key's turn.
    ///
    /// - Throws: what `body` throws; ``DriverError/cancelled`` when the task is cancelled while it waits.
    nonisolated func alone<Value>(
        _ key: Key, _ body: () async throws(VimFailure) -> Value
    ) async throws(VimFailure) -> Value {
        try await acquire(key)
        do throws(VimFailure) {
            let value = try await body()
            await release(key)
            return value
        } catch {
            await release(key)
            throw error
        }
    }

    private func acquire(_ key: Key) async throws(VimFailure) {
        if held.insert(key).inserted { return }
        lastNumber += 1
        let number = lastNumber
        let isOurs = await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                if Task.isCancelled {
                    continuation.resume(returning: false)
                } else {
                    waiting[key, default: []].append(Waiter(number: number, continuation: continuation))
                }
            }
        } onCancel: {
            Task { await self.leave(key, number) }
        }
        guard isOurs else { throw .driver(.cancelled) }
    }

    private func release(_ key: Key) {
        guard var queue = waiting[key], !queue.isEmpty else {
            held.remove(key)
            return
        }
        let next = queue.removeFirst()
        waiting[key] = queue.isEmpty ? nil : queue
        next.continuation.resume(returning: true)
    }

    private func leave(_ key: Key, _ number: Int) {
        guard let index = waiting[key]?.firstIndex(where: { $0.number == number }) else { return }
        waiting[key]?.remove(at: index).continuation.resume(returning: false)
    }
}
