/// A JSON document in memory.
///
/// Whole numbers that fit 64 bits are `.int`; everything else that is a number is `.double`, so `1` and `1.0`
/// are different values here although a schema may treat them alike.
package enum JSONValue: Sendable, Hashable {
    case null
    case bool(Bool)
    case int(Int64)
    case double(Double)
    case string(String)
    case array([JSONValue])
    case object(JSONObject)
}

extension JSONValue {
    /// True for JSON's `null` and nothing else.
    package var isNull: Bool { if case .null = self { true } else { false } }

    /// The truth value, or nil when this is not `true` or `false`.
    package var bool: Bool? { if case .bool(let value) = self { value } else { nil } }

    /// The whole number, or nil when this is not one (a string of digits is not).
    package var int: Int? { if case .int(let value) = self { Int(value) } else { nil } }

    /// The number as a double, or nil when this is not a number.
    package var double: Double? {
        switch self {
        case .int(let value): Double(value)
        case .double(let value): value
        case .null, .bool, .string, .array, .object: nil
        }
    }

    /// The text, or nil when this is not a string.
    package var string: String? { if case .string(let value) = self { value } else { nil } }

    /// The elements, or nil when this is not an array.
    package var array: [JSONValue]? { if case .array(let value) = self { value } else { nil } }

    /// The members, or nil when this is not an object.
    package var object: JSONObject? { if case .object(let value) = self { value } else { nil } }

    /// The member of that name; nil when there is none or this is not an object.
    package subscript(key: String) -> JSONValue? { object?[key] }

    /// The element at that position; nil when out of range or this is not an array.
    package subscript(index: Int) -> JSONValue? {
        guard case .array(let elements) = self, elements.indices.contains(index) else { return nil }
        return elements[index]
    }

    /// A string, or null where there is none.
    package init(_ text: String?) { self = text.map(JSONValue.string) ?? .null }

    /// A whole number.
    package init(_ number: Int) { self = .int(Int64(number)) }

    /// An array of strings.
    package init(_ texts: [String]) { self = .array(texts.map(JSONValue.string)) }

    /// The document as UTF-8 JSON text without insignificant white space.
    package func serialized() -> [UInt8] {
        var writer = JSONWriter(capacity: 256)
        writer.value(self)
        return writer.bytes
    }

    /// `serialized()` as a string.
    package var text: String { String(decoding: serialized(), as: UTF8.self) }
}

extension JSONValue: ExpressibleByNilLiteral, ExpressibleByBooleanLiteral, ExpressibleByIntegerLiteral,
    ExpressibleByFloatLiteral, ExpressibleByStringLiteral, ExpressibleByStringInterpolation,
    ExpressibleByArrayLiteral, ExpressibleByDictionaryLiteral
{
    package init(nilLiteral: ()) { self = .null }
    package init(booleanLiteral value: Bool) { self = .bool(value) }
    package init(integerLiteral value: Int64) { self = .int(value) }
    package init(floatLiteral value: Double) { self = .double(value) }
    package init(stringLiteral value: String) { self = .string(value) }
    package init(arrayLiteral elements: JSONValue...) { self = .array(elements) }
    package init(dictionaryLiteral elements: (String, JSONValue)...) { self = .object(JSONObject(elements)) }
}

extension JSONValue: CustomStringConvertible {
    /// The JSON text.
    package var description: String { text }
}
