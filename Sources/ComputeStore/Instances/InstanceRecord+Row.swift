import ComputeModel
import Database
import FoundationEssentials

extension InstanceRecord {
    /// The columns in the order in which ``init(row:)`` reads them.
    static let columns: SQL = """
        uuid, number, reservation_id, launch_index, project_id, user_id, display_name, description, hostname, \
        vm_state, task_state, power_state, progress, host, node, node_uuid, availability_zone, pinned_zone, \
        created_at, updated_at, launched_at, terminated_at, deleted_at, deleted, image_id, image_properties, \
        root_device, key_name, user_data, config_drive, locked_by, locked_reason, access_ip_v4, access_ip_v6, \
        flavor_id, flavor_name, vcpus, memory_mib, root_gib, ephemeral_gib, swap_mib, extra_specs, metadata, tags, \
        addresses, security_groups, trusted_certs, hints, fault, auto_disk_config
        """

    init(row: SQLRow) throws {
        self.init(
            id: try row.identifier(0), number: try row.int64(1), reservationID: try row.string(2),
            launchIndex: try row.int(3), projectID: try row.string(4), userID: try row.string(5),
            name: try row.string(6), description: try row.optionalString(7), hostname: try row.string(8),
            status: try Self.status(row, vm: 9, task: 10), power: try Self.power(row, 11),
            progress: try row.int(12), host: try row.optionalString(13), node: try row.optionalString(14),
            nodeID: try row.optionalIdentifier(15), availabilityZone: try row.optionalString(16),
            pinnedZone: try row.optionalString(17), createdAt: try row.timestamp(18),
            updatedAt: try row.optionalTimestamp(19), launchedAt: try row.optionalTimestamp(20),
            terminatedAt: try row.optionalTimestamp(21), deletedAt: try row.optionalTimestamp(22),
            isDeleted: try row.bool(23), imageID: try row.optionalIdentifier(24),
            imagePropertiesJSON: try row.string(25), rootDevice: try row.optionalString(26),
            keyName: try row.optionalString(27), userData: try row.optionalString(28),
            configDrive: try row.bool(29), lock: try Self.lock(row, by: 30, reason: 31),
            accessIPv4: try row.optionalString(32), accessIPv6: try row.optionalString(33),
            flavorID: try row.string(34), flavorName: try row.string(35), vcpus: try row.int(36),
            memoryMiB: try row.int(37), rootGiB: try row.int(38), ephemeralGiB: try row.int(39),
            swapMiB: try row.int(40), extraSpecsJSON: try row.string(41), metadataJSON: try row.string(42),
            tagsJSON: try row.string(43), addressesJSON: try row.string(44), securityGroupsJSON: try row.string(45),
            trustedCertificatesJSON: try row.optionalString(46), hintsJSON: try row.string(47),
            fault: try row.optionalString(48).map { try StoredJSON.decode(FaultRecord.self, $0) },
            autoDiskConfig: try row.bool(49))
    }

    static func status(_ row: SQLRow, vm: Int, task: Int) throws -> InstanceStatus {
        let vmText = try row.string(vm)
        let taskText = try row.optionalString(task)
        guard let vmState = VMState(rawValue: vmText) else {
            throw DatabaseError.decoding("'\(vmText)' is not a vm_state")
        }
        let taskState = taskText.flatMap { TaskState(rawValue: $0) }
        if let taskText, taskState == nil { throw DatabaseError.decoding("'\(taskText)' is not a task_state") }
        return InstanceStatus(vm: vmState, task: taskState)
    }

    static func power(_ row: SQLRow, _ column: Int) throws -> PowerState {
        PowerState(rawValue: try row.int(column)) ?? .noState
    }

    private static func lock(_ row: SQLRow, by: Int, reason: Int) throws -> LockState {
        guard let holder = try row.optionalString(by) else { return .unlocked }
        return .locked(byOwner: holder == "owner", reason: try row.optionalString(reason))
    }
}

/// Small values kept as JSON text in a column.
package enum StoredJSON {
    /// The text of a value.
    package static func encode(_ value: some Encodable) throws -> String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        return String(decoding: try encoder.encode(value), as: UTF8.self)
    }

    /// The value of a text.
    package static func decode<Value: Decodable>(_ type: Value.Type, _ text: String) throws -> Value {
        do {
            return try JSONDecoder().decode(type, from: Data(text.utf8))
        } catch {
            throw DatabaseError.decoding("a stored \(type) cannot be read: \(error)")
        }
    }
}
