/// Small numbers for things with long names: marks of ports, zones of bridges.
///
/// A number must not change while packets and connections carry it. So the numbers in use are kept in a file, and a
/// name always tries the same number first: should the file be lost, nearly all come back as they were.
struct NumberBook: Hashable, Sendable {
    private(set) var numbers: [String: Int] = [:]
    /// The numbers to choose from; 0 means none and 1 is taken for marks.
    private static let range = 2...65535

    init() {}

    /// Reads lines of a number and a name; lines that make no sense are left out.
    init(text: String) {
        for line in text.split(separator: "\n") {
            let parts = line.split(separator: " ", maxSplits: 1)
            guard parts.count == 2, let number = Int(parts[0]), Self.range.contains(number) else { continue }
            numbers[String(parts[1])] = number
        }
    }

    /// The lines that `init(text:)` reads.
    var text: String { numbers.sorted { $0.key < $1.key }.map { "\($0.value) \($0.key)\n" }.joined() }

    /// Gives each name a number, keeps those that exist, and forgets names that are not there.
    mutating func assign(_ names: some Sequence<String>) {
        let names = Set(names)
        numbers = numbers.filter { names.contains($0.key) }
        var taken = Set(numbers.values)
        for name in names.sorted() where numbers[name] == nil {
            let span = UInt64(Self.range.count)
            var number = Self.range.lowerBound + Int(Fingerprint.of(name) % span)
            while taken.contains(number), taken.count < Self.range.count {
                number = number == Self.range.upperBound ? Self.range.lowerBound : number + 1
            }
            numbers[name] = number
            taken.insert(number)
        }
    }
}
