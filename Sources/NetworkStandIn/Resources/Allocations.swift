import ComputeModel
import Database
import WireJSON

/// An address of a port, with the subnet it is of.
struct FixedAddress: Hashable {
    var subnet: String
    var address: InternetAddress

    var view: JSONValue {
        ["subnet_id": .string(subnet), "ip_address": .string(address.description)]
    }
    static func list(_ port: JSONObject, _ key: String = "fixed_ips") -> [FixedAddress] {
        port.items(key).compactMap { entry in
            guard let address = InternetAddress(entry["ip_address"]?.string ?? "") else { return nil }
            return FixedAddress(subnet: entry["subnet_id"]?.string ?? "", address: address)
        }
    }
}

/// For whom addresses are chosen.
struct AddressSeeker {
    var network: String
    var mac: String
    /// What the port has already, which stays where nothing else was asked for.
    var held: [FixedAddress] = []
    /// Whether the caller may choose the address itself.
    var mayChoose = true
}

extension NetworkWork {
    /// The addresses for a wish in Neutron's form, or for none: one of each version that the network has.
    func chooseAddresses(_ wish: [JSONValue]?, for seeker: AddressSeeker) throws -> [FixedAddress] {
        let subnets = try subnets(of: seeker.network)
        guard let wish else { return try defaultAddresses(subnets, seeker) }
        var chosen: [FixedAddress] = []
        for entry in wish {
            let text = entry["ip_address"]?.string
            if text != nil, !seeker.mayChoose {
                throw NetworkFault.forbidden("create_port:fixed_ips:ip_address")
            }
            let address = text.flatMap { InternetAddress($0) }
            let subnet = try self.subnet(entry["subnet_id"]?.string, address, subnets, seeker.network)
            if let address {
                let fixed = FixedAddress(subnet: subnet.id, address: address)
                try checkFree(fixed, seeker)
                chosen.append(fixed)
            } else if let held = seeker.held.first(where: {
                $0.subnet == subnet.id && !chosen.contains($0)
            }) {
                chosen.append(held)
            } else {
                guard let free = try freeAddress(subnet, seeker.mac, besides: chosen) else {
                    throw exhausted("subnet", subnet.id)
                }
                chosen.append(free)
            }
        }
        return chosen
    }

    private func defaultAddresses(_ subnets: [JSONObject], _ seeker: AddressSeeker) throws
        -> [FixedAddress]
    {
        var chosen: [FixedAddress] = []
        for version in [4, 6] {
            let candidates = subnets.filter {
                $0["ip_version"]?.int == version && $0.items("service_types").isEmpty
            }
            if candidates.isEmpty { continue }
            var free: FixedAddress?
            for subnet in candidates where free == nil { free = try freeAddress(subnet, seeker.mac) }
            guard let free else { throw exhausted("network", seeker.network) }
            chosen.append(free)
        }
        return chosen
    }

    private func exhausted(_ what: String, _ id: String) -> NetworkFault {
        NetworkFault(
            409, "IpAddressGenerationFailure",
            "No more IP addresses available \(what == "network" ? "on network" : "for subnet") \(id).")
    }

    private func subnet(
        _ id: String?, _ address: InternetAddress?, _ subnets: [JSONObject], _ network: String
    ) throws
        -> JSONObject
    {
        if let id {
            guard let subnet = subnets.first(where: { $0.id == id }) else {
                throw NetworkFault.invalidInput(
                    "Failed to create port on network \(network), because fixed_ips included invalid subnet \(id)"
                )
            }
            if let address, AddressBlock(subnet.text("cidr"))?.hosts.contains(address) != true {
                throw NetworkFault(
                    400, "InvalidIpForSubnet",
                    "IP address \(address) is not a valid IP for the specified subnet.")
            }
            return subnet
        }
        guard let address else {
            throw NetworkFault.badRequest("IP allocation requires subnet_id or ip_address.")
        }
        let fitting = subnets.first { AddressBlock($0.text("cidr"))?.hosts.contains(address) == true }
        guard let fitting else {
            throw NetworkFault(
                400, "InvalidIpForNetwork",
                "IP address \(address) is not a valid IP for any of the subnets on the specified network.")
        }
        return fitting
    }

    func checkFree(_ fixed: FixedAddress, _ seeker: AddressSeeker) throws {
        guard !seeker.held.contains(fixed) else { return }
        let taken = try connection.first(
            "SELECT 1 FROM allocations WHERE subnet_id = \(fixed.subnet) AND address = \(fixed.address.key)"
        ) { _ in true }
        guard taken == nil else {
            throw NetworkFault(
                409, "IpAddressAlreadyAllocated",
                "IP address \(fixed.address) already allocated in subnet \(fixed.subnet)")
        }
    }

