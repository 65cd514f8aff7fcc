import Database
import WireJSON

extension ResourceKind {
    static let port: ResourceKind = ResourceKind(
        path: "ports", collection: "ports", member: "port",
        columns: [
            Column("name"), Column("network_id"), Column("mac_address"), Column("device_id"),
            Column("device_owner"),
            Column("host", "binding:host_id"),
        ],
        attributes: AttributeTable(
            common + [
                Attribute("network_id", .atCreation, required: true, Values.id),
                Attribute("mac_address", .always, Values.mac),
                Attribute(
                    "fixed_ips", .always,
                    Values.list(Values.object(["subnet_id": Values.id, "ip_address": Values.address]))),
                Attribute("device_id", .always, initial: "", Values.textOrNull(max: 255)),
                Attribute("device_owner", .always, initial: "", Values.textOrNull(max: 255)),
                Attribute("security_groups", .always, Values.list(Values.id)),
                Attribute("port_security_enabled", .always, Values.bool),
                Attribute(
                    "allowed_address_pairs", .always, initial: [],
                    Values.list(
                        Values.object(
                            ["ip_address": pairAddress, "mac_address": Values.mac], required: ["ip_address"]))),
                Attribute("binding:vnic_type", .always, initial: "normal", Values.choice(vnicTypes)),
                Attribute(
                    "binding:host_id", .always, initial: "", privileged: true, hidden: true,
                    Values.textOrNull(max: 255)),
                Attribute("binding:profile", .always, initial: [:], privileged: true, hidden: true) {
                    value in
                    if value.isNull { return [:] }
                    guard value.object != nil else {
                        throw BadValue("'\(Values.plain(value))' is not a dictionary")
                    }
                    return value
                },
                Attribute("binding:vif_type", .never, hidden: true),
                Attribute("binding:vif_details", .never, hidden: true),
                Attribute("dns_name", .always, initial: "", dnsName),
                Attribute(
                    "extra_dhcp_opts", .always, initial: [],
                    Values.list(
                        Values.object(
                            [
                                "opt_name": Values.text(max: 255), "opt_value": optionValue,
                                "ip_version": Values.int(4...6),
                            ], required: ["opt_name"]))),
            ] + readOnly(["status", "dns_assignment"])),
        servesServices: true,
        missing: { NetworkFault(404, "PortNotFound", "Port \($0) could not be found.") },
        alsoVisible: { "network_id IN (SELECT id FROM networks WHERE project_id = \($0.projectID))" },
        create: { try $0.createPort($1) }, update: { try $0.updatePort($1, $2) },
        delete: { try $0.deletePort($1) })

    private static let vnicTypes = [
        "normal", "direct", "macvtap", "baremetal", "direct-physical", "virtio-forwarder", "smart-nic",
        "accelerator-direct", "accelerator-direct-physical", "remote-managed", "vdpa",
    ]

    private static let pairAddress: Attribute.Check = { value in
        guard let text = value.string, let block = AddressBlock(text) else {
            throw BadValue("'\(Values.plain(value))' is not a valid IP address or network")
        }
        return .string(text.contains("/") ? block.description : block.first.description)
    }

    private static let optionValue: Attribute.Check = {
        $0.isNull ? $0 : try Values.text(max: 255)($0)
    }

    /// Labels of letters, digits and hyphens (RFC 1035), in all 255 characters at most.
    static let dnsName: Attribute.Check = { value in
        guard !value.isNull else { return "" }
        let text = try Values.text(max: 255)(value).string ?? ""
        let labels = (text.hasSuffix(".") ? text.dropLast() : Substring(text)).split(
            separator: ".", omittingEmptySubsequences: false)
        let isValid =
            text.isEmpty
            || labels.allSatisfy { label in
                (1...63).contains(label.utf8.count) && label.first != "-" && label.last != "-"
                    && label.allSatisfy { $0.isASCII && ($0.isLetter || $0.isNumber || $0 == "-") }
            }
        guard isValid else { throw BadValue("'\(text)' not a valid PQDN or FQDN") }
        return .string(text.lowercased())
    }
}

