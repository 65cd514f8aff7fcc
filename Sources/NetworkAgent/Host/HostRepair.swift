/// What has to be done to make a host as it shall be. A pure function of the layout and what was found.
struct HostRepair: Sendable {
    struct NamespaceRules: Sendable {
        var namespace: String
        var table: NftTable
    }

    struct Announcement: Sendable {
        var namespace: String
        var leg: String
        var addresses: [IPv4Address]
    }

    /// Processes to end.
    var stops: [LeaseProcess] = []
    /// Lines for `ip -batch` in the host's namespace.
    var hostLines: [String] = []
    /// Settings of the host.
    var hostSettings: [NamespaceSetting] = []
    /// Lines for `ip -batch` in a namespace.
    var namespaceLines: [(namespace: String, lines: [String])] = []
    var namespaceSettings: [(namespace: String, setting: NamespaceSetting)] = []
    var namespaceRules: [NamespaceRules] = []
    var announcements: [Announcement] = []
    /// Services to start.
    var starts: [LeaseService] = []
    var changes: [HostChange] = []

    var isEmpty: Bool { changes.isEmpty }
}

/// Compares a layout with what was found.
struct HostComparison {
    let layout: HostLayout
    let found: HostObservation
    let options: HostNetworkOptions
    let hasIPv6: Bool
    /// For a namespace's rules: what the kernel listed when these rules were put there.
    let recordedRules: (String, NftTable) -> String?
    private var repair = HostRepair()

    init(
        layout: HostLayout, found: HostObservation, options: HostNetworkOptions, hasIPv6: Bool,
        recordedRules: @escaping (String, NftTable) -> String?
    ) {
        (self.layout, self.found, self.options) = (layout, found, options)
        (self.hasIPv6, self.recordedRules) = (hasIPv6, recordedRules)
    }

    /// What has to be done.
    ///
    /// - Throws: if something that is not ours is in the way.
    mutating func work() throws(HostNetworkError) -> HostRepair {
        try removeLeftovers()
        for namespace in layout.namespaces { try compare(namespaceNamed: namespace.name) }
        for bridge in layout.bridges { try compare(bridge) }
        for cable in layout.cables { try compare(cable) }
        for namespace in layout.namespaces { compareContents(namespace) }
        for setting in layout.hostSettings where !found.hostSettings.contains(setting) {
            repair.hostSettings.append(setting)
            note(.changed, "setting \(setting.name)")
        }
        compareServices()
        return repair
    }

    private mutating func note(_ kind: HostChange.Kind, _ subject: String) {
        let change = HostChange(kind, subject)
        if !repair.changes.contains(change) { repair.changes.append(change) }
    }

    // MARK: The host's namespace

    private mutating func removeLeftovers() throws(HostNetworkError) {
        let wanted = Set(layout.bridges.map(\.name) + layout.cables.map(\.name))
        for link in found.links.values.sorted(by: { $0.name < $1.name })
        where link.alias == options.owner && !wanted.contains(link.name) {
            repair.hostLines.append("link delete dev \(link.name)")
            note(.removed, "device \(link.name)")
        }
        let namespaces = Set(layout.namespaces.map(\.name))
        for (name, namespace) in found.namespaces.sorted(by: { $0.key < $1.key })
        where !namespaces.contains(name) && (namespace.owner == nil || namespace.owner == options.owner) {
            repair.hostLines.append("netns delete \(name)")
            note(.removed, "namespace \(name)")
        }
        for name in found.brokenNamespaces {
            repair.hostLines.append("netns delete \(name)")
            note(.removed, "broken namespace \(name)")
        }
    }

    private mutating func compare(namespaceNamed name: String) throws(HostNetworkError) {
        guard let existing = found.namespaces[name] else {
            repair.hostLines.append("netns add \(name)")
            note(.made, "namespace \(name)")
            return
        }
        if let owner = existing.owner, owner != options.owner { throw .nameTaken("namespace \(name)", by: owner) }
    }

    private mutating func compare(_ bridge: HostLayout.Bridge) throws(HostNetworkError) {
        let name = bridge.name
        let calls = bridge.filtersFrames ? 1 : 0
        let options = "nf_call_iptables \(calls) nf_call_ip6tables \(calls)"
        guard let link = try ours(name, kind: "bridge") else {
            let address = bridge.mac.map { " address \($0)" } ?? ""
            repair.hostLines += [
                "link add name \(name)\(address) mtu \(bridge.mtu) type bridge "
                    + "forward_delay 0 stp_state 0 mcast_snooping 0 \(options)",
                "link set dev \(name) alias \(self.options.owner)",
            ]
            quiet(name)
            repair.hostLines += bridge.addresses.map { "address add \($0) dev \(name)" }
            repair.hostLines.append("link set dev \(name) up")
            note(.made, "device \(name)")
            return
        }
        var lines: [String] = []
        if link.alias != self.options.owner { lines.append("link set dev \(name) alias \(self.options.owner)") }
        if let mac = bridge.mac, link.mac != mac { lines.append("link set dev \(name) address \(mac)") }
        if link.mtu != bridge.mtu { lines.append("link set dev \(name) mtu \(bridge.mtu)") }
        if bridge.filtersFrames, !link.filtersFrames { lines.append("link set dev \(name) type bridge \(options)") }
        lines += addressLines(name, wanted: bridge.addresses, found: link.addresses)
        if !link.isUp { lines.append("link set dev \(name) up") }
        if !lines.isEmpty { note(.changed, "device \(name)") }
        repair.hostLines += lines
    }

