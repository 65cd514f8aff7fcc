import ComputeModel

/// The rules in the host's own namespace: what guests may send and receive, and the way out for external networks.
///
/// Two tables share the work, because not every kernel tracks connections in the bridge family:
/// - in the `bridge` table each device has an origin chain, which drops what the guest sends under addresses that are
///   not its own, and a destination chain; together they write into the packet's mark where it comes from (upper 16
///   bits) and where it goes (lower 16 bits);
/// - the `inet` table sees the same packets again by way of br_netfilter, in a zone of connection tracking of their
///   bridge's own, and decides by connection and mark. A mark it does not know is dropped.
package struct GuestRules: Sendable {
    /// A guest's port with the number that stands for it in marks.
    struct Port {
        var plan: PlannedPort
        var number: Int
        var tap: String { plan.tapName }
    }

    var tableName: String
    var ports: [Port] = []
    /// Our own devices on tenant bridges; what they send is not filtered where it starts.
    var cables: [String] = []
    /// Tenant bridges with their zones.
    var bridges: [(name: String, zone: Int)] = []
    /// External networks that the host is the way out for.
    var masqueraded: [(bridge: String, block: AddressPrefix)] = []

    /// The mark of devices that are trusted: our own, and ports without protection.
    static let trusted = 1

    init(tableName: String) { self.tableName = tableName }

    /// Both tables, bridge family first.
    package func tables() -> [NftTable] { [bridgeTable(), forwardTable()] }

    // MARK: The bridge family

    private func bridgeTable() -> NftTable {
        var table = NftTable(family: "bridge", name: tableName)
        var origins = cables.map { "\"\($0)\" : goto trusted-origin" }
        var destinations = cables.map { "\"\($0)\" : goto trusted-destination" }
        for port in ports {
            switch port.plan.protection {
            case .open:
                origins.append("\"\(port.tap)\" : goto trusted-origin")
                destinations.append("\"\(port.tap)\" : goto trusted-destination")
            case .addressesOnly:
                origins.append("\"\(port.tap)\" : goto from-\(port.tap)")
                destinations.append("\"\(port.tap)\" : goto trusted-destination")
            case .filtered:
                origins.append("\"\(port.tap)\" : goto from-\(port.tap)")
                destinations.append("\"\(port.tap)\" : goto to-\(port.tap)")
            }
        }
        table.map("origins", from: "ifname", to: "verdict", origins)
        table.map("destinations", from: "ifname", to: "verdict", destinations)
        table.chain("trusted-origin", ["meta mark set \(Self.originMark(Self.trusted))"])
        table.chain("trusted-destination", ["meta mark set meta mark | \(Self.destinationMark(Self.trusted))"])
        for port in ports {
            if case .open = port.plan.protection { continue }
            var number = Self.trusted
            if case .filtered = port.plan.protection {
                number = port.number
                let mark = Self.destinationMark(number)
                table.chain("to-\(port.tap)", ["meta mark set meta mark | \(mark)"])
            }
            table.chain("arp-\(port.tap)", AddressGuard(port: port.plan).arpRules)
            let rules = AddressGuard(port: port.plan).rules(arpChain: "arp-\(port.tap)", mark: Self.originMark(number))
            table.chain("from-\(port.tap)", rules)
        }
        table.chain("leaving-guests", hook: "filter hook prerouting priority filter", ["iifname vmap @origins"])
        table.chain("reaching-guests", hook: "filter hook forward priority filter", ["oifname vmap @destinations"])
        return table
    }

    static func originMark(_ number: Int) -> String { hex(number << 16) }
    static func destinationMark(_ number: Int) -> String { hex(number) }
    private static func hex(_ value: Int) -> String {
        let digits = String(value, radix: 16)
        return "0x" + String(repeating: "0", count: 8 - digits.count) + digits
    }

    // MARK: The internet families

    private func forwardTable() -> NftTable {
        var table = NftTable(family: "inet", name: tableName)
        var remotes = RemoteSets()
        var egress = ["\(Self.originMark(Self.trusted)) : goto arriving"]
        var ingress = ["\(Self.destinationMark(Self.trusted)) : accept"]
        var chains: [NftTable.Chain] = []
        for port in ports {
            guard case .filtered(let rules, _) = port.plan.protection else { continue }
            let filter = PortFilter(rules: rules)
            egress.append("\(Self.originMark(port.number)) : goto egress-\(port.tap)")
            ingress.append("\(Self.destinationMark(port.number)) : goto ingress-\(port.tap)")
            chains.append(.init(name: "egress-\(port.tap)", rules: filter.egress(&remotes, allowed: "goto arriving")))
            chains.append(.init(name: "ingress-\(port.tap)", rules: filter.ingress(&remotes)))
        }
        table.set("bridges", of: "ifname", bridges.map { "\"\($0.name)\"" })
        table.collections += remotes.collections
        table.map("origins", from: "mark", to: "verdict", egress)
        table.map("destinations", from: "mark", to: "verdict", ingress)
        table.chain("arriving", ["meta mark & 0x0000ffff vmap @destinations", "drop"])
        table.chains += chains
        if !bridges.isEmpty {
            let zones = bridges.map { "\"\($0.name)\" : \($0.zone)" }.joined(separator: ", ")
            table.chain("zones", hook: "filter hook prerouting priority raw", ["ct zone set iifname map { \(zones) }"])
        }
        table.chain("between-guests", hook: "filter hook forward priority filter", [
            "iifname != @bridges accept",
            "ct state established,related accept",
            "ct state invalid drop",
            "meta mark & 0xffff0000 vmap @origins",
            "drop",
        ])
        // The host has no address on a tenant bridge; without this it would still answer for those it has elsewhere.
        table.chain("into-host", hook: "filter hook input priority filter", ["iifname @bridges drop"])
        if !masqueraded.isEmpty {
            table.chain("leaving-host", hook: "nat hook postrouting priority srcnat", masqueraded.map {
                "iifname \"\($0.bridge)\" oifname != \"\($0.bridge)\" ip saddr \($0.block.ruleText) masquerade"
            })
        }
        return table
    }
}