extension NetworkWork {
    /// Whether the caller may choose addresses and filters on a network.
    private func mayChoose(on network: JSONObject) -> Bool {
        ResourceKind.port.hasRights(caller) || network.projectID == caller.projectID
    }

    fileprivate func createPort(_ attributes: JSONObject) throws -> JSONObject {
        let project = attributes.projectID
        let network =
            caller.isService
            ? try existing(.network, attributes.text("network_id"))
            : try visible(.network, attributes.text("network_id"))
        try checkQuota("port", project)
        try checkLiberties(attributes, on: network, for: "create_port")
        var port = stamped(attributes, project: project)
        if port["mac_address"] == nil { port.set("mac_address", .string(try freshMAC(network.id))) }
        let mac = port.text("mac_address")
        if attributes["mac_address"] != nil, try isTaken(mac, network.id) {
            throw Self.macInUse(mac, network.id)
        }
        let seeker = AddressSeeker(network: network.id, mac: mac, mayChoose: mayChoose(on: network))
        let addresses = try chooseAddresses(attributes["fixed_ips"]?.array, for: seeker)
        port.set("fixed_ips", .array(addresses.map(\.view)))
        if port["port_security_enabled"] == nil {
            port.set("port_security_enabled", .bool(network["port_security_enabled"]?.bool ?? true))
        }
        if port["security_groups"] == nil {
            let isFiltered =
                port.flag("port_security_enabled") && !Owner.own.contains(port.text("device_owner"))
            port.set("security_groups", isFiltered ? [.string(try defaultGroup(of: project))] : [])
        }
        try checkFilters(port)
        settleBinding(&port)
        try insert(.port, port)
        try allocate(addresses, to: port.id)
        try joinGroups(port)
        changed(network: network.id)
        changed(device: port.text("device_id"))
        return port
    }

    private static func macInUse(_ mac: String, _ network: String) -> NetworkFault {
        NetworkFault(
            409, "MacAddressInUse",
            "Unable to complete operation for network \(network). The mac address \(mac) is in use.")
    }

    /// What on another project's network only its owner may say.
    private func checkLiberties(
        _ attributes: JSONObject, on network: JSONObject, for operation: String
    ) throws {
        guard !mayChoose(on: network) else { return }
        let reserved = ["mac_address", "port_security_enabled", "allowed_address_pairs"]
        if let name = reserved.first(where: { attributes[$0] != nil && attributes[$0] != [] }) {
            throw NetworkFault.forbidden("\(operation):\(name)")
        }
        if attributes.text("device_owner").hasPrefix("network:") {
            throw NetworkFault.forbidden("\(operation):device_owner")
        }
    }

    /// Groups and address pairs need filtering; groups must be the project's.
    private func checkFilters(_ port: JSONObject) throws {
        let groups = port.texts("security_groups")
        guard port.flag("port_security_enabled") else {
            if !groups.isEmpty {
                throw NetworkFault(
                    409, "PortSecurityPortHasSecurityGroup",
                    "Port has security group associated. Cannot disable port security or IP address until security "
                        + "group is removed.")
            }
            if !port.items("allowed_address_pairs").isEmpty {
                throw NetworkFault(
                    409, "AddressPairAndPortSecurityRequired",
                    "Port Security must be enabled in order to have allowed address pairs on a port.")
            }
            return
        }
        guard !groups.isEmpty else { return }
        let isFree = ResourceKind.port.hasRights(caller)
        let known = Set(
            try connection.map("SELECT id, project_id FROM security_groups WHERE id IN \(list: groups)") {
                row in
                (try row.string(0), try row.string(1))
            }.filter { isFree || $0.1 == caller.projectID }.map(\.0))
        if let stranger = groups.first(where: { !known.contains($0) }) {
            throw ResourceKind.securityGroup.missing(stranger)
        }
    }

    private func joinGroups(_ port: JSONObject) throws {
        try connection.execute("DELETE FROM port_groups WHERE port_id = \(port.id)")
        for group in port.texts("security_groups") {
            try connection.execute(
                "INSERT INTO port_groups (port_id, group_id) VALUES (\(port.id), \(group))")
        }
    }

