import Database
import WireJSON

extension ResourceKind {
    static let securityGroupRule: ResourceKind = ResourceKind(
        path: "security-group-rules", collection: "security_group_rules", member: "security_group_rule",
        columns: [Column("security_group_id"), Column("remote_group_id")],
        attributes: AttributeTable(
            [
                Attribute("security_group_id", .atCreation, required: true, Values.id),
                Attribute("direction", .atCreation, required: true, Values.choice(["ingress", "egress"])),
                Attribute("ethertype", .atCreation, initial: "IPv4") { value in
                    if value.isNull { return "IPv4" }
                    guard let text = value.string?.lowercased(), ["ipv4", "ipv6"].contains(text) else {
                        throw BadValue("'\(Values.plain(value))' is not in ['IPv4', 'IPv6']")
                    }
                    return text == "ipv4" ? "IPv4" : "IPv6"
                },
                Attribute("protocol", .atCreation, initial: .null, RuleProtocol.check),
                Attribute("port_range_min", .atCreation, initial: .null, portNumber),
                Attribute("port_range_max", .atCreation, initial: .null, portNumber),
                Attribute("remote_ip_prefix", .atCreation, initial: .null) { value in
                    if value.isNull || value == "" { return .null }
                    guard let block = AddressBlock(value.string ?? "") else {
                        throw BadValue("'\(Values.plain(value))' is not a valid IP address or network")
                    }
                    return .string(block.description)
                },
                Attribute("remote_group_id", .atCreation, initial: .null, Values.idOrNull),
                Attribute("remote_address_group_id", .atCreation, initial: .null, Values.nothing),
                Attribute("description", .always, initial: "", Values.textOrNull(max: 255)),
            ] + stamps),
        missing: {
            NetworkFault(404, "SecurityGroupRuleNotFound", "Security group rule \($0) does not exist")
        },
        create: { try $0.createRule($1) }, update: { try $0.updateRule($1, $2) },
        delete: { try $0.deleteRule($1) })

    private static let portNumber: Attribute.Check = {
        $0.isNull || $0 == "" ? .null : try Values.int(0...65_535)($0)
    }
}

/// The protocols of rules: names and their numbers.
enum RuleProtocol {
    static let numbers: [String: Int] = [
        "ah": 51, "dccp": 33, "egp": 8, "esp": 50, "gre": 47, "hopopt": 0, "icmp": 1, "icmpv6": 58,
        "igmp": 2,
        "ip": 0, "ipip": 4, "ipv6-encap": 41, "ipv6-frag": 44, "ipv6-icmp": 58, "ipv6-nonxt": 59,
        "ipv6-opts": 60,
        "ipv6-route": 43, "ospf": 89, "pgm": 113, "rsvp": 46, "sctp": 132, "tcp": 6, "udp": 17,
        "udplite": 136,
        "vrrp": 112,
    ]
    static let withPorts: Set<Int> = [6, 17, 33, 132, 136]
    static let controlMessages: Set<Int> = [1, 58]

    /// A name in lower case, or a number as text; null and `any` are no restriction.
    static let check: Attribute.Check = { value in
        if value.isNull || value == "any" || value == "" { return .null }
        let text = value.int.map(String.init) ?? value.string?.lowercased() ?? ""
        if let number = Int(text), (0...255).contains(number) { return .string(String(number)) }
        guard numbers[text] != nil else {
            throw BadValue(
                "'\(Values.plain(value))' is neither a protocol's name nor a number from 0 to 255")
        }
        return .string(text == "icmpv6" ? "ipv6-icmp" : text)
    }

    static func number(_ text: String) -> Int? { Int(text) ?? numbers[text] }
}

