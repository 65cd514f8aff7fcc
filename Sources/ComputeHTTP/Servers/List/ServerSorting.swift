import ComputeStore
import HTTPService
import Identity

/// By what a server list is sorted.
enum ServerSorting {
    /// Names that were once accepted; they are overlooked, together with their direction.
    static let overlooked: [String] = [
        "architecture", "cell_name", "cleaned", "default_ephemeral_device", "default_swap_device", "deleted",
        "deleted_at", "disable_terminate", "ephemeral_gb", "ephemeral_key_uuid", "id", "key_data", "launched_on",
        "locked", "memory_mb", "os_type", "reservation_id", "root_gb", "shutdown_terminate", "user_data", "vcpus",
        "vm_mode",
    ]

    /// Names that are accepted in all versions.
    static let accepted: [String] = [
        "access_ip_v4", "access_ip_v6", "auto_disk_config", "availability_zone", "config_drive", "created_at",
        "display_description", "display_name", "host", "hostname", "image_ref", "instance_type_id", "kernel_id",
        "key_name", "launch_index", "launched_at", "locked_by", "node", "power_state", "progress", "project_id",
        "ramdisk_id", "root_device_name", "task_state", "terminated_at", "updated_at", "user_id", "uuid", "vm_state",
    ]

    /// Names whose columns are called otherwise.
    private static let renamed: [String: InstanceQuery.SortKey] = [
        "display_name": .name, "display_description": .description, "image_ref": .imageID,
        "instance_type_id": .flavorID, "root_device_name": .rootDevice, "locked": .lockedBy,
    ]

    /// - Throws: a 403 for fields that only administrators may sort by; a 400 for directions that are none.
    static func order(_ call: ComputeCall) throws(ComputeFault) -> [(key: InstanceQuery.SortKey, ascending: Bool)] {
        var names = call.query.values("sort_key").map(\.trimmingSpaces)
        var directions = call.query.values("sort_dir").map(\.trimmingSpaces)
        if names.isEmpty { names = ["created_at"] }
        if directions.isEmpty { directions = ["desc"] }
        var index = 0
        while index < names.count {
            if overlooked.contains(names[index]), !(names[index] == "locked" && call.has(73)) {
                if index < directions.count { directions.remove(at: index) }
                names.remove(at: index)
                continue
            }
            if names[index] == "host" || names[index] == "node", !call.context.isAdmin {
                throw .forbidden("Only administrators can sort servers by \(names[index])")
            }
            index += 1
        }
        guard directions.allSatisfy({ $0 == "asc" || $0 == "desc" }) else {
            throw .badRequest("Invalid input received: Unknown sort direction, must be 'desc' or 'asc'")
        }
        guard names.isEmpty || directions.count <= names.count else {
            throw .badRequest("Invalid input received: Sort direction size exceeds sort key size")
        }
        // A key without a direction has the first one's.
        let usual = directions.first ?? "asc"
        return names.enumerated().compactMap { index, name in
            guard let key = renamed[name] ?? InstanceQuery.SortKey(rawValue: name) else { return nil }
            return (key, (index < directions.count ? directions[index] : usual) == "asc")
        }
    }
}
