import ComputeAgent
import ComputeModel
import ComputeStore
import DriverAPI
import Logging
import Messaging
import NetworkAgent
import ServiceInterfaces
import ServiceOptions

/// The nodes of this process: each has an agent, a driver, a folder, a topic and a record of its own, and fails alone.
extension Deployment {
    /// Starts every node's driver, all at the same time, and what belongs to it. The group gets a member for each node,
    /// which also tries those again that did not start.
    ///
    /// - Throws: ``DeploymentError`` when no node can start at all.
    func startNodes(
        _ group: inout ThrowingTaskGroup<Void, any Error>, _ bus: MessageBus, _ peers: Peers, _ running: RunningNodes
    ) async throws(DeploymentError) {
        var results: [Result<StartedNode, DeploymentError>?] = nodes.map { _ in nil }
        await withTaskGroup(of: (Int, Result<StartedNode, DeploymentError>).self) { starts in
            for (index, plan) in nodes.enumerated() {
                starts.addTask { (index, await self.start(plan, bus, peers, running)) }
            }
            for await (index, result) in starts { results[index] = result }
        }
        let outcomes = zip(nodes, results).compactMap { plan, result in result.map { (plan, $0) } }
        let failures = outcomes.compactMap { outcome -> DeploymentError? in
            if case .failure(let error) = outcome.1 { error } else { nil }
        }
        if failures.count == outcomes.count, let first = failures.first {
            throw DeploymentError(first.kind, failures.map(\.description).joined(separator: "; "))
        }
        for (plan, outcome) in outcomes {
            group.addTask { try await self.keep(plan, outcome, bus, peers, running) }
        }
    }

    /// Runs one node as long as the process: its agent when its driver has started, else reports of why it has not,
    /// and further tries.
    private func keep(
        _ plan: NodePlan, _ first: Result<StartedNode, DeploymentError>, _ bus: MessageBus, _ peers: Peers,
        _ running: RunningNodes
    ) async throws {
        var outcome = first
        var pause = Duration.seconds(2)
        while !Task.isCancelled {
            switch outcome {
            case .success(let node):
                do {
                    try await run(node)
                } catch {
                    // A node beside others does not end them.
                    if plan.name == nil || Task.isCancelled { throw error }
                    outcome = .failure(DeploymentError(.unavailable, plan.says("its agent ended: \(error)")))
                    running.note(plan.host, failure: "\(error)")
                    running.remove(plan.host)
                    await DriverStart.shutDown(node.driver)
                }
            case .failure(let error):
                logger("deployment").error(
                    "a node cannot start", metadata: ["host": "\(plan.host)", "reason": "\(error)"])
                await report(plan, error, bus, until: error.kind == .configuration ? nil : pause)
                pause = min(pause * 2, .seconds(60))
                outcome = await start(plan, bus, peers, running)
            }
        }
    }

    private func run(_ node: StartedNode) async throws {
        try await withThrowingTaskGroup(of: Void.self) { group in
            if let network = node.network { group.addTask { await network.run() } }
            group.addTask { try await node.agent.run {} }
            try await group.next()
            group.cancelAll()
            try await group.waitForAll()
        }
    }

    /// Reports a node that has no agent as down, with the reason, for a time; `nil`: until the process ends, because
    /// only another configuration can help.
    private func report(_ plan: NodePlan, _ error: DeploymentError, _ bus: MessageBus, until pause: Duration?) async {
        let end = pause.map { ContinuousClock.now + $0 }
        let interval = plan.options.node.reportInterval
        while !Task.isCancelled {
            let message = ReportService(
                binary: "nova-compute", host: plan.host, topic: Topic.compute, trouble: error.description)
            do {
                _ = try await bus.call(message, to: Address(topic: Topic.conductor), deadline: .seconds(10))
            } catch {
                logger("deployment").warning("service not reported", metadata: ["error": "\(error)"])
            }
            let left = end.map { $0 - .now } ?? interval
            guard left > .zero else { return }
            do { try await Task.sleep(for: min(left, interval)) } catch { return }
        }
    }

    /// Starts a node's driver and makes its agent, and its network worker where the driver needs one.
    private func start(
        _ plan: NodePlan, _ bus: MessageBus, _ peers: Peers, _ running: RunningNodes
    ) async -> Result<StartedNode, DeploymentError> {
        do throws(DeploymentError) {
            let node = try await makeNode(plan, bus, peers, running)
            running.add(node.driver, of: plan.host)
            running.note(plan.host, failure: nil)
            return .success(node)
        } catch {
            running.note(plan.host, failure: error.description)
            return .failure(error)
        }
    }

    private func makeNode(
        _ plan: NodePlan, _ bus: MessageBus, _ peers: Peers, _ running: RunningNodes
    ) async throws(DeploymentError) -> StartedNode {
        let selected: SelectedDriver
        do {
            selected = try DriverSelection(directory: plan.options.compute.pluginDirectory)
                .select(plan.options.compute.computeDriver, plan.source)
        } catch {
            throw DeploymentError(error.kind, plan.says(error.description))
        }
        let name = selected.loaded.manifest.name
        let driver = try await startDriver(selected, plan, peers)
        do throws(DeploymentError) {
            let network = try await makeNetwork(plan, driver, bus, peers, running)
            let agent: ComputeAgent
            do {
                agent = try ComputeAgent(
                    try agentOptions(plan, driver: name, running.names), driver: driver, bus: bus,
                    logger: logger("nova-compute"))
            } catch let error as DeploymentError {
                throw error
            } catch {
                throw DeploymentError(.unavailable, plan.says("\(error)"))
            }
            return StartedNode(plan: plan, agent: agent, driver: driver, network: network)
        } catch {
            await DriverStart.shutDown(driver)
            throw error
        }
    }

