package import ComputeModel
package import WireJSON

/// A network of the network service.
package struct Network: Sendable, Hashable {
    package var id: NetworkID
    package var name: String
    package var projectID: String
    package var mtu: Int
    package var isShared: Bool
    package var isExternal: Bool
    package var isUp: Bool
    package var portSecurity: Bool
    /// The physical network that it lies on, where administrators said one. Services see it, users do not choose it.
    package var physicalNetwork: String?
    package var subnets: [SubnetID]

    /// The network service's form of it; `nil` when a required member is missing.
    package init?(_ json: JSONValue) {
        guard let id = json["id"]?.string.flatMap({ NetworkID($0) }) else { return nil }
        self.id = id
        name = json["name"]?.string ?? ""
        projectID = json["project_id"]?.string ?? json["tenant_id"]?.string ?? ""
        mtu = json["mtu"]?.int ?? 1500
        isShared = json["shared"]?.bool ?? false
        isExternal = json["router:external"]?.bool ?? false
        isUp = json["admin_state_up"]?.bool ?? true
        portSecurity = json["port_security_enabled"]?.bool ?? true
        physicalNetwork = json["provider:physical_network"]?.string.flatMap { $0.isEmpty ? nil : $0 }
        subnets = (json["subnets"]?.array ?? []).compactMap { $0.string.flatMap { SubnetID($0) } }
    }
}

/// A subnet of a network.
package struct Subnet: Sendable, Hashable {
    package var id: SubnetID
    package var networkID: NetworkID
    package var cidr: String
    package var ipVersion: Int
    package var gateway: String?
    package var dhcp: Bool
    package var nameServers: [String]
    package var routes: [HostRoute]

    /// The network service's form of it; `nil` when a required member is missing.
    package init?(_ json: JSONValue) {
        guard let id = json["id"]?.string.flatMap({ SubnetID($0) }),
            let network = json["network_id"]?.string.flatMap({ NetworkID($0) }), let cidr = json["cidr"]?.string
        else { return nil }
        self.id = id
        networkID = network
        self.cidr = cidr
        ipVersion = json["ip_version"]?.int ?? 4
        gateway = json["gateway_ip"]?.string
        dhcp = json["enable_dhcp"]?.bool ?? true
        nameServers = (json["dns_nameservers"]?.array ?? []).compactMap(\.string)
        routes = (json["host_routes"]?.array ?? []).compactMap { route in
            guard let destination = route["destination"]?.string, let nextHop = route["nexthop"]?.string else {
                return nil
            }
            return HostRoute(destination: destination, nextHop: nextHop)
        }
    }
}

/// A port of a network.
package struct Port: Sendable, Hashable {
    /// An address with its subnet.
    package struct Address: Sendable, Hashable {
        package var subnetID: SubnetID
        package var address: String
    }
    /// An address that the port may use besides its own.
    package struct AllowedPair: Sendable, Hashable {
        package var address: String
        package var mac: String?
    }
    package var id: PortID
    package var networkID: NetworkID
    package var name: String
    package var projectID: String
    package var macAddress: String
    package var addresses: [Address]
    package var deviceID: String
    package var deviceOwner: String
    package var status: String
    package var isUp: Bool
    package var securityGroups: [SecurityGroupID]
    package var portSecurity: Bool
    package var allowedPairs: [AllowedPair]
    package var bindingHost: String?
    package var bindingKind: String?
    /// Facts of the binding: `bridge_name`, …
    package var bindingDetails: [String: String]
    /// What callers told the network service about the binding (`binding:profile`).
    package var bindingProfile: JSONObject
    package var dnsName: String?

    /// The network service's form of it; `nil` when a required member is missing.
    package init?(_ json: JSONValue) {
        guard let id = json["id"]?.string.flatMap({ PortID($0) }),
            let network = json["network_id"]?.string.flatMap({ NetworkID($0) }),
            let mac = json["mac_address"]?.string
        else { return nil }
        self.id = id
        networkID = network
        name = json["name"]?.string ?? ""
        projectID = json["project_id"]?.string ?? json["tenant_id"]?.string ?? ""
        macAddress = mac
        addresses = (json["fixed_ips"]?.array ?? []).compactMap { entry in
            guard let subnet = entry["subnet_id"]?.string.flatMap({ SubnetID($0) }),
                let address = entry["ip_address"]?.string
            else { return nil }
            return Address(subnetID: subnet, address: address)
        }
        deviceID = json["device_id"]?.string ?? ""
        deviceOwner = json["device_owner"]?.string ?? ""
        status = json["status"]?.string ?? ""
        isUp = json["admin_state_up"]?.bool ?? true
        securityGroups = (json["security_groups"]?.array ?? []).compactMap { $0.string.flatMap { SecurityGroupID($0) } }
        portSecurity = json["port_security_enabled"]?.bool ?? true
        allowedPairs = (json["allowed_address_pairs"]?.array ?? []).compactMap { pair in
            pair["ip_address"]?.string.map { AllowedPair(address: $0, mac: pair["mac_address"]?.string) }
        }
        bindingHost = json["binding:host_id"]?.string
        bindingKind = json["binding:vif_type"]?.string
        var details: [String: String] = [:]
        for (key, value) in json["binding:vif_details"]?.object?.members ?? [] {
            if let text = value.string { details[key] = text }
        }
        bindingDetails = details
        bindingProfile = json["binding:profile"]?.object ?? [:]
        dnsName = json["dns_name"]?.string
    }
}

