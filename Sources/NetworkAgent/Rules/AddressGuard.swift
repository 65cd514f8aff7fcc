/// The rules that hold a guest to its own addresses: nothing leaves a port under another one's hardware, IP or ARP
/// address, no guest answers DHCP or announces itself as a router, and what is neither IP nor ARP does not leave.
struct AddressGuard {
    let port: PlannedPort

    private struct Pair: Hashable { var mac: MACAddress, block: AddressPrefix }

    private var pairs: [Pair] {
        var pairs = port.fixedAddresses.map { Pair(mac: port.mac, block: AddressPrefix(single: $0)) }
        pairs += port.protection.pairs.map { Pair(mac: $0.mac ?? port.mac, block: $0.block.block) }
        let macs = Set(pairs.map(\.mac)).union([port.mac]).sorted()
        pairs += macs.map { Pair(mac: $0, block: AddressPrefix(single: .v6(IPv6Address(linkLocalFor: $0)))) }
        var seen: Set<Pair> = []
        return pairs.filter { seen.insert($0).inserted }
    }

    private var macs: [MACAddress] { Set(pairs.map(\.mac)).sorted() }

    /// Elements for a match of hardware address and IP address together.
    private func elements(_ family: AddressFamily) -> [String] {
        pairs.filter { $0.block.address.family == family }.map { "\($0.mac) . \($0.block.ruleText)" }
    }

    /// The rules for ARP: the sender tells its own addresses, or asks whether an address is free.
    var arpRules: [String] {
        let own = elements(.v4) + macs.map { "\($0) . 0.0.0.0" }
        return [
            "ether saddr . arp saddr ip != { \(own.joined(separator: ", ")) } drop",
            "arp saddr ether != { \(list(macs)) } drop",
            "accept",
        ]
    }

    /// The rules for all that the guest sends; what passes has the mark.
    func rules(arpChain: String, mark: String) -> [String] {
        let pass = "meta mark set \(mark) accept"
        var rules = [
            "ether saddr != { \(list(macs)) } drop",
            "ether type arp goto \(arpChain)",
            "ether type ip udp sport 67 udp dport 68 drop",
            "ether type ip6 udp sport 547 udp dport 546 drop",
            "ether type ip6 icmpv6 type { nd-router-advert, nd-redirect } drop",
        ]
        let v4 = elements(.v4)
        if !v4.isEmpty { rules.append("ether saddr . ip saddr { \(v4.joined(separator: ", ")) } \(pass)") }
        rules.append("ip saddr 0.0.0.0 ip daddr 255.255.255.255 udp sport 68 udp dport 67 \(pass)")
        rules += neighbourRules(pass: pass)
        let v6 = elements(.v6)
        if !v6.isEmpty { rules.append("ether saddr . ip6 saddr { \(v6.joined(separator: ", ")) } \(pass)") }
        rules.append(
            "ip6 saddr :: icmpv6 type { nd-router-solicit, nd-neighbor-solicit, mld2-listener-report } \(pass)")
        rules.append("drop")
        return rules
    }

    /// A neighbour advertisement must speak for an address of the port: the 16 bytes after the 8 of its header.
    private func neighbourRules(pass: String) -> [String] {
        let own = pairs.compactMap { pair -> String? in
            guard case .v6(let address) = pair.block.address else { return nil }
            guard pair.block.isSingle else {
                return "icmpv6 type nd-neighbor-advert ip6 saddr \(pair.block.ruleText) \(pass)"
            }
            let digits = [address.high, address.low].map { half in
                let text = String(half, radix: 16)
                return String(repeating: "0", count: 16 - text.count) + text
            }.joined()
            return "icmpv6 type nd-neighbor-advert @th,64,128 0x\(digits) ip6 saddr \(pair.block.ruleText) \(pass)"
        }
        return own + ["icmpv6 type nd-neighbor-advert drop"]
    }

    private func list(_ macs: [MACAddress]) -> String { macs.map(\.description).joined(separator: ", ") }
}
