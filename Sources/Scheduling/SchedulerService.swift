import ComputeModel
package import ComputeStore
package import Logging
package import Messaging
import ServiceInterfaces

/// How a scheduler chooses.
package struct SchedulerServiceOptions: Sendable {
    package var selector: DestinationSelector
    /// `[scheduler] max_placement_results`.
    package var candidatesMax = 1000
    /// `[DEFAULT] service_down_time`.
    package var serviceDownAfter: Duration = .seconds(60)
    /// `[DEFAULT] default_availability_zone`: where hosts without an aggregate are.
    package var defaultZone = "nova"
    /// What placement is asked beside resources and traits that flavors and images name themselves.
    package var prefilters = PrefilterOptions()

    package init(selector: DestinationSelector) { self.selector = selector }
}

/// The service `nova-scheduler`: finds a place for each instance and claims its resources in placement.
package struct SchedulerService: Sendable {
    private let options: SchedulerServiceOptions
    private let store: ComputeStore
    private let bus: MessageBus
    let logger: Logger

    package init(_ options: SchedulerServiceOptions, store: ComputeStore, bus: MessageBus, logger: Logger) {
        self.options = options
        self.store = store
        self.bus = bus
        self.logger = logger
    }

    /// Takes requests until the subscription is stopped.
    package func serve() async throws(MessagingError) -> Subscription {
        try await bus.serve(
            topic: Topic.scheduler,
            limit: 32,
            [RPCHandler { (message: SelectDestinations, _) in try await self.select(message) }])
    }

    private func select(_ message: SelectDestinations) async throws -> SelectDestinations.Reply {
        let spec = message.spec
        var explanation = SchedulingExplanation()
        var hosts = try await candidates(spec, explaining: &explanation)
        hosts.removeAll { message.excludedHosts.contains($0.host) }
        if !message.excludedHosts.isEmpty { explanation.stages.append(("not tried before", hosts.count)) }
        var selections: [Selection] = []
        for instance in message.instances {
            // What was refused to the instances before is no reason for this one.
            var own = explanation
            do {
                selections.append(try await place(instance, spec, &hosts, &own))
            } catch {
                // The one that failed too: its claim may have been made although no answer came.
                for claimed in message.instances.prefix(selections.count + 1) { await release(claimed) }
                throw error
            }
        }
        return SelectDestinations.Reply(selections: selections)
    }

    /// Filters, weighs and claims for one instance, and notes on the host what it takes.
    private func place(
        _ instance: InstanceID, _ spec: RequestSpec, _ hosts: inout [HostState],
        _ explanation: inout SchedulingExplanation
    ) async throws -> Selection {
        // A forced host skips the filters; only the claim decides.
        let passed =
            spec.forcedHost == nil && spec.forcedNode == nil
            ? options.selector.filter(hosts, spec, explaining: &explanation) : hosts
        var random = SystemRandomNumberGenerator()
        for host in options.selector.order(passed, using: &random) {
            for candidate in host.candidates {
                guard try await claim(candidate, for: instance, spec) else { continue }
                if let index = hosts.firstIndex(where: { $0.nodeID == host.nodeID }) {
                    hosts[index].consume(spec.flavor)
                }
                logger.info(
                    "destination selected", metadata: ["instance.id": "\(instance)", "host": "\(host.host)"])
                return Selection(
                    host: host.host, node: host.node, nodeID: host.nodeID, availabilityZone: host.availabilityZone,
                    bindings: host.bindings, allocations: candidate.allocations)
            }
            explanation.refusals.append((host.host, "claim", "its resources were taken meanwhile"))
        }
        await explainPlacement(&explanation)
        logger.notice(
            "no valid host", metadata: ["instance.id": "\(instance)", "reason": "\(explanation.summary)"])
        throw RemoteFault(kind: FaultKind.noValidHost, message: explanation.summary)
    }

    private func claim(_ candidate: AllocationCandidate, for instance: InstanceID, _ spec: RequestSpec) async throws
        -> Bool
    {
        let claim = ClaimResources(
            consumer: ConsumerID(instance.uuid), projectID: spec.projectID, userID: spec.userID,
            allocations: candidate.allocations)
        do {
            _ = try await bus.call(claim, to: Address(topic: Topic.placement))
            return true
        } catch .remote(let fault) where fault.kind == FaultKind.conflict {
            return false
        }
    }

    private func release(_ instance: InstanceID) async {
        do {
            let release = ReleaseResources(consumer: ConsumerID(instance.uuid))
            _ = try await bus.call(release, to: Address(topic: Topic.placement))
        } catch {
            // Whoever asked releases once more when it gives up.
            logger.warning(
                "a claim is left in placement", metadata: ["instance.id": "\(instance)", "error": "\(error)"])
        }
    }

    /// The hosts that placement names for the request, with what the database knows of them.
    private func candidates(_ spec: RequestSpec, explaining explanation: inout SchedulingExplanation) async throws
        -> [HostState]
    {
        let nodes = try await store.computeNodes()
        explanation.stages.append(("nodes", nodes.count))
        let wishes = PlacementWishes(spec, options.prefilters(for: spec))
        let asked = Self.node(spec, among: nodes)
        let found = try await ask(
            wishes.question(inTree: asked.map { ProviderID($0.uuid) }, limit: options.candidatesMax))
        let byRoot = Dictionary(grouping: found, by: \.root)
        explanation.stages.append(("resources and traits", byRoot.count))
        explanation.wishes = wishes
        explanation.passedOver = nodes.filter { node in
            byRoot[ProviderID(node.id.uuid)] == nil && (asked == nil || asked == node.id)
        }.map { PassedOver(host: $0.host, provider: ProviderID($0.id.uuid)) }
        let services = try await store.services().filter { $0.binary == "nova-compute" }
        let byHost = Dictionary(services.map { ($0.host, $0) }) { first, _ in first }
        let usage = try await store.usageByNode()
        let now = store.now()
        return nodes.compactMap { node in
            guard let candidates = byRoot[ProviderID(node.id.uuid)] else { return nil }
            let service = byHost[node.host]
            let used = usage[node.id] ?? NodeUsage()
            return HostState(
                host: node.host, node: node.node, nodeID: node.id, availabilityZone: options.defaultZone,
                isUp: service?.isUp(at: now, downAfter: options.serviceDownAfter) ?? false,
                isDisabled: service?.isDisabled ?? false, disabledReason: service?.disabledReason,
                trouble: service?.trouble,
                inventory: node.inventory, traits: node.traits, bindings: node.bindings, instances: used.instances,
                ioOperations: used.ioOperations, usedVCPUs: used.vcpus, usedMemoryMiB: used.memoryMiB,
                usedDiskGiB: used.diskGiB,
                candidates: candidates)
        }
    }

    /// A class or trait that placement does not know is a request that no host can satisfy.
    func ask(_ question: FindCandidates) async throws -> [AllocationCandidate] {
        do {
            return try await bus.call(question, to: Address(topic: Topic.placement)).candidates
        } catch {
            guard case .remote(let fault) = error, fault.kind == FaultKind.notFound else { throw error }
            throw RemoteFault(kind: FaultKind.noValidHost, message: "No valid host was found. \(fault.message)")
        }
    }

    /// The node that the request names, by force or by wish.
    private static func node(_ spec: RequestSpec, among nodes: [ComputeNodeRecord]) -> NodeID? {
        let host = spec.forcedHost ?? spec.requestedHost
        let node = spec.forcedNode ?? spec.requestedNode
        guard host != nil || node != nil else { return nil }
        let found = nodes.first { (host == nil || $0.host == host) && (node == nil || $0.node == node) }
        // A name that nobody has must find nothing rather than everything.
        return found?.id ?? NodeID.random()
    }
}
