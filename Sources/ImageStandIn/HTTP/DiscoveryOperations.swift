import HTTPService
import WireJSON

extension ImageAPI {
    static let discoveryRoutes: [ImageRoute] = [
        ImageRoute(.GET, "/") { api, request in api.versions(request, status: 300) },
        ImageRoute(.GET, "/versions") { api, request in api.versions(request, status: 200) },
        ImageRoute(.GET, "/v2") { api, request in api.versions(request, status: 200) },
        ImageRoute(.GET, "/v2/info/import") { api, request in
            _ = try await api.caller(request)
            return .json(
                200,
                ["import-methods": ["description": "Import methods available.", "type": "array", "value": []]])
        },
        ImageRoute(.GET, "/v2/info/stores") { api, request in
            _ = try await api.caller(request)
            throw ImageFault.notFound("Multi backend is not supported at this site.")
        },
        ImageRoute(.GET, "/v2/schemas/image") { api, request in
            _ = try await api.caller(request)
            return .json(200, api.imageSchema)
        },
        ImageRoute(.GET, "/v2/schemas/images") { api, request in
            _ = try await api.caller(request)
            return .json(200, Self.listSchema("images", item: api.imageSchema))
        },
        ImageRoute(.GET, "/v2/schemas/member") { api, request in
            _ = try await api.caller(request)
            return .json(200, memberSchema)
        },
        ImageRoute(.GET, "/v2/schemas/members") { api, request in
            _ = try await api.caller(request)
            return .json(200, Self.listSchema("members", item: memberSchema))
        },
    ]

    /// Import (2.6) and several stores (2.8) are not there; hiding and strong hashes (2.7) are.
    private func versions(_ request: ImageRequest, status: Int) -> HTTPResponse {
        let link: JSONValue = [["rel": "self", "href": .string(request.http.absoluteURL("/v2/"))]]
        let minors = ["7", "5", "4", "3", "2", "1", "0"]
        let versions: [JSONValue] = minors.map { minor in
            [
                "id": .string("v2.\(minor)"), "status": minor == minors[0] ? "CURRENT" : "SUPPORTED", "links": link,
            ]
        }
        return .json(status, ["versions": .array(versions)])
    }

    private var imageSchema: JSONValue {
        func type(_ name: JSONValue, readOnly: Bool = false, _ more: [(String, JSONValue)] = []) -> JSONValue {
            var schema: JSONObject = ["type": name]
            if readOnly { schema.set("readOnly", true) }
            for (key, value) in more { schema.set(key, value) }
            return .object(schema)
        }
        func formats(_ names: [String]) -> JSONValue { .array([.null] + names.map(JSONValue.string)) }
        let text: JSONValue = ["null", "string"]
        let uuid = "^([0-9a-fA-F]){8}-([0-9a-fA-F]){4}-([0-9a-fA-F]){4}-([0-9a-fA-F]){4}-([0-9a-fA-F]){12}$"
        let visibilities = ImageVisibility.allCases.map { JSONValue.string($0.rawValue) }
        let statuses: [JSONValue] = ["queued", "saving", "active", "deactivated"]
        let properties: [(String, JSONValue)] = [
            ("id", type("string", [("pattern", .string(uuid))])),
            ("name", type(text, [("maxLength", 255)])),
            ("status", type("string", readOnly: true, [("enum", .array(statuses))])),
            ("visibility", type("string", [("enum", .array(visibilities))])),
            ("protected", type("boolean")), ("os_hidden", type("boolean")),
            ("checksum", type(text, readOnly: true, [("maxLength", 32)])),
            ("os_hash_algo", type(text, readOnly: true, [("maxLength", 64)])),
            ("os_hash_value", type(text, readOnly: true, [("maxLength", 128)])),
            ("owner", type(text, [("maxLength", 255)])),
            ("size", type(["null", "integer"], readOnly: true)),
            ("virtual_size", type(["null", "integer"], readOnly: true)),
            ("container_format", type(text, [("enum", formats(options.containerFormats))])),
            ("disk_format", type(text, [("enum", formats(options.diskFormats))])),
            ("created_at", type("string", readOnly: true)), ("updated_at", type("string", readOnly: true)),
            ("tags", type("array", [("items", ["type": "string", "maxLength": 255])])),
            ("min_ram", type("integer")), ("min_disk", type("integer")),
            ("self", type("string", readOnly: true)), ("file", type("string", readOnly: true)),
            ("schema", type("string", readOnly: true)),
        ]
        return [
            "name": "image", "properties": .object(JSONObject(properties)),
            "additionalProperties": ["type": "string"],
            "links": [
                ["rel": "self", "href": "{self}"], ["rel": "enclosure", "href": "{file}"],
                ["rel": "describedby", "href": "{schema}"],
            ],
        ]
    }

    private static let memberSchema: JSONValue = [
        "name": "member",
        "properties": [
            "created_at": ["type": "string"], "updated_at": ["type": "string"], "image_id": ["type": "string"],
            "member_id": ["type": "string"], "status": ["type": "string", "enum": ["pending", "accepted", "rejected"]],
            "schema": ["type": "string", "readOnly": true],
        ],
    ]

    private static func listSchema(_ name: String, item: JSONValue) -> JSONValue {
        [
            "name": .string(name),
            "properties": .object([
                name: ["type": "array", "items": item], "schema": ["type": "string"], "first": ["type": "string"],
                "next": ["type": "string"],
            ]),
            "links": [
                ["rel": "first", "href": "{first}"], ["rel": "next", "href": "{next}"],
                ["rel": "describedby", "href": "{schema}"],
            ],
        ]
    }
}
