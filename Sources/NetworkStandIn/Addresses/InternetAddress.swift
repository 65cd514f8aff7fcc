import Glibc

/// An IPv4 or IPv6 address as a number.
struct InternetAddress: Sendable, Hashable, Comparable, CustomStringConvertible {
    /// 4 or 6.
    let version: Int
    let number: UInt128

    init(version: Int, number: UInt128) { (self.version, self.number) = (version, number) }

    /// Parses four decimal numbers, or one of the forms of IPv6 without a zone.
    init?(_ text: some StringProtocol) {
        let text = String(text)
        var four = in_addr()
        if inet_pton(AF_INET, text, &four) == 1 {
            self.init(version: 4, number: UInt128(UInt32(bigEndian: four.s_addr)))
            return
        }
        var six = in6_addr()
        guard inet_pton(AF_INET6, text, &six) == 1 else { return nil }
        let number = withUnsafeBytes(of: &six) { bytes in
            bytes.reduce(UInt128(0)) { $0 << 8 | UInt128($1) }
        }
        self.init(version: 6, number: number)
    }

    var bits: Int { version == 4 ? 32 : 128 }

    /// 16 bytes that sort as the numbers do.
    var key: [UInt8] { (0..<16).map { UInt8(truncatingIfNeeded: number >> (120 - 8 * UInt128($0))) } }

    /// The address of a version with that key.
    init(version: Int, key: [UInt8]) {
        self.init(version: version, number: key.reduce(UInt128(0)) { $0 << 8 | UInt128($1) })
    }

    func advanced(by distance: UInt128) -> InternetAddress {
        InternetAddress(version: version, number: number &+ distance)
    }

    var previous: InternetAddress { InternetAddress(version: version, number: number &- 1) }

    var description: String {
        guard version == 6 else {
            return "\(number >> 24 & 255).\(number >> 16 & 255).\(number >> 8 & 255).\(number & 255)"
        }
        var raw = in6_addr()
        withUnsafeMutableBytes(of: &raw) { $0.copyBytes(from: key) }
        var text = [CChar](repeating: 0, count: Int(INET6_ADDRSTRLEN))
        guard inet_ntop(AF_INET6, &raw, &text, socklen_t(text.count)) != nil else { return "::" }
        return String(decoding: text.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
    }

    static func < (left: Self, right: Self) -> Bool {
        (left.version, left.number) < (right.version, right.number)
    }
}

/// A block of addresses with a common prefix.
struct AddressBlock: Sendable, Hashable, CustomStringConvertible {
    let first: InternetAddress
    let length: Int

    /// Parses `address/length`; the address is cut to the prefix.
    init?(_ text: String) {
        let parts = text.split(separator: "/", omittingEmptySubsequences: false)
        guard parts.count <= 2, let address = InternetAddress(parts[0]) else { return nil }
        let length =
            parts.count == 1 ? address.bits : parts[1].allSatisfy(\.isNumber) ? Int(parts[1]) : nil
        guard let length, (0...address.bits).contains(length) else { return nil }
        self.length = length
        first = InternetAddress(
            version: address.version, number: address.number & ~Self.hostMask(address.bits - length))
    }

    private static func hostMask(_ bits: Int) -> UInt128 {
        bits == 128 ? .max : (UInt128(1) << UInt128(bits)) - 1
    }

    var version: Int { first.version }
    var last: InternetAddress { first.advanced(by: Self.hostMask(first.bits - length)) }

    /// The addresses that interfaces may have: without the block's own and, in IPv4, the broadcast address.
    var hosts: ClosedRange<InternetAddress> {
        if first.bits - length <= 1 { return first...last }
        let end = version == 4 ? InternetAddress(version: 4, number: last.number - 1) : last
        return first.advanced(by: 1)...end
    }

    func contains(_ address: InternetAddress) -> Bool { first <= address && address <= last }
    func overlaps(_ other: AddressBlock) -> Bool { contains(other.first) || other.contains(first) }

    /// The address that an interface makes of its hardware address (RFC 4862); `nil` where blocks are of other length.
    func stateless(_ mac: String) -> InternetAddress? {
        let bytes = mac.split(separator: ":").compactMap { UInt8($0, radix: 16) }
        guard version == 6, length == 64, bytes.count == 6 else { return nil }
        let identifier = [bytes[0] ^ 2, bytes[1], bytes[2], 0xff, 0xfe, bytes[3], bytes[4], bytes[5]]
        return first.advanced(by: identifier.reduce(UInt128(0)) { $0 << 8 | UInt128($1) })
    }

    var description: String { "\(first)/\(length)" }
}
