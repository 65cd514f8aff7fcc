import ComputeModel
import WireJSON

/// Reads and writes the attributes of images under their names on the wire, with Glance's rules.
struct ImageAttributes: Sendable {
    let options: ImageStandInOptions
    let caller: ImageCaller

    /// Kept by the service.
    static let readOnly: Set<String> = [
        "id", "status", "checksum", "size", "virtual_size", "direct_url", "self", "file", "schema", "created_at",
        "updated_at", "os_hash_algo", "os_hash_value", "metadata",
    ]
    /// Names that may not be used for properties.
    static let reserved: Set<String> = [
        "is_public", "deleted", "deleted_at", "location", "locations", "members", "stores",
    ]
    /// Attributes that users may write.
    static let writable: Set<String> = [
        "name", "visibility", "owner", "protected", "disk_format", "container_format", "min_disk", "min_ram", "tags",
        "os_hidden",
    ]

    /// Sets an attribute or a property.
    func set(_ name: String, _ value: JSONValue, on image: inout ImageRecord) throws {
        guard !Self.readOnly.contains(name) else { throw ImageFault.forbidden("Attribute '\(name)' is read-only.") }
        guard !Self.reserved.contains(name), !name.hasPrefix("os_glance") else {
            throw ImageFault.forbidden("Attribute '\(name)' is reserved.")
        }
        switch name {
        case "name": image.name = try optionalText(value, name, max: 255)
        case "owner": try setOwner(value, on: &image)
        case "visibility": try setVisibility(value, on: &image)
        case "protected": image.isProtected = try bool(value, name)
        case "os_hidden": image.isHidden = try bool(value, name)
        case "disk_format":
            image.diskFormat = try format(value, name, options.diskFormats, was: image.diskFormat, image)
        case "container_format":
            image.containerFormat = try format(value, name, options.containerFormats, was: image.containerFormat, image)
        case "min_disk": image.minDisk = try size(value, name)
        case "min_ram": image.minRAM = try size(value, name)
        case "tags": image.tags = try tags(value)
        default: try setProperty(name, value, on: &image)
        }
    }

    /// Removes a property.
    func remove(_ name: String, from image: inout ImageRecord) throws {
        guard !Self.readOnly.contains(name) else { throw ImageFault.forbidden("Attribute '\(name)' is read-only.") }
        guard !Self.reserved.contains(name), !name.hasPrefix("os_glance") else {
            throw ImageFault.forbidden("Attribute '\(name)' is reserved.")
        }
        guard !Self.writable.contains(name) else { throw ImageFault.forbidden("Property \(name) may not be removed.") }
        guard image.properties.removeValue(forKey: name) != nil else {
            throw ImageFault.conflict("Property \(name) does not exist.")
        }
    }

    /// - Throws: ``ImageFault`` 413 when the image has more than it may.
    func checkQuotas(of image: ImageRecord) throws {
        if image.properties.count > options.propertiesMax {
            throw ImageFault.tooLarge(
                "The limit has been exceeded on the number of allowed image properties. "
                    + "Attempted: \(image.properties.count), Maximum: \(options.propertiesMax)")
        }
        try checkTags(image.tags)
    }

    private func checkTags(_ tags: Set<String>) throws {
        guard tags.count <= options.tagsMax else {
            throw ImageFault.tooLarge(
                "The limit has been exceeded on the number of allowed image tags. "
                    + "Attempted: \(tags.count), Maximum: \(options.tagsMax)")
        }
    }

    private func setOwner(_ value: JSONValue, on image: inout ImageRecord) throws {
        let owner = try optionalText(value, "owner", max: 255)
        guard caller.isAdmin || owner == image.owner else {
            throw ImageFault.forbidden("You are not permitted to modify 'owner' on this image.")
        }
        image.owner = owner
    }

    private func setVisibility(_ value: JSONValue, on image: inout ImageRecord) throws {
        guard let text = value.string, let visibility = ImageVisibility(rawValue: text) else {
            let names = ImageVisibility.allCases.map { "'\($0.rawValue)'" }.joined(separator: ", ")
            throw invalid("visibility", value, "is not one of [\(names)]")
        }
        if visibility != image.visibility { try caller.requireGiving(visibility) }
        image.visibility = visibility
    }

    private func setProperty(_ name: String, _ value: JSONValue, on image: inout ImageRecord) throws {
        guard !name.isEmpty, name.utf8.count <= 255 else {
            throw ImageFault.badRequest("The name of a property has 1 to 255 bytes.")
        }
        guard let text = value.string else { throw invalid(name, value, "is not of type 'string'") }
        guard text.utf8.count <= 65535 else {
            throw ImageFault.badRequest("The value of the property '\(name)' is too long: it may have 65535 bytes.")
        }
        image.properties[name] = text
    }

    private func format(
        _ value: JSONValue, _ name: String, _ known: [String], was old: String?, _ image: ImageRecord
    ) throws -> String? {
        let text = try optionalText(value, name, max: 20)
        if let text, !known.contains(text) {
            let names = ["None"] + known.map { "'\($0)'" }
            throw invalid(name, value, "is not one of [\(names.joined(separator: ", "))]")
        }
        guard text == old || image.status == .queued else {
            throw ImageFault.forbidden("Attribute \(name) can be only replaced for a queued image.")
        }
        return text
    }

    /// The tags of a JSON array.
    func tags(_ value: JSONValue) throws -> Set<String> {
        guard let items = value.array else { throw invalid("tags", value, "is not of type 'array'") }
        let tags = Set(try items.map { try tag($0.string, $0) })
        try checkTags(tags)
        return tags
    }

    /// - Throws: ``ImageFault`` 400 unless it has 1 to 255 characters.
    func tag(_ text: String?, _ value: JSONValue) throws -> String {
        guard let text else { throw invalid("tags", value, "is not of type 'string'") }
        guard !text.isEmpty, text.count <= 255 else { throw invalid("tags", value, "has not 1 to 255 characters") }
        return text
    }

    private func optionalText(_ value: JSONValue, _ name: String, max: Int) throws -> String? {
        if value.isNull { return nil }
        guard let text = value.string else { throw invalid(name, value, "is not of type 'null', 'string'") }
        guard text.count <= max else { throw invalid(name, value, "is too long") }
        return text
    }

    private func bool(_ value: JSONValue, _ name: String) throws -> Bool {
        guard let value = value.bool else { throw invalid(name, value, "is not of type 'boolean'") }
        return value
    }

    private func size(_ value: JSONValue, _ name: String) throws -> Int {
        guard let number = value.int else { throw invalid(name, value, "is not of type 'integer'") }
        guard number >= 0, number <= Int(Int32.max) else {
            throw ImageFault.badRequest(
                "Invalid value '\(number)' for parameter '\(name)': Image \(name) must be >= 0 and below 2^31")
        }
        return number
    }

    private func invalid(_ name: String, _ value: JSONValue, _ why: String) -> ImageFault {
        let shown = value.string.map { "'\($0.prefix(200))'" } ?? String(value.text.prefix(200))
        return .badRequest(
            "Provided object does not match schema 'image': \(shown) \(why). Failed validating '\(name)'.")
    }
}
