/// A number of bytes. Written with binary (`MiB`) or decimal (`MB`) units.
package struct ByteSize: Sendable, Hashable, Comparable, CustomStringConvertible {
    package let bytes: Int

    package init(bytes: Int) { self.bytes = bytes }
    package init(kibibytes: Int) { bytes = kibibytes << 10 }
    package init(mebibytes: Int) { bytes = mebibytes << 20 }
    package init(gibibytes: Int) { bytes = gibibytes << 30 }

    package static func < (left: ByteSize, right: ByteSize) -> Bool { left.bytes < right.bytes }

    /// Reads `4096`, `4 KiB`, `1.5GiB`, `10 MB`; nil for anything else and for what does not fit.
    package init?(parsing text: String) {
        let digits = text.prefix { ("0"..."9").contains($0) || $0 == "." }
        guard let number = Double(digits) else { return nil }
        let factor: Double
        switch trimmed(text[digits.endIndex...]).lowercased() {
        case "", "b": factor = 1
        case "k", "kib": factor = 1024
        case "m", "mib": factor = 1_048_576
        case "g", "gib": factor = 1_073_741_824
        case "t", "tib": factor = 1_099_511_627_776
        case "kb": factor = 1e3
        case "mb": factor = 1e6
        case "gb": factor = 1e9
        case "tb": factor = 1e12
        default: return nil
        }
        guard let bytes = Int(exactly: (number * factor).rounded()) else { return nil }
        self.bytes = bytes
    }

    /// With the largest binary unit that divides it.
    package var description: String {
        let units = ["B", "KiB", "MiB", "GiB", "TiB"]
        var (value, unit) = (bytes, 0)
        while value != 0, value.isMultiple(of: 1024), unit < units.count - 1 { (value, unit) = (value >> 10, unit + 1) }
        return unit == 0 ? "\(value)" : "\(value) \(units[unit])"
    }
}