    private func startDriver(
        _ selected: SelectedDriver, _ plan: NodePlan, _ peers: Peers
    ) async throws(DeploymentError) -> any ComputeDriver {
        let name = selected.loaded.manifest.name
        let driverHost = AgentDriverHost(
            nodeName: plan.host, stateDirectory: try state.folder(plan.folder("drivers/\(name)")),
            facilities: NodeFacilities(images: peers.images, http: driverHTTP, files: lentFiles),
            logger: logger(plan.name.map { "driver.\(name).\($0)" } ?? "driver.\(name)"))
        do {
            return try await DriverStart.start(
                selected.loaded.factory, selected.configuration, host: driverHost,
                within: plan.options.driverCalls.start)
        } catch {
            throw DeploymentError(.unavailable, plan.says("the driver '\(name)' cannot start: \(error.message)"))
        }
    }

    private func agentOptions(
        _ plan: NodePlan, driver: String, _ names: NodeNames
    ) throws(DeploymentError) -> ComputeAgentOptions {
        var options = ComputeAgentOptions(
            host: plan.host, driverName: driver, hostIP: plan.options.node.myIP ?? HostFacts.address,
            stateDirectory: try state.folder(plan.folder("agent")))
        options.reportInterval = plan.options.node.reportInterval
        options.syncInterval = plan.options.compute.powerStateInterval
        options.buildsMax = plan.options.compute.concurrentBuildsMax
        let interval = plan.options.compute.resourceInterval
        if interval > .zero { options.inventoryInterval = interval }
        options.deadlines.ordinary = plan.options.driverCalls.ordinary
        options.deadlines.start = plan.options.driverCalls.start
        options.deadlines.spawn = plan.options.driverCalls.spawn
        options.deadlines.snapshot = plan.options.driverCalls.snapshot
        options.deadlines.move = plan.options.driverCalls.move
        options.adjustment = Self.adjustment(plan.options.compute)
        options.nodeNames = names
        return options
    }

    private static func adjustment(_ options: ComputeOptions) -> InventoryAdjustment {
        var adjustment = InventoryAdjustment()
        adjustment.processorRatio = options.processorRatio
        adjustment.memoryRatio = options.memoryRatio
        adjustment.diskRatio = options.diskRatio
        adjustment.reservedProcessors = options.reservedProcessors
        adjustment.reservedMemoryMiB = options.reservedMemoryMiB
        adjustment.reservedDiskMiB = options.reservedDiskMiB
        return adjustment
    }

    /// The worker that makes this machine's networks, where the node's guests join bridges.
    private func makeNetwork(
        _ plan: NodePlan, _ driver: any ComputeDriver, _ bus: MessageBus, _ peers: Peers, _ running: RunningNodes
    ) async throws(DeploymentError) -> NetworkWorker? {
        guard driver.capabilities.bindings.contains(.bridge), plan.options.networkAgent.isEnabled else { return nil }
        if let owner = running.takeNetworks(for: plan.host) {
            throw DeploymentError(
                .configuration,
                plan.says(
                    "its guests would join bridges of this machine, which node '\(owner)' keeps already; run it in "
                        + "a process of its own on another machine, or set [node:\(plan.name ?? "")"
                        + ".network_agent] enabled = false"))
        }
        let source = NeutronPlanSource(peers.networks, host: plan.host)
        let worker = NetworkWorker(
            host: HostNetwork(options: networkOptions, logger: logger("network-worker")), source: source,
            metadata: MetadataListeners(server: running.metadataServer),
            options: NetworkWorker.Options(verifyInterval: plan.options.networkAgent.verifyInterval),
            logger: logger("network-worker"))
        do {
            running.keep(try await serveNetwork(bus, worker, source, host: plan.host))
        } catch {
            throw DeploymentError(.unavailable, plan.says("its network worker cannot be reached: \(error)"))
        }
        return worker
    }

    private var networkOptions: HostNetworkOptions {
        var options = NetworkPlaces.options(stateDirectory: state.path)
        options.leaseSeconds = Int(up.options.networkAgent.leaseDuration.components.seconds)
        return options
    }

    private func serveNetwork(_ bus: MessageBus, _ worker: NetworkWorker, _ source: NeutronPlanSource, host: String)
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

    /// Waits until a node is up and described, so that the first server finds a host, and until the others are that too
    /// or in trouble; for these not longer than a quarter of a minute.
    func awaitNodes(_ store: ComputeStore, _ running: RunningNodes) async throws {
        let hosts = Set(nodes.map(\.host))
        var firstUp: ContinuousClock.Instant?
        while true {
            let described = Set(try await store.computeNodes().map(\.host))
            let services = try await store.services().filter { $0.binary == "nova-compute" && hosts.contains($0.host) }
            let living = services.filter { service in
                service.isUp(at: store.now(), downAfter: up.options.node.serviceDownTime)
            }
            let ready = described.intersection(living.map(\.host))
            if !ready.isEmpty {
                let troubled = services.filter { $0.trouble != nil }.map(\.host)
                let open = hosts.subtracting(ready).subtracting(troubled)
                let since = firstUp ?? .now
                if open.allSatisfy({ running.failure(of: $0) != nil }) || .now - since > .seconds(15) { return }
                firstUp = since
            }
            try await Task.sleep(for: .milliseconds(5))
        }
    }
}
