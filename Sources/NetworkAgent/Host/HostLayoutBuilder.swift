import ComputeModel

/// Works out the layout for a plan. What cannot be done is left out and said; the rest is done all the same.
struct HostLayoutBuilder {
    private let options: HostNetworkOptions
    private var layout = HostLayout()
    private var names: Set<String> = []
    private var taps: Set<String> = []
    private var networks: Set<NetworkID> = []
    private var externals: [NetworkID: PlannedExternalNetwork] = [:]
    private var rules: GuestRules

    /// The layout of the plan. The book has the numbers of ports and bridges afterwards.
    static func layout(
        of plan: NetworkPlan, options: HostNetworkOptions, numbers: inout NumberBook
    ) -> HostLayout {
        var builder = HostLayoutBuilder(options: options)
        for network in plan.externalNetworks.sorted(by: { $0.id < $1.id }) { builder.add(network) }
        for network in plan.networks.sorted(by: { $0.id < $1.id }) { builder.add(network) }
        for router in plan.routers.sorted(by: { $0.id < $1.id }) { builder.add(router) }
        builder.finish(&numbers)
        return builder.layout
    }

    private init(options: HostNetworkOptions) {
        self.options = options
        rules = GuestRules(tableName: options.owner)
    }

    private mutating func finish(_ numbers: inout NumberBook) {
        numbers.assign(rules.ports.map { "port \($0.plan.id)" } + rules.bridges.map { "zone \($0.name)" })
        for index in rules.ports.indices {
            rules.ports[index].number = numbers.numbers["port \(rules.ports[index].plan.id)"] ?? 0
        }
        for index in rules.bridges.indices {
            rules.bridges[index].zone = numbers.numbers["zone \(rules.bridges[index].name)"] ?? 0
        }
        layout.hostRules = rules.tables()
        if !rules.masqueraded.isEmpty { layout.hostSettings = [.forwarding] }
    }

    // MARK: Networks

    private mutating func add(_ network: PlannedExternalNetwork) {
        let bridge = HostNames.externalBridge(network.id)
        guard isFree(bridge, "external network \(network.id)") else { return }
        guard let address = AddressPrefix(network.hostAddress, length: network.block.length),
            network.block.contains(network.hostAddress)
        else {
            layout.notices.append(
                "The external network \(network.id) is left out: the host's address \(network.hostAddress) is not in "
                    + "\(network.block).")
            return
        }
        let mac = MACAddress(number: Fingerprint.of("bridge \(network.id)") & 0xfcff_ffff_ffff | 0x0200_0000_0000)
        layout.bridges.append(
            .init(name: bridge, mtu: network.mtu, mac: mac, addresses: [address], filtersFrames: false))
        externals[network.id] = network
        if options.masqueradesExternalNetworks, network.block.address.family == .v4 {
            rules.masqueraded.append((bridge, network.block))
        }
    }

    private mutating func add(_ network: PlannedNetwork) {
        let bridge = HostNames.bridge(network.id)
        guard externals[network.id] == nil else {
            layout.notices.append(
                "Ports on the external network \(network.id) are left out: guests join tenant networks.")
            return
        }
        guard isFree(bridge, "network \(network.id)") else { return }
        networks.insert(network.id)
        layout.bridges.append(.init(name: bridge, mtu: network.mtu, mac: nil, filtersFrames: true))
        rules.bridges.append((bridge, 0))
        for port in network.ports.sorted(by: { $0.id < $1.id }) { add(port) }
        for subnet in network.subnets where subnet.servesDHCP && subnet.block.address.family == .v6 {
            layout.notices.append("No addresses are handed out on subnet \(subnet.id): it is IPv6.")
        }
        guard let port = network.dhcpPort else { return }
        let namespace = HostNames.serviceNamespace(network.id)
        layout.namespaces.append(.init(name: namespace))
        let metadata = AddressPrefix(MetadataSocket.address).map { [$0] } ?? []
        let leg = HostLayout.Leg(name: HostNames.serviceLink, mac: port.mac, addresses: port.addresses + metadata)
        addCable(HostNames.serviceCable(network.id), bridge: bridge, mtu: network.mtu, namespace: namespace, leg)
        let directory = options.leaseDirectory(namespace)
        if let service = LeaseService(network, directory: directory, leaseSeconds: options.leaseSeconds) {
            layout.leases.append(service)
        }
    }

    private mutating func add(_ port: PlannedPort) {
        guard Self.isDeviceName(port.tapName), taps.insert(port.tapName).inserted else {
            layout.notices.append("The port \(port.id) is left out: \(port.tapName) is no free device name.")
            return
        }
        rules.ports.append(.init(plan: port, number: 0))
    }

    // MARK: Routers

    private mutating func add(_ router: PlannedRouter) {
        let namespace = HostNames.routerNamespace(router.id)
        guard isFree(namespace, "router \(router.id)") else { return }
        var space = HostLayout.Namespace(name: namespace, settings: [.forwarding])
        for interface in router.interfaces.sorted(by: { $0.network < $1.network }) {
            guard networks.contains(interface.network), let planned = bridge(of: interface.network) else {
                layout.notices.append(
                    "The router \(router.id) has no leg in \(interface.network): that network is not planned here.")
                continue
            }
            let leg = HostLayout.Leg(
                name: HostNames.routerLeg(interface.network), mac: interface.mac, addresses: interface.addresses)
            let name = HostNames.routerCable(router.id, interface.network)
            addCable(name, bridge: planned.name, mtu: planned.mtu, namespace: namespace, leg)
        }
        if let gateway = router.gateway { add(gateway, of: router, to: &space) }
        space.rules = RouterRules.table(name: options.owner, for: router)
        layout.namespaces.append(space)
    }

    private mutating func add(
        _ gateway: PlannedRouterGateway, of router: PlannedRouter, to space: inout HostLayout.Namespace
    ) {
        guard let external = externals[gateway.network] else {
            layout.notices.append(
                "The router \(router.id) has no gateway: its external network \(gateway.network) is not planned here.")
            return
        }
        let floating = router.floatingAddresses.map { AddressPrefix(single: .v4($0.external)) }.sorted()
        let leg = HostLayout.Leg(
            name: HostNames.routerGateway, mac: gateway.mac,
            addresses: [gateway.address] + floating.filter { $0.address != gateway.address.address })
        let bridge = HostNames.externalBridge(external.id)
        addCable(HostNames.gatewayCable(router.id), bridge: bridge, mtu: external.mtu, namespace: space.name, leg)
        if case .v4(let nextHop) = gateway.nextHop {
            space.defaultRoute = HostLayout.Route(nextHop: nextHop, leg: HostNames.routerGateway)
        }
    }

    // MARK: Parts

    private mutating func addCable(
        _ name: String, bridge: String, mtu: Int, namespace: String, _ leg: HostLayout.Leg
    ) {
        layout.cables.append(.init(name: name, bridge: bridge, mtu: mtu, namespace: namespace, inner: leg))
        rules.cables.append(name)
    }

    private func bridge(of network: NetworkID) -> HostLayout.Bridge? {
        layout.bridges.first { $0.name == HostNames.bridge(network) }
    }

    private mutating func isFree(_ name: String, _ what: String) -> Bool {
        guard names.insert(name).inserted else {
            layout.notices.append(
                "The \(what) is left out: another one's identifier begins the same, and \(name) is taken.")
            return false
        }
        return true
    }

    private static func isDeviceName(_ text: String) -> Bool {
        (1...15).contains(text.utf8.count)
            && text.utf8.allSatisfy { byte in
                switch byte {
                case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                    UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "_"):
                    true
                default: false
                }
            }
    }
}
