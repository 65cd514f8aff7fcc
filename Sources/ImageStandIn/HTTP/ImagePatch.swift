import WireJSON

/// A change of an image as `PATCH` carries it: a list of operations on members (RFC 6902, of which Glance takes add,
/// replace and remove).
struct ImagePatch: Sendable {
    static let mediaTypes = [
        "application/openstack-images-v2.1-json-patch", "application/openstack-images-v2.0-json-patch",
    ]

    private enum Operation: Sendable {
        case add(JSONValue)
        case replace(JSONValue)
        case remove
    }

    /// In order; a path has a member's name and, for tags, a position.
    private let changes: [(operation: Operation, path: [String])]

    /// Reads a body.
    ///
    /// - Throws: ``ImageFault`` 400.
    init(_ body: JSONValue, mediaType: String) throws {
        guard let items = body.array else {
            throw ImageFault.badRequest("Request body must be a JSON array of operation objects.")
        }
        let isOldForm = mediaType == Self.mediaTypes[1]
        changes = try items.map { item in
            guard item.object != nil else { throw ImageFault.badRequest("Operations must be JSON objects.") }
            return isOldForm ? try Self.oldForm(item) : try Self.newForm(item)
        }
    }

    /// Carries the operations out.
    func apply(to image: inout ImageRecord, _ attributes: ImageAttributes) throws {
        for (operation, path) in changes {
            guard let name = path.first else { throw Self.badPointer("") }
            if path.count > 1 {
                guard path.count == 2, name == "tags" else { throw Self.badPointer(path.joined(separator: "/")) }
                try changeTag(operation, at: path[1], of: &image, attributes)
                continue
            }
            switch operation {
            case .add(let value): try attributes.set(name, value, on: &image)
            case .replace(let value):
                let exists = ImageAttributes.writable.contains(name) || ImageAttributes.readOnly.contains(name)
                    || ImageAttributes.reserved.contains(name) || image.properties[name] != nil
                guard exists else { throw ImageFault.conflict("Property \(name) does not exist.") }
                try attributes.set(name, value, on: &image)
            case .remove: try attributes.remove(name, from: &image)
            }
        }
        try attributes.checkQuotas(of: image)
    }

    /// Positions count in the sorted list, which is the one that answers show.
    private func changeTag(
        _ operation: Operation, at position: String, of image: inout ImageRecord, _ attributes: ImageAttributes
    ) throws {
        let tags = image.tags.sorted()
        switch operation {
        case .add(let value): image.tags.insert(try attributes.tag(value.string, value))
        case .replace(let value):
            image.tags.remove(try Self.tag(position, tags))
            image.tags.insert(try attributes.tag(value.string, value))
        case .remove:
            image.tags.remove(try Self.tag(position, tags))
        }
    }

    private static func tag(_ position: String, _ tags: [String]) throws -> String {
        guard let index = Int(position), tags.indices.contains(index) else { throw badPointer("tags/\(position)") }
        return tags[index]
    }

    private static func newForm(_ item: JSONValue) throws -> (Operation, [String]) {
        guard let name = item["op"]?.string else {
            throw ImageFault.badRequest(
                "Unable to find 'op' in JSON Schema change. It must be one of the following: add, remove, replace.")
        }
        guard let path = item["path"]?.string else {
            throw ImageFault.badRequest("Unable to find 'path' in JSON Schema change")
        }
        return (try operation(name, item), try pointer(path))
    }

    /// `{"replace": "/name", "value": …}`
    private static func oldForm(_ item: JSONValue) throws -> (Operation, [String]) {
        for name in ["add", "replace", "remove"] {
            if let path = item[name]?.string { return (try operation(name, item), try pointer(path)) }
        }
        throw ImageFault.badRequest(
            "Operation objects must contain exactly one member named \"add\", \"remove\", or \"replace\".")
    }

    private static func operation(_ name: String, _ item: JSONValue) throws -> Operation {
        if name == "remove" { return .remove }
        guard name == "add" || name == "replace" else {
            throw ImageFault.badRequest("Operations must be one of the following: add, remove, replace.")
        }
        guard let value = item["value"] else {
            throw ImageFault.badRequest("Operation \"\(name)\" requires a member named \"value\".")
        }
        return name == "add" ? .add(value) : .replace(value)
    }

    private static func pointer(_ path: String) throws -> [String] {
        guard path.hasPrefix("/"), path.count > 1 else { throw badPointer(path) }
        return try path.dropFirst().split(separator: "/", omittingEmptySubsequences: false).map { part in
            let name = String(part).replacing("~1", with: "/").replacing("~0", with: "~")
            guard !name.isEmpty else { throw badPointer(path) }
            return name
        }
    }

    private static func badPointer(_ path: String) -> ImageFault {
        .badRequest("Invalid JSON pointer for this resource: '\(path)'")
    }
}
