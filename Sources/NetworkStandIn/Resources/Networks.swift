import Database
import WireJSON

extension ResourceKind {
    static let network: ResourceKind = ResourceKind(
        path: "networks", collection: "networks", member: "network",
        columns: [Column("name"), Column("shared"), Column("external", "router:external")],
        attributes: AttributeTable(
            common + [
                Attribute("shared", .always, initial: false, privileged: true, Values.bool),
                Attribute("router:external", .always, initial: false, privileged: true, Values.bool),
                Attribute("is_default", .always, initial: false, privileged: true, Values.bool),
                Attribute("mtu", .always, Values.int(68...65_535)),
                Attribute("port_security_enabled", .always, initial: true, Values.bool),
                Attribute("dns_domain", .always, initial: "", Values.textOrNull(max: 255)),
                Attribute(
                    "availability_zone_hints", .atCreation, initial: [], Values.list(Values.text(max: 255))),
                Attribute(
                    "provider:network_type", .atCreation, initial: nil, privileged: true, hidden: true,
                    Values.nothing),
                Attribute(
                    "provider:physical_network", .atCreation, initial: nil, privileged: true, hidden: true,
                    Values.nothing),
                Attribute(
                    "provider:segmentation_id", .atCreation, initial: nil, privileged: true, hidden: true,
                    Values.nothing),
            ]
                + readOnly([
                    "status", "subnets", "availability_zones", "ipv4_address_scope", "ipv6_address_scope",
                ])),
        missing: { NetworkFault(404, "NetworkNotFound", "Network \($0) could not be found.") },
        alsoVisible: { _ in "shared = 1 OR external = 1" },
        create: { try $0.createNetwork($1) }, update: { try $0.updateNetwork($1, $2) },
        delete: { try $0.deleteNetwork($1) })

    /// What nearly all resources have.
    static let common: [Attribute] =
        [
            Attribute("name", .always, initial: "", Values.textOrNull(max: 255)),
            Attribute("description", .always, initial: "", Values.textOrNull(max: 255)),
            Attribute("admin_state_up", .always, initial: true, Values.bool),
        ] + stamps

    /// What the service itself writes on each resource.
    static let stamps = readOnly(["id", "created_at", "updated_at", "revision_number", "tags"])

    static func readOnly(_ names: [String]) -> [Attribute] { names.map { Attribute($0, .never) } }
}

extension NetworkWork {
    fileprivate func createNetwork(_ attributes: JSONObject) throws -> JSONObject {
        let project = attributes.projectID
        try checkQuota("network", project)
        var network = stamped(attributes, project: project)
        if network["mtu"] == nil { network.set("mtu", JSONValue(options.defaultMTU)) }
        network.set("status", "ACTIVE")
        network.set("subnets", [])
        network.set("availability_zones", [.string(options.availabilityZone)])
        network.set("ipv4_address_scope", .null)
        network.set("ipv6_address_scope", .null)
        for name in ["network_type", "physical_network", "segmentation_id"] {
            network.set("provider:\(name)", .null)
        }
        try checkDefault(network)
        try insert(.network, network)
        if !project.isEmpty { _ = try defaultGroup(of: project) }
        changed(network: network.id)
        return network
    }

    fileprivate func updateNetwork(_ network: JSONObject, _ update: JSONObject) throws -> JSONObject {
        var network = network
        if network.flag("router:external"), update["router:external"]?.bool == false {
            let gateways = try connection.first(
                "SELECT 1 FROM ports WHERE network_id = \(network.id) AND device_owner IN \(list: Owner.external)"
            ) { _ in true }
            guard gateways == nil else {
                throw NetworkFault(
                    409, "ExternalNetworkInUse",
                    "External network \(network.id) cannot be updated to be made non-external, since it has existing "
                        + "gateway ports.")
            }
        }
        if network.flag("shared"), update["shared"]?.bool == false {
            let strangers = try connection.first(
                """
                SELECT 1 FROM ports WHERE network_id = \(network.id) AND project_id <> \(network.projectID)
                    AND project_id <> ''
                """
            ) { _ in true }
            guard strangers == nil else {
                throw NetworkFault(
                    409, "InvalidSharedSetting",
                    "Unable to reconfigure sharing settings for network \(network.text("name")). Multiple tenants are "
                        + "using it.")
            }
        }
        network.merge(update)
        try checkDefault(network)
        changed(network: network.id)
        return try save(.network, network)
    }

    private func checkDefault(_ network: JSONObject) throws {
        guard network.flag("is_default") else { return }
        guard network.flag("router:external") else {
            throw NetworkFault.invalidInput("only external networks can be the default")
        }
        let others = try all(.network, "external = 1 AND id <> \(network.id)").filter {
            $0.flag("is_default")
        }
        guard let other = others.first else { return }
        throw NetworkFault(
            409, "DefaultExternalNetworkExists", "A default external network already exists: \(other.id)."
        )
    }

    func deleteNetwork(_ network: JSONObject) throws {
        let ports = try all(.port, "network_id = \(network.id)")
        let inTheWay = ports.filter { $0.text("device_owner") != Owner.dhcp }
        guard inTheWay.isEmpty else {
            throw NetworkFault(
                409, "NetworkInUse",
                "Unable to complete operation on network \(network.id). There are one or more ports still in use on "
                    + "the network, id for these ports is \(inTheWay.map(\.id).joined(separator: ",")).")
        }
        for port in ports { try erasePort(port) }
        try connection.execute("DELETE FROM subnets WHERE network_id = \(network.id)")
        try remove(.network, network.id)
        changed(network: network.id)
    }
}

/// The owners of ports that the network service makes for itself.
enum Owner {
    static let dhcp = "network:dhcp"
    static let routerInterface = "network:router_interface"
    static let routerGateway = "network:router_gateway"
    static let floatingIP = "network:floatingip"
    static let external = [routerGateway, floatingIP]
    static let own = [dhcp, routerInterface, routerGateway, floatingIP]
}
