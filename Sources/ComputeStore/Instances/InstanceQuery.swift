package import ComputeModel
import Database

/// Which servers to list, in which order.
package struct InstanceQuery: Sendable {
    /// One condition.
    package enum Condition: Sendable {
        case project(String)
        case user(String)
        case ids([InstanceID])
        case vmStates(Set<VMState>)
        case taskStates(Set<TaskState>)
        /// The name contains a match of this SQL LIKE pattern (escaped with `\`).
        case nameLike(String)
        case hostnameLike(String)
        case descriptionLike(String)
        case image(String)
        case flavor(String)
        case host(String)
        case node(String)
        case availabilityZone(String)
        case keyName(String)
        case configDrive(Bool)
        case locked(Bool)
        /// `owner` or `admin`.
        case lockedBy(String)
        case powerState(PowerState)
        case progress(Int)
        case reservation(String)
        case launchIndex(Int)
        case rootDevice(String)
        case accessIPv4(String)
        case accessIPv6(String)
        /// Addresses whose text contains this, of version 4 or 6.
        case addressLike(String, version: Int)
        case allTags([String])
        case anyTag([String])
        case notAllTags([String])
        case notAnyTag([String])
        case changedSince(Timestamp)
        case changedBefore(Timestamp)
        case createdAt(Timestamp)
        case launchedAt(Timestamp)
        case terminatedAt(Timestamp)
        case deleted(Bool)
        /// No server at all.
        case never
    }

    /// A column to sort by.
    package enum SortKey: String, Sendable, CaseIterable {
        case id = "number"
        case uuid
        case createdAt = "created_at"
        case updatedAt = "updated_at"
        case launchedAt = "launched_at"
        case terminatedAt = "terminated_at"
        case name = "display_name"
        case description
        case hostname
        case host
        case node
        case vmState = "vm_state"
        case taskState = "task_state"
        case powerState = "power_state"
        case progress
        case projectID = "project_id"
        case userID = "user_id"
        case imageID = "image_id"
        case flavorID = "flavor_id"
        case keyName = "key_name"
        case availabilityZone = "availability_zone"
        case configDrive = "config_drive"
        case launchIndex = "launch_index"
        case rootDevice = "root_device"
        case accessIPv4 = "access_ip_v4"
        case accessIPv6 = "access_ip_v6"
        case lockedBy = "locked_by"
    }

    /// All must hold.
    package var conditions: [Condition]
    /// First the most significant.
    package var order: [(key: SortKey, ascending: Bool)]
    /// Begin after this server.
    package var marker: InstanceID?
    /// At most so many.
    package var limit: Int

    package init(
        conditions: [Condition], order: [(key: SortKey, ascending: Bool)] = [], marker: InstanceID? = nil,
        limit: Int = 1000
    ) {
        self.conditions = conditions
        self.order = order
        self.marker = marker
        self.limit = limit
    }
}

extension InstanceQuery.Condition {
    /// The condition as SQL over the table `instances`.
    var sql: SQL {
        switch self {
        case .project(let project): "project_id = \(project)"
        case .user(let user): "user_id = \(user)"
        case .ids(let ids): "uuid IN \(list: ids)"
        case .vmStates(let states): "vm_state IN \(list: states.map(\.rawValue).sorted())"
        case .taskStates(let states): "task_state IN \(list: states.map(\.rawValue).sorted())"
        case .nameLike(let pattern): "\("display_name", like: pattern)"
        case .hostnameLike(let pattern): "\("hostname", like: pattern)"
        case .descriptionLike(let pattern): "\("description", like: pattern)"
        case .image(let image): "image_id = \(image)"
        case .flavor(let flavor): "flavor_id = \(flavor)"
        case .host(let host): "host = \(host)"
        case .node(let node): "node = \(node)"
        case .availabilityZone(let zone): "availability_zone = \(zone)"
        case .keyName(let name): "key_name = \(name)"
        case .configDrive(let wanted): "config_drive = \(wanted)"
        case .locked(let wanted): wanted ? "locked_by IS NOT NULL" : "locked_by IS NULL"
        case .lockedBy(let holder): "locked_by = \(holder)"
        case .powerState(let state): "power_state = \(state.rawValue)"
        case .progress(let percent): "progress = \(percent)"
        case .reservation(let id): "reservation_id = \(id)"
        case .launchIndex(let index): "launch_index = \(index)"
        case .rootDevice(let device): "root_device = \(device)"
        case .accessIPv4(let address): "access_ip_v4 = \(address)"
        case .accessIPv6(let address): "access_ip_v6 = \(address)"
        case .addressLike(let part, let version): Self.address(like: part, version: version)
        case .allTags(let tags): Self.tagged(tags, count: Set(tags).count)
        case .anyTag(let tags): Self.tagged(tags, count: 1)
        case .notAllTags(let tags): "NOT (\(Self.tagged(tags, count: Set(tags).count)))"
        case .notAnyTag(let tags): "NOT (\(Self.tagged(tags, count: 1)))"
        case .changedSince(let moment): "updated_at >= \(moment)"
        case .changedBefore(let moment): "updated_at <= \(moment)"
        case .createdAt(let moment): "created_at = \(moment)"
        case .launchedAt(let moment): "launched_at = \(moment)"
        case .terminatedAt(let moment): "terminated_at = \(moment)"
        case .deleted(let wanted): "deleted = \(wanted)"
        case .never: "1 = 0"
        }
    }

    private static func address(like part: String, version: Int) -> SQL {
        let kind: SQL = version == 6 ? "address LIKE '%:%'" : "address NOT LIKE '%:%'"
        return """
            uuid IN (SELECT instance FROM instance_addresses WHERE \("address", like: part) AND \(kind))
            """
    }

    private static func tagged(_ tags: [String], count: Int) -> SQL {
        """
        (SELECT COUNT(*) FROM instance_tags WHERE instance = instances.uuid AND tag IN \(list: Set(tags).sorted())) \
        >= \(count)
        """
    }
}
