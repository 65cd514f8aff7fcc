import Glibc

/// An IPv4 address.
package struct IPv4Address: Hashable, Comparable, Sendable, CustomStringConvertible {
    /// The address as a number, in host byte order.
    package let number: UInt32

    /// The address with this number (host byte order).
    package init(number: UInt32) { self.number = number }

    /// Parses four decimal numbers; `nil` for everything else.
    package init?(_ text: String) {
        var raw = in_addr()
        guard inet_pton(AF_INET, text, &raw) == 1 else { return nil }
        number = UInt32(bigEndian: raw.s_addr)
    }

    /// The number as it travels on the wire.
    package var networkOrder: UInt32 { number.bigEndian }

    package var description: String {
        "\(number >> 24).\(number >> 16 & 255).\(number >> 8 & 255).\(number & 255)"
    }

    package static func < (left: Self, right: Self) -> Bool { left.number < right.number }
}

/// An IPv6 address.
package struct IPv6Address: Hashable, Comparable, Sendable, CustomStringConvertible {
    /// The first and the last eight bytes, as numbers.
    package let high, low: UInt64

    /// The address of these two halves.
    package init(high: UInt64, low: UInt64) { (self.high, self.low) = (high, low) }

    /// Parses any of the textual forms; `nil` for everything else, a zone index included.
    package init?(_ text: String) {
        var raw = in6_addr()
        guard inet_pton(AF_INET6, text, &raw) == 1 else { return nil }
        let halves = withUnsafeBytes(of: &raw) { bytes in
            (bytes.loadUnaligned(as: UInt64.self), bytes.loadUnaligned(fromByteOffset: 8, as: UInt64.self))
        }
        self.init(high: UInt64(bigEndian: halves.0), low: UInt64(bigEndian: halves.1))
    }

    /// The link-local address that a network card with this MAC address makes for itself (RFC 4291, appendix A).
    package init(linkLocalFor mac: MACAddress) {
        let upper = (mac.number >> 24) ^ 0x02_0000
        let lower = mac.number & 0xff_ffff
        self.init(high: 0xfe80 << 48, low: upper << 40 | 0xff_fe00_0000 | lower)
    }

    package var description: String {
        var raw = in6_addr()
        withUnsafeMutableBytes(of: &raw) { bytes in
            bytes.storeBytes(of: high.bigEndian, as: UInt64.self)
            bytes.storeBytes(of: low.bigEndian, toByteOffset: 8, as: UInt64.self)
        }
        var buffer = [CChar](repeating: 0, count: Int(INET6_ADDRSTRLEN))
        guard inet_ntop(AF_INET6, &raw, &buffer, socklen_t(buffer.count)) != nil else { return "::" }
        return String(decoding: buffer.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
    }

    package static func < (left: Self, right: Self) -> Bool { (left.high, left.low) < (right.high, right.low) }
}

/// An address of either family.
package enum IPAddress: Hashable, Comparable, Sendable, CustomStringConvertible {
    case v4(IPv4Address)
    case v6(IPv6Address)

    /// Parses an address of either family.
    package init?(_ text: String) {
        if let address = IPv4Address(text) {
            self = .v4(address)
        } else if let address = IPv6Address(text) {
            self = .v6(address)
        } else {
            return nil
        }
    }

    /// The family it belongs to.
    package var family: AddressFamily {
        switch self {
        case .v4: .v4
        case .v6: .v6
        }
    }

    /// The IPv4 address, if it is one.
    package var v4: IPv4Address? { if case .v4(let address) = self { address } else { nil } }

    package var description: String {
        switch self {
        case .v4(let address): address.description
        case .v6(let address): address.description
        }
    }

    package static func < (left: Self, right: Self) -> Bool {
        switch (left, right) {
        case (.v4(let left), .v4(let right)): left < right
        case (.v6(let left), .v6(let right)): left < right
        case (.v4, .v6): true
        case (.v6, .v4): false
        }
    }
}

/// The two families of addresses; Neutron's word is ethertype.
package enum AddressFamily: String, Hashable, Sendable {
    case v4 = "IPv4"
    case v6 = "IPv6"

    /// The number of bits of an address.
    package var bits: Int { self == .v4 ? 32 : 128 }
}

/// The hardware address of a network card.
package struct MACAddress: Hashable, Comparable, Sendable, CustomStringConvertible {
    /// The 48 bits.
    package let number: UInt64

    /// The address with these low 48 bits.
    package init(number: UInt64) { self.number = number & 0xffff_ffff_ffff }

    /// Parses six hexadecimal pairs between colons.
    package init?(_ text: String) {
        let pairs = text.split(separator: ":", omittingEmptySubsequences: false)
        guard pairs.count == 6, pairs.allSatisfy({ $0.count == 2 }) else { return nil }
        var number: UInt64 = 0
        for pair in pairs {
            guard let byte = UInt8(pair, radix: 16), pair.first != "+" else { return nil }
            number = number << 8 | UInt64(byte)
        }
        self.number = number
    }

    package var description: String {
        stride(from: 40, through: 0, by: -8).map { shift in
            let byte = UInt8(truncatingIfNeeded: number >> UInt64(shift))
            return (byte < 16 ? "0" : "") + String(byte, radix: 16)
        }.joined(separator: ":")
    }

    package static func < (left: Self, right: Self) -> Bool { left.number < right.number }
}
