/// A point in the API's history. Minor numbers are integers, so 2.9 comes before 2.10.
package struct Microversion: Hashable, Comparable, Sendable {
    /// The part before the point; it never changes within one API.
    package let major: Int
    /// The part after the point; one more for every change.
    package let minor: Int

    /// A version from its two numbers.
    package init(_ major: Int, _ minor: Int) { (self.major, self.minor) = (major, minor) }

    /// A version from its exact text, such as "2.96": no signs, no leading zeros, no space around. Nil for all else.
    package init?(_ text: some StringProtocol) {
        let parts = text.split(separator: ".", maxSplits: 1, omittingEmptySubsequences: false)
        guard parts.count == 2, let major = Self.number(parts[0]), let minor = Self.number(parts[1]), major > 0
        else { return nil }
        self.init(major, minor)
    }

    /// Digits without a leading zero. Numbers beyond any version become a very large one.
    private static func number(_ digits: some StringProtocol) -> Int? {
        guard !digits.isEmpty, digits.utf8.allSatisfy({ $0 >= 0x30 && $0 <= 0x39 }) else { return nil }
        if digits.utf8.count > 1, digits.utf8.first == 0x30 { return nil }
        return Int(digits) ?? .max
    }

    package static func < (a: Self, b: Self) -> Bool { (a.major, a.minor) < (b.major, b.minor) }
}

extension Microversion: CustomStringConvertible {
    /// As in headers: "2.96".
    package var description: String { "\(major).\(minor)" }
}