    private mutating func compare(_ cable: HostLayout.Cable) throws(HostNetworkError) {
        let link = try ours(cable.name, kind: "veth")
        if let link, found.namespaces[cable.namespace]?.links[cable.inner.name]?.kind == "veth" {
            var lines: [String] = []
            if link.alias != options.owner { lines.append("link set dev \(cable.name) alias \(options.owner)") }
            if link.mtu != cable.mtu { lines.append("link set dev \(cable.name) mtu \(cable.mtu)") }
            if link.master != cable.bridge { lines.append("link set dev \(cable.name) master \(cable.bridge)") }
            lines += addressLines(cable.name, wanted: [], found: link.addresses)
            if !link.isUp { lines.append("link set dev \(cable.name) up") }
            if !lines.isEmpty { note(.changed, "device \(cable.name)") }
            repair.hostLines += lines
            return
        }
        // One end without the other, or an end in a namespace whose name is gone.
        if link != nil { repair.hostLines.append("link delete dev \(cable.name)") }
        let inner = cable.inner
        repair.hostLines += [
            "link add name \(cable.name) mtu \(cable.mtu) type veth "
                + "peer name \(inner.name) netns \(cable.namespace) address \(inner.mac) mtu \(cable.mtu)",
            "link set dev \(cable.name) alias \(options.owner)",
        ]
        quiet(cable.name)
        repair.hostLines.append("link set dev \(cable.name) master \(cable.bridge) up")
        note(.made, "device \(cable.name)")
    }

    /// A device of ours, or one that nobody has claimed and is what we would have made.
    private func ours(_ name: String, kind: String) throws(HostNetworkError) -> HostObservation.Link? {
        guard let link = found.links[name] else { return nil }
        guard link.kind == kind, link.alias == nil || link.alias == options.owner else {
            throw .nameTaken("device \(name)", by: link.alias ?? "a device of the kind \(link.kind)")
        }
        return link
    }

    /// Keeps the kernel from giving the device an IPv6 address: the host is no member of a tenant's network.
    private mutating func quiet(_ name: String) {
        if hasIPv6 { repair.hostLines.append("link set dev \(name) addrgenmode none") }
    }

    // MARK: Inside namespaces

    private mutating func compareContents(_ namespace: HostLayout.Namespace) {
        let existing = found.namespaces[namespace.name]
        var lines: [String] = []
        let loopback = existing?.links["lo"]
        if loopback?.alias != options.owner { lines.append("link set dev lo alias \(options.owner)") }
        if loopback?.isUp != true { lines.append("link set dev lo up") }
        for cable in layout.cables(into: namespace.name) {
            let leg = cable.inner
            let isNew = found.links[cable.name] == nil || existing?.links[leg.name]?.kind != "veth"
            let link = isNew ? nil : existing?.links[leg.name]
            if link?.mac != leg.mac { lines.append("link set dev \(leg.name) address \(leg.mac)") }
            if link?.mtu != cable.mtu { lines.append("link set dev \(leg.name) mtu \(cable.mtu)") }
            if link == nil, hasIPv6 { lines.append("link set dev \(leg.name) addrgenmode none") }
            lines += addressLines(leg.name, wanted: leg.addresses, found: link?.addresses ?? [])
            if link?.isUp != true { lines.append("link set dev \(leg.name) up") }
            let fresh = leg.addresses.filter { !(link?.addresses ?? []).contains($0) }.compactMap(\.address.v4)
            if leg.name == HostNames.routerGateway, !fresh.isEmpty {
                repair.announcements.append(.init(namespace: namespace.name, leg: leg.name, addresses: fresh))
            }
        }
        if let route = namespace.defaultRoute {
            if existing?.defaultRoute != route || !lines.isEmpty {
                lines.append("route replace default via \(route.nextHop) dev \(route.leg) onlink")
            }
        } else if existing?.defaultRoute != nil {
            lines.append("route delete default")
        }
        if !lines.isEmpty {
            repair.namespaceLines.append((namespace.name, lines))
            note(.changed, "inside \(namespace.name)")
        }
        for setting in namespace.settings where existing?.settings.contains(setting) != true {
            repair.namespaceSettings.append((namespace.name, setting))
            note(.changed, "setting \(setting.name) in \(namespace.name)")
        }
        if let table = namespace.rules {
            let recorded = recordedRules(namespace.name, table)
            if recorded == nil || existing?.rules != recorded {
                repair.namespaceRules.append(.init(namespace: namespace.name, table: table))
                note(.changed, "rules in \(namespace.name)")
            }
        }
    }

    private func addressLines(_ device: String, wanted: [AddressPrefix], found: [AddressPrefix]) -> [String] {
        let added = wanted.filter { !found.contains($0) }
        let surplus = found.filter { !wanted.contains($0) }
        return surplus.map { "address delete \($0) dev \(device)" }
            + added.map { "address add \($0) dev \(device)" + ($0.address.family == .v6 ? " nodad" : "") }
    }

    // MARK: Services

    private mutating func compareServices() {
        var needed: [String: LeaseService] = [:]
        for service in layout.leases { needed[service.configurationPath] = service }
        for process in found.processes {
            let name = needed[process.configurationPath].map { HostNames.serviceNamespace($0.network) }
            let home = name.flatMap { SystemFile.identity(options.place.namespacePath($0)) }
            if home != nil, home == process.namespaceIdentity, name.map({ found.namespaces[$0] != nil }) == true {
                needed[process.configurationPath] = nil
            } else {
                repair.stops.append(process)
                note(.stopped, "dnsmasq \(process.configurationPath)")
            }
        }
        for service in layout.leases where needed[service.configurationPath] != nil {
            repair.starts.append(service)
            note(.started, "dnsmasq for \(service.network)")
        }
    }
}
