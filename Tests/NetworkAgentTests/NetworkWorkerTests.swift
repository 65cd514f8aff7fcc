import ComputeModel
import Glibc
import Logging
import Synchronization
import Testing

@testable import NetworkAgent

/// A plan that tests change.
private actor FakePlanSource: NetworkPlanSource {
    private var plan: NetworkPlan
    private var failures: Int
    private let stream: AsyncStream<Void>
    private let continuation: AsyncStream<Void>.Continuation

    init(_ plan: NetworkPlan, failures: Int = 0) {
        (self.plan, self.failures) = (plan, failures)
        (stream, continuation) = AsyncStream.makeStream()
    }

    struct Unreachable: Error {}

    func currentPlan() async throws -> NetworkPlan {
        guard failures == 0 else {
            failures -= 1
            throw Unreachable()
        }
        return plan
    }

    func changes() async -> AsyncStream<Void> { stream }

    func change(quietly: Bool = false, _ body: @Sendable (inout NetworkPlan) -> Void) {
        body(&plan)
        if !quietly { continuation.yield() }
    }
}

/// Remembers which networks are served.
private actor RecordingMetadata: MetadataService {
    private(set) var sockets: [NetworkID: Int32] = [:]
    private(set) var opened = 0

    func serve(_ network: NetworkID, on socket: Int32) async throws {
        sockets[network] = socket
        opened += 1
    }

    func stopServing(_ network: NetworkID) async {
        if let socket = sockets.removeValue(forKey: network) { close(socket) }
    }
}

@Suite(
    .serialized, .timeLimit(.minutes(5)),
    .enabled(if: ThrowAwayHost.obstacle == nil, Comment(rawValue: ThrowAwayHost.obstacle ?? "")))
struct NetworkWorkerTests {
    @Test func theHostFollowsThePlanAndMetadataFollowsTheHost() async throws {
        let host = try ThrowAwayHost()
        let source = FakePlanSource(NetworkPlan(networks: [Sample.network(1)]), failures: 2)
        let metadata = RecordingMetadata()
        let network = host.network()
        let worker = NetworkWorker(
            host: network, source: source, metadata: metadata,
            options: .init(verifyInterval: .milliseconds(200), retryInterval: .milliseconds(50)),
            logger: .silent)
        let running = Task { await worker.run() }
        let first: NetworkID = Sample.identifier(1, 1)
        let second: NetworkID = Sample.identifier(1, 2)
        #expect(await host.eventually { await metadata.sockets.keys.sorted() == [first] })

        await source.change { $0.networks.append(Sample.network(2)) }
        #expect(await host.eventually { await metadata.sockets.keys.sorted() == [first, second] })

        // Somebody removes a namespace: it is made anew, and so is the socket.
        let opened = await metadata.opened
        _ = await host.run("ip", "netns", "delete", HostNames.serviceNamespace(first))
        #expect(await host.eventually { await metadata.opened == opened + 1 })

        await source.change { $0.networks.removeFirst() }
        #expect(await host.eventually { await metadata.sockets.keys.sorted() == [second] })

        running.cancel()
        await running.value
        #expect(
            await host.run("ip", "netns", "list").contains(HostNames.serviceNamespace(second)), "what is there stays")
        await metadata.stopServing(second)
    }

    @Test func aPortThatIsNewToTheWorkerIsFetched() async throws {
        let host = try ThrowAwayHost()
        let source = FakePlanSource(NetworkPlan())
        let worker = NetworkWorker(host: host.network(), source: source, logger: .silent)
        let port = Sample.port(1, "10.0.0.5")
        let network = Sample.network(1, ports: [port])
        try await worker.refresh()
        await #expect(throws: HostNetworkError.networkNotPlanned(network.id)) {
            try await worker.ensurePort(port.id, on: network.id)
        }
        await source.change(quietly: true) { $0.networks.append(network) }
        try await worker.ensurePort(port.id, on: network.id)
        let guest = try await FakeGuest(port, on: network, of: host)
        #expect(try await guest.askDHCP()["ip"] == "10.0.0.5")
    }
}
