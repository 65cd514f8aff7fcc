import ComputeModel
package import ComputeStore
package import Logging
package import Messaging
package import PeerClients
package import Sagas
import ServiceInterfaces

/// The service `nova-conductor`: runs the sagas, and is the only writer of an instance's row on an agent's behalf.
package actor ConductorService {
    private let services: ConductorServices
    /// Runs the sagas; operators' verbs read its log.
    package nonisolated let executor: SagaExecutor
    private let host: String

    /// - Parameters:
    ///   - owner: this process in the saga log.
    ///   - sagaOptions: limits and clock of the executor; tests put faults in.
    package init(
        host: String, _ options: ConductorOptions, store: ComputeStore, bus: MessageBus, network: NetworkClient,
        configDriveFiles: @escaping ConfigDriveFiles, owner: SagaOwner, sagaOptions: SagaExecutorOptions,
        logger: Logger
    ) {
        self.init(
            host: host,
            ConductorServices(
                options: options, store: store, bus: bus, wiring: PortWiring(network: ServicePorts(client: network)),
                desk: ReportDesk(), configDriveFiles: configDriveFiles, logger: logger),
            owner: owner, sagaOptions: sagaOptions)
    }

    init(host: String, _ services: ConductorServices, owner: SagaOwner, sagaOptions: SagaExecutorOptions) {
        self.host = host
        self.services = services
        executor = SagaExecutor(log: SQLSagaLog(services.store), owner: owner, options: sagaOptions)
    }

    /// Works until the task is cancelled; then lets running steps end and gives its sagas up for others.
    ///
    /// - Throws: `MessagingError` when the topic cannot be served.
    package func run(ready: @escaping @Sendable () async -> Void) async throws {
        await executor.register(BuildInstance.self, services: services)
        await executor.register(BuildOnHost.self, services: services)
        await executor.register(DeleteInstance.self, services: services)
        await executor.register(PowerInstance.self, services: services)
        let subscription = try await services.bus.serve(topic: Topic.conductor, limit: 256, handlers())
        await ready()
        await withDiscardingTaskGroup { tasks in
            tasks.addTask { [executor] in await executor.serve() }
            let upkeep = Upkeep(services: services, log: executor.log)
            tasks.addTask { await upkeep.removeFinishedSagas() }
            tasks.addTask { await upkeep.refreshNetworks() }
        }
        // A fresh task: this one is cancelled, and running steps must be let to their end.
        await Task { [executor] in
            await executor.drain(grace: .seconds(10))
            await subscription.stop(grace: .seconds(5))
        }.value
    }

    private nonisolated func handlers() -> [RPCHandler] {
        let services = services
        return [
            RPCHandler { (message: WakeSagas, _) in
                for saga in message.sagas { await self.executor.start(SagaID(saga.description)) }
                return Acknowledged()
            },
            RPCHandler { (message: ReportOperation, _) in
                await services.desk.deliver(message)
                return Acknowledged()
            },
            RPCHandler { (message: AskExpectedGuests, _) in try await self.expectedGuests(message) },
            RPCHandler { (message: ReportGuests, _) in
                try await GuestReconciliation(services: services).take(message)
                return Acknowledged()
            },
            RPCHandler { (message: ReportNode, _) in try await self.take(message) },
            RPCHandler { (message: ReportService, _) in
                try await services.store.heartbeat(
                    binary: message.binary, host: message.host, topic: message.topic, version: ServiceVersion.current,
                    trouble: message.trouble)
                return Acknowledged()
            },
            RPCHandler { (message: NetworkInfoChanged, _) in
                for instance in message.instances {
                    try await NetworkInfoRefresh(services: services).refresh(instance)
                }
                return Acknowledged()
            },
        ]
    }

    private nonisolated func expectedGuests(_ message: AskExpectedGuests) async throws -> AskExpectedGuests.Reply {
        let guests = try await services.store.work(onHost: message.host).map { work in
            ExpectedGuest(
                instance: work.instance.id, operation: work.operation, status: work.instance.status,
                power: work.instance.power,
                handle: try work.handleJSON.map { try StoredJSON.decode(StoredHandle.self, $0) },
                interfaces: work.interfaces)
        }
        return AskExpectedGuests.Reply(guests: guests)
    }

    private nonisolated func take(_ message: ReportNode) async throws -> ReportNode.Reply {
        let traits = NodeTraits.of(message)
        let service = try await services.store.services()
            .first { $0.binary == "nova-compute" && $0.host == message.host }
        let node = try await services.store.reportNode(
            host: message.host, driver: message.driver, hostIP: message.hostIP, inventory: message.inventory,
            traits: traits, bindings: message.bindings)
        _ = try await services.bus.call(
            SyncProvider(
                provider: ProviderID(node.uuid), providerName: message.inventory.hypervisorHostname,
                inventories: message.inventory.resources, traits: traits, isDisabled: service?.isDisabled ?? false),
            to: Address(topic: Topic.placement))
        return ReportNode.Reply(node: node)
    }
}

/// The version that services record of themselves.
package enum ServiceVersion {
    /// Raised whenever services of two releases must be told apart.
    package static let current = 1
}
