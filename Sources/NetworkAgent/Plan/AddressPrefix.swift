/// An address with the length of its prefix: a block of addresses, or the address of an interface in its block.
package struct AddressPrefix: Hashable, Comparable, Sendable, CustomStringConvertible {
    /// The address, host bits included.
    package let address: IPAddress
    /// The number of bits that are the same in the whole block.
    package let length: Int

    /// The address in a block of this length; `nil` if there is no such length.
    package init?(_ address: IPAddress, length: Int) {
        guard (0...address.family.bits).contains(length) else { return nil }
        (self.address, self.length) = (address, length)
    }

    /// A single address.
    package init(single address: IPAddress) { (self.address, self.length) = (address, address.family.bits) }

    /// Parses `address/length`, or an address alone, which is then a block of one.
    package init?(_ text: String) {
        let parts = text.split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false)
        guard let address = IPAddress(String(parts[0])) else { return nil }
        guard parts.count == 2 else {
            self.init(single: address)
            return
        }
        guard let length = Int(parts[1]) else { return nil }
        self.init(address, length: length)
    }

    /// Whether it is a block of one address.
    package var isSingle: Bool { length == address.family.bits }

    /// The block itself: the same with all host bits cleared.
    package var block: AddressPrefix {
        switch address {
        case .v4(let value):
            return Self(masked: .v4(IPv4Address(number: value.number & Self.mask32(length))), length)
        case .v6(let value):
            let high = value.high & Self.mask64(min(length, 64))
            let low = value.low & Self.mask64(max(length - 64, 0))
            return Self(masked: .v6(IPv6Address(high: high, low: low)), length)
        }
    }

    /// Whether the address lies in the block.
    package func contains(_ other: IPAddress) -> Bool {
        guard other.family == address.family, let same = Self(other, length: length) else { return false }
        return same.block == block
    }

    /// The mask of an IPv4 block, as DHCP wants it.
    package var netmask: IPv4Address { IPv4Address(number: Self.mask32(min(length, 32))) }

    /// As nft writes it: a single address has no length.
    package var ruleText: String { isSingle ? address.description : block.description }

    package var description: String { "\(address)/\(length)" }

    package static func < (left: Self, right: Self) -> Bool {
        (left.address, left.length) < (right.address, right.length)
    }

    private init(masked address: IPAddress, _ length: Int) { (self.address, self.length) = (address, length) }

    private static func mask32(_ length: Int) -> UInt32 { length == 0 ? 0 : UInt32.max << UInt32(32 - length) }
    private static func mask64(_ length: Int) -> UInt64 { length == 0 ? 0 : UInt64.max << UInt64(64 - length) }
}
