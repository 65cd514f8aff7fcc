/// A parser of bytes that somebody else wrote, and how it is attacked.
///
/// One list of targets serves two programs: the tests, which run each for a moment with inputs that a seed determines
/// (`FuzzTests`), and a program of LLVM's libFuzzer, which goes on for as long as it is told, led by what code the
/// inputs reach (`make fuzz`).
struct FuzzTarget: Sendable {
    /// As `make fuzz TARGET=` wants it.
    let name: String
    /// Inputs as a well-meaning peer sends them.
    let seeds: [[UInt8]]
    /// Words of the grammar, which mutations put in.
    let words: [String]
    /// Feeds an input. A trap is a finding, and so is what this throws; refusing an input is neither.
    let check: @Sendable ([UInt8]) throws -> Void

    init(
        _ name: String, seeds: [[UInt8]], words: [String] = [],
        check: @escaping @Sendable ([UInt8]) throws -> Void
    ) {
        (self.name, self.seeds, self.words, self.check) = (name, seeds, words, check)
    }

    init(
        _ name: String, texts: [String], words: [String] = [],
        check: @escaping @Sendable ([UInt8]) throws -> Void
    ) {
        self.init(name, seeds: texts.map { Array($0.utf8) }, words: words, check: check)
    }

    /// All targets, by name.
    static let all: [FuzzTarget] = (vmware + xenapi + libvirt + core).sorted { $0.name < $1.name }

    /// Longest input that is tried.
    static let inputBytesMax = 16_384
}

/// A promise of a parser that an input broke.
struct Broken: Error, CustomStringConvertible {
    let description: String
    init(_ description: String) { self.description = description }
}

/// Throws unless a promise was kept.
func promise(_ isKept: Bool, _ what: @autoclosure () -> String) throws {
    if !isKept { throw Broken(what()) }
}
