package import ComputeModel
import Database

/// What only conductors need of a server.
package struct InstanceWorkRecord: Sendable {
    package var instance: InstanceRecord
    /// The request's specification, encoded.
    package var specJSON: String
    package var keyData: String?
    package var interfaces: [NetworkInterfaceSpec]
    /// The driver's handle, encoded.
    package var handleJSON: String?
    /// The last operation number given out.
    package var operation: Int64
    /// The last operation that ended well. What an agent saw before it is out of date.
    package var settled: Int64
}

/// What conductors read and write.
///
/// Writes that a step of a saga makes are ``Durability/deferred`` unless they say otherwise: the saga's log lies in
/// the same database, so the write that ends a step puts the step's rows on disk too, and when power fails before
/// that, the step is run again.
extension ComputeStore {
    /// A server with what conductors need, deleted or not.
    package func work(on id: InstanceID) async throws -> InstanceWorkRecord? {
        try await database.read { connection in
            try connection.first(
                """
                SELECT \(InstanceRecord.columns), spec, key_data, interfaces, handle, operation, settled
                FROM instances WHERE uuid = \(id)
                """,
                InstanceWorkRecord.init(row:))
        }
    }

    /// All servers that a host holds, with what conductors need.
    package func work(onHost host: String) async throws -> [InstanceWorkRecord] {
        try await database.read { connection in
            try connection.map(
                """
                SELECT \(InstanceRecord.columns), spec, key_data, interfaces, handle, operation, settled
                FROM instances WHERE host = \(host) AND deleted = 0
                """,
                InstanceWorkRecord.init(row:))
        }
    }

    /// The next operation number of a server: greater than any given out before.
    ///
    /// - Parameter durability: ``Durability/deferred`` only where the number is written down, on disk, before an agent
    ///   hears of it: a number must never be given out twice.
    package func nextOperation(on id: InstanceID, durability: StoreDurability = .onDisk) async throws -> Int64 {
        try await database.transaction(durability: durability.inDatabase) { connection in
            try connection.execute("UPDATE instances SET operation = operation + 1 WHERE uuid = \(id)")
            let number = try connection.first("SELECT operation FROM instances WHERE uuid = \(id)") { try $0.int64(0) }
            guard let number else { throw StoreError.notFound("Instance \(id) could not be found.") }
            return number
        }
    }

    /// Moves a task along (scheduling → networking → spawning) unless another task has begun meanwhile.
    ///
    /// - Returns: false when the server is in none of the `expected` tasks any more.
    @discardableResult
    package func advanceTask(of id: InstanceID, to task: TaskState?, expecting expected: Set<TaskState>) async throws
        -> Bool
    {
        let at = now()
        return try await database.transaction(durability: .deferred) { connection in
            try connection.execute(
                """
                UPDATE instances SET task_state = \(task?.rawValue), updated_at = \(at), \(InstanceStamp.renewal)
                WHERE uuid = \(id) AND deleted = 0 AND task_state IN \(list: expected.map(\.rawValue).sorted())
                """
            ).rowsChanged == 1
        }
    }

    /// Writes where a server is placed.
    package func place(
        _ id: InstanceID, host: String?, node: String?, nodeID: NodeID?, availabilityZone: String?
    ) async throws {
        let at = now()
        try await database.transaction(durability: .deferred) { connection in
            try Self.set(
                [
                    "host = \(host)", "node = \(node)", "node_uuid = \(nodeID?.description)",
                    "availability_zone = \(availabilityZone)", "updated_at = \(at)",
                ], on: id, connection)
        }
    }

