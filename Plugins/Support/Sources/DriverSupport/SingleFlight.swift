package import DriverAPI

/// Runs the work for one key once, however many callers ask at the same time; all get its answer.
///
/// A cancelled caller leaves at once, unless it is the last: then the work is cancelled and the caller waits until
/// it has cleaned up.
package actor SingleFlight<Value: Sendable> {
    private struct Flight {
        let task: Task<Void, Never>
        var waiting: [Int: OneAnswer<Result<Value, DriverError>>]
    }
    private var flights: [String: Flight] = [:]
    private var lastNumber = 0

    package init() {}

    /// The answer of the work for `key`, which is begun when none is under way.
    package func value(
        _ key: String, _ work: @escaping @Sendable () async throws(DriverError) -> Value
    ) async throws(DriverError) -> Value {
        lastNumber += 1
        let number = lastNumber
        let answer = OneAnswer<Result<Value, DriverError>>()
        if flights[key] == nil {
            let task = Task {
                let result: Result<Value, DriverError>
                do throws(DriverError) {
                    result = .success(try await work())
                } catch {
                    result = .failure(error)
                }
                self.land(key, result)
            }
            flights[key] = Flight(task: task, waiting: [:])
        }
        flights[key]?.waiting[number] = answer
        let result = await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in _ = answer.wait(continuation) }
        } onCancel: {
            Task { await self.leave(key, number) }
        }
        return try result.get()
    }

    private func land(_ key: String, _ result: Result<Value, DriverError>) {
        guard let flight = flights.removeValue(forKey: key) else { return }
        for answer in flight.waiting.values { answer.give(result) }
    }

    private func leave(_ key: String, _ number: Int) {
        guard let flight = flights[key], let answer = flight.waiting[number] else { return }
        if flight.waiting.count == 1 {
            flight.task.cancel()
            return
        }
        flights[key]?.waiting[number] = nil
        answer.give(.failure(.cancelled))
    }
}
