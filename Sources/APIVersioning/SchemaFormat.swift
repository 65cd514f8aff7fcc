import WireJSON

/// The formats that are judged. Others, `mac-address` and `hostname` among them, are annotations in the reference
/// too and are not judged; where such a value matters the schemas have a `pattern`.
enum SchemaFormat: String, Sendable {
    case uuid
    case ipv4
    case ipv6
    case cidr
    case dateTime = "date-time"
    case uri
    case base64
    case regex
    case email
    case name
    case nameWithSpaces = "name_with_leading_trailing_spaces"
    case zoneName = "az_name"
    case zoneNameWithSpaces = "az_name_with_leading_trailing_spaces"

    init?(name: String) { self.init(rawValue: name) }

    func violation(by value: JSONValue) -> SchemaViolation? {
        guard case .string(let text) = value else {
            // Only the formats for names judge what is no string, and refuse it.
            return reason.map { invalidName($0, value) }
        }
        if let reason { return fits(text) ? nil : invalidName(reason, value) }
        return fits(text) ? nil : .init("\(PythonText.repr(text)) is not a \(PythonText.repr(rawValue))", value)
    }

    private func invalidName(_ reason: String, _ value: JSONValue) -> SchemaViolation {
        .init("An invalid 'name' value was provided. The name must be: \(reason)", value, isInvalidName: true)
    }

    /// What a name of this format must be; nil for formats that are not for names.
    private var reason: String? {
        switch self {
        case .name: "printable characters. Can not start or end with whitespace."
        case .nameWithSpaces: "printable characters with at least one non space character"
        case .zoneName: "printable characters except :.Can not start or end with whitespace."
        case .zoneNameWithSpaces: "printable characters except :, with at least one non space character"
        case .uuid, .ipv4, .ipv6, .cidr, .dateTime, .uri, .base64, .regex, .email: nil
        }
    }

    private func fits(_ text: String) -> Bool {
        switch self {
        case .uuid: WireFormats.isUUIDLike(text)
        case .ipv4: WireFormats.ipv4(text.utf8) != nil
        case .ipv6: WireFormats.ipv6(text.utf8) != nil
        case .cidr: WireFormats.isCIDR(text)
        case .dateTime: ISOTime.isValid(text)
        case .uri: WireFormats.isURI(text)
        case .base64: WireFormats.isBase64(text)
        case .regex: !text.isEmpty && TextPattern.isValid(text)
        case .email: text.contains("@")
        case .name: NameRules.isName(text, forbidden: nil)
        case .nameWithSpaces: NameRules.isNameWithSpaces(text, forbidden: nil)
        case .zoneName: NameRules.isName(text, forbidden: ":")
        case .zoneNameWithSpaces: NameRules.isNameWithSpaces(text, forbidden: ":")
        }
    }
}

/// Names are printable characters of the basic multilingual plane. As the reference's expressions end in `$`, one
/// newline at the very end is overlooked.
enum NameRules {
    /// Empty, or printable with something other than a space at both ends.
    static func isName(_ text: String, forbidden: Unicode.Scalar?) -> Bool {
        if text == "\n" { return false }
        let scalars = withoutFinalNewline(text)
        guard let first = scalars.first, let last = scalars.last else { return true }
        return isVisible(first) && isVisible(last) && scalars.allSatisfy { isPrintable($0) && $0 != forbidden }
    }

    /// Printable with something other than a space somewhere.
    static func isNameWithSpaces(_ text: String, forbidden: Unicode.Scalar?) -> Bool {
        let scalars = withoutFinalNewline(text)
        return scalars.contains(where: isVisible) && scalars.allSatisfy { isPrintable($0) && $0 != forbidden }
    }

    private static func withoutFinalNewline(_ text: String) -> [Unicode.Scalar] {
        var scalars = Array(text.unicodeScalars)
        if scalars.last == "\n" { scalars.removeLast() }
        return scalars
    }

    private static func isVisible(_ scalar: Unicode.Scalar) -> Bool {
        isPrintable(scalar) && scalar.properties.generalCategory != .spaceSeparator
    }

    private static func isPrintable(_ scalar: Unicode.Scalar) -> Bool {
        if scalar.isASCII { return scalar.value >= 0x20 && scalar.value < 0x7F }
        guard scalar.value < 0xFFFF else { return false }
        let category = ScalarSet.Category.abbreviation(scalar.properties.generalCategory)
        return !category.hasPrefix("C") && (!category.hasPrefix("Z") || category == "Zs")
    }
}
