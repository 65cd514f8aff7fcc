import Database
import WireJSON

extension NetworkWork {
    /// Connects a router with a subnet, by the subnet's gateway address or by a given port.
    func addInterface(_ body: JSONObject, to id: String) throws -> JSONObject {
        let router = try owned(.router, id, for: "add_router_interface")
        let port: JSONObject
        switch (body["subnet_id"]?.string, body["port_id"]?.string) {
        case (let subnet?, nil): port = try attachSubnet(subnet, to: router)
        case (nil, let id?): port = try attachPort(id, to: router)
        case (_?, _?):
            throw Self.badRouter("Cannot specify both subnet-id and port-id.")
        case (nil, nil):
            throw Self.badRouter("Either subnet_id or port_id must be specified.")
        }
        changedEverything()
        return Self.interfaceView(router, port)
    }

    private static func badRouter(_ reason: String) -> NetworkFault {
        NetworkFault(400, "BadRequest", "Bad router request: \(reason)")
    }

    private static func interfaceView(_ router: JSONObject, _ port: JSONObject) -> JSONObject {
        let subnets = FixedAddress.list(port).map(\.subnet)
        return [
            "id": .string(router.id), "tenant_id": .string(router.projectID),
            "project_id": .string(router.projectID),
            "port_id": .string(port.id), "network_id": port["network_id"] ?? .null,
            "subnet_id": JSONValue(subnets.first), "subnet_ids": JSONValue(subnets),
        ]
    }

    private func attachSubnet(_ id: String, to router: JSONObject) throws -> JSONObject {
        let subnet = try visible(.subnet, id)
        guard let gateway = InternetAddress(subnet.text("gateway_ip")) else {
            throw Self.badRouter("Subnet for router interface must have a gateway IP.")
        }
        try checkOverlap(subnet, router)
        let network = subnet.text("network_id")
        let fixed = FixedAddress(subnet: subnet.id, address: gateway)
        do {
            try checkFree(fixed, AddressSeeker(network: network, mac: ""))
        } catch {
            throw NetworkFault(
                409, "IpAddressInUse",
                "Unable to complete operation for network \(network). The IP address \(gateway) is in use.")
        }
        try checkQuota("port", router.projectID)
        return try makeOwnPort(
            network, project: router.projectID, owner: Owner.routerInterface, device: router.id, [fixed])
    }

    private func attachPort(_ id: String, to router: JSONObject) throws -> JSONObject {
        var port = try owned(.port, id, for: "add_router_interface")
        guard port.text("device_id").isEmpty else {
            throw NetworkFault(
                409, "PortInUse",
                "Unable to complete operation on port \(id) for network \(port.text("network_id")). Port already has "
                    + "an attached device \(port.text("device_id")).")
        }
        let addresses = FixedAddress.list(port)
        guard !addresses.isEmpty else {
            throw Self.badRouter("Router port must have at least one fixed IP.")
        }
        for fixed in addresses { try checkOverlap(try existing(.subnet, fixed.subnet), router) }
        port.set("device_id", .string(router.id))
        port.set("device_owner", .string(Owner.routerInterface))
        port.set("security_groups", [])
        port.set("port_security_enabled", false)
        port.set("allowed_address_pairs", [])
        port.set("status", "ACTIVE")
        try connection.execute("DELETE FROM port_groups WHERE port_id = \(id)")
        return try save(.port, port)
    }

    private func checkOverlap(_ subnet: JSONObject, _ router: JSONObject) throws {
        guard let block = AddressBlock(subnet.text("cidr")) else { return }
        for port in try interfaces(of: router.id) {
            for fixed in FixedAddress.list(port) {
                guard fixed.subnet != subnet.id else {
                    throw Self.badRouter("Router already has a port on subnet \(subnet.id).")
                }
                let other = try existing(.subnet, fixed.subnet)
                guard let known = AddressBlock(other.text("cidr")), known.overlaps(block) else { continue }
                throw Self.badRouter(
                    "Cidr \(block) of subnet \(subnet.id) overlaps with cidr \(known) of subnet \(other.id).")
            }
        }
    }

    /// Disconnects a router from a subnet or a port.
    func removeInterface(_ body: JSONObject, from id: String) throws -> JSONObject {
        let router = try owned(.router, id, for: "remove_router_interface")
        let (subnet, portID) = (body["subnet_id"]?.string, body["port_id"]?.string)
        guard subnet != nil || portID != nil else {
            throw Self.badRouter("Either subnet_id or port_id must be specified.")
        }
        let port = try interfaces(of: id).first { port in
            (portID == nil || port.id == portID)
                && (subnet == nil || FixedAddress.list(port).contains { $0.subnet == subnet })
        }
        guard let port else {
            if let portID {
                throw NetworkFault(
                    404, "RouterInterfaceNotFound",
                    "Router \(id) does not have an interface with id \(portID)")
            }
            throw NetworkFault(
                404, "RouterInterfaceNotFoundForSubnet",
                "Router \(id) has no interface on subnet \(subnet ?? "")")
        }
        for fixed in FixedAddress.list(port) {
            let used = try connection.first(
                """
                SELECT 1 FROM floatingips f JOIN allocations a ON a.port_id = f.port_id
                WHERE f.router_id = \(id) AND a.subnet_id = \(fixed.subnet)
                """
            ) { _ in true }
            guard used == nil else {
                throw NetworkFault(
                    409, "RouterInterfaceInUseByFloatingIP",
                    "Router interface for subnet \(fixed.subnet) on router \(id) cannot be deleted, as it is required "
                        + "by one or more floating IPs.")
            }
        }
        try erasePort(port)
        changedEverything()
        return Self.interfaceView(router, port)
    }
}
