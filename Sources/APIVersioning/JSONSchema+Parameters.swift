import WireJSON

/// The parameter types that the compute API's schemas share (nova `api/validation/parameter_types.py`).
extension JSONSchema {
    /// A truth value in any of the spellings that have been accepted since the first version.
    package static let boolean = JSONSchema(table: [
        "type": ["boolean", "string"],
        "enum": [
            true, "True", "TRUE", "true", "1", "ON", "On", "on", "YES", "Yes", "yes",
            false, "False", "FALSE", "false", "0", "OFF", "Off", "off", "NO", "No", "no",
        ],
    ])

    /// 1 to 255 printable characters without a space at either end.
    package static let name = JSONSchema(table: named("name"))

    /// 1 to 255 printable characters, at least one of which is not a space.
    package static let nameWithSpaces = JSONSchema(table: named("name_with_leading_trailing_spaces"))

    /// As `name`, without colons.
    package static let zoneName = JSONSchema(table: named("az_name"))

    /// As `nameWithSpaces`, without colons.
    package static let zoneNameWithSpaces = JSONSchema(table: named("az_name_with_leading_trailing_spaces"))

    /// 1 to 255 characters of any kind, or null.
    package static let nameOrNone = oneOf(string(length: 1...255), null)

    /// Up to 255 printable characters, or null.
    ///
    /// The reference spells its class of printable characters out in ranges; this says the same in categories.
    package static let description = JSONSchema(table: [
        "type": ["string", "null"],
        "pattern": #"^[^\p{C}\p{Zl}\p{Zp}\U00010000-\U0010ffff]*$"#,
        "minLength": 0, "maxLength": 255,
    ])

    /// A UUID in any usual spelling.
    package static let uuid = string(format: "uuid")

    /// A UUID or the empty string.
    package static let uuidOrEmpty = oneOf(uuid, JSONSchema(table: ["type": "string", "maxLength": 0]))

    /// A whole number from 1, also as a string of digits.
    package static let positiveInteger = JSONSchema(table: [
        "type": ["integer", "string"], "pattern": "^[0-9]*$", "minimum": 1, "minLength": 1,
    ])

    /// A whole number from 0, also as a string of digits.
    package static let nonNegativeInteger = JSONSchema(table: [
        "type": ["integer", "string"], "pattern": "^[0-9]*$", "minimum": 0, "minLength": 1,
    ])

    /// A whole number from 1 that fits the database, also as a string of digits.
    package static let volumeSize = integerOrString(pattern: "^[0-9]+$", minimum: 1, maximum: 0x7FFF_FFFF)

    /// A flavor's size that must not be 0.
    package static let flavorParameterPositive = volumeSize

    /// A flavor's size that may be 0.
    package static let flavorParameterNonNegative = integerOrString(
        pattern: "^[0-9]+$", minimum: 0, maximum: 0x7FFF_FFFF)

    /// A flavor's identifier: a string, or a number for old times' sake.
    package static let flavorReference = JSONSchema(table: ["type": ["string", "integer"], "minLength": 1])

    /// A host's name without dots.
    package static let hostname = JSONSchema(table: [
        "type": "string", "pattern": "^[a-zA-Z0-9]+[a-zA-Z0-9-]*[a-zA-Z0-9]+$", "minLength": 2, "maxLength": 63,
    ])

    /// A host's name with dots and, as real systems have them, underscores.
    package static let fullHostname = JSONSchema(table: [
        "type": "string", "pattern": "^[a-zA-Z0-9-._]*$", "minLength": 1, "maxLength": 255,
    ])

    /// A project's identifier.
    package static let projectID = JSONSchema(table: [
        "type": "string", "pattern": "^[a-zA-Z0-9-]*$", "minLength": 1, "maxLength": 255,
    ])

    /// A user's identifier.
    package static let userID = projectID

    /// A key pair's name up to 2.91.
    package static let keypairName = allOf(name, keypairCharacters(#"^[_\- a-zA-Z0-9]+$"#))

    /// A key pair's name from 2.92 on.
    package static let keypairNameSince2_92 = allOf(name, keypairCharacters(#"^[_\-\@\. a-zA-Z0-9]+$"#))

    /// Metadata: names of up to 255 plain characters, values of up to 255 characters.
    package static let metadata = metadata(valueType: "string")

    /// Metadata whose null values remove an entry.
    package static let metadataWithNull = metadata(valueType: ["string", "null"])

    /// Six pairs of hexadecimal digits with colons.
    package static let macAddress = string(pattern: "^([0-9a-fA-F]{2})(:[0-9a-fA-F]{2}){5}$")

    /// An IPv4 address.
    package static let ipv4 = string(format: "ipv4")

    /// An IPv6 address.
    package static let ipv6 = string(format: "ipv6")

    /// An address of either family.
    package static let ipAddress = JSONSchema(table: [
        "type": "string", "oneOf": [["format": "ipv4"], ["format": "ipv6"]],
    ])

    /// A network in prefix notation.
    package static let cidr = string(format: "cidr")

    /// `AUTO` or `MANUAL`.
    package static let diskConfig = choice(["AUTO", "MANUAL"])

    /// The name of a volume type, or null.
    package static let volumeType = JSONSchema(table: [
        "type": ["string", "null"], "minLength": 0, "maxLength": 255,
    ])

    /// A server's tag.
    package static let tag = JSONSchema(table: [
        "type": "string", "pattern": "^[^,/]*$", "minLength": 1, "maxLength": 60,
    ])

    /// Up to 50 identifiers of certificates, or null to go back to the default.
    package static let trustedCertificates = JSONSchema(table: [
        "type": ["array", "null"], "minItems": 1, "maxItems": 50, "uniqueItems": true,
        "items": ["type": "string", "minLength": 1],
    ])

    /// Files to be put into a new server.
    package static let personality = array(
        of: object(["path": anyString, "contents": string(format: "base64")]))

    /// Base64 text of up to 65,535 characters, or null.
    package static let userData = JSONSchema(table: [
        "type": ["string", "null"], "format": "base64", "maxLength": 65535,
    ])

    private static func named(_ format: String) -> JSONValue {
        ["type": "string", "format": .string(format), "minLength": 1, "maxLength": 255]
    }

    private static func keypairCharacters(_ pattern: String) -> JSONSchema {
        JSONSchema(table: ["type": "string", "pattern": .string(pattern), "minLength": 1, "maxLength": 255])
    }

    private static func metadata(valueType: JSONValue) -> JSONSchema {
        JSONSchema(table: [
            "type": "object",
            "patternProperties": ["^[a-zA-Z0-9-_:. ]{1,255}$": ["type": valueType, "maxLength": 255]],
            "additionalProperties": false,
        ])
    }
}
