import APIVersioning
import WireJSON

/// The body of `POST /servers` by microversion.
enum CreateSchemas {
    static let create: Versioned<JSONSchema?> = {
        let since19 = first.with(["description": .description])
        let taggedNetwork = network.with(["tag": .tag])
        // Tags of devices came in 2.32, were lost by mistake for disks in 2.33 and for networks in 2.37, and came back.
        let since33 = since19.with(["networks": .array(of: taggedNetwork)])
        let since32 = since33.with(["block_device_mapping_v2": .array(of: taggedDevice)])
        let since37 = since33.with(["networks": networksOrWord(strictNetwork)], required: ["networks"])
        let since42 = since37.with([
            "networks": networksOrWord(strictNetwork.with(["tag": .tag])),
            "block_device_mapping_v2": .array(of: taggedDevice),
        ])
        let since52 = since42.with(["tags": .array(of: .tag, count: 0...50)])
        let since57 = since52.without("personality")
        let since63 = since57.with(["trusted_image_certificates": .trustedCertificates])
        let since67 = since63.with([
            "block_device_mapping_v2": .array(of: taggedDevice.with(["volume_type": .volumeType]))
        ])
        let since74 = since67.with(["host": .fullHostname, "hypervisor_hostname": .fullHostname])
        let since90 = since74.with(["hostname": .hostname])
        let since94 = since74.with(["hostname": .fullHostname])
        let later: [(Int, JSONSchema)] = [
            (19, since19), (32, since32), (33, since33), (37, since37), (42, since42), (52, since52), (57, since57),
            (63, since63), (67, since67), (74, since74), (90, since90), (94, since94),
        ]
        return later.reduce(Versioned<JSONSchema?>(since: v(1), body(first))) { history, change in
            history.then(since: v(change.0), body(change.1))
        }
    }()

    private static func body(_ server: JSONSchema) -> JSONSchema {
        .object(
            ["server": server, "os:scheduler_hints": hints, "OS-SCH-HNT:scheduler_hints": hints],
            required: ["server"])
    }

    private static let first: JSONSchema = .object(
        [
            "name": .name, "imageRef": .uuidOrEmpty, "flavorRef": .flavorReference, "adminPass": .anyString,
            "metadata": .metadata, "networks": .array(of: network), "OS-DCF:diskConfig": .diskConfig,
            "accessIPv4": .ipv4, "accessIPv6": .ipv6, "personality": .personality, "availability_zone": .name,
            "block_device_mapping": .array(of: oldDevice), "block_device_mapping_v2": .array(of: device),
            "config_drive": .boolean, "key_name": .name, "min_count": .positiveInteger,
            "max_count": .positiveInteger, "return_reservation_id": .boolean,
            "security_groups": .array(of: .object(["name": .name])),
            "user_data": .document(["type": "string", "format": "base64", "maxLength": 65535]),
        ],
        required: ["name", "flavorRef"])

    private static let portOrNull = JSONSchema.document(["type": ["string", "null"], "format": "uuid"])

    private static let network: JSONSchema = .object([
        "fixed_ip": .ipAddress, "port": portOrNull, "uuid": .anyString,
    ])

    private static let strictNetwork: JSONSchema = .object([
        "fixed_ip": .ipAddress, "port": portOrNull, "uuid": .uuid,
    ])

    private static func networksOrWord(_ network: JSONSchema) -> JSONSchema {
        .oneOf(.array(of: network), .choice(["none", "auto"]))
    }

    private static let oldDevice: JSONSchema = .object([
        "virtual_name": .document(["type": "string", "maxLength": 255]), "volume_id": .uuid, "snapshot_id": .uuid,
        "volume_size": .volumeSize,
        "device_name": .document([
            "type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[a-zA-Z0-9._/-]*$",
        ]),
        "delete_on_termination": .boolean, "no_device": .anything,
        "connection_info": .document(["type": "string", "maxLength": 16_777_215]),
    ])

    private static let device: JSONSchema = oldDevice.with([
        "source_type": .choice(["volume", "image", "snapshot", "blank"]),
        "uuid": .document([
            "type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[a-zA-Z0-9._-]*$",
        ]),
        "image_id": .uuid, "destination_type": .choice(["local", "volume"]), "guest_format": shortText,
        "device_type": shortText, "disk_bus": shortText,
        "boot_index": .document(["type": ["integer", "string", "null"], "pattern": "^-?[0-9]+$"]),
    ])

    private static let taggedDevice = device.with(["tag": .tag])
    private static let shortText = JSONSchema.document(["type": "string", "maxLength": 255])

    /// Hints to the scheduler; unknown ones are for filters that a deployment may have.
    private static let hints: JSONSchema = .object(
        [
            "group": .oneOf(.array(of: .uuid), .uuid), "different_host": .oneOf(.uuid, .array(of: .uuid)),
            "same_host": .document(["type": ["string", "array"], "items": ["type": "string", "format": "uuid"]]),
            "query": .document(["type": ["string", "object"]]), "target_cell": .name,
            "different_cell": .document(["type": ["string", "array"], "items": ["type": "string"]]),
            "build_near_host_ip": .ipAddress, "cidr": .string(pattern: "^/[0-9a-f.:]+$"),
        ],
        additional: .allowed)
}
