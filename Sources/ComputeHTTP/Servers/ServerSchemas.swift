import APIVersioning
import WireJSON

/// The bodies of changes and the queries of lists.
enum ServerSchemas {
    typealias History = Versioned<JSONSchema?>

    /// `PUT /servers/{id}`.
    static let update: History = {
        let first = JSONSchema.object([
            "name": .name, "OS-DCF:diskConfig": .diskConfig, "accessIPv4": .ipv4, "accessIPv6": .ipv6,
        ])
        let described = first.with(["description": .description])
        let named = described.with(["hostname": .hostname])
        let fullyNamed = described.with(["hostname": .fullHostname])
        let pinned = fullyNamed.with(["pinned_availability_zone": .nameOrNone])
        return History(since: v(1), body(first)).then(since: v(19), body(described)).then(since: v(90), body(named))
            .then(since: v(94), body(fullyNamed)).then(since: v(104), body(pinned))
    }()

    private static func body(_ server: JSONSchema) -> JSONSchema {
        .object(["server": server], required: ["server"])
    }

    // MARK: Lists

    /// `GET /servers` and `GET /servers/detail`.
    static let list: History = {
        let since26 = firstList.with([
            "tags": .queryPattern, "tags-any": .queryPattern, "not-tags": .queryPattern, "not-tags-any": .queryPattern,
        ])
        let since66 = since26.with(["changes-before": .multiple(.string(format: "date-time"))])
        let overlooked = ServerSorting.overlooked.filter { $0 != "locked" }
        let since73 = since66.with([
            "sort_key": sortKeys(["locked"] + ServerSorting.accepted + overlooked),
            "locked": .queryText,
        ])
        let since75 = since73.with(["sort_key": sortKeys(["locked"] + ServerSorting.accepted)]).allowing(.forbidden)
        return History(since: v(1), firstList).then(since: v(26), since26).then(since: v(66), since66)
            .then(since: v(73), since73).then(since: v(75), since75)
    }()

    private static func sortKeys(_ names: [String]) -> JSONSchema { .multiple(.choice(names)) }

    private static let firstList: JSONSchema = .query(
        [
            "user_id": .queryText, "project_id": .queryText, "tenant_id": .queryText, "launch_index": .queryText,
            "image_ref": .queryText, "image": .queryText, "kernel_id": .queryPattern, "ramdisk_id": .queryPattern,
            "hostname": .queryPattern, "key_name": .queryPattern, "power_state": .queryPattern,
            "vm_state": .queryText, "task_state": .queryText, "host": .queryText, "node": .queryPattern,
            "flavor": .queryPattern, "reservation_id": .queryPattern, "launched_at": .queryPattern,
            "terminated_at": .queryPattern, "availability_zone": .queryPattern, "name": .queryPattern,
            "display_name": .queryPattern, "description": .queryPattern, "display_description": .queryPattern,
            "locked_by": .queryPattern, "uuid": .queryText, "root_device_name": .queryPattern,
            "config_drive": .queryPattern, "access_ip_v4": .queryPattern, "access_ip_v6": .queryPattern,
            "auto_disk_config": .queryPattern, "progress": .queryPattern,
            "sort_key": sortKeys(ServerSorting.accepted + ServerSorting.overlooked), "sort_dir": .queryText,
            "all_tenants": .queryText, "soft_deleted": .queryText, "deleted": .queryText, "status": .queryText,
            "changes-since": .multiple(.string(format: "date-time")), "ip": .queryPattern, "ip6": .queryPattern,
            "created_at": .queryPattern, "block_device_mapping": .queryText, "services": .queryText,
            "metadata": .queryText, "system_metadata": .queryText, "info_cache": .queryText,
            "security_groups": .queryText, "pci_devices": .queryText, "limit": .multiple(.nonNegativeInteger),
            "marker": .queryText,
        ],
        patterns: ["^_": .queryText], additional: .allowed)

    // MARK: Actions

    /// A body whose only member is that action, with whatever value.
    static func action(_ name: String, _ value: JSONSchema = .anything) -> JSONSchema {
        .object(KeyValuePairs(dictionaryLiteral: (name, value)), required: [name])
    }

    static let reboot = History(
        since: v(1),
        action(
            "reboot",
            .object(["type": .choice(["HARD", "Hard", "hard", "SOFT", "Soft", "soft"])], required: ["type"])))

    static let lock = History(since: v(1), action("lock"))
        .then(
            since: v(73),
            action(
                "lock",
                .document([
                    "type": ["object", "null"],
                    "properties": ["locked_reason": ["type": "string", "minLength": 1, "maxLength": 255]],
                    "additionalProperties": false,
                ])))

    /// Not looked at from 2.73 on.
    static let unlock = History(since: v(1), action("unlock")).then(since: v(73), nil)

    static let consoleOutput = History(
        since: v(1),
        action(
            "os-getConsoleOutput",
            .object([
                "length": .document([
                    "type": ["integer", "string", "null"], "pattern": "^-?[0-9]+$", "minimum": -1,
                ])
            ])))

    static let resetState = History(
        since: v(1),
        action("os-resetState", .object(["state": .choice(["active", "error"])], required: ["state"])))

    // MARK: Parts

    static let metadata = History(since: v(1), .object(["metadata": .metadata], required: ["metadata"]))

    static let metadataItem = History(
        since: v(1),
        .object(
            [
                "meta": .document([
                    "type": "object",
                    "patternProperties": ["^[a-zA-Z0-9-_:. ]{1,255}$": ["type": "string", "maxLength": 255]],
                    "additionalProperties": false, "minProperties": 1, "maxProperties": 1,
                ])
            ], required: ["meta"]))

    static let tags = History(since: v(26), .object(["tags": .array(of: .tag, count: 0...50)], required: ["tags"]))

    static let tag = History(since: v(26), .null)

    /// The history of actions.
    static let actionList: History = {
        let since58 = JSONSchema.query(
            [
                "limit": .single(.nonNegativeInteger), "marker": .single(.anyString),
                "changes-since": .single(.string(format: "date-time")),
            ], additional: .forbidden)
        return History(since: v(1), nil).then(since: v(58), since58)
            .then(since: v(66), since58.with(["changes-before": .single(.string(format: "date-time"))]))
    }()
}
