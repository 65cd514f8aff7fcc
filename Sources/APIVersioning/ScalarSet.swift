/// A set of characters of a regular expression: ranges and categories, possibly inverted.
struct ScalarSet: Sendable {
    /// Characters by property, as Python classifies them.
    enum Category: Sendable, Hashable {
        case digit
        case space
        case word
        /// A general category by its one or two letter name, as in `\p{Zl}`.
        case general(String)

        func contains(_ scalar: Unicode.Scalar) -> Bool {
            switch self {
            case .digit: scalar.properties.generalCategory == .decimalNumber
            case .space: scalar.properties.isWhitespace || (0x1C...0x1F).contains(scalar.value)
            case .word: scalar == "_" || Self.isAlphanumeric(scalar)
            case .general(let name): Self.abbreviation(scalar.properties.generalCategory).hasPrefix(name)
            }
        }

        private static func isAlphanumeric(_ scalar: Unicode.Scalar) -> Bool {
            if scalar.isASCII {
                return (0x30...0x39).contains(scalar.value) || (0x61...0x7A).contains(scalar.value | 0x20)
            }
            let category = abbreviation(scalar.properties.generalCategory)
            return category.hasPrefix("L") || category == "Nd" || scalar.properties.numericType != nil
        }

        static func abbreviation(_ category: Unicode.GeneralCategory) -> String {
            switch category {
            case .uppercaseLetter: "Lu"
            case .lowercaseLetter: "Ll"
            case .titlecaseLetter: "Lt"
            case .modifierLetter: "Lm"
            case .otherLetter: "Lo"
            case .nonspacingMark: "Mn"
            case .spacingMark: "Mc"
            case .enclosingMark: "Me"
            case .decimalNumber: "Nd"
            case .letterNumber: "Nl"
            case .otherNumber: "No"
            case .connectorPunctuation: "Pc"
            case .dashPunctuation: "Pd"
            case .openPunctuation: "Ps"
            case .closePunctuation: "Pe"
            case .initialPunctuation: "Pi"
            case .finalPunctuation: "Pf"
            case .otherPunctuation: "Po"
            case .mathSymbol: "Sm"
            case .currencySymbol: "Sc"
            case .modifierSymbol: "Sk"
            case .otherSymbol: "So"
            case .spaceSeparator: "Zs"
            case .lineSeparator: "Zl"
            case .paragraphSeparator: "Zp"
            case .control: "Cc"
            case .format: "Cf"
            case .surrogate: "Cs"
            case .privateUse: "Co"
            case .unassigned: "Cn"
            @unknown default: "Cn"
            }
        }
    }

    /// Sorted and merged.
    private let ranges: [ClosedRange<UInt32>]
    private let categories: [(category: Category, isInverted: Bool)]
    private let isInverted: Bool
    /// The verdicts for the first 128 characters.
    private let ascii: (low: UInt64, high: UInt64)

    init(
        ranges: [ClosedRange<UInt32>], categories: [(category: Category, isInverted: Bool)] = [],
        isInverted: Bool = false
    ) {
        let merged = Self.merged(ranges)
        (self.ranges, self.categories, self.isInverted) = (merged, categories, isInverted)
        var low: UInt64 = 0
        var high: UInt64 = 0
        for value in UInt32(0)..<128 {
            guard let scalar = Unicode.Scalar(value) else { continue }
            let isMember = Self.isMember(scalar, merged, categories) != isInverted
            if isMember, value < 64 { low |= 1 << UInt64(value) }
            if isMember, value >= 64 { high |= 1 << UInt64(value - 64) }
        }
        ascii = (low, high)
    }

    init(_ scalar: Unicode.Scalar) { self.init(ranges: [scalar.value...scalar.value]) }

    /// Everything but a newline.
    static let anyButNewline = ScalarSet(ranges: [0x0A...0x0A], isInverted: true)

    func contains(_ scalar: Unicode.Scalar) -> Bool {
        let value = UInt64(scalar.value)
        if value < 64 { return ascii.low >> value & 1 == 1 }
        if value < 128 { return ascii.high >> (value - 64) & 1 == 1 }
        return Self.isMember(scalar, ranges, categories) != isInverted
    }

    private static func isMember(
        _ scalar: Unicode.Scalar, _ ranges: [ClosedRange<UInt32>],
        _ categories: [(category: Category, isInverted: Bool)]
    ) -> Bool {
        var low = 0
        var high = ranges.count
        while low < high {
            let middle = (low + high) / 2
            if ranges[middle].upperBound < scalar.value { low = middle + 1 } else { high = middle }
        }
        if low < ranges.count, ranges[low].contains(scalar.value) { return true }
        return categories.contains { $0.category.contains(scalar) != $0.isInverted }
    }

    private static func merged(_ ranges: [ClosedRange<UInt32>]) -> [ClosedRange<UInt32>] {
        var result: [ClosedRange<UInt32>] = []
        for range in ranges.sorted(by: { $0.lowerBound < $1.lowerBound }) {
            if let last = result.last, range.lowerBound <= last.upperBound {
                result[result.count - 1] = last.lowerBound...max(last.upperBound, range.upperBound)
            } else {
                result.append(range)
            }
        }
        return result
    }
}
