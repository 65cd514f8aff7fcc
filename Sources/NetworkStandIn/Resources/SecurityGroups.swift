import Database
import WireJSON

extension ResourceKind {
    static let securityGroup: ResourceKind = ResourceKind(
        path: "security-groups", collection: "security_groups", member: "security_group",
        columns: [Column("name")],
        attributes: AttributeTable(
            [
                Attribute("name", .always, initial: "", Values.textOrNull(max: 255)),
                Attribute("description", .always, initial: "", Values.textOrNull(max: 255)),
                Attribute("stateful", .always, initial: true) { value in
                    guard try Values.bool(value) == true else {
                        throw BadValue("groups without connection tracking are not supported by this service")
                    }
                    return true
                },
            ] + stamps + readOnly(["security_group_rules", "shared"])),
        missing: { NetworkFault(404, "SecurityGroupNotFound", "Security group \($0) does not exist") },
        create: { try $0.createGroup($1) }, update: { try $0.updateGroup($1, $2) },
        delete: { try $0.deleteGroup($1) }, complete: { try $0.withRules($1) })
}

extension NetworkWork {
    fileprivate func createGroup(_ attributes: JSONObject) throws -> JSONObject {
        let project = attributes.projectID
        _ = try defaultGroup(of: project)
        guard attributes.text("name") != "default" else {
            throw NetworkFault(
                409, "SecurityGroupDefaultAlreadyExists", "Default security group already exists.")
        }
        try checkQuota("security_group", project)
        return try insertGroup(attributes, project: project)
    }

    private func insertGroup(_ attributes: JSONObject, project: String) throws -> JSONObject {
        var group = stamped(attributes, project: project)
        group.set("shared", false)
        try insert(.securityGroup, group)
        for type in ["IPv4", "IPv6"] { try insertRule(group, "egress", type) }
        return group
    }

    private func insertRule(
        _ group: JSONObject, _ direction: String, _ type: String, remoteGroup: String? = nil
    ) throws {
        let rule = stamped(
            [
                "security_group_id": .string(group.id), "direction": .string(direction),
                "ethertype": .string(type),
                "protocol": .null, "port_range_min": .null, "port_range_max": .null,
                "remote_ip_prefix": .null,
                "remote_group_id": JSONValue(remoteGroup), "remote_address_group_id": .null,
                "description": "",
            ], project: group.projectID)
        try insert(.securityGroupRule, rule)
    }

    /// The project's default group, made at first use: everything out, from each other in.
    func defaultGroup(of project: String) throws -> String {
        if let known = try knownDefaultGroup(of: project) { return known }
        let group = try insertGroup(
            ["name": "default", "description": "Default security group", "stateful": true],
            project: project)
        for type in ["IPv4", "IPv6"] { try insertRule(group, "ingress", type, remoteGroup: group.id) }
        try connection.execute(
            "INSERT INTO default_groups (project_id, group_id) VALUES (\(project), \(group.id))")
        return group.id
    }

    func knownDefaultGroup(of project: String) throws -> String? {
        try connection.first("SELECT group_id FROM default_groups WHERE project_id = \(project)") {
            try $0.string(0)
        }
    }

    private func isDefault(_ group: JSONObject) throws -> Bool {
        try knownDefaultGroup(of: group.projectID) == group.id
    }

    fileprivate func updateGroup(_ group: JSONObject, _ update: JSONObject) throws -> JSONObject {
        if let name = update["name"]?.string, name != group.text("name") {
            guard try !isDefault(group) else {
                throw NetworkFault(
                    409, "SecurityGroupCannotUpdateDefault", "Updating default security group not allowed.")
            }
            guard name != "default" else {
                throw NetworkFault(
                    409, "SecurityGroupDefaultAlreadyExists", "Default security group already exists.")
            }
        }
        var group = group
        group.merge(update)
        try noteMembers(of: group.id)
        return try save(.securityGroup, group)
    }

    fileprivate func deleteGroup(_ group: JSONObject) throws {
        let used = try connection.first("SELECT 1 FROM port_groups WHERE group_id = \(group.id)") { _ in
            true
        }
        guard used == nil else {
            throw NetworkFault(409, "SecurityGroupInUse", "Security Group \(group.id) in use.")
        }
        let isDefault = try isDefault(group)
        guard !isDefault || caller.isAdmin else {
            throw NetworkFault(
                409, "SecurityGroupCannotRemoveDefault",
                "Insufficient rights for removing default security group.")
        }
        try connection.execute(
            "DELETE FROM security_group_rules WHERE security_group_id = \(group.id) OR remote_group_id = \(group.id)"
        )
        try connection.execute("DELETE FROM default_groups WHERE group_id = \(group.id)")
        try remove(.securityGroup, group.id)
        changedEverything()
    }

    private func noteMembers(of group: String) throws {
        let devices = try connection.map(
            """
            SELECT DISTINCT p.device_id FROM port_groups g JOIN ports p ON p.id = g.port_id
            WHERE g.group_id = \(group)
            """
        ) { try $0.string(0) }
        for device in devices { changed(device: device) }
    }

    fileprivate func withRules(_ groups: [JSONObject]) throws -> [JSONObject] {
        var rules: [String: [JSONValue]] = [:]
        for start in stride(from: 0, to: groups.count, by: 1000) {
            let ids = groups[start..<min(start + 1000, groups.count)].map(\.id)
            for rule in try all(.securityGroupRule, "security_group_id IN \(list: ids)") {
                rules[rule.text("security_group_id"), default: []].append(.object(rule))
            }
        }
        return groups.map { group in
            var group = group
            group.set("security_group_rules", .array(rules[group.id] ?? []))
            return group
        }
    }
}