    /// Writes how a server is wired, and what follows from it for lists and for the metadata service.
    ///
    /// - Parameters:
    ///   - given: ports that the user made; they outlive the server. Kept as they were when `nil`.
    ///   - addressesJSON: the API's `addresses` object.
    ///   - securityGroupsJSON: the API's `security_groups` array.
    package func wire(
        _ id: InstanceID, interfaces: [NetworkInterfaceSpec], given: Set<PortID>? = nil, addressesJSON: String,
        securityGroupsJSON: String
    ) async throws {
        let at = now()
        let text = try StoredJSON.encode(interfaces)
        try await database.transaction(durability: .deferred) { connection in
            try Self.set(
                [
                    "interfaces = \(text)", "addresses = \(addressesJSON)",
                    "security_groups = \(securityGroupsJSON)", "updated_at = \(at)",
                ], on: id, connection)
            let kept = try given ?? Self.givenPorts(of: id, connection)
            try Self.removeWiring(of: id, connection)
            for interface in interfaces {
                try connection.execute("DELETE FROM instance_ports WHERE port_id = \(interface.portID)")
                try connection.execute(
                    """
                    INSERT INTO instance_ports (port_id, instance, network_id, given)
                    VALUES (\(interface.portID), \(id), \(interface.networkID), \(kept.contains(interface.portID)))
                    """)
                for address in interface.addresses {
                    try connection.execute(
                        """
                        DELETE FROM instance_addresses
                        WHERE network_id = \(interface.networkID) AND address = \(address.address)
                        """)
                    try connection.execute(
                        """
                        INSERT INTO instance_addresses (network_id, address, instance)
                        VALUES (\(interface.networkID), \(address.address), \(id))
                        """)
                }
            }
        }
    }

    /// Notes, before anything is done with them, which ports a server's user made: whoever cleans up after a crash
    /// must not delete them. On disk when it returns, because the network service will know of the ports at once.
    package func noteGiven(_ ports: [PortID: NetworkID?], of id: InstanceID) async throws {
        guard !ports.isEmpty else { return }
        let known = try await givenPorts(of: id)
        guard !known.isSuperset(of: ports.keys) else { return }
        try await database.transaction { connection in
            for (port, network) in ports.sorted(by: { $0.key < $1.key }) {
                let holder = try connection.first("SELECT 1 FROM instance_ports WHERE port_id = \(port)") { _ in true }
                guard holder == nil else { continue }
                try connection.execute(
                    """
                    INSERT INTO instance_ports (port_id, instance, network_id, given)
                    VALUES (\(port), \(id), \(network?.description ?? ""), 1)
                    """)
            }
        }
    }

    /// Ports of a server that its user made and that outlive it.
    package func givenPorts(of id: InstanceID) async throws -> Set<PortID> {
        try await database.read { try Self.givenPorts(of: id, $0) }
    }

    private static func givenPorts(of id: InstanceID, _ connection: SQLConnection) throws -> Set<PortID> {
        Set(
            try connection.map("SELECT port_id FROM instance_ports WHERE instance = \(id) AND given = 1") {
                try $0.identifier(0)
            })
    }

    private static func removeWiring(of id: InstanceID, _ connection: SQLConnection) throws {
        try connection.execute("DELETE FROM instance_ports WHERE instance = \(id)")
        try connection.execute("DELETE FROM instance_addresses WHERE instance = \(id)")
    }

    /// The server that has an address on a network.
    package func instance(at address: String, on network: NetworkID) async throws -> InstanceID? {
        try await database.read { connection in
            try connection.first(
                """
                SELECT instance FROM instance_addresses
                WHERE network_id = \(network) AND address = \(address)
                """) { try $0.identifier(0) }
        }
    }

