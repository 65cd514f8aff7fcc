package import ComputeModel
import Database

/// A running service's record (`os-services`).
package struct ServiceRecord: Sendable {
    /// Counts up with creation: the id shown before 2.53.
    package var number: Int64
    package var id: ServiceID
    package var binary: String
    package var host: String
    package var topic: String
    package var createdAt: Timestamp
    package var updatedAt: Timestamp
    package var lastSeenAt: Timestamp
    package var isDisabled: Bool
    package var disabledReason: String?
    package var isForcedDown: Bool
    package var version: Int
    /// Why it says itself that it cannot be used.
    package var trouble: String?

    /// Whether it counts as up: seen within the time allowed, not forced down, and without trouble of its own.
    package func isUp(at now: Timestamp, downAfter: Duration) -> Bool {
        !isForcedDown && trouble == nil && now - lastSeenAt <= downAfter
    }
}

/// A hypervisor node's record (`os-hypervisors`).
package struct ComputeNodeRecord: Sendable {
    /// Counts up with creation: the id shown before 2.53.
    package var number: Int64
    package var id: NodeID
    package var host: String
    package var node: String
    package var driver: String
    package var hostIP: String
    package var inventory: NodeInventory
    /// All traits reported for it.
    package var traits: Set<Trait>
    package var bindings: [PortBinding.Kind]
    package var updatedAt: Timestamp
}

/// What the servers on one node use.
package struct NodeUsage: Sendable, Equatable {
    package var instances = 0
    package var vcpus = 0
    package var memoryMiB = 0
    package var diskGiB = 0
    /// Servers with a task under way that loads disks: builds.
    package var ioOperations = 0

    package init() {}
}

extension ComputeStore {
    /// Notes a service's sign of life, and makes its record at the first.
    package func heartbeat(
        binary: String, host: String, topic: String, version: Int, trouble: String?
    ) async throws {
        let at = now()
        // Repeated every few seconds, so none of it is worth a flush.
        try await database.transaction(durability: .deferred) { connection in
            let changed = try connection.execute(
                """
                UPDATE services SET report_count = report_count + 1, last_seen_at = \(at), updated_at = \(at),
                    topic = \(topic), version = \(version), trouble = \(trouble)
                WHERE service = \(binary) AND host = \(host)
                """)
            guard changed.rowsChanged == 0 else { return }
            try connection.takeTurn("services")
            try connection.execute(
                """
                INSERT INTO services (number, uuid, service, host, topic, report_count, created_at, updated_at,
                    last_seen_at, disabled, forced_down, version, trouble)
                SELECT COALESCE(MAX(number), 0) + 1, \(ServiceID.random()), \(binary), \(host), \(topic), 1, \(at),
                    \(at), \(at), 0, 0, \(version), \(trouble) FROM services
                """)
        }
    }

    /// All services, by number.
    package func services() async throws -> [ServiceRecord] {
        try await database.read { connection in
            try connection.map(
                """
                SELECT number, uuid, service, host, topic, created_at, updated_at, last_seen_at, disabled,
                    disabled_reason, forced_down, version, trouble
                FROM services ORDER BY number
                """
            ) { row in
                ServiceRecord(
                    number: try row.int64(0), id: try row.identifier(1), binary: try row.string(2),
                    host: try row.string(3), topic: try row.string(4), createdAt: try row.timestamp(5),
                    updatedAt: try row.timestamp(6), lastSeenAt: try row.timestamp(7), isDisabled: try row.bool(8),
                    disabledReason: try row.optionalString(9), isForcedDown: try row.bool(10),
                    version: try row.int(11), trouble: try row.optionalString(12))
            }
        }
    }

    /// Enables or disables a service, or forces it down; `nil` leaves a thing as it is.
    ///
    /// - Throws: ``StoreError/notFound(_:)``.
    package func updateService(
        _ id: ServiceID, disabled: Bool? = nil, disabledReason: String?? = nil, forcedDown: Bool? = nil
    ) async throws {
        let at = now()
        try await database.transaction { connection in
            var assignments: [SQL] = ["updated_at = \(at)"]
            if let disabled { assignments.append("disabled = \(disabled)") }
            if let disabledReason { assignments.append("disabled_reason = \(disabledReason)") }
            if let forcedDown { assignments.append("forced_down = \(forcedDown)") }
            let changed = try connection.execute(
                "UPDATE services SET \(assignments.joined(separator: ", ")) WHERE uuid = \(id)")
            guard changed.rowsChanged == 1 else { throw StoreError.notFound("Service \(id) could not be found.") }
        }
    }

