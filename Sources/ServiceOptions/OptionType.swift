/// What kind of value an option takes. Reads the text of a configuration file, and says in words what it allows.
package enum OptionType: Sendable, Hashable {
    /// Any text on one or more lines.
    case string
    case integer(min: Int?, max: Int?)
    case double(min: Double?, max: Double?)
    /// `true/1/yes/on` or `false/0/no/off`, in any case.
    case bool
    /// Items separated by commas; white space around an item does not count.
    case list
    /// Every occurrence of the key, in order; each is one item.
    case multiple
    /// Seconds, or a number with the unit `ms`, `s`, `m`, `h` or `d`. Bounds are included.
    case duration(min: Duration?, max: Duration?)
    /// Bytes, or a number with a unit such as `MiB` or `GB`. Bounds are included.
    case byteSize(min: ByteSize?, max: ByteSize?)
    /// One of these words.
    case choice([String])
    /// A port number, 1 to 65535; 0 lets the system choose.
    case port
    /// A path of a file or folder.
    case path
    /// A host name or an address.
    case host
    /// `scheme://…`, with one of these schemes; none given allows any.
    case url([String])

    /// An integer of any size.
    package static var integer: OptionType { .integer(min: nil, max: nil) }
    /// An integer of at least the range's bound.
    package static func integer(_ range: PartialRangeFrom<Int>) -> OptionType {
        .integer(min: range.lowerBound, max: nil)
    }
    /// An integer within the range.
    package static func integer(_ range: ClosedRange<Int>) -> OptionType {
        .integer(min: range.lowerBound, max: range.upperBound)
    }
    /// A number of any size.
    package static var double: OptionType { .double(min: nil, max: nil) }
    /// A number of at least the range's bound.
    package static func double(_ range: PartialRangeFrom<Double>) -> OptionType {
        .double(min: range.lowerBound, max: nil)
    }
    /// A number within the range.
    package static func double(_ range: ClosedRange<Double>) -> OptionType {
        .double(min: range.lowerBound, max: range.upperBound)
    }
    /// A time span of zero or more.
    package static var duration: OptionType { .duration(min: .zero, max: nil) }
    /// A time span of at least the range's bound.
    package static func duration(_ range: PartialRangeFrom<Duration>) -> OptionType {
        .duration(min: range.lowerBound, max: nil)
    }
    /// Any number of bytes.
    package static var byteSize: OptionType { .byteSize(min: nil, max: nil) }
}

/// The value of an option after its text was understood.
package enum OptionDatum: Sendable, Hashable {
    case string(String)
    case integer(Int)
    case double(Double)
    case bool(Bool)
    case list([String])
    case duration(Duration)
    case byteSize(ByteSize)
}

/// Why a text is not a value of an option, in a few words that follow the value in a sentence.
package struct OptionRefusal: Error, Sendable, Hashable {
    package let reason: String

    package init(_ reason: String) { self.reason = reason }
}

extension OptionType {
    /// The type's name in the sample file and the reference.
    package var name: String {
        switch self {
        case .string: "string"
        case .integer: "integer"
        case .double: "number"
        case .bool: "true or false"
        case .list: "list"
        case .multiple: "string, may be given several times"
        case .duration: "seconds"
        case .byteSize: "bytes"
        case .choice: "choice"
        case .port: "port"
        case .path: "path"
        case .host: "host"
        case .url: "URL"
        }
    }

    /// What the type allows, as the end of the sentence "allowed: …".
    package var allowed: String {
        switch self {
        case .string: "any text"
        case .integer(let min, let max): "an integer" + Self.bounds(min.map(String.init), max.map(String.init))
        case .double(let min, let max): "a number" + Self.bounds(min.map(optionText), max.map(optionText))
        case .bool: "true, yes, on, 1, false, no, off or 0"
        case .list: "items separated by commas"
        case .multiple: "any text, the key may be repeated"
        case .duration(let min, let max):
            "seconds, or a number with ms, s, m, h or d"
                + Self.bounds(min.map(optionText), max.map(optionText))
        case .byteSize(let min, let max):
            "bytes, or a number with KiB, MiB, GiB, TiB, kB, MB, GB or TB"
                + Self.bounds(min.map(\.description), max.map(\.description))
        case .choice(let words): words.map { $0.isEmpty ? "\"\"" : $0 }.joined(separator: ", ")
        case .port: "a port, 1 to 65535, or 0 to let the system choose"
        case .path: "a path without a zero byte"
        case .host: "a host name or an address"
        case .url(let schemes):
            schemes.isEmpty ? "scheme://…" : schemes.map { $0 + "://…" }.joined(separator: " or ")
        }
    }

    /// True where one option may have several values.
    package var isRepeatable: Bool {
        if case .multiple = self { true } else { false }
    }

    private static func bounds(_ min: String?, _ max: String?) -> String {
        switch (min, max) {
        case (nil, nil): ""
        case (let min?, nil): " of at least \(min)"
        case (nil, let max?): " of at most \(max)"
        case (let min?, let max?): " from \(min) to \(max)"
        }
    }
}
