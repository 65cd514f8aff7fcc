import Logging
import Sagas

/// What a conductor does at intervals. Failures are logged and tried again at the next one.
struct Upkeep: Sendable {
    let services: ConductorServices
    let log: any SagaLog

    /// Removes sagas that ended long ago, until the task is cancelled.
    func removeFinishedSagas() async {
        let retention = services.options.sagaRetention
        await repeatedly(every: min(retention, .seconds(3600)), "ended sagas cannot be removed") {
            while try await removeSome(endedBefore: SagaClock.system.now() - retention) {}
        }
    }

    /// - Returns: whether there may be more.
    func removeSome(endedBefore limit: Duration) async throws -> Bool {
        let batch = 500
        return try await log.deleteFinished(before: limit, limit: batch) == batch
    }

    /// Keeps what is known of servers' networks current, some servers at each interval, until the task is cancelled.
    func refreshNetworks() async {
        let interval = services.options.networkRefreshInterval
        guard interval > .zero else { return }
        let turn = Locked<Int64>(0)
        await repeatedly(every: interval, "network information cannot be refreshed") {
            let next = try await NetworkInfoRefresh(services: services).refreshSome(after: turn.withLock { $0 })
            turn.withLock { $0 = next }
        }
    }

    private func repeatedly(
        every interval: Duration, _ trouble: Logger.Message, _ body: @Sendable () async throws -> Void
    ) async {
        while !Task.isCancelled {
            do {
                try await Task.sleep(for: interval)
                try await body()
            } catch is CancellationError {
                return
            } catch {
                services.logger.warning(trouble, metadata: ["reason": "\(error)"])
            }
        }
    }
}
