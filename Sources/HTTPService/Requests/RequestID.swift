/// A request's id: 128 random bits in the form of a version 4 UUID, rendered as `req-<uuid>` only where it is read.
package struct RequestID: Sendable, Hashable, CustomStringConvertible {
    private let high: UInt64
    private let low: UInt64

    /// An id from 128 random bits; version and variant bits are set over them.
    package init(randomBits: (UInt64, UInt64)) {
        high = randomBits.0 & 0xFFFF_FFFF_FFFF_0FFF | 0x4000
        low = randomBits.1 & 0x3FFF_FFFF_FFFF_FFFF | 0x8000_0000_0000_0000
    }

    package var description: String {
        String(unsafeUninitializedCapacity: 40) { text in
            var position = 0
            func put(_ byte: UInt8) {
                text[position] = byte
                position += 1
            }
            for byte in "req-".utf8 { put(byte) }
            for index in 0..<32 {
                if index == 8 || index == 12 || index == 16 || index == 20 { put(UInt8(ascii: "-")) }
                let word = index < 16 ? high : low
                let digit = UInt8(truncatingIfNeeded: word >> UInt64(60 - 4 * (index % 16))) & 15
                put(digit < 10 ? digit + UInt8(ascii: "0") : digit - 10 + UInt8(ascii: "a"))
            }
            return position
        }
    }
}

/// Ids for the requests of one connection: two SplitMix64 sequences from seeds that the server draws per connection,
/// so that a request costs no call into the kernel. Ids are names, not secrets.
struct RequestIDSource {
    private var state: (UInt64, UInt64)

    init(seeds: (UInt64, UInt64)) { state = seeds }

    mutating func next() -> RequestID {
        RequestID(randomBits: (Self.step(&state.0), Self.step(&state.1)))
    }

    private static func step(_ state: inout UInt64) -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }
}
