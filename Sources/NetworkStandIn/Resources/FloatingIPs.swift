import Database
import WireJSON

extension ResourceKind {
    static let floatingIP: ResourceKind = ResourceKind(
        path: "floatingips", collection: "floatingips", member: "floatingip",
        columns: [
            Column("floating_network_id"), Column("port_id"), Column("router_id"),
            Column("floating_ip_address"),
            Column("fixed_ip_address"),
        ],
        attributes: AttributeTable(
            [
                Attribute("description", .always, initial: "", Values.textOrNull(max: 255)),
                Attribute("floating_network_id", .atCreation, required: true, Values.id),
                Attribute("floating_ip_address", .atCreation, Values.addressOrNull),
                Attribute("subnet_id", .atCreation, Values.idOrNull),
                Attribute("port_id", .always, initial: .null, Values.idOrNull),
                Attribute("fixed_ip_address", .always, initial: .null, Values.addressOrNull),
                Attribute("dns_name", .atCreation, initial: "", ResourceKind.dnsName),
                Attribute("dns_domain", .atCreation, initial: "", Values.textOrNull(max: 255)),
            ] + stamps + readOnly(["status", "router_id", "port_details"])),
        missing: { NetworkFault(404, "FloatingIPNotFound", "Floating IP \($0) could not be found") },
        create: { try $0.createFloatingIP($1) }, update: { try $0.updateFloatingIP($1, $2) },
        delete: { try $0.deleteFloatingIP($1) }, complete: { try $0.withPortDetails($1) })
}

extension NetworkWork {
    fileprivate func createFloatingIP(_ attributes: JSONObject) throws -> JSONObject {
        let network = try visible(.network, attributes.text("floating_network_id"))
        guard network.flag("router:external") else {
            throw NetworkFault(
                400, "BadRequest",
                "Bad floatingip request: Network \(network.id) is not a valid external network.")
        }
        try checkQuota("floatingip", attributes.projectID)
        var attributes = attributes
        var wish = JSONObject()
        if let subnet = attributes.remove("subnet_id")?.string {
            wish.set("subnet_id", .string(subnet))
        }
        if let address = attributes.remove("floating_ip_address")?.string {
            wish.set("ip_address", .string(address))
        }
        var floating = stamped(attributes, project: attributes.projectID)
        let mac = try freshMAC(network.id)
        let mayChoose = caller.isAdmin || network.projectID == caller.projectID
        let addresses = try chooseAddresses(
            wish.isEmpty ? nil : [.object(wish)],
            for: AddressSeeker(network: network.id, mac: mac, mayChoose: mayChoose))
        guard let address = addresses.first(where: { $0.address.version == 4 }) else {
            throw NetworkFault(
                409, "ExternalIpAddressExhausted",
                "Unable to find any IP address on external network \(network.id).")
        }
        try makeOwnPort(
            network.id, project: "", owner: Owner.floatingIP, device: floating.id, mac: mac, [address])
        floating.set("floating_ip_address", .string(address.address.description))
        try associate(
            &floating, port: attributes["port_id"]?.string, fixed: attributes["fixed_ip_address"]?.string)
        try insert(.floatingIP, floating)
        return floating
    }

    fileprivate func updateFloatingIP(_ floating: JSONObject, _ update: JSONObject) throws
        -> JSONObject
    {
        var floating = floating
        if update["port_id"] != nil || update["fixed_ip_address"] != nil {
            let port = update["port_id"].map(\.string) ?? floating["port_id"]?.string
            try associate(&floating, port: port, fixed: update["fixed_ip_address"]?.string)
        }
        if let text = update["description"] { floating.set("description", text) }
        return try save(.floatingIP, floating)
    }

    fileprivate func deleteFloatingIP(_ floating: JSONObject) throws {
        try noteDevice(of: floating)
        for port in try all(.port, "device_id = \(floating.id) AND device_owner = \(Owner.floatingIP)") {
            try erasePort(port)
        }
        try remove(.floatingIP, floating.id)
        changedEverything()
    }

