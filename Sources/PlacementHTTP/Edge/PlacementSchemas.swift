import APIVersioning
import HTTPService
import Placement
import WireJSON

/// The schemas of bodies and queries. Keywords about the whole come before those about parts: the first violation is
/// what a client is told, and the reference tells the outermost.
enum PlacementSchemas {
    typealias Bodies = Versioned<JSONSchema?>

    private static let uuidPattern = "^[0-9a-fA-F-]{36}$"
    private static let namePattern = "^[A-Z0-9_]+$"
    private static let customPattern = "^CUSTOM_[A-Z0-9_]+$"

    private static func compiled(_ document: JSONValue) -> JSONSchema {
        do {
            return try JSONSchema(document)
        } catch {
            preconditionFailure("a schema does not compile: \(error)")
        }
    }

    /// An object without further members.
    private static func object(
        _ properties: JSONObject, required: [String] = [], patterns: JSONObject? = nil, minimum: Int? = nil
    ) -> JSONValue {
        var document: JSONObject = ["type": "object"]
        if !required.isEmpty { document.set("required", JSONValue(required)) }
        if let minimum { document.set("minProperties", JSONValue(minimum)) }
        document.set("additionalProperties", false)
        if !properties.isEmpty { document.set("properties", .object(properties)) }
        if let patterns { document.set("patternProperties", .object(patterns)) }
        return .object(document)
    }

    private static func merged(_ base: JSONObject, _ more: JSONObject) -> JSONObject {
        var all = base
        for (name, value) in more.members { all.set(name, value) }
        return all
    }

    private static func text(_ maximum: Int, pattern: String? = nil, minimum: Int? = 1) -> JSONValue {
        var document: JSONObject = ["type": "string"]
        if let minimum { document.set("minLength", JSONValue(minimum)) }
        document.set("maxLength", JSONValue(maximum))
        if let pattern { document.set("pattern", .string(pattern)) }
        return .object(document)
    }

    private static let integer: JSONValue = ["type": "integer"]
    private static let uuid: JSONValue = ["type": "string", "format": "uuid"]
    private static let string: JSONValue = ["type": "string"]

    // MARK: Providers

    static let createProvider: Bodies = Versioned(
        since: PlacementVersions.minimum, compiled(provider(["uuid": uuid]))
    ).then(
        since: PlacementVersions.nestedProviders, compiled(provider(["uuid": uuid, "parent_provider_uuid": parent])))

    static let updateProvider: Bodies = Versioned(since: PlacementVersions.minimum, compiled(provider([:])))
        .then(since: PlacementVersions.nestedProviders, compiled(provider(["parent_provider_uuid": parent])))

    private static let parent: JSONValue = ["anyOf": [uuid, ["type": "null"]]]

    private static func provider(_ more: JSONObject) -> JSONValue {
        object(merged(["name": text(200, minimum: nil)], more), required: ["name"])
    }

    static let listProviders: Bodies = {
        let first: JSONObject = ["name": string, "uuid": uuid]
        let memberOf = merged(first, ["member_of": string])
        let resources = merged(memberOf, ["resources": string])
        let inTree = merged(resources, ["in_tree": uuid])
        return Versioned(since: PlacementVersions.minimum, compiled(object(first)))
            .then(since: Microversion(1, 3), compiled(object(memberOf)))
            .then(since: Microversion(1, 4), compiled(object(resources)))
            .then(since: PlacementVersions.nestedProviders, compiled(object(inTree)))
            .then(since: Microversion(1, 18), compiled(object(merged(inTree, ["required": string]))))
    }()

    // MARK: Inventories

    private static let inventoryValues: JSONObject = {
        func whole(_ minimum: Int) -> JSONValue {
            ["type": "integer", "maximum": .int(InventoryRecord.amountMax), "minimum": .int(Int64(minimum))]
        }
        return [
            "resource_provider_generation": integer, "total": whole(1), "reserved": whole(0), "min_unit": whole(1),
            "max_unit": whole(1), "step_size": whole(1),
            "allocation_ratio": ["type": "number", "maximum": 3.40282e+38],
        ]
    }()

