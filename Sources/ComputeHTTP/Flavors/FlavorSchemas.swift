import APIVersioning
import WireJSON

/// Bodies and queries of the operations on flavors.
enum FlavorSchemas {
    // MARK: Flavors

    private static let description = JSONSchema.document([
        "type": ["string", "null"], "minLength": 0, "maxLength": 65535,
        "pattern": #"^[^\p{C}\p{Zl}\p{Zp}\U00010000-\U0010ffff]*$"#,
    ])

    private static let flavor = JSONSchema.object(
        [
            "name": .name,
            "id": .document([
                "type": ["string", "number", "null"], "minLength": 1, "maxLength": 255,
                "pattern": "^(?! )[a-zA-Z0-9. _-]+(?<! )$",
            ]),
            "ram": .flavorParameterPositive,
            "vcpus": .flavorParameterPositive,
            "disk": .flavorParameterNonNegative,
            "OS-FLV-EXT-DATA:ephemeral": .flavorParameterNonNegative,
            "swap": .flavorParameterNonNegative,
            "rxtx_factor": .document([
                "type": ["number", "string"], "pattern": #"^[0-9]+(\.[0-9]+)?$"#, "exclusiveMinimum": 0,
                "maximum": 3.40282e+38,
            ]),
            "os-flavor-access:is_public": .boolean,
        ],
        required: ["name", "ram", "vcpus", "disk"])

    private static func body(_ flavor: JSONSchema) -> JSONSchema { .object(["flavor": flavor], required: ["flavor"]) }

    static let create = Versioned<JSONSchema?>(since: v(1), body(flavor))
        .then(since: v(55), body(flavor.with(["description": description])))
        .then(since: v(102), body(flavor.with(["description": description]).without("rxtx_factor")))

    static let update = Versioned<JSONSchema?>(
        since: v(55), body(.object(["description": description], required: ["description"])))

    private static let sortKeys = [
        "created_at", "description", "disabled", "ephemeral_gb", "flavorid", "id", "is_public", "memory_mb", "name",
        "root_gb", "rxtx_factor", "swap", "updated_at", "vcpu_weight", "vcpus",
    ]

    private static func list(_ sortKeys: [String], additional: AdditionalProperties) -> JSONSchema {
        .query(
            [
                "limit": .multiple(.nonNegativeInteger), "marker": .queryText, "is_public": .queryText,
                "minRam": .queryText, "minDisk": .queryText, "sort_key": .multiple(.choice(sortKeys)),
                "sort_dir": .multiple(.choice(["asc", "desc"])),
            ], additional: additional)
    }

    static let listQuery = Versioned<JSONSchema?>(since: v(1), list(sortKeys, additional: .allowed))
        .then(since: v(75), list(sortKeys, additional: .forbidden))
        .then(
            since: v(102),
            list(sortKeys.filter { $0 != "rxtx_factor" }, additional: .forbidden).with(["name": .queryText]))

    // MARK: Extra specs

    /// Names as in metadata; values may be numbers.
    private static let values: JSONObject = [
        "type": "object",
        "patternProperties": ["^[a-zA-Z0-9-_:. ]{1,255}$": ["type": ["string", "number"], "maxLength": 255]],
        "additionalProperties": false,
    ]

    static let extraSpecs = Versioned<JSONSchema?>(
        since: v(1), .object(["extra_specs": .document(.object(values))], required: ["extra_specs"]))

    static let extraSpec = Versioned<JSONSchema?>(
        since: v(1),
        .document(.object(JSONObject(values.members.map { ($0.key, $0.value) }
            + [("minProperties", 1), ("maxProperties", 1)]))))

    // MARK: Access

    static func access(_ action: String) -> Versioned<JSONSchema?> {
        let tenant = JSONSchema.object(["tenant": .projectID], required: ["tenant"])
        return Versioned(since: v(1), JSONSchema.object([:], required: [action]).with([action: tenant]))
    }
}
