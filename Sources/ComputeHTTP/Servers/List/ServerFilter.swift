import ComputeModel
import ComputeStore

/// What each filter of a server list means.
///
/// Where the reference takes a regular expression, names, host names, descriptions and addresses are searched as
/// `LikePattern` says, and the other fields are compared whole.
enum ServerFilter {
    /// The condition of a filter; nil for filters that say nothing about a server of ours.
    static func condition(_ name: String, _ value: String) -> InstanceQuery.Condition? {
        texts[name]?(value) ?? values(name, value)
    }

    private static let texts: [String: @Sendable (String) -> InstanceQuery.Condition] = [
        "user_id": { .user($0) },
        "image": { .image($0) },
        "image_ref": { .image($0) },
        "flavor": { .flavor($0) },
        "host": { .host($0) },
        "node": { .node($0) },
        "availability_zone": { .availabilityZone($0) },
        "key_name": { .keyName($0) },
        "reservation_id": { .reservation($0) },
        "root_device_name": { .rootDevice($0) },
        "access_ip_v4": { .accessIPv4($0) },
        "access_ip_v6": { .accessIPv6($0) },
        "locked_by": { .lockedBy($0) },
        "name": { .nameLike(LikePattern.matching($0)) },
        "display_name": { .nameLike(LikePattern.matching($0)) },
        "hostname": { .hostnameLike(LikePattern.matching($0)) },
        "description": { .descriptionLike(LikePattern.matching($0)) },
        "display_description": { .descriptionLike(LikePattern.matching($0)) },
        "ip": { .addressLike(LikePattern.matching($0, dotIsAny: false), version: 4) },
        "ip6": { .addressLike(LikePattern.matching($0, dotIsAny: false), version: 6) },
    ]

    /// Filters whose value must be read; no server has what cannot be read.
    private static func values(_ name: String, _ value: String) -> InstanceQuery.Condition? {
        switch name {
        case "uuid": InstanceID(value).map { .ids([$0]) } ?? .never
        case "launch_index": Int(value).map { .launchIndex($0) } ?? .never
        case "progress": Int(value).map { .progress($0) } ?? .never
        case "power_state": Int(value).flatMap(PowerState.init(rawValue:)).map { .powerState($0) } ?? .never
        case "vm_state": VMState(rawValue: value).map { .vmStates([$0]) } ?? .never
        case "task_state": TaskState(rawValue: value).map { .taskStates([$0]) } ?? .never
        case "config_drive": .configDrive(BooleanText.strict(value) ?? false)
        case "created_at": Timestamp(iso8601: value).map { .createdAt($0) } ?? .never
        case "launched_at": Timestamp(iso8601: value).map { .launchedAt($0) } ?? .never
        case "terminated_at": Timestamp(iso8601: value).map { .terminatedAt($0) } ?? .never
        case "kernel_id", "ramdisk_id": value.isEmpty ? nil : .never
        // Nothing is deleted softly, and how a disk was configured is not looked for.
        default: nil
        }
    }
}