    private func noteDevice(of floating: JSONObject) throws {
        guard let port = floating["port_id"]?.string else { return }
        if let port = try find(.port, port) { changed(device: port.text("device_id")) }
        changedEverything()
    }

    /// Points a floating address at a port, or at none.
    private func associate(_ floating: inout JSONObject, port id: String?, fixed: String?) throws {
        try noteDevice(of: floating)
        guard let id else {
            guard fixed == nil else {
                throw NetworkFault(
                    400, "BadRequest",
                    "Bad floatingip request: fixed_ip_address cannot be specified without a port_id.")
            }
            for key in ["port_id", "fixed_ip_address", "router_id"] { floating.set(key, .null) }
            floating.set("status", "DOWN")
            return
        }
        let port = try owned(.port, id, for: "update_floatingip")
        let addresses = FixedAddress.list(port).filter { $0.address.version == 4 }
        guard
            let chosen = fixed.map({ text in addresses.first { $0.address.description == text } })
                ?? addresses.first
        else {
            let reason =
                fixed.map { "Port \(id) does not have fixed ip \($0)." }
                ?? "Cannot add floating IP to port \(id) that has no fixed IPv4 addresses."
            throw NetworkFault(400, "BadRequest", "Bad floatingip request: \(reason)")
        }
        let network = floating.text("floating_network_id")
        let router = try self.router(from: chosen.subnet, to: network)
        guard let router else {
            throw NetworkFault(
                404, "ExternalGatewayForFloatingIPNotFound",
                "External network \(network) is not reachable from subnet \(chosen.subnet). Therefore, cannot "
                    + "associate Port \(id) with a Floating IP.")
        }
        let address = chosen.address.description
        let other = try connection.first(
            """
            SELECT id FROM floatingips WHERE floating_network_id = \(network) AND port_id = \(id)
                AND fixed_ip_address = \(address) AND id <> \(floating.id)
            """
        ) { try $0.string(0) }
        guard other == nil else {
            throw NetworkFault(
                409, "FloatingIPPortAlreadyAssociated",
                "Cannot associate floating IP \(floating.text("floating_ip_address")) (\(floating.id)) with port "
                    + "\(id) using fixed IP \(address), as that fixed IP already has a floating IP on external network "
                    + "\(network).")
        }
        floating.set("port_id", .string(id))
        floating.set("fixed_ip_address", .string(address))
        floating.set("router_id", .string(router))
        floating.set("status", "ACTIVE")
        changed(device: port.text("device_id"))
        changedEverything()
    }

    /// The router that has an interface on a subnet and its gateway on a network.
    private func router(from subnet: String, to network: String) throws -> String? {
        try connection.first(
            """
            SELECT i.device_id FROM allocations a JOIN ports i ON i.id = a.port_id
                JOIN ports g ON g.device_id = i.device_id
            WHERE a.subnet_id = \(subnet) AND i.device_owner = \(Owner.routerInterface)
                AND g.device_owner = \(Owner.routerGateway) AND g.network_id = \(network) ORDER BY i.device_id
            """
        ) { try $0.string(0) }
    }

    /// Takes floating addresses off a port whose addresses go, except for those that stay.
    func loosenFloatingIPs(of port: String, except staying: Set<String>) throws {
        for var floating in try all(.floatingIP, "port_id = \(port)")
        where !staying.contains(floating.text("fixed_ip_address")) {
            try associate(&floating, port: nil, fixed: nil)
            try save(.floatingIP, floating)
        }
    }

    fileprivate func withPortDetails(_ list: [JSONObject]) throws -> [JSONObject] {
        try list.map { floating in
            var floating = floating
            var details = JSONValue.null
            if let id = floating["port_id"]?.string, let port = try find(.port, id) {
                let keys = [
                    "name", "network_id", "mac_address", "admin_state_up", "status", "device_id",
                    "device_owner",
                ]
                details = .object(JSONObject(keys.map { ($0, port[$0] ?? .null) }))
            }
            floating.set("port_details", details)
            return floating
        }
    }
}
