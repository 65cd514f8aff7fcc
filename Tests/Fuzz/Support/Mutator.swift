/// Makes inputs out of others, in the same order every time.
struct Mutator {
    private var generator: SeededGenerator
    private let target: FuzzTarget
    private let words: [[UInt8]]
    /// Numbers at which arithmetic breaks.
    private static let numbers = [
        "0", "-1", "255", "256", "65535", "65536", "2147483647", "2147483648", "4294967295", "4294967296",
        "9007199254740993", "9223372036854775807", "-9223372036854775808", "9223372036854775808",
        "18446744073709551615", "99999999999999999999999", "1e308", "1e999", "nan", "0x10", "00",
    ]
    private static let bytes: [UInt8] = [
        0, 1, 0x0A, 0x0D, 0x20, 0x22, 0x26, 0x2F, 0x3C, 0x3E, 0x5C, 0x7F, 0x80, 0xC0, 0xFF,
    ]

    init(_ target: FuzzTarget, seed: UInt64) {
        self.target = target
        generator = SeededGenerator(seed: seed)
        words = (target.words + Self.numbers).map { Array($0.utf8) }
    }

    /// The next input.
    mutating func next() -> [UInt8] {
        var input = pick(target.seeds) ?? []
        for _ in 0..<Int.random(in: 1...6, using: &generator) { mutate(&input) }
        return Array(input.prefix(FuzzTarget.inputBytesMax))
    }

    private mutating func pick<Element>(_ elements: [Element]) -> Element? {
        elements.randomElement(using: &generator)
    }

    private mutating func place(_ input: [UInt8]) -> Int { Int.random(in: 0...input.count, using: &generator) }

    private mutating func part(_ input: [UInt8], most: Int) -> Range<Int> {
        let begin = place(input)
        return begin..<min(input.count, begin + Int.random(in: 0...most, using: &generator))
    }

    private mutating func mutate(_ input: inout [UInt8]) {
        switch Int.random(in: 0..<11, using: &generator) {
        case 0 where !input.isEmpty:
            let at = place(input) % input.count
            input[at] = UInt8.random(in: 0...255, using: &generator)
        case 1 where !input.isEmpty:
            let at = place(input) % input.count
            input[at] ^= 1 << UInt8.random(in: 0...7, using: &generator)
        case 2: input.insert(pick(Self.bytes) ?? 0, at: place(input))
        case 3: input.removeSubrange(part(input, most: 16))
        case 4: input.removeLast(Int.random(in: 0...input.count, using: &generator) / 2)
        case 5: input.insert(contentsOf: pick(words) ?? [], at: place(input))
        case 6: input.replaceSubrange(part(input, most: 8), with: pick(words) ?? [])
        case 7: replaceNumber(&input)
        case 8: repeatPart(&input)
        case 9:
            // The beginning of this and the end of another.
            let other = pick(target.seeds) ?? []
            input = Array(input.prefix(place(input))) + other.suffix(place(other))
        default:
            let range = part(input, most: 64)
            let moved = input[range]
            input.removeSubrange(range)
            input.insert(contentsOf: moved, at: place(input))
        }
    }

    /// Puts a number that is hard to bear where one stands.
    private mutating func replaceNumber(_ input: inout [UInt8]) {
        let from = place(input)
        guard let begin = input[from...].firstIndex(where: { (0x30...0x39).contains($0) }) else { return }
        let end = input[begin...].firstIndex { !(0x30...0x39).contains($0) } ?? input.count
        input.replaceSubrange(begin..<end, with: Array((pick(Self.numbers) ?? "0").utf8))
    }

    private mutating func repeatPart(_ input: inout [UInt8]) {
        let range = part(input, most: 32)
        let times = pick([1, 2, 10, 100]) ?? 1
        guard range.count * times < FuzzTarget.inputBytesMax else { return }
        let piece = Array(input[range])
        input.insert(contentsOf: (0..<times).flatMap { _ in piece }, at: range.upperBound)
    }
}

/// Numbers that come in the same order every time.
struct SeededGenerator: RandomNumberGenerator {
    private var state: UInt64
    init(seed: UInt64) { state = seed }
    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var word = state
        word = (word ^ (word >> 30)) &* 0xBF58_476D_1CE4_E5B9
        word = (word ^ (word >> 27)) &* 0x94D0_49BB_1331_11EB
        return word ^ (word >> 31)
    }
}
