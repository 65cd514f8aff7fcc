package import ComputeModel
package import DriverAPI

/// One operation at a time on each guest; operations on different guests do not wait for each other.
package actor GuestLocks {
    private struct Waiter {
        let number: Int
        let answer: OneAnswer<Bool>
    }
    private var waiting: [GuestID: [Waiter]] = [:]
    private var held: Set<GuestID> = []
    private var lastNumber = 0

    package init() {}

    /// Waits for the guest's turn.
    ///
    /// - Throws: ``DriverError/cancelled`` when the task is cancelled while waiting; the lock is then not held.
    package func acquire(_ guest: GuestID) async throws(DriverError) {
        if held.insert(guest).inserted { return }
        lastNumber += 1
        let answer = OneAnswer<Bool>()
        let number = lastNumber
        waiting[guest, default: []].append(Waiter(number: number, answer: answer))
        let ours = await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in _ = answer.wait(continuation) }
        } onCancel: {
            answer.give(false)
        }
        guard ours else {
            waiting[guest]?.removeAll { $0.number == number }
            throw .cancelled
        }
    }

    /// Ends the turn; the longest waiting operation gets the next.
    package func release(_ guest: GuestID) {
        while var queue = waiting[guest], !queue.isEmpty {
            let next = queue.removeFirst()
            waiting[guest] = queue.isEmpty ? nil : queue
            if next.answer.give(true) { return }
        }
        waiting[guest] = nil
        held.remove(guest)
    }
}
