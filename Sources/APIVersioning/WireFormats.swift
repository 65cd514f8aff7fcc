/// Judges of formats, each as lenient or strict as the library that the reference uses.
enum WireFormats {
    /// 32 hexadecimal digits once `urn:`, `uuid:`, braces around and hyphens anywhere are taken away (oslo.utils).
    static func isUUIDLike(_ text: String) -> Bool {
        let plain = removing("uuid:", from: removing("urn:", from: Array(text.utf8)))
        let isBrace = { (byte: UInt8) in byte == UInt8(ascii: "{") || byte == UInt8(ascii: "}") }
        let head = plain.drop(while: isBrace)
        let tail = head.reversed().prefix(while: isBrace).count
        let digits = head.dropLast(tail).filter { $0 != UInt8(ascii: "-") }
        return digits.count == 32 && digits.allSatisfy { hexValue($0) != nil }
    }

    private static func removing(_ part: String, from bytes: [UInt8]) -> [UInt8] {
        let part = Array(part.utf8)
        var result: [UInt8] = []
        var position = 0
        while position < bytes.count {
            if bytes[position...].starts(with: part) {
                position += part.count
            } else {
                result.append(bytes[position])
                position += 1
            }
        }
        return result
    }

    /// Four decimal octets without leading zeros.
    static func ipv4(_ text: some Sequence<UInt8>) -> [UInt8]? {
        let parts = text.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false)
        guard parts.count == 4 else { return nil }
        var octets: [UInt8] = []
        for part in parts {
            guard (1...3).contains(part.count), part.count == 1 || part.first != UInt8(ascii: "0") else { return nil }
            guard let octet = decimal(part, max: 255) else { return nil }
            octets.append(UInt8(octet))
        }
        return octets
    }

    /// The eight groups of an IPv6 address without a zone.
    static func ipv6(_ text: some Sequence<UInt8>) -> [UInt16]? {
        var parts = text.split(separator: UInt8(ascii: ":"), omittingEmptySubsequences: false).map(Array.init)
        guard parts.count >= 3 else { return nil }
        if let last = parts.last, last.contains(UInt8(ascii: ".")) {
            guard let octets = ipv4(last) else { return nil }
            parts.removeLast()
            let pairs = [UInt16(octets[0]) << 8 | UInt16(octets[1]), UInt16(octets[2]) << 8 | UInt16(octets[3])]
            parts += pairs.map { Array(String($0, radix: 16).utf8) }
        }
        guard parts.count <= 9 else { return nil }
        let gaps = parts.indices.dropFirst().dropLast().filter { parts[$0].isEmpty }
        guard gaps.count <= 1 else { return nil }
        guard let gap = gaps.first else {
            guard parts.count == 8 else { return nil }
            return groups(parts[...])
        }
        // An empty group at an end is allowed only as a part of the gap.
        var head = parts[..<gap]
        var tail = parts[(gap + 1)...]
        if head.first?.isEmpty == true {
            guard head.count == 1 else { return nil }
            head = []
        }
        if tail.last?.isEmpty == true {
            guard tail.count == 1 else { return nil }
            tail = []
        }
        let zeros = 8 - head.count - tail.count
        guard zeros >= 1, let first = groups(head), let last = groups(tail) else { return nil }
        return first + Array(repeating: 0, count: zeros) + last
    }

    private static func groups(_ parts: ArraySlice<[UInt8]>) -> [UInt16]? {
        var groups: [UInt16] = []
        for part in parts {
            guard (1...4).contains(part.count) else { return nil }
            var group: UInt16 = 0
            for byte in part {
                guard let digit = hexValue(byte) else { return nil }
                group = group << 4 | UInt16(digit)
            }
            groups.append(group)
        }
        return groups
    }

    /// An address, a slash, and a prefix length or a netmask or its inverse (netaddr).
    static func isCIDR(_ text: String) -> Bool {
        let parts = text.utf8.split(separator: UInt8(ascii: "/"), maxSplits: 1, omittingEmptySubsequences: false)
        guard parts.count == 2 else { return false }
        if ipv4(parts[0]) != nil {
            if let mask = ipv4(parts[1]) {
                let bits = mask.reduce(UInt32(0)) { $0 << 8 | UInt32($1) }
                return isMask(bits) || isMask(~bits)
            }
            return decimal(parts[1], max: 32) != nil
        }
        guard ipv6(parts[0]) != nil else { return false }
        if let mask = ipv6(parts[1]) {
            let bits = mask.reduce(UInt128(0)) { $0 << 16 | UInt128($1) }
            return isMask(bits) || isMask(~bits)
        }
        return decimal(parts[1], max: 128) != nil
    }

    /// Ones and then zeros.
    private static func isMask<Bits: FixedWidthInteger>(_ bits: Bits) -> Bool {
        let inverse = ~bits
        return inverse & (inverse &+ 1) == 0
    }

    /// What Python's lenient decoder takes: other characters are skipped, but what is left must come in fours.
    static func isBase64(_ text: String) -> Bool {
        var position = 0
        var pads = 0
        for byte in text.utf8 {
            if byte == UInt8(ascii: "=") {
                pads += 1
                if position >= 2, position + pads >= 4 { return true }
                continue
            }
            let isDigit = (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte)
            let isLetter = (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte | 0x20)
            guard isDigit || isLetter || byte == UInt8(ascii: "+") || byte == UInt8(ascii: "/") else { continue }
            pads = 0
            position = (position + 1) % 4
        }
        return position == 0
    }

    static func hexValue(_ byte: UInt8) -> UInt8? {
        switch byte {
        case UInt8(ascii: "0")...UInt8(ascii: "9"): byte - UInt8(ascii: "0")
        case UInt8(ascii: "a")...UInt8(ascii: "f"): byte - UInt8(ascii: "a") + 10
        case UInt8(ascii: "A")...UInt8(ascii: "F"): byte - UInt8(ascii: "A") + 10
        default: nil
        }
    }

    static func decimal(_ digits: some Collection<UInt8>, max: Int) -> Int? {
        guard !digits.isEmpty, digits.count <= 9 else { return nil }
        var value = 0
        for byte in digits {
            guard (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) else { return nil }
            value = value * 10 + Int(byte - UInt8(ascii: "0"))
        }
        return value <= max ? value : nil
    }
}
