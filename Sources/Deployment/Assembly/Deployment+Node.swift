import ServiceOptions
import ComputeAgent
import ComputeModel
import ComputeStore
import DriverAPI
import Glibc
import HTTPService
import Logging
import Messaging
import NetworkAgent
import ServiceInterfaces

/// What runs on this node for its guests, to be ended when the process ends. Guests go on.
struct RunningNode: Sendable {
    let driver: any ComputeDriver
    let metadata: HTTPServer
    let subscription: Subscription?

    func stop() async {
        await subscription?.stop(grace: .seconds(2))
        await metadata.shutdown(grace: .seconds(1))
        await driver.shutDown()
    }
}

extension Deployment {
    var processID: Int32 { getpid() }

    /// Starts the node's agent, its network worker where the driver needs one, and the metadata service.
    func startNode(
        _ group: inout ThrowingTaskGroup<Void, any Error>, _ bus: MessageBus, _ store: ComputeStore, _ peers: Peers,
        _ accounts: Accounts, ready: @escaping @Sendable () -> Void
    ) async throws -> RunningNode {
        let metadata = try await startMetadata(store, accounts)
        let (agent, driver) = try await makeAgent(bus, peers)
        var subscription: Subscription?
        if driver.capabilities.bindings.contains(.bridge), up.options.networkAgent.isEnabled {
            let worker = try await makeNetworkWorker(bus, peers, metadata)
            subscription = try await bus.serve(
                topic: Topic.network, host: host, limit: 16,
                [
                    RPCHandler { (message: PreparePort, _) in
                        try await worker.worker.ensurePort(message.port, on: message.network)
                        return Acknowledged()
                    },
                    RPCHandler { (_: NetworkChanged, _) in
                        worker.source.signal()
                        return Acknowledged()
                    },
                ])
            group.addTask { await worker.worker.run() }
        }
        group.addTask { try await agent.run { ready() } }
        return RunningNode(driver: driver, metadata: metadata, subscription: subscription)
    }
}