    /// The first address of the subnet's pools that nobody has, or the one that follows from the hardware address
    /// where interfaces make their addresses themselves; `nil` when all are taken.
    func freeAddress(_ subnet: JSONObject, _ mac: String, besides chosen: [FixedAddress] = []) throws
        -> FixedAddress?
    {
        let mode = subnet.text("ipv6_address_mode")
        if mode == "slaac" || mode == "dhcpv6-stateless" {
            return AddressBlock(subnet.text("cidr"))?.stateless(mac).map {
                FixedAddress(subnet: subnet.id, address: $0)
            }
        }
        let reserved = Set(chosen.filter { $0.subnet == subnet.id }.map(\.address))
        for pool in try Self.pools(subnet) {
            var candidate = pool.lowerBound
            try connection.forEach(
                """
                SELECT address FROM allocations WHERE subnet_id = \(subnet.id)
                    AND address BETWEEN \(pool.lowerBound.key) AND \(pool.upperBound.key) ORDER BY address
                """
            ) { row in
                while reserved.contains(candidate) { candidate = candidate.advanced(by: 1) }
                let taken = InternetAddress(version: candidate.version, key: try row.blob(0))
                if taken == candidate { candidate = candidate.advanced(by: 1) }
            }
            while reserved.contains(candidate) { candidate = candidate.advanced(by: 1) }
            if candidate <= pool.upperBound { return FixedAddress(subnet: subnet.id, address: candidate) }
        }
        return nil
    }

    /// Makes these the addresses of a port, in the table that keeps two ports from having one.
    func allocate(_ addresses: [FixedAddress], to port: String) throws {
        try connection.execute("DELETE FROM allocations WHERE port_id = \(port)")
        for fixed in addresses {
            try connection.execute(
                """
                INSERT INTO allocations (subnet_id, address, port_id)
                VALUES (\(fixed.subnet), \(fixed.address.key), \(port))
                """)
        }
    }

    /// A hardware address that no port of the network has.
    func freshMAC(_ network: String) throws -> String {
        func pair(_ byte: UInt8) -> String { (byte < 16 ? "0" : "") + String(byte, radix: 16) }
        while true {
            let bytes = (0..<3).map { _ in UInt8.random(in: 0...255) }
            let mac = "fa:16:3e:" + bytes.map(pair).joined(separator: ":")
            if try !isTaken(mac, network) { return mac }
        }
    }

    func isTaken(_ mac: String, _ network: String) throws -> Bool {
        try connection.first(
            "SELECT 1 FROM ports WHERE network_id = \(network) AND mac_address = \(mac)"
        ) { _ in true }
            ?? false
    }

    // MARK: - The DHCP port

    /// Makes the network's DHCP port have one address of each subnet that serves DHCP, as far as there are free ones;
    /// creates it with the first and deletes it with the last.
    func refreshDHCPPort(_ network: JSONObject, without leaving: String? = nil) throws {
        let served = try subnets(of: network.id).filter { $0.flag("enable_dhcp") && $0.id != leaving }
        let known = try all(.port, "network_id = \(network.id) AND device_owner = \(Owner.dhcp)").first
        guard !served.isEmpty else {
            if let known { try erasePort(known) }
            return
        }
        let mac = try known?.text("mac_address") ?? freshMAC(network.id)
        let held = known.map { FixedAddress.list($0) } ?? []
        let addresses = try served.compactMap { subnet in
            try held.first { $0.subnet == subnet.id } ?? freeAddress(subnet, mac)
        }
        if var known {
            known.set("fixed_ips", .array(addresses.map(\.view)))
            try allocate(addresses, to: known.id)
            try save(.port, known)
            return
        }
        try makeOwnPort(
            network.id, project: network.projectID, owner: Owner.dhcp, device: "dhcp-\(network.id)",
            mac: mac,
            addresses)
    }

    /// A port of the network service itself: without groups and filters, active at once.
    @discardableResult
    func makeOwnPort(
        _ network: String, project: String, owner: String, device: String, mac: String? = nil,
        _ addresses: [FixedAddress]
    ) throws -> JSONObject {
        var port = stamped(
            try ResourceKind.port.attributes.creation(
                ["network_id": .string(network)], kind: "port", isPrivileged: true), project: project)
        port.set("mac_address", .string(try mac ?? freshMAC(network)))
        port.set("device_owner", .string(owner))
        port.set("device_id", .string(device))
        port.set("fixed_ips", .array(addresses.map(\.view)))
        port.set("security_groups", [])
        port.set("port_security_enabled", false)
        port.set("status", owner == Owner.floatingIP ? "N/A" : "ACTIVE")
        settleBinding(&port)
        try insert(.port, port)
        try allocate(addresses, to: port.id)
        return port
    }
}
