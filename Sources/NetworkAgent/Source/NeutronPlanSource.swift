import ComputeModel
package import PeerClients

/// The plan for a host, made of what the network service says.
///
/// A host has in its plan the networks of the guests' ports that are bound to it, the routers on these networks, and
/// whatever else hangs on these routers. It asks with a handful of list requests whatever the number of ports.
package actor NeutronPlanSource: NetworkPlanSource {
    private let client: NetworkClient
    private let host: String
    private let interval: Duration
    private var listeners: [Int: AsyncStream<Void>.Continuation] = [:]
    private var listenersMade = 0

    /// More identifiers than this are not put into one request: everything is asked for instead.
    private static let filterMax = 100

    /// - Parameters:
    ///   - host: as ports are bound to it.
    ///   - interval: how often the plan is fetched although nobody hinted at a change.
    package init(_ client: NetworkClient, host: String, interval: Duration = .seconds(30)) {
        (self.client, self.host, self.interval) = (client, host, interval)
    }

    /// A hint: something of the networks changed.
    package func planMayHaveChanged() {
        for listener in listeners.values { listener.yield() }
    }

    package func changes() -> AsyncStream<Void> {
        let (stream, continuation) = AsyncStream<Void>.makeStream(bufferingPolicy: .bufferingNewest(1))
        listenersMade += 1
        let number = listenersMade
        listeners[number] = continuation
        let clock = Task { [interval] in
            while (try? await Task.sleep(for: interval)) != nil { continuation.yield() }
        }
        continuation.onTermination = { [weak self] _ in
            clock.cancel()
            Task { await self?.forget(number) }
        }
        return stream
    }

    private func forget(_ number: Int) { listeners[number] = nil }

    package func currentPlan() async throws -> NetworkPlan {
        PlanAssembly(try await facts(), host: host).plan
    }

    /// Everything about the networks of the host, as far as routers reach.
    private func facts() async throws -> NetworkFacts {
        let own = try await client.ports([("binding:host_id", host)])
            .filter { $0.deviceOwner.hasPrefix(PortOwner.guestPrefix) }
        var facts = NetworkFacts()
        guard !own.isEmpty else { return facts }
        let legs = try await client.ports([
            ("device_owner", PortOwner.routerInterface), ("device_owner", PortOwner.routerGateway),
        ])
        var tenant = Set(own.map(\.networkID))
        let routers = Set(
            legs.filter { $0.deviceOwner == PortOwner.routerInterface && tenant.contains($0.networkID) }
                .map(\.deviceID))
        let ourLegs = legs.filter { routers.contains($0.deviceID) }
        tenant.formUnion(
            ourLegs.filter { $0.deviceOwner == PortOwner.routerInterface }.map(\.networkID))
        let gateways = ourLegs.filter { $0.deviceOwner == PortOwner.routerGateway }
        let networks = tenant.union(gateways.map(\.networkID))
        let members = Self.filter("network_id", tenant)
        let groups = Set(own.flatMap(\.securityGroups))

        async let allNetworks = client.networks(Self.filter("id", networks))
        async let allSubnets = client.subnets(Self.filter("network_id", networks))
        async let allPorts = client.ports(members)
        async let allGroups = groups.isEmpty ? [] : client.securityGroups(Self.filter("id", groups))
        async let allRouters = routers.isEmpty ? [] : client.routers(Self.filter("id", routers))
        async let allFloating =
            routers.isEmpty ? [] : client.floatingIPs(Self.filter("router_id", routers))

        facts.networks = try await allNetworks.filter { networks.contains($0.id) }
        facts.subnets = try await allSubnets.filter { networks.contains($0.networkID) }
        facts.ports = try await allPorts.filter { tenant.contains($0.networkID) } + gateways
        facts.groups = try await allGroups
        facts.routers = try await allRouters.filter { routers.contains($0.id) }
        facts.floatingIPs = try await allFloating
        return facts
    }

    private static func filter(_ name: String, _ ids: some Collection<some Hashable>) -> [(
        String, String
    )] {
        ids.count > filterMax ? [] : ids.map { (name, "\($0)") }.sorted { $0.1 < $1.1 }
    }
}
