import Database
import WireJSON

extension ResourceKind {
    static let subnet: ResourceKind = ResourceKind(
        path: "subnets", collection: "subnets", member: "subnet",
        columns: [Column("name"), Column("network_id")],
        attributes: AttributeTable(
            common.filter { $0.name != "admin_state_up" } + [
                Attribute("network_id", .atCreation, required: true, Values.id),
                Attribute("cidr", .atCreation) { value in
                    guard let text = value.string, text.contains("/"), let block = AddressBlock(text) else {
                        throw BadValue("'\(Values.plain(value))' is not a valid IP subnet")
                    }
                    guard block.description == text || block.version == 6 else {
                        throw BadValue("'\(text)' isn't a recognized IP subnet cidr, '\(block)' is recommended")
                    }
                    return .string(block.description)
                },
                Attribute("ip_version", .atCreation, required: true) { value in
                    let version = try Values.int(0...Int(Int32.max))(value)
                    guard version == 4 || version == 6 else {
                        throw BadValue("'\(Values.plain(value))' is not in [4, 6]")
                    }
                    return version
                },
                Attribute("gateway_ip", .always, Values.addressOrNull),
                Attribute("enable_dhcp", .always, initial: true, Values.bool),
                Attribute(
                    "allocation_pools", .always,
                    Values.list(
                        Values.object(
                            ["start": Values.address, "end": Values.address], required: ["start", "end"]))),
                Attribute("dns_nameservers", .always, initial: [], Values.list(Values.address)),
                Attribute(
                    "host_routes", .always, initial: [],
                    Values.list(
                        Values.object(
                            ["destination": block, "nexthop": Values.address],
                            required: ["destination", "nexthop"]))),
                Attribute("ipv6_ra_mode", .atCreation, initial: .null, mode),
                Attribute("ipv6_address_mode", .atCreation, initial: .null, mode),
                Attribute("subnetpool_id", .atCreation, initial: .null, Values.nothing),
                Attribute("use_default_subnetpool", .atCreation, Values.nothing),
                Attribute("prefixlen", .atCreation, Values.nothing),
                Attribute("service_types", .always, initial: [], Values.list(Values.text(max: 255))),
            ]),
        missing: { NetworkFault(404, "SubnetNotFound", "Subnet \($0) could not be found.") },
        alsoVisible: { _ in "network_id IN (SELECT id FROM networks WHERE shared = 1)" },
        create: { try $0.createSubnet($1) }, update: { try $0.updateSubnet($1, $2) },
        delete: { try $0.deleteSubnet($1) })

    private static let block: Attribute.Check = { value in
        guard let text = value.string, let block = AddressBlock(text) else {
            throw BadValue("'\(Values.plain(value))' is not a valid IP subnet")
        }
        return .string(block.description)
    }

    private static let mode: Attribute.Check = { value in
        value.isNull
            ? value : try Values.choice(["slaac", "dhcpv6-stateful", "dhcpv6-stateless"])(value)
    }
}

extension NetworkWork {
    fileprivate func createSubnet(_ attributes: JSONObject) throws -> JSONObject {
        var network = try visible(.network, attributes.text("network_id"))
        guard caller.isAdmin || network.projectID == caller.projectID else {
            throw NetworkFault.forbidden("create_subnet")
        }
        try checkQuota("subnet", attributes.projectID)
        guard let block = AddressBlock(attributes.text("cidr")) else {
            throw NetworkFault.badRequest(
                "Bad subnets request: a subnetpool must be specified in the absence of a cidr.")
        }
        guard block.version == attributes["ip_version"]?.int else {
            throw NetworkFault.invalidInput("cidr \(block) does not match the ip_version")
        }
        for other in try subnets(of: network.id) {
            guard let known = AddressBlock(other.text("cidr")), known.overlaps(block) else { continue }
            throw NetworkFault.invalidInput(
                "Requested subnet with cidr: \(block) for network: \(network.id) overlaps with another subnet"
            )
        }
        var subnet = stamped(attributes, project: attributes.projectID)
        subnet.remove("use_default_subnetpool")
        subnet.remove("prefixlen")
        if subnet["gateway_ip"] == nil {
            let first = block.hosts.lowerBound
            subnet.set("gateway_ip", block.first == block.last ? .null : .string(first.description))
        }
        try checkModes(subnet)
        try settlePools(&subnet, block, given: attributes["allocation_pools"] != nil)
        try insert(.subnet, subnet)
        network.set("subnets", JSONValue(network.texts("subnets") + [subnet.id]))
        try save(.network, network)
        try refreshDHCPPort(network)
        changed(network: network.id)
        return subnet
    }

    private func checkModes(_ subnet: JSONObject) throws {
        let modes = [subnet.text("ipv6_ra_mode"), subnet.text("ipv6_address_mode")].filter {
            !$0.isEmpty
        }
        guard subnet["ip_version"]?.int == 4 || !subnet.flag("enable_dhcp") else {
            guard Set(modes).count <= 1 else {
                throw NetworkFault.invalidInput(
                    "ipv6_ra_mode set to '\(modes[0])' with ipv6_address_mode set to '\(modes[1])' is not valid. "
                        + "If both attributes are set, they must be the same value")
            }
            return
        }
        guard modes.isEmpty else {
            throw NetworkFault.invalidInput(
                "ipv6_ra_mode or ipv6_address_mode cannot be set when ip_version is 4 or enable_dhcp is False"
            )
        }
    }