    /// Ends an operation: state, power and handle together; clears the task.
    ///
    /// - Parameters:
    ///   - expected: tasks of which the server must be in one; `nil` for any.
    ///   - handleJSON: kept as it is when `nil`.
    ///   - operation: the operation that ended well; see ``InstanceWorkRecord/settled``.
    ///   - durability: on disk unless said otherwise, because users see the new state at once.
    /// - Returns: false when another task has begun meanwhile.
    @discardableResult
    package func finishOperation(
        on id: InstanceID, vm: VMState, power: PowerState, expecting expected: Set<TaskState>?,
        handleJSON: String? = nil, fault: FaultRecord? = nil, launched: Bool = false,
        operation: Int64? = nil, durability: StoreDurability = .onDisk
    ) async throws -> Bool {
        let at = now()
        let faultText = try fault.map { try StoredJSON.encode($0) }
        return try await database.transaction(durability: durability.inDatabase) { connection in
            var assignments: [SQL] = [
                "vm_state = \(vm.rawValue)", "task_state = NULL", "power_state = \(power.rawValue)",
                "updated_at = \(at)", "fault = \(faultText)",
            ]
            if let operation { assignments.append("settled = \(operation)") }
            if let handleJSON { assignments.append("handle = \(handleJSON)") }
            if launched { assignments.append("launched_at = COALESCE(launched_at, \(at))") }
            var condition: SQL = "uuid = \(id) AND deleted = 0"
            if let expected { condition += " AND task_state IN \(list: expected.map(\.rawValue).sorted())" }
            return try connection.execute(
                """
                UPDATE instances SET \(InstanceStamp.renewal), \(assignments.joined(separator: ", "))
                WHERE \(condition)
                """
            ).rowsChanged == 1
        }
    }

    /// Whether a saga of that name about a server has not ended.
    package func isRunning(saga name: String, about id: InstanceID) async throws -> Bool {
        try await database.read { connection in
            try connection.first(
                "SELECT 1 FROM sagas WHERE subject = \(id.description) AND name = \(name) AND status = 'running'"
            ) { _ in true } ?? false
        }
    }

    /// Writes a power state that was observed; a running task refuses it, and so does an operation that ended after
    /// the agent looked.
    ///
    /// - Parameter operation: the last operation that the agent had finished when it looked.
    /// - Returns: false when it was refused.
    @discardableResult
    package func observe(_ power: PowerState, vm: VMState, of id: InstanceID, operation: Int64) async throws -> Bool {
        let at = now()
        return try await database.transaction(durability: .deferred) { connection in
            try connection.execute(
                """
                UPDATE instances SET power_state = \(power.rawValue), vm_state = \(vm.rawValue), updated_at = \(at),
                    \(InstanceStamp.renewal)
                WHERE uuid = \(id) AND deleted = 0 AND task_state IS NULL AND settled <= \(operation)
                    AND (power_state <> \(power.rawValue) OR vm_state <> \(vm.rawValue))
                """
            ).rowsChanged == 1
        }
    }

    /// Up to so many built servers after that row number, in the order of their rows, for keeping what is known of
    /// their networks current.
    package func wiredInstances(after number: Int64, limit: Int) async throws -> [(id: InstanceID, number: Int64)] {
        try await database.read { connection in
            try connection.map(
                """
                SELECT uuid, number FROM instances
                WHERE deleted = 0 AND number > \(number) AND interfaces <> '[]'
                    AND vm_state <> \(VMState.building.rawValue)
                ORDER BY number LIMIT \(limit)
                """
            ) { (id: try $0.identifier(0), number: try $0.int64(1)) }
        }
    }

    /// Marks a server deleted, on disk, because users are told at once; its row stays for `deleted=true` and
    /// `changes-since`. Repeating it succeeds.
    package func markDeleted(_ id: InstanceID) async throws {
        let at = now()
        try await database.transaction { connection in
            try connection.execute(
                """
                UPDATE instances SET vm_state = \(VMState.deleted.rawValue), task_state = NULL,
                    power_state = \(PowerState.noState.rawValue), deleted = 1, deleted_at = \(at),
                    terminated_at = \(at), updated_at = \(at), interfaces = '[]', handle = NULL,
                    \(InstanceStamp.renewal)
                WHERE uuid = \(id) AND deleted = 0
                """)
            try Self.removeWiring(of: id, connection)
            try connection.execute("DELETE FROM instance_tags WHERE instance = \(id)")
        }
    }
}

extension InstanceWorkRecord {
    init(row: SQLRow) throws {
        let base = row.count - 6
        self.init(
            instance: try InstanceRecord(row: row), specJSON: try row.string(base),
            keyData: try row.optionalString(base + 1),
            interfaces: try StoredJSON.decode([NetworkInterfaceSpec].self, try row.string(base + 2)),
            handleJSON: try row.optionalString(base + 3), operation: try row.int64(base + 4),
            settled: try row.int64(base + 5))
    }
}
