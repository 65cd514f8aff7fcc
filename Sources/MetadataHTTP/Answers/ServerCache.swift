import ComputeModel
import Synchronization

/// The servers that asked lately. Bounded; each is looked up once however many ask at the same time.
final class ServerCache: Sendable {
    typealias Load = @Sendable () async throws -> CachedServer?

    private struct State {
        var servers: [MetadataCaller: CachedServer] = [:]
        var loads: [MetadataCaller: Task<CachedServer?, any Error>] = [:]
        /// Counts invalidations: what began to be read before one is not kept after it.
        var generation = 0
    }

    private let state = Mutex(State())
    private let serversMax: Int
    private let now: @Sendable () -> ContinuousClock.Instant

    init(serversMax: Int, now: @escaping @Sendable () -> ContinuousClock.Instant) {
        (self.serversMax, self.now) = (max(1, serversMax), now)
    }

    /// The server of a caller, if it is kept and current.
    func kept(_ caller: MetadataCaller) -> CachedServer? {
        guard let server = state.withLock({ $0.servers[caller] }), server.expiresAt > now() else { return nil }
        return server
    }

    /// The server of a caller, read when it is not kept.
    func server(_ caller: MetadataCaller, _ load: @escaping Load) async throws -> CachedServer? {
        if let server = kept(caller) { return server }
        let task = state.withLock { state in
            if let running = state.loads[caller] { return running }
            let generation = state.generation
            let task = Task {
                do {
                    let server = try await load()
                    finish(caller, server, generation)
                    return server
                } catch {
                    finish(caller, nil, generation)
                    throw error
                }
            }
            state.loads[caller] = task
            return task
        }
        return try await task.value
    }

    /// Forgets a server, or all: something of it has changed.
    func invalidate(_ id: InstanceID?) {
        state.withLock { state in
            state.generation += 1
            state.loads.removeAll()
            if let id {
                state.servers = state.servers.filter { $0.value.id != id }
            } else {
                state.servers.removeAll()
            }
        }
    }

    var count: Int { state.withLock { $0.servers.count } }

    private func finish(_ caller: MetadataCaller, _ server: CachedServer?, _ generation: Int) {
        let moment = now()
        state.withLock { state in
            guard state.generation == generation else { return }
            state.loads[caller] = nil
            guard let server, server.expiresAt > moment else { return }
            if state.servers.count >= serversMax { Self.makeRoom(&state, moment) }
            state.servers[caller] = server
        }
    }

    /// Drops what is out of date, and the older half when nothing is.
    private static func makeRoom(_ state: inout State, _ moment: ContinuousClock.Instant) {
        let before = state.servers.count
        state.servers = state.servers.filter { $0.value.expiresAt > moment }
        guard state.servers.count == before else { return }
        let byAge = state.servers.sorted { $0.value.expiresAt < $1.value.expiresAt }
        for (caller, _) in byAge.prefix(before / 2 + 1) { state.servers[caller] = nil }
    }
}