    static let createInventory: Bodies = Versioned(
        since: PlacementVersions.minimum,
        compiled(
            object(
                merged(inventoryValues, ["resource_class": ["type": "string", "pattern": .string(namePattern)]]),
                required: ["total", "resource_class"])))

    static let updateInventory: Bodies = Versioned(
        since: PlacementVersions.minimum,
        compiled(object(inventoryValues, required: ["total", "resource_provider_generation"])))

    private static let inventorySet: JSONValue = object(
        [
            "resource_provider_generation": integer,
            "inventories": [
                "type": "object",
                "patternProperties": [namePattern: object(inventoryValues, required: ["total"])],
            ],
        ], required: ["resource_provider_generation", "inventories"])

    static let setInventories: Bodies = Versioned(since: PlacementVersions.minimum, compiled(inventorySet))

    // MARK: Aggregates, traits, resource classes

    static let setAggregates: Bodies = {
        let list: JSONValue = ["type": "array", "items": uuid, "uniqueItems": true]
        return Versioned(since: PlacementVersions.aggregates, compiled(list)).then(
            since: PlacementVersions.aggregateGeneration,
            compiled(
                object(
                    ["aggregates": list, "resource_provider_generation": integer],
                    required: ["aggregates", "resource_provider_generation"])))
    }()

    static let setTraits: Bodies = Versioned(
        since: PlacementVersions.traits,
        compiled(
            object(
                ["traits": ["type": "array", "items": text(255)], "resource_provider_generation": integer],
                required: ["traits", "resource_provider_generation"])))

    static let listTraits: Bodies = Versioned(
        since: PlacementVersions.traits, compiled(object(["name": string, "associated": string])))

    /// The form of a custom trait's name.
    static let customTrait = compiled(text(255, pattern: customPattern))

    static let resourceClass = compiled(
        object(
            ["name": text(255, pattern: customPattern, minimum: nil)], required: ["name"]))
    static let createResourceClass: Bodies = Versioned(since: PlacementVersions.resourceClasses, resourceClass)

    // MARK: Allocations

    private static let resources: JSONValue = object(
        [:], patterns: [namePattern: ["type": "integer", "minimum": 1]], minimum: 1)
    private static let owner: JSONObject = ["project_id": text(255), "user_id": text(255)]
    private static let generation: JSONObject = ["consumer_generation": ["type": ["integer", "null"]]]
    private static let mappings: JSONObject = [
        "mappings": [
            "type": "object", "minProperties": 1,
            "patternProperties": ["[a-zA-Z0-9_-]{1,64}": ["type": "array", "minItems": 1, "items": uuid]],
        ]
    ]
    private static let type: JSONObject = ["consumer_type": text(255, pattern: namePattern)]

    private static func byProvider(
        _ more: JSONObject = [:], required: [String] = [], minimum: Int = 0
    ) -> JSONValue {
        let share = object(["generation": integer, "resources": resources], required: ["resources"])
        let allocations = object([:], patterns: [uuidPattern: share], minimum: minimum)
        return object(
            merged(merged(["allocations": allocations], owner), more),
            required: ["allocations", "project_id", "user_id"] + required)
    }

    private static let consumer28 = byProvider(generation, required: ["consumer_generation"])
    private static let consumer34 = byProvider(merged(generation, mappings), required: ["consumer_generation"])
    private static let consumer38 = byProvider(
        merged(merged(generation, mappings), type), required: ["consumer_generation", "consumer_type"])

    static let setAllocations: Bodies = {
        let share = object(
            ["resource_provider": object(["uuid": uuid], required: ["uuid"]), "resources": resources],
            required: ["resource_provider", "resources"])
        let list: JSONObject = ["allocations": ["type": "array", "minItems": 1, "items": share]]
        return Versioned(since: PlacementVersions.minimum, compiled(object(list, required: ["allocations"])))
            .then(
                since: Microversion(1, 8),
                compiled(
                    object(
                        merged(list, owner), required: ["allocations", "project_id", "user_id"]))
            )
            .then(since: PlacementVersions.allocationsByProvider, compiled(byProvider(minimum: 1)))
            .then(since: PlacementVersions.consumerGenerations, compiled(consumer28))
            .then(since: PlacementVersions.mappings, compiled(consumer34))
            .then(since: PlacementVersions.consumerTypes, compiled(consumer38))
    }()

