/// A value as XenAPI sends it, in XML-RPC and JSON-RPC alike. Whole numbers travel as texts.
enum XenValue: Hashable, Sendable {
    case text(String)
    case truth(Bool)
    case integer(Int64)
    case number(Double)
    case list([XenValue])
    case map([String: XenValue])
    case nothing
}

extension XenValue {
    /// The reference that stands for no object.
    static let nullReference = "OpaqueRef:NULL"

    /// The text; empty for what is none.
    var text: String {
        switch self {
        case .text(let text): text
        case .integer(let number): String(number)
        case .number(let number): String(number)
        case .truth, .list, .map, .nothing: ""
        }
    }

    /// The whole number, also when it comes as a text; `nil` also for one so large that nothing a server counts is, so
    /// that sums never overflow.
    var integer: Int64? {
        let whole: Int64? =
            switch self {
            case .integer(let number): number
            case .text(let text): Int64(text)
            case .number(let number): Int64(exactly: number.rounded(.towardZero))
            case .truth, .list, .map, .nothing: nil
            }
        return whole.flatMap { $0.magnitude <= 1 << 53 ? $0 : nil }
    }

    /// The number, also when it comes as a text; never one without end.
    var number: Double? {
        let number: Double? =
            switch self {
            case .integer(let number): Double(number)
            case .text(let text): Double(text)
            case .number(let number): number
            case .truth, .list, .map, .nothing: nil
            }
        return number.flatMap { $0.isFinite ? $0 : nil }
    }

    /// The number taken as a fraction of one, in percent from 0 to 100.
    var percent: Int? { number.map { Int((min(1, max(0, $0)) * 100).rounded()) } }

    /// The truth value; false for what is none.
    var truth: Bool {
        switch self {
        case .truth(let truth): truth
        case .text(let text): text == "true" || text == "1"
        case .integer(let number): number != 0
        case .number, .list, .map, .nothing: false
        }
    }

    /// The elements; none for what is no list.
    var list: [XenValue] {
        if case .list(let elements) = self { return elements }
        return []
    }

    /// The members; none for what is no map.
    var map: [String: XenValue] {
        if case .map(let members) = self { return members }
        return [:]
    }

    /// The elements as references or other texts.
    var texts: [String] { list.map(\.text) }

    /// The members as texts.
    var textMap: [String: String] { map.mapValues(\.text) }

    /// A member of a map; nothing when it is absent.
    subscript(name: String) -> XenValue {
        if case .map(let members) = self { return members[name] ?? .nothing }
        return .nothing
    }

    /// The reference; `nil` for the one that stands for no object.
    var reference: String? {
        let text = text
        return text.isEmpty || text == Self.nullReference ? nil : text
    }

    /// A map of texts.
    init(_ texts: [String: String]) { self = .map(texts.mapValues { .text($0) }) }
}

extension XenValue: ExpressibleByStringLiteral, ExpressibleByBooleanLiteral, ExpressibleByArrayLiteral,
    ExpressibleByDictionaryLiteral, ExpressibleByStringInterpolation
{
    init(stringLiteral value: String) { self = .text(value) }
    init(booleanLiteral value: Bool) { self = .truth(value) }
    init(arrayLiteral elements: XenValue...) { self = .list(elements) }
    init(dictionaryLiteral elements: (String, XenValue)...) {
        self = .map(Dictionary(elements, uniquingKeysWith: { $1 }))
    }
}

/// Bytes that are not what they should be.
struct WireTrouble: Error, Hashable, Sendable {
    /// What is wrong, and where.
    let message: String
}

/// How much of a peer's answer is believed.
struct WireLimits: Hashable, Sendable {
    /// Elements within elements.
    var depthMax = 64
    /// Values in one answer: a few million, so that a big pool fits and a bomb does not.
    var valuesMax = 3_000_000
}
