import ComputeModel
import InstanceMetadata
import Synchronization
import Testing

@testable import MetadataHTTP

/// Counts calls from several tasks.
private final class Counter: Sendable {
    private let value = Mutex(0)
    var count: Int { value.withLock { $0 } }
    func add() { value.withLock { $0 += 1 } }
}

struct ServerCacheTests {
    private static func server(_ clock: SteadyClock) -> CachedServer {
        let id = InstanceID.random()
        let facts = InstanceMetadataFacts(
            id: id, name: "n", hostname: "n", projectID: "p", reservationID: "r", flavorName: "f")
        return CachedServer(
            id: id, projectID: "p", documents: InstanceDocuments(facts, now: Timestamp(seconds: 0)),
            expiresAt: clock.now + .seconds(15))
    }

    @Test func aServerIsReadOnceHoweverManyAsk() async throws {
        let clock = SteadyClock()
        let cache = ServerCache(serversMax: 4) { clock.now }
        let caller = MetadataCaller.instance(.random(), project: "p")
        let loads = Counter()
        let (gate, open) = AsyncStream.makeStream(of: Void.self)
        try await withThrowingTaskGroup { group in
            for _ in 0..<20 {
                group.addTask {
                    try await cache.server(caller) {
                        loads.add()
                        for await _ in gate {}
                        return Self.server(clock)
                    }?.id
                }
            }
            open.finish()
            var seen: Set<InstanceID?> = []
            for try await id in group { seen.insert(id) }
            #expect(seen.count == 1)
        }
        #expect(loads.count == 1)
    }

    @Test func whatBeganBeforeAChangeIsNotKept() async throws {
        let clock = SteadyClock()
        let cache = ServerCache(serversMax: 4) { clock.now }
        let caller = MetadataCaller.instance(.random(), project: "p")
        let server = Self.server(clock)
        _ = try await cache.server(caller) {
            cache.invalidate(server.id)
            return server
        }
        #expect(cache.kept(caller) == nil)
    }

    @Test func theCacheStaysSmall() async throws {
        let clock = SteadyClock()
        let cache = ServerCache(serversMax: 10) { clock.now }
        for _ in 0..<100 {
            _ = try await cache.server(.instance(.random(), project: "p")) { Self.server(clock) }
            clock.advance(.milliseconds(1))
            #expect(cache.count <= 10)
        }
    }

    @Test func failuresAreNotKept() async throws {
        struct Failure: Error {}
        let clock = SteadyClock()
        let cache = ServerCache(serversMax: 4) { clock.now }
        let caller = MetadataCaller.instance(.random(), project: "p")
        await #expect(throws: Failure.self) { try await cache.server(caller) { throw Failure() } }
        #expect(try await cache.server(caller) { Self.server(clock) } != nil)
    }
}