    private static func consumers(_ consumer: JSONValue, minimum: Int) -> JSONValue {
        object([:], patterns: [uuidPattern: consumer], minimum: minimum)
    }

    static let manageAllocations: Bodies = Versioned(
        since: PlacementVersions.manyConsumers, compiled(consumers(byProvider(), minimum: 1))
    ).then(since: PlacementVersions.consumerGenerations, compiled(consumers(consumer28, minimum: 1)))
        .then(since: PlacementVersions.mappings, compiled(consumers(consumer34, minimum: 1)))
        .then(since: PlacementVersions.consumerTypes, compiled(consumers(consumer38, minimum: 1)))

    static let reshape: Bodies = {
        func body(_ consumer: JSONValue) -> JSONSchema {
            compiled(
                object(
                    [
                        "inventories": object([:], patterns: [uuidPattern: inventorySet], minimum: 1),
                        "allocations": consumers(consumer, minimum: 0),
                    ], required: ["inventories", "allocations"]))
        }
        return Versioned(since: PlacementVersions.reshaper, body(consumer28))
            .then(since: PlacementVersions.mappings, body(consumer34))
            .then(since: PlacementVersions.consumerTypes, body(consumer38))
    }()

    static let totalUsages: Bodies = {
        let pattern = "\(namePattern)|^all|^unknown$"
        return Versioned(
            since: PlacementVersions.totalUsages, compiled(object(owner, required: ["project_id"]))
        ).then(
            since: PlacementVersions.consumerTypes,
            compiled(
                object(
                    merged(owner, ["consumer_type": text(255, pattern: pattern)]), required: ["project_id"])))
    }()

    // MARK: Candidates

    static let candidates: Bodies = {
        let limit: JSONObject = ["limit": ["type": ["integer", "string"], "pattern": "^[1-9][0-9]*$", "minLength": 1]]
        let plain: JSONObject = ["resources": string]
        let limited = merged(plain, limit)
        let required = merged(limited, ["required": string])
        func grouped(_ suffix: String, _ words: [String], _ more: JSONObject = [:]) -> JSONSchema {
            let policy: JSONObject = ["group_policy": ["type": "string", "enum": ["none", "isolate"]]]
            let patterns = JSONObject(words.map { ("^\($0)(\(suffix))?$", string) })
            return compiled(object(merged(merged(limit, policy), more), patterns: patterns))
        }
        let (number, word) = ("[1-9][0-9]*", "[a-zA-Z0-9_-]{1,64}")
        let words = ["resources", "required", "member_of"]
        let rooted: JSONObject = ["root_required": string]
        return Versioned(since: PlacementVersions.candidates, compiled(object(plain, required: ["resources"])))
            .then(since: Microversion(1, 16), compiled(object(limited, required: ["resources"])))
            .then(since: PlacementVersions.summaryTraits, compiled(object(required, required: ["resources"])))
            .then(
                since: Microversion(1, 21),
                compiled(
                    object(
                        merged(required, ["member_of": string]), required: ["resources"]))
            )
            .then(since: Microversion(1, 25), grouped(number, words))
            .then(since: Microversion(1, 31), grouped(number, words + ["in_tree"]))
            .then(since: PlacementVersions.wordSuffixes, grouped(word, words + ["in_tree"]))
            .then(since: Microversion(1, 35), grouped(word, words + ["in_tree"], rooted))
            .then(
                since: PlacementVersions.sameSubtree,
                grouped(
                    word, words + ["in_tree"], merged(rooted, ["same_subtree": string])))
    }()
}

extension PlacementCall {
    /// Judges the query as one value per name, the last, as the reference does.
    func checkQuery(_ schema: JSONSchema) throws(PlacementFault) {
        var members = JSONObject()
        for (name, value) in request.query { members.set(name, .string(value)) }
        if let violation = schema.violation(by: .object(members)) {
            throw .badRequest("Invalid query string parameters: \(violation.text(in: schema.document))")
        }
    }
}
