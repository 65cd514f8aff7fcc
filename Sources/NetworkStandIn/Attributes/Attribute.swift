import ComputeModel
import WireJSON

/// One attribute of a resource: who may set it when, and what it may be.
struct Attribute: Sendable {
    enum Writing: Sendable { case never, atCreation, always }
    typealias Check = @Sendable (JSONValue) throws -> JSONValue

    let name: String
    let writing: Writing
    /// Whether only administrators may set it.
    let isPrivileged: Bool
    /// Whether only administrators see it.
    let isHidden: Bool
    let isRequired: Bool
    /// What a new resource has when nothing was given; `nil` leaves it to the resource.
    let initial: JSONValue?
    /// The value as it is kept; throws why it is refused.
    let check: Check

    init(
        _ name: String, _ writing: Writing, initial: JSONValue? = nil, required: Bool = false,
        privileged: Bool = false, hidden: Bool = false, _ check: @escaping Check = { $0 }
    ) {
        (self.name, self.writing, self.initial, self.isRequired) = (name, writing, initial, required)
        (self.isPrivileged, self.isHidden, self.check) = (privileged, hidden, check)
    }
}

/// Why a value is no value of an attribute.
struct BadValue: Error {
    let reason: String
    init(_ reason: String) { self.reason = reason }
}

/// The checks that attributes share. Texts are Neutron's.
enum Values {
    static func text(max: Int) -> Attribute.Check {
        { value in
            guard let text = value.string else {
                throw BadValue("'\(plain(value))' is not a valid string")
            }
            guard text.count <= max else { throw BadValue("'\(text)' exceeds maximum length of \(max)") }
            return value
        }
    }

    static func textOrNull(max: Int) -> Attribute.Check {
        { value in value.isNull ? .string("") : try text(max: max)(value) }
    }

    /// Neutron takes words and numbers for Booleans.
    static let bool: Attribute.Check = { value in
        switch value {
        case .bool: return value
        case .int(0): return false
        case .int(1): return true
        case .string(let text):
            switch text.lowercased() {
            case "true", "1": return true
            case "false", "0": return false
            default: break
            }
        case .null, .int, .double, .array, .object: break
        }
        throw BadValue("'\(plain(value))' cannot be converted to boolean")
    }

    static func int(_ range: ClosedRange<Int>) -> Attribute.Check {
        { value in
            guard let number = value.int ?? value.string.flatMap({ Int($0) }) else {
                throw BadValue("'\(plain(value))' is not an integer")
            }
            guard range.contains(number) else {
                throw BadValue(
                    "'\(number)' is not in range \(range.lowerBound) through \(range.upperBound)")
            }
            return JSONValue(number)
        }
    }

    static let id: Attribute.Check = { value in
        guard let text = value.string, UUIDValue(text) != nil else {
            throw BadValue("'\(plain(value))' is not a valid UUID")
        }
        return value
    }

    static let idOrNull: Attribute.Check = { $0.isNull ? $0 : try id($0) }

    static let address: Attribute.Check = { value in
        guard let text = value.string, let address = InternetAddress(text) else {
            throw BadValue("'\(plain(value))' is not a valid IP address")
        }
        return .string(address.description)
    }

    static let addressOrNull: Attribute.Check = { $0.isNull ? $0 : try address($0) }

    static let mac: Attribute.Check = { value in
        let pairs = value.string?.split(separator: ":", omittingEmptySubsequences: false) ?? []
        guard pairs.count == 6, pairs.allSatisfy({ $0.count == 2 && $0.allSatisfy(\.isHexDigit) })
        else {
            throw BadValue("'\(plain(value))' is not a valid MAC address")
        }
        return .string(pairs.joined(separator: ":").lowercased())
    }

    /// A list whose items pass a check and do not repeat; null is the empty list.
    static func list(_ item: @escaping Attribute.Check) -> Attribute.Check {
        { value in
            if value.isNull { return [] }
            guard let items = value.array else { throw BadValue("'\(plain(value))' is not a list") }
            var seen: Set<JSONValue> = []
            return .array(
                try items.map { given in
                    let kept = try item(given)
                    guard seen.insert(kept).inserted else {
                        throw BadValue("Duplicate items in the list: '\(plain(kept))'")
                    }
                    return kept
                })
        }
    }

    /// An object with these members and no others; what is absent stays absent.
    static func object(_ members: [String: Attribute.Check], required: [String] = [])
        -> Attribute.Check
    {
        { value in
            guard let object = value.object else {
                throw BadValue("'\(plain(value))' is not a dictionary")
            }
            var kept = JSONObject()
            for (key, member) in object.members {
                guard let check = members[key] else { throw BadValue("'\(key)' is not a known member") }
                kept.set(key, try check(member))
            }
            if let missing = required.first(where: { !kept.contains($0) }) {
                throw BadValue("'\(missing)' is a required member")
            }
            return .object(kept)
        }
    }

    static func choice(_ choices: [String]) -> Attribute.Check {
        { value in
            guard let text = value.string, choices.contains(text) else {
                let list = choices.map { "'\($0)'" }.joined(separator: ", ")
                throw BadValue("'\(plain(value))' is not in [\(list)]")
            }
            return value
        }
    }

    /// What the stand-in does not have: only the absence of it is accepted.
    static let nothing: Attribute.Check = { value in
        guard value.isNull || value.array?.isEmpty == true || value.bool == false else {
            throw BadValue("it is not supported by this service")
        }
        return .null
    }

    static func plain(_ value: JSONValue) -> String {
        value.string ?? (value.isNull ? "None" : value.text)
    }
}