/// A group of rules.
package struct SecurityGroup: Sendable, Hashable {
    package var id: SecurityGroupID
    package var name: String
    /// Neutron's `description`.
    package var summary: String
    package var projectID: String
    package var rules: [SecurityGroupRule]

    /// The network service's form of it; `nil` when a required member is missing.
    package init?(_ json: JSONValue) {
        guard let id = json["id"]?.string.flatMap({ SecurityGroupID($0) }) else { return nil }
        self.id = id
        name = json["name"]?.string ?? ""
        summary = json["description"]?.string ?? ""
        projectID = json["project_id"]?.string ?? json["tenant_id"]?.string ?? ""
        rules = (json["security_group_rules"]?.array ?? []).compactMap { SecurityGroupRule($0) }
    }
}

/// What a group allows.
package struct SecurityGroupRule: Sendable, Hashable {
    package var id: String
    /// `ingress` or `egress`.
    package var direction: String
    /// `IPv4` or `IPv6`.
    package var etherType: String
    /// Name or number; `nil` is any.
    package var protocolName: String?
    /// First port, or ICMP type.
    package var portMin: Int?
    /// Last port, or ICMP code.
    package var portMax: Int?
    package var remotePrefix: String?
    package var remoteGroup: SecurityGroupID?

    /// The network service's form of it; `nil` when a required member is missing.
    package init?(_ json: JSONValue) {
        guard let id = json["id"]?.string, let direction = json["direction"]?.string else { return nil }
        self.id = id
        self.direction = direction
        etherType = json["ethertype"]?.string ?? "IPv4"
        protocolName = json["protocol"]?.string ?? json["protocol"]?.int.map(String.init)
        portMin = json["port_range_min"]?.int
        portMax = json["port_range_max"]?.int
        remotePrefix = json["remote_ip_prefix"]?.string
        remoteGroup = json["remote_group_id"]?.string.flatMap { SecurityGroupID($0) }
    }
}

/// A router between networks.
package struct Router: Sendable, Hashable {
    package var id: String
    package var projectID: String
    package var isUp: Bool
    /// The external network; `nil` without a gateway.
    package var externalNetwork: NetworkID?
    package var snat: Bool
    package var gatewayAddresses: [Port.Address]

    /// The network service's form of it; `nil` when a required member is missing.
    package init?(_ json: JSONValue) {
        guard let id = json["id"]?.string else { return nil }
        self.id = id
        projectID = json["project_id"]?.string ?? json["tenant_id"]?.string ?? ""
        isUp = json["admin_state_up"]?.bool ?? true
        let gateway = json["external_gateway_info"]
        externalNetwork = gateway?["network_id"]?.string.flatMap { NetworkID($0) }
        snat = gateway?["enable_snat"]?.bool ?? true
        gatewayAddresses = (gateway?["external_fixed_ips"]?.array ?? []).compactMap { entry in
            guard let subnet = entry["subnet_id"]?.string.flatMap({ SubnetID($0) }),
                let address = entry["ip_address"]?.string
            else { return nil }
            return Port.Address(subnetID: subnet, address: address)
        }
    }
}

/// An address of an external network that leads to a port.
package struct FloatingIP: Sendable, Hashable {
    package var id: String
    package var address: String
    package var networkID: NetworkID
    package var portID: PortID?
    package var fixedAddress: String?
    package var routerID: String?

    /// The network service's form of it; `nil` when a required member is missing.
    package init?(_ json: JSONValue) {
        guard let id = json["id"]?.string, let address = json["floating_ip_address"]?.string,
            let network = json["floating_network_id"]?.string.flatMap({ NetworkID($0) })
        else { return nil }
        self.id = id
        self.address = address
        networkID = network
        portID = json["port_id"]?.string.flatMap { PortID($0) }
        fixedAddress = json["fixed_ip_address"]?.string
        routerID = json["router_id"]?.string
    }
}