    /// Notes a node's description, and makes its record at the first.
    ///
    /// - Returns: the node's identifier.
    package func reportNode(
        host: String, driver: String, hostIP: String, inventory: NodeInventory, traits: Set<Trait>,
        bindings: [PortBinding.Kind]
    ) async throws -> NodeID {
        let at = now()
        let inventoryText = try StoredJSON.encode(inventory)
        let traitsText = try StoredJSON.encode(traits.sorted())
        let bindingsText = try StoredJSON.encode(bindings)
        let node = inventory.hypervisorHostname
        let isKnown = try await database.read { try Self.node(host, node, $0) } != nil
        // The identifier of a new node goes to placement, so it must not be forgotten; the rest is reported again.
        return try await database.transaction(durability: isKnown ? .deferred : .onDisk) { connection in
            let known = try Self.node(host, node, connection)
            if let known {
                try connection.execute(
                    """
                    UPDATE compute_nodes SET driver = \(driver), host_ip = \(hostIP), inventory = \(inventoryText),
                        traits = \(traitsText), bindings = \(bindingsText), updated_at = \(at)
                    WHERE uuid = \(known)
                    """)
                return known
            }
            try connection.takeTurn("compute_nodes")
            let id = NodeID.random()
            try connection.execute(
                """
                INSERT INTO compute_nodes (number, uuid, host, node, driver, host_ip, inventory, traits, bindings,
                    updated_at)
                SELECT COALESCE(MAX(number), 0) + 1, \(id), \(host), \(node), \(driver),
                    \(hostIP), \(inventoryText), \(traitsText), \(bindingsText), \(at) FROM compute_nodes
                """)
            return id
        }
    }

    private static func node(_ host: String, _ node: String, _ connection: SQLConnection) throws -> NodeID? {
        try connection.first("SELECT uuid FROM compute_nodes WHERE host = \(host) AND node = \(node)") {
            try $0.identifier(0)
        }
    }

    /// All nodes, by number.
    package func computeNodes() async throws -> [ComputeNodeRecord] {
        try await database.read { connection in
            try connection.map(
                """
                SELECT number, uuid, host, node, driver, host_ip, inventory, traits, bindings, updated_at
                FROM compute_nodes ORDER BY number
                """
            ) { row in
                ComputeNodeRecord(
                    number: try row.int64(0), id: try row.identifier(1), host: try row.string(2),
                    node: try row.string(3), driver: try row.string(4), hostIP: try row.string(5),
                    inventory: try StoredJSON.decode(NodeInventory.self, try row.string(6)),
                    traits: Set(try StoredJSON.decode([Trait].self, try row.string(7))),
                    bindings: try StoredJSON.decode([PortBinding.Kind].self, try row.string(8)),
                    updatedAt: try row.timestamp(9))
            }
        }
    }

    /// What servers use, by node. Disk is root + ephemeral + swap in whole GiB.
    package func usageByNode() async throws -> [NodeID: NodeUsage] {
        try await database.read { connection in
            var usage: [NodeID: NodeUsage] = [:]
            let swap = connection.dialect.quotient("swap_mib + 1023", by: 1024)
            try connection.forEach(
                """
                SELECT node_uuid, COUNT(*), SUM(vcpus), SUM(memory_mib),
                    SUM(root_gib + ephemeral_gib + \(swap)),
                    SUM(CASE WHEN vm_state = \(VMState.building.rawValue) THEN 1 ELSE 0 END)
                FROM instances WHERE deleted = 0 AND node_uuid IS NOT NULL GROUP BY node_uuid
                """
            ) { row in
                var node = NodeUsage()
                node.instances = try row.int(1)
                node.vcpus = try row.int(2)
                node.memoryMiB = try row.int(3)
                node.diskGiB = try row.int(4)
                node.ioOperations = try row.int(5)
                usage[try row.identifier(0)] = node
            }
            return usage
        }
    }
}
