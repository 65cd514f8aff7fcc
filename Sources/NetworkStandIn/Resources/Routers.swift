import Database
import WireJSON

extension ResourceKind {
    static let router: ResourceKind = ResourceKind(
        path: "routers", collection: "routers", member: "router", columns: [Column("name")],
        attributes: AttributeTable(
            common + [
                Attribute("external_gateway_info", .always, initial: .null) { value in
                    if value.isNull || value == [:] { return .null }
                    let addresses = Values.list(
                        Values.object(["subnet_id": Values.id, "ip_address": Values.address]))
                    return try Values.object(
                        ["network_id": Values.id, "enable_snat": Values.bool, "external_fixed_ips": addresses],
                        required: ["network_id"])(value)
                },
                Attribute(
                    "availability_zone_hints", .atCreation, initial: [], Values.list(Values.text(max: 255))),
                Attribute("distributed", .atCreation, initial: false, privileged: true, hidden: true, no),
                Attribute("ha", .atCreation, initial: false, privileged: true, hidden: true, no),
                Attribute("routes", .always, initial: []) { value in
                    _ = try Values.nothing(value)
                    return []
                },
                Attribute("flavor_id", .atCreation, initial: .null, Values.nothing),
            ] + readOnly(["status", "availability_zones"])),
        missing: { NetworkFault(404, "RouterNotFound", "Router \($0) could not be found") },
        create: { try $0.createRouter($1) }, update: { try $0.updateRouter($1, $2) },
        delete: { try $0.deleteRouter($1) })

    private static let no: Attribute.Check = { value in
        guard try value.isNull || Values.bool(value) == false else {
            throw BadValue("it is not supported by this service")
        }
        return false
    }
}

extension NetworkWork {
    fileprivate func createRouter(_ attributes: JSONObject) throws -> JSONObject {
        try checkQuota("router", attributes.projectID)
        var router = stamped(attributes, project: attributes.projectID)
        router.set("status", "ACTIVE")
        router.set("availability_zones", [.string(options.availabilityZone)])
        router.set("external_gateway_info", .null)
        try insert(.router, router)
        guard let gateway = attributes["external_gateway_info"], !gateway.isNull else { return router }
        try setGateway(gateway, of: &router)
        try store(router)
        return router
    }

    /// Stores what belongs to the creation: the revision stays.
    private func store(_ router: JSONObject) throws {
        var document = router
        document.set("revision_number", JSONValue((router["revision_number"]?.int ?? 1) - 1))
        try save(.router, document)
    }

    fileprivate func updateRouter(_ router: JSONObject, _ update: JSONObject) throws -> JSONObject {
        var router = router
        var rest = update
        if let gateway = rest.remove("external_gateway_info") { try setGateway(gateway, of: &router) }
        router.merge(rest)
        changedEverything()
        return try save(.router, router)
    }

    private func gatewayPort(_ router: String) throws -> JSONObject? {
        try all(.port, "device_id = \(router) AND device_owner = \(Owner.routerGateway)").first
    }

    private func setGateway(_ wish: JSONValue, of router: inout JSONObject) throws {
        let known = try gatewayPort(router.id)
        guard let network = wish["network_id"]?.string else {
            if let known {
                try refuseWhileFloating(router.id, known.text("network_id"))
                try erasePort(known)
            }
            router.set("external_gateway_info", .null)
            changedEverything()
            return
        }
        for privileged in ["enable_snat", "external_fixed_ips"]
        where wish[privileged] != nil && !caller.isAdmin {
            let same = router["external_gateway_info"]?[privileged] == wish[privileged]
            let isDefault = privileged == "enable_snat" && wish[privileged] == true
            guard same || isDefault else {
                throw NetworkFault.forbidden("update_router:external_gateway_info:\(privileged)")
            }
        }
        let external = try visible(.network, network)
        guard external.flag("router:external") else {
            throw NetworkFault(
                400, "BadRequest", "Bad router request: Network \(network) is not an external network.")
        }
        var port = known
        if let known, known.text("network_id") != network {
            try refuseWhileFloating(router.id, known.text("network_id"))
            try erasePort(known)
            port = nil
        }
        let addresses = try placeGateway(
            port, wish["external_fixed_ips"]?.array, on: external, of: router)
        router.set(
            "external_gateway_info",
            [
                "network_id": .string(network), "external_fixed_ips": .array(addresses.map(\.view)),
                "enable_snat": wish["enable_snat"] ?? router["external_gateway_info"]?["enable_snat"]
                    ?? true,
            ])
        changedEverything()
    }

    /// The gateway's addresses, of the port there is or of a new one.
    private func placeGateway(
        _ known: JSONObject?, _ wish: [JSONValue]?, on external: JSONObject, of router: JSONObject
    ) throws -> [FixedAddress] {
        let held = known.map { FixedAddress.list($0) } ?? []
        if wish == nil, !held.isEmpty { return held }
        let mac = try known?.text("mac_address") ?? freshMAC(external.id)
        let seeker = AddressSeeker(network: external.id, mac: mac, held: held)
        let addresses = try chooseAddresses(wish, for: seeker)
        guard !addresses.isEmpty else {
            throw NetworkFault(
                400, "BadRequest",
                "Bad router request: No IPs assigned to the gateway port for router "
                    + "\(router.id) on network \(external.id).")
        }
        if var known {
            known.set("fixed_ips", .array(addresses.map(\.view)))
            try allocate(addresses, to: known.id)
            try save(.port, known)
        } else {
            // Without a project, as it is not the tenant's.
            try makeOwnPort(
                external.id, project: "", owner: Owner.routerGateway, device: router.id, mac: mac, addresses
            )
        }
        return addresses
    }

    private func refuseWhileFloating(_ router: String, _ network: String) throws {
        let used = try connection.first(
            "SELECT 1 FROM floatingips WHERE router_id = \(router) AND floating_network_id = \(network)"
        ) { _ in true }
        guard used == nil else {
            throw NetworkFault(
                409, "RouterExternalGatewayInUseByFloatingIp",
                "Gateway cannot be updated for router \(router), since a gateway to external network \(network) is "
                    + "required by one or more floating IPs.")
        }
    }

    func deleteRouter(_ router: JSONObject) throws {
        guard try interfaces(of: router.id).isEmpty else {
            throw NetworkFault(409, "RouterInUse", "Router \(router.id) still has ports")
        }
        if let port = try gatewayPort(router.id) {
            try refuseWhileFloating(router.id, port.text("network_id"))
            try erasePort(port)
        }
        try remove(.router, router.id)
        changedEverything()
    }

    func interfaces(of router: String) throws -> [JSONObject] {
        try all(.port, "device_id = \(router) AND device_owner = \(Owner.routerInterface)")
    }
}
