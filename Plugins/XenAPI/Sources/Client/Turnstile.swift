import DriverAPI

/// Lets so many callers at a time pass for each key; the others wait in order.
actor Turnstile<Key: Hashable & Sendable> {
    private struct Waiter {
        let number: Int
        let continuation: CheckedContinuation<Bool, Never>
    }
    private let width: Int
    private var inside: [Key: Int] = [:]
    private var waiting: [Key: [Waiter]] = [:]
    private var lastNumber = 0

    /// - Parameter width: callers that may be inside for one key.
    init(width: Int) { self.width = width }

    /// Runs `body` when it is the caller's turn.
    ///
    /// - Throws: ``DriverError/cancelled`` when the task is cancelled while it waits; what `body` throws.
    nonisolated func pass<Value: Sendable>(
        _ key: Key, _ body: () async throws(DriverError) -> Value
    ) async throws(DriverError) -> Value {
        guard await enter(key) else { throw .cancelled }
        do throws(DriverError) {
            let value = try await body()
            await leave(key)
            return value
        } catch {
            await leave(key)
            throw error
        }
    }

    private func enter(_ key: Key) async -> Bool {
        if inside[key, default: 0] < width {
            inside[key, default: 0] += 1
            return true
        }
        lastNumber += 1
        let number = lastNumber
        return await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                waiting[key, default: []].append(Waiter(number: number, continuation: continuation))
            }
        } onCancel: {
            Task { await self.giveUp(key, number) }
        }
    }

    private func giveUp(_ key: Key, _ number: Int) {
        guard let index = waiting[key]?.firstIndex(where: { $0.number == number }) else { return }
        waiting[key]?.remove(at: index).continuation.resume(returning: false)
        if waiting[key]?.isEmpty == true { waiting[key] = nil }
    }

    private func leave(_ key: Key) {
        if var queue = waiting[key], !queue.isEmpty {
            let next = queue.removeFirst()
            waiting[key] = queue.isEmpty ? nil : queue
            next.continuation.resume(returning: true)
            return
        }
        inside[key, default: 1] -= 1
        if inside[key] == 0 { inside[key] = nil }
    }
}