    /// Makes or checks the pools, and checks the gateway against them.
    private func settlePools(_ subnet: inout JSONObject, _ block: AddressBlock, given: Bool) throws {
        let gateway = InternetAddress(subnet.text("gateway_ip"))
        if let gateway {
            guard block.hosts.contains(gateway) else {
                throw NetworkFault.invalidInput("Gateway is not valid on subnet")
            }
        }
        guard given else {
            let pools = Self.ranges(block.hosts, without: gateway)
            subnet.set("allocation_pools", .array(pools.map(Self.view)))
            return
        }
        let pools = try Self.pools(subnet).sorted { $0.lowerBound < $1.lowerBound }
        for pool in pools
        where !block.hosts.contains(pool.lowerBound) || !block.hosts.contains(pool.upperBound) {
            throw NetworkFault(
                400, "OutOfBoundsAllocationPool",
                "The allocation pool \(Self.text(pool)) spans beyond the subnet cidr \(block).")
        }
        for (first, second) in zip(pools, pools.dropFirst()) where first.overlaps(second) {
            throw NetworkFault(
                409, "OverlappingAllocationPools",
                "Found overlapping allocation pools: \(Self.text(first)) \(Self.text(second)) for subnet \(block)."
            )
        }
        guard let gateway, let pool = pools.first(where: { $0.contains(gateway) }) else { return }
        throw NetworkFault(
            409, "GatewayConflictWithAllocationPools",
            "Gateway ip \(gateway) conflicts with allocation pool \(Self.text(pool)).")
    }

    private static func ranges(
        _ hosts: ClosedRange<InternetAddress>, without gateway: InternetAddress?
    )
        -> [ClosedRange<InternetAddress>]
    {
        guard let gateway, hosts.contains(gateway) else { return [hosts] }
        var ranges: [ClosedRange<InternetAddress>] = []
        if hosts.lowerBound < gateway { ranges.append(hosts.lowerBound...gateway.previous) }
        if gateway < hosts.upperBound { ranges.append(gateway.advanced(by: 1)...hosts.upperBound) }
        return ranges
    }

    private static func view(_ pool: ClosedRange<InternetAddress>) -> JSONValue {
        ["start": .string(pool.lowerBound.description), "end": .string(pool.upperBound.description)]
    }

    private static func text(_ pool: ClosedRange<InternetAddress>) -> String {
        "\(pool.lowerBound)-\(pool.upperBound)"
    }

    /// The pools of a subnet. A pool that ends before it begins is refused.
    static func pools(_ subnet: JSONObject) throws -> [ClosedRange<InternetAddress>] {
        try subnet.items("allocation_pools").map { pool in
            guard let start = InternetAddress(pool["start"]?.string ?? ""),
                let end = InternetAddress(pool["end"]?.string ?? ""), start.version == end.version,
                start <= end
            else {
                throw NetworkFault(
                    400, "InvalidAllocationPool", "The allocation pool \(pool.text) is not valid.")
            }
            return start...end
        }
    }

    fileprivate func updateSubnet(_ subnet: JSONObject, _ update: JSONObject) throws -> JSONObject {
        var subnet = subnet
        if let wish = update["gateway_ip"], wish != subnet["gateway_ip"],
            let gateway = InternetAddress(subnet.text("gateway_ip"))
        {
            let used = try connection.first(
                """
                SELECT a.port_id FROM allocations a JOIN ports p ON p.id = a.port_id
                WHERE a.subnet_id = \(subnet.id) AND a.address = \(gateway.key)
                    AND p.device_owner = \(Owner.routerInterface)
                """
            ) { try $0.string(0) }
            if let used {
                throw NetworkFault(
                    409, "GatewayIpInUse",
                    "Current gateway ip \(subnet.text("gateway_ip")) already in use by port \(used). Unable to update."
                )
            }
        }
        subnet.merge(update)
        guard let block = AddressBlock(subnet.text("cidr")) else {
            throw NetworkFault.invalidInput("no cidr")
        }
        if update["gateway_ip"] != nil || update["allocation_pools"] != nil {
            try settlePools(&subnet, block, given: true)
        }
        subnet = try save(.subnet, subnet)
        if update["enable_dhcp"] != nil {
            try refreshDHCPPort(try existing(.network, subnet.text("network_id")))
        }
        changed(network: subnet.text("network_id"))
        return subnet
    }

    func deleteSubnet(_ subnet: JSONObject) throws {
        let used = try connection.first(
            """
            SELECT 1 FROM allocations a JOIN ports p ON p.id = a.port_id
            WHERE a.subnet_id = \(subnet.id) AND p.device_owner <> \(Owner.dhcp)
            """
        ) { _ in true }
        guard used == nil else {
            throw NetworkFault(
                409, "SubnetInUse",
                "Unable to complete operation on subnet \(subnet.id): One or more ports have an IP allocation from "
                    + "this subnet.")
        }
        var network = try existing(.network, subnet.text("network_id"))
        network.set("subnets", JSONValue(network.texts("subnets").filter { $0 != subnet.id }))
        try save(.network, network)
        try refreshDHCPPort(network, without: subnet.id)
        try remove(.subnet, subnet.id)
        changed(network: network.id)
    }

    func subnets(of network: String) throws -> [JSONObject] {
        try all(.subnet, "network_id = \(network)")
    }
}