    /// What follows from where a port is bound.
    func settleBinding(_ port: inout JSONObject) {
        let isOurs = Owner.own.contains(port.text("device_owner"))
        if port.text("binding:host_id").isEmpty {
            port.set("binding:vif_type", "unbound")
            port.set("binding:vif_details", [:])
            if !isOurs { port.set("status", "DOWN") }
        } else if port.text("binding:vnic_type") != "normal" {
            port.set("binding:vif_type", "binding_failed")
            port.set("binding:vif_details", [:])
            port.set("status", "DOWN")
        } else if let wiring = port["binding:profile"]?["wiring"]?.string, wiring != "bridge" {
            // The hypervisor joins a network of its own, which we neither make nor filter.
            port.set("binding:vif_type", "other")
            port.set("binding:vif_details", ["port_filter": false])
            port.set("status", port.flag("admin_state_up") ? "ACTIVE" : "DOWN")
        } else {
            let bridge = "brq" + port.text("network_id").prefix(11)
            port.set("binding:vif_type", "bridge")
            port.set("binding:vif_details", ["port_filter": true, "bridge_name": .string(bridge)])
            port.set("status", port.flag("admin_state_up") ? "ACTIVE" : "DOWN")
        }
    }

    fileprivate func updatePort(_ old: JSONObject, _ update: JSONObject) throws -> JSONObject {
        var port = old
        let network = try existing(.network, old.text("network_id"))
        try checkLiberties(update, on: network, for: "update_port")
        if let mac = update["mac_address"]?.string, mac != old.text("mac_address") {
            guard ResourceKind.port.hasRights(caller) else {
                throw NetworkFault.forbidden("update_port:mac_address")
            }
            guard old.text("binding:host_id").isEmpty else {
                throw NetworkFault(
                    409, "PortBound",
                    "Unable to complete operation on port \(old.id), port is already bound, port type: "
                        + "\(old.text("binding:vif_type")), old_mac \(old.text("mac_address")), new_mac \(mac)."
                )
            }
            guard try !isTaken(mac, network.id) else { throw Self.macInUse(mac, network.id) }
        }
        port.merge(update)
        if let wish = update["fixed_ips"]?.array {
            let seeker = AddressSeeker(
                network: network.id, mac: port.text("mac_address"), held: FixedAddress.list(old),
                mayChoose: mayChoose(on: network))
            let addresses = try chooseAddresses(wish, for: seeker)
            port.set("fixed_ips", .array(addresses.map(\.view)))
            try allocate(addresses, to: port.id)
            try loosenFloatingIPs(of: port.id, except: Set(addresses.map(\.address.description)))
        }
        if update["port_security_enabled"] != nil || update["security_groups"] != nil
            || update["allowed_address_pairs"] != nil
        {
            try checkFilters(port)
        }
        settleBinding(&port)
        port = try save(.port, port)
        if update["security_groups"] != nil { try joinGroups(port) }
        changed(network: network.id)
        if old["fixed_ips"] != port["fixed_ips"] || old["security_groups"] != port["security_groups"] {
            changed(device: port.text("device_id"))
        }
        if old.text("device_id") != port.text("device_id") {
            changed(device: old.text("device_id"))
            changed(device: port.text("device_id"))
        }
        return port
    }

    fileprivate func deletePort(_ port: JSONObject) throws {
        let owner = port.text("device_owner")
        if Owner.own.contains(owner), owner != Owner.dhcp {
            throw NetworkFault(
                409, "ServicePortInUse",
                "Port \(port.id) cannot be deleted directly via the port API: has device owner \(owner).")
        }
        try loosenFloatingIPs(of: port.id, except: [])
        try erasePort(port)
    }

    /// Removes a port and all that hangs on it, whoever owns it.
    func erasePort(_ port: JSONObject) throws {
        try connection.execute("DELETE FROM allocations WHERE port_id = \(port.id)")
        try connection.execute("DELETE FROM port_groups WHERE port_id = \(port.id)")
        try remove(.port, port.id)
        changed(network: port.text("network_id"))
        changed(device: port.text("device_id"))
    }
}
