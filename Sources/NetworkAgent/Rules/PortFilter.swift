/// The security group rules of one port as rules of nft. Answers have been let through before these are asked.
struct PortFilter {
    let rules: [PlannedRule]

    /// What a guest needs whatever its rules say: neighbour discovery and membership reports of IPv6.
    private static let neighbourTypes =
        "{ mld-listener-query, mld-listener-report, mld-listener-done, nd-router-solicit, nd-neighbor-solicit, "
        + "nd-neighbor-advert, mld2-listener-report }"

    /// The rules for what leaves the guest. `allowed` is the verdict with which it goes on.
    func egress(_ remotes: inout RemoteSets, allowed: String) -> [String] {
        var lines = [
            "meta nfproto ipv4 udp sport 68 udp dport 67 \(allowed)",
            "icmpv6 type \(Self.neighbourTypes) \(allowed)",
        ]
        for rule in rules where rule.direction == .egress {
            lines += texts(of: rule, side: "daddr", &remotes).map { "\($0) \(allowed)" }
        }
        return lines + ["drop"]
    }

    /// The rules for what is about to reach the guest.
    func ingress(_ remotes: inout RemoteSets) -> [String] {
        let trusted = "meta mark & 0xffff0000 == \(GuestRules.originMark(GuestRules.trusted))"
        var lines = [
            "\(trusted) meta nfproto ipv4 udp sport 67 udp dport 68 accept",
            "\(trusted) icmpv6 type nd-router-advert accept",
            "icmpv6 type \(Self.neighbourTypes) accept",
        ]
        for rule in rules where rule.direction == .ingress {
            lines += texts(of: rule, side: "saddr", &remotes).map { "\($0) accept" }
        }
        return lines + ["drop"]
    }

    /// The match of one rule; none if it can match nothing.
    private func texts(of rule: PlannedRule, side: String, _ remotes: inout RemoteSets) -> [String] {
        let protocolName = rule.family == .v4 ? "ip" : "ip6"
        var parts: [String] = []
        switch rule.remote {
        case .any:
            parts.append("meta nfproto \(rule.family == .v4 ? "ipv4" : "ipv6")")
        case .block(let block):
            guard block.address.family == rule.family else { return [] }
            parts.append("\(protocolName) \(side) \(block.ruleText)")
        case .members(let members):
            guard let name = remotes.name(for: members, rule.family) else { return [] }
            parts.append("\(protocolName) \(side) @\(name)")
        }
        switch rule.traffic {
        case .any: break
        case .protocolNumber(let number): parts.append("meta l4proto \(number)")
        case .transport(let transport, let ports):
            guard let ports else {
                parts.append("meta l4proto \(transport.rawValue)")
                break
            }
            let range = ports.count == 1 ? "\(ports.lowerBound)" : "\(ports.lowerBound)-\(ports.upperBound)"
            parts.append("\(transport.rawValue) dport \(range)")
        case .icmp(let type, let code):
            let name = rule.family == .v4 ? "icmp" : "icmpv6"
            guard let type else {
                parts.append("meta l4proto \(rule.family == .v4 ? "icmp" : "ipv6-icmp")")
                break
            }
            parts.append("\(name) type \(type)" + (code.map { " \(name) code \($0)" } ?? ""))
        }
        return [parts.joined(separator: " ")]
    }
}

/// The sets of addresses that rules refer to; equal ones are kept once.
struct RemoteSets {
    private(set) var collections: [NftTable.Collection] = []

    /// The set of those members that are of the family; `nil` if there are none.
    mutating func name(for members: Set<AddressPrefix>, _ family: AddressFamily) -> String? {
        let elements = Set(members.filter { $0.address.family == family }.map(\.block)).sorted().map(\.ruleText)
        guard !elements.isEmpty else { return nil }
        let name = "remote-" + Fingerprint.text(of: elements.joined(separator: " "))
        if !collections.contains(where: { $0.name == name }) {
            let keys = family == .v4 ? "ipv4_addr" : "ipv6_addr"
            collections.append(.init(name: name, keys: keys, holdsBlocks: true, elements: elements))
        }
        return name
    }
}
