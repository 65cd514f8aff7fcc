/// A 128-bit universally unique identifier, without Foundation.
///
/// Its text form is the lower-case hyphenated one that OpenStack uses everywhere.
public struct UUIDValue: Hashable, Comparable, Sendable {
    private let high: UInt64
    private let low: UInt64

    /// The identifier whose first eight bytes are `high` and last eight bytes are `low`, both big-endian.
    public init(high: UInt64, low: UInt64) { (self.high, self.low) = (high, low) }

    /// A random (version 4) identifier.
    public static func random(using generator: inout some RandomNumberGenerator) -> Self {
        let high = (generator.next() as UInt64) & 0xffff_ffff_ffff_0fff | 0x4000
        let low = (generator.next() as UInt64) & 0x3fff_ffff_ffff_ffff | 0x8000_0000_0000_0000
        return Self(high: high, low: low)
    }

    /// A random (version 4) identifier from the system's generator.
    public static func random() -> Self {
        var generator = SystemRandomNumberGenerator()
        return random(using: &generator)
    }

    /// Parses `8-4-4-4-12` hexadecimal digits, upper or lower case, or the same 32 digits without hyphens.
    ///
    /// Inlined into its callers, because a generic function of a dynamic library is never specialized for them.
    @inlinable public init?(_ text: some StringProtocol) { self.init(parsing: String(text)) }

    /// Parses a text; see ``init(_:)``.
    public init?(parsing text: String) {
        var text = text
        let parsed = text.withUTF8 { Self.parse($0) }
        guard let parsed else { return nil }
        self = parsed
    }

    private static func parse(_ text: UnsafeBufferPointer<UInt8>) -> Self? {
        guard text.count == 36 || text.count == 32 else { return nil }
        let isHyphenated = text.count == 36
        var digits = 0
        var high: UInt64 = 0
        var low: UInt64 = 0
        for (position, byte) in text.enumerated() {
            if isHyphenated, position == 8 || position == 13 || position == 18 || position == 23 {
                guard byte == UInt8(ascii: "-") else { return nil }
                continue
            }
            guard let value = hexadecimalValue(byte) else { return nil }
            if digits < 16 { high = high << 4 | UInt64(value) } else { low = low << 4 | UInt64(value) }
            digits += 1
        }
        return Self(high: high, low: low)
    }

    private static func hexadecimalValue(_ byte: UInt8) -> UInt8? {
        switch byte {
        case UInt8(ascii: "0")...UInt8(ascii: "9"): byte - UInt8(ascii: "0")
        case UInt8(ascii: "a")...UInt8(ascii: "f"): byte - UInt8(ascii: "a") + 10
        case UInt8(ascii: "A")...UInt8(ascii: "F"): byte - UInt8(ascii: "A") + 10
        default: nil
        }
    }

    public static func < (left: Self, right: Self) -> Bool { (left.high, left.low) < (right.high, right.low) }
}

extension UUIDValue: CustomStringConvertible {
    /// Lower case, hyphenated.
    public var description: String {
        String(unsafeUninitializedCapacity: 36) { buffer in
            var position = 0
            for index in 0..<16 {
                if index == 4 || index == 6 || index == 8 || index == 10 {
                    buffer[position] = UInt8(ascii: "-")
                    position += 1
                }
                let word = index < 8 ? high : low
                let byte = UInt8(truncatingIfNeeded: word >> (56 - 8 * UInt64(index % 8)))
                buffer[position] = Self.digit(byte >> 4)
                buffer[position + 1] = Self.digit(byte & 15)
                position += 2
            }
            return 36
        }
    }

    /// The 32 digits without hyphens, as Keystone writes project and user identifiers.
    public var compact: String { description.filter { $0 != "-" } }

    private static func digit(_ value: UInt8) -> UInt8 {
        value < 10 ? UInt8(ascii: "0") + value : UInt8(ascii: "a") + value - 10
    }
}

extension UUIDValue: Codable {
    public init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        let text = try container.decode(String.self)
        guard let value = Self(text) else {
            throw DecodingError.dataCorruptedError(in: container, debugDescription: "'\(text)' is not a UUID")
        }
        self = value
    }

    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(description)
    }
}
