import ComputeAgent
import ComputeModel
import ComputeStore
import Conductor
import DriverAPI
import Glibc
import HTTPService
import Logging
import Messaging
import MetadataHTTP
import NetworkAgent
import ServiceInterfaces
import ServiceOptions

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
            let source = NeutronPlanSource(peers.networks, host: host)
            let worker = NetworkWorker(
                host: HostNetwork(options: networkOptions, logger: logger("network-worker")), source: source,
                metadata: MetadataListeners(server: metadata),
                options: NetworkWorker.Options(verifyInterval: up.options.networkAgent.verifyInterval),
                logger: logger("network-worker"))
            subscription = try await serveNetwork(bus, worker, source)
            group.addTask { await worker.run() }
        }
        group.addTask { try await agent.run { ready() } }
        return RunningNode(driver: driver, metadata: metadata, subscription: subscription)
    }

    private var networkOptions: HostNetworkOptions {
        var options = NetworkPlaces.options(stateDirectory: state.path)
        options.leaseSeconds = Int(up.options.networkAgent.leaseDuration.components.seconds)
        return options
    }

    private func serveNetwork(_ bus: MessageBus, _ worker: NetworkWorker, _ source: NeutronPlanSource)
        async throws(MessagingError) -> Subscription
    {
        try await bus.serve(
            topic: Topic.network, host: host, limit: 16,
            [
                RPCHandler { (message: PreparePort, _) in
                    try await worker.ensurePort(message.port, on: message.network)
                    return Acknowledged()
                },
                RPCHandler { (_: NetworkChanged, _) in
                    await source.planMayHaveChanged()
                    return Acknowledged()
                },
            ])
    }

    /// The metadata service, listening for proxies if that is configured; the network worker adds sockets inside
    /// namespaces.
    private func startMetadata(_ store: ComputeStore, _ accounts: Accounts) async throws -> HTTPServer {
        let service = up.options.apiService
        var options = MetadataAPIOptions()
        options.documents = try metadataDocuments()
        options.cacheLifetime = up.options.api.metadataCacheExpiration
        options.servesProxies = up.options.network.trustsMetadataProxy
        let secret = up.options.network.metadataProxySecret.revealed
        options.sharedSecret = secret.isEmpty ? accounts.metadataSecret : secret
        let api = MetadataAPI(options, store: store, logger: logger("metadata"))
        let server = HTTPServer(
            listeners: service.metadataListen.map { [.tcp(host: $0, port: service.metadataPort)] } ?? [],
            responder: api,
            logger: logger("metadata"))
        do {
            if let bound = try await server.start().first {
                try state.write("run/metadata", bound.url + "\n", mode: 0o644)
            }
        } catch let error as HTTPServerError {
            throw DeploymentError(.unavailable, "the metadata service: \(error)")
        }
        return server
    }

    private func metadataDocuments() throws(DeploymentError) -> MetadataDocumentOptions {
        var documents = MetadataDocumentOptions()
        documents.domain = up.options.api.dhcpDomain
        if let path = up.options.api.vendorDataPath {
            do {
                documents.vendorData = try MetadataDocumentOptions.vendorData(file: path)
            } catch {
                throw DeploymentError(.configuration, "[api] vendordata_jsonfile_path: \(error)")
            }
        }
        return documents
    }

    /// The files of configuration drives, made by the metadata service's own documents.
    func makeConfigDriveFiles() throws(DeploymentError) -> ConfigDriveFiles {
        let documents = ConfigDriveDocuments(try metadataDocuments(), now: Timestamp.now)
        return { work, interfaces, password in documents.files(work, interfaces, adminPassword: password) }
    }
}