extension NetworkWork {
    fileprivate func createRule(_ attributes: JSONObject) throws -> JSONObject {
        let group = try owned(.securityGroup, attributes.text("security_group_id"), for: "create")
        try checkQuota("security_group_rule", group.projectID)
        let rule = stamped(attributes, project: group.projectID)
        try checkProtocol(rule)
        try checkRemote(rule)
        let essence = [
            "direction", "ethertype", "protocol", "port_range_min", "port_range_max", "remote_ip_prefix",
            "remote_group_id",
        ]
        func facts(_ rule: JSONObject) -> [JSONValue] {
            essence.map { key in
                let value = rule[key] ?? .null
                switch (key, value) {
                case ("protocol", .string(let text)):
                    return RuleProtocol.number(text).map { JSONValue($0) } ?? value
                // A remote that is everybody is no remote.
                case ("remote_ip_prefix", "0.0.0.0/0"), ("remote_ip_prefix", "::/0"): return .null
                default: return value
                }
            }
        }
        let wanted = facts(rule)
        if let same = try all(.securityGroupRule, "security_group_id = \(group.id)").first(where: {
            facts($0) == wanted
        }) {
            throw NetworkFault(
                409, "SecurityGroupRuleExists", "Security group rule already exists. Rule id is \(same.id)."
            )
        }
        try insert(.securityGroupRule, rule)
        changedEverything()
        return rule
    }

    fileprivate func updateRule(_ rule: JSONObject, _ update: JSONObject) throws -> JSONObject {
        var rule = rule
        rule.merge(update)
        return try save(.securityGroupRule, rule)
    }

    fileprivate func deleteRule(_ rule: JSONObject) throws {
        try remove(.securityGroupRule, rule.id)
        changedEverything()
    }

    private func checkProtocol(_ rule: JSONObject) throws {
        let (low, high) = (rule["port_range_min"]?.int, rule["port_range_max"]?.int)
        let name = rule.text("protocol")
        guard let number = RuleProtocol.number(name), number != 0 || name == "hopopt" else {
            guard low == nil, high == nil else {
                throw NetworkFault(
                    400, "SecurityGroupProtocolRequiredWithPorts",
                    "Must also specify protocol if port range is given.")
            }
            return
        }
        if number == 58, rule.text("ethertype") == "IPv4" {
            throw NetworkFault(
                400, "SecurityGroupEthertypeConflictWithProtocol",
                "Invalid ethertype IPv4 for protocol \(name).")
        }
        if RuleProtocol.withPorts.contains(number) {
            if low == nil, high == nil { return }
            guard let low, let high, low <= high, low > 0 || high > 0 else {
                throw NetworkFault(
                    400, "SecurityGroupInvalidPortRange",
                    "For TCP/UDP protocols, port_range_min must be <= port_range_max")
            }
        } else if RuleProtocol.controlMessages.contains(number) {
            for (value, field, attribute) in [
                (low, "type", "port_range_min"), (high, "code", "port_range_max"),
            ] {
                if let value, value > 255 {
                    throw NetworkFault(
                        400, "SecurityGroupInvalidIcmpValue",
                        "Invalid value for ICMP \(field) (\(attribute)) \(value). It must be 0 to 255.")
                }
            }
            if low == nil, let high {
                throw NetworkFault(
                    400, "SecurityGroupMissingIcmpType",
                    "ICMP code (port-range-max) \(high) is provided but ICMP type (port-range-min) is missing."
                )
            }
        } else if low != nil || high != nil {
            throw NetworkFault(
                400, "SecurityGroupInvalidProtocolForPort",
                "Invalid protocol \(name) for port range, only supported for TCP, UDP, UDPLITE, SCTP and DCCP."
            )
        }
    }

    private func checkRemote(_ rule: JSONObject) throws {
        let group = rule.text("remote_group_id")
        if let block = AddressBlock(rule.text("remote_ip_prefix")) {
            guard group.isEmpty else {
                throw NetworkFault(
                    400, "SecurityGroupMultipleRemoteEntites",
                    "Only one of remote_ip_prefix or remote_group_id may be "
                        + "provided.")
            }
            guard block.version == (rule.text("ethertype") == "IPv4" ? 4 : 6) else {
                throw NetworkFault(
                    400, "SecurityGroupRuleParameterConflict",
                    "Conflicting value ethertype \(rule.text("ethertype")) for CIDR \(block)")
            }
        }
        if !group.isEmpty { _ = try visible(.securityGroup, group) }
    }
}
