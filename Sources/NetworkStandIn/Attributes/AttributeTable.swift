import WireJSON

/// The attributes of a kind of resource.
struct AttributeTable: Sendable {
    let attributes: [Attribute]
    private let positions: [String: Int]

    init(_ attributes: [Attribute]) {
        self.attributes = attributes
        positions = Dictionary(
            uniqueKeysWithValues: attributes.enumerated().map { ($0.element.name, $0.offset) })
    }

    subscript(name: String) -> Attribute? { positions[name].map { attributes[$0] } }

    /// The attributes of a new resource: those given, checked, and the initial values of the others.
    func creation(_ body: JSONObject, kind: String, isPrivileged: Bool) throws -> JSONObject {
        try refuseUnknown(body)
        var kept = JSONObject()
        for attribute in attributes {
            guard let given = body[attribute.name] else {
                if attribute.isRequired {
                    throw NetworkFault.badRequest(
                        "Failed to parse request. Required attribute '\(attribute.name)' not specified")
                }
                if let initial = attribute.initial { kept.set(attribute.name, initial) }
                continue
            }
            guard attribute.writing != .never else {
                throw NetworkFault.badRequest("Attribute '\(attribute.name)' not allowed in POST")
            }
            let value = try checked(attribute, given)
            if attribute.isPrivileged, !isPrivileged, value != attribute.initial {
                throw NetworkFault.forbidden("create_\(kind):\(attribute.name)")
            }
            kept.set(attribute.name, value)
        }
        return kept
    }

    /// The changes that a body asks for.
    func update(_ body: JSONObject, of current: JSONObject, kind: String, isPrivileged: Bool) throws
        -> JSONObject
    {
        try refuseUnknown(body)
        var kept = JSONObject()
        for (name, given) in body.members {
            guard let attribute = self[name] else { continue }
            guard attribute.writing == .always else {
                throw NetworkFault.badRequest("Cannot update read-only attribute \(name)")
            }
            let value = try checked(attribute, given)
            if attribute.isPrivileged, !isPrivileged, value != current[name] {
                throw NetworkFault.forbidden("update_\(kind):\(name)")
            }
            kept.set(name, value)
        }
        return kept
    }

    private func refuseUnknown(_ body: JSONObject) throws {
        let unknown = body.keys.filter {
            positions[$0] == nil && $0 != "tenant_id" && $0 != "project_id"
        }
        guard unknown.isEmpty else {
            throw NetworkFault.badRequest(
                "Unrecognized attribute(s) '\(unknown.joined(separator: ", "))'")
        }
    }

    private func checked(_ attribute: Attribute, _ value: JSONValue) throws -> JSONValue {
        do {
            return try attribute.check(value)
        } catch let bad as BadValue {
            throw NetworkFault.invalid(attribute.name, bad.reason)
        }
    }
}
