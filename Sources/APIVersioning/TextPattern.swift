/// A regular expression in Python's syntax that matches in time linear in the text, whatever the expression.
///
/// It answers only whether there is a match anywhere (`re.search`), which is all that schemas and filters ask.
/// Understood: classes, groups, alternatives, counted repetition, anchors (`$` also before a final newline, as in
/// Python), word boundaries, look-around of a single character, and `\p{…}` for general categories. Refused as
/// unsupported: back references, longer look-around, conditionals and inline flags.
package struct TextPattern: Sendable {
    /// Why an expression cannot be used.
    package enum Refusal: Error, Sendable, Hashable {
        /// Not a regular expression; where, in characters from 0, and why.
        case syntax(String, offset: Int)
        /// One that needs backtracking.
        case unsupported(String)
        /// Counted repetition blows it up beyond `sizeMax`.
        case tooLarge
    }

    /// Instructions that one expression may have at most.
    package static let sizeMax = 20_000

    /// The expression as written.
    package let source: String
    private let program: [TextPatternInstruction]

    /// Compiles an expression.
    package init(_ source: String) throws(Refusal) {
        var parser = TextPatternParser(source)
        let tree = try parser.parse()
        if let construct = parser.unsupported { throw .unsupported(construct) }
        var compiler = TextPatternCompiler()
        try compiler.emit(tree)
        compiler.program.append(.match)
        self.source = source
        program = compiler.program
    }

    /// Whether Python's `re.compile` takes this text, including what `init` refuses as unsupported.
    package static func isValid(_ source: String) -> Bool {
        var parser = TextPatternParser(source)
        return (try? parser.parse()) != nil && !parser.isExtended
    }

    /// True when the expression matches somewhere in the text.
    package func matches(_ text: String) -> Bool {
        let scalars = Array(text.unicodeScalars)
        var current = ThreadList(capacity: program.count)
        var next = ThreadList(capacity: program.count)
        for position in 0...scalars.count {
            if follow(0, at: position, in: scalars, into: &current) { return true }
            guard position < scalars.count else { break }
            next.removeAll()
            for thread in current.threads {
                guard case .character(let set) = program[thread], set.contains(scalars[position]) else { continue }
                if follow(thread + 1, at: position + 1, in: scalars, into: &next) { return true }
            }
            swap(&current, &next)
        }
        return false
    }

    /// Adds the thread at `start` and all it reaches without consuming a character; true when that is the end.
    private func follow(
        _ start: Int, at position: Int, in text: [Unicode.Scalar], into list: inout ThreadList
    ) -> Bool {
        var pending = [start]
        while let index = pending.popLast() {
            guard list.insertIfNew(index) else { continue }
            switch program[index] {
            case .match: return true
            case .character: list.threads.append(index)
            case .jump(let target): pending.append(target)
            case .fork(let first, let second):
                pending.append(second)
                pending.append(first)
            case .assertion(let assertion):
                if assertion.holds(at: position, in: text) { pending.append(index + 1) }
            }
        }
        return false
    }

    /// The threads of one position, each instruction once.
    private struct ThreadList {
        var threads: [Int] = []
        private var seen: [UInt32]
        private var round: UInt32 = 1

        init(capacity: Int) { seen = Array(repeating: 0, count: capacity) }

        mutating func removeAll() {
            threads.removeAll(keepingCapacity: true)
            round += 1
        }

        mutating func insertIfNew(_ index: Int) -> Bool {
            guard seen[index] != round else { return false }
            seen[index] = round
            return true
        }
    }
}

extension TextPattern: Hashable {
    package static func == (a: Self, b: Self) -> Bool { a.source == b.source }
    package func hash(into hasher: inout Hasher) { hasher.combine(source) }
}

enum TextPatternInstruction: Sendable {
    case character(ScalarSet)
    case assertion(TextPatternAssertion)
    case fork(Int, Int)
    case jump(Int)
    case match
}

/// A condition on a position that consumes nothing.
enum TextPatternAssertion: Sendable {
    case start
    /// The end, or before a newline that ends the text.
    case end
    case absoluteEnd
    case wordBoundary(Bool)
    case next(ScalarSet, isWanted: Bool)
    case previous(ScalarSet, isWanted: Bool)

    func holds(at position: Int, in text: [Unicode.Scalar]) -> Bool {
        switch self {
        case .start: return position == 0
        case .end: return position == text.count || (position == text.count - 1 && text[position] == "\n")
        case .absoluteEnd: return position == text.count
        case .wordBoundary(let isWanted):
            let before = position > 0 && ScalarSet.Category.word.contains(text[position - 1])
            let after = position < text.count && ScalarSet.Category.word.contains(text[position])
            return (before != after) == isWanted
        case .next(let set, let isWanted):
            return (position < text.count && set.contains(text[position])) == isWanted
        case .previous(let set, let isWanted):
            return (position > 0 && set.contains(text[position - 1])) == isWanted
        }
    }
}

/// Turns the tree into instructions; counted repetition is written out.
struct TextPatternCompiler {
    var program: [TextPatternInstruction] = []

    mutating func emit(_ node: TextPatternNode) throws(TextPattern.Refusal) {
        guard program.count < TextPattern.sizeMax else { throw .tooLarge }
        switch node {
        case .character(let set): program.append(.character(set))
        case .assertion(let assertion): program.append(.assertion(assertion))
        case .opaque: throw .unsupported("back references")
        case .sequence(let parts): for part in parts { try emit(part) }
        case .alternatives(let parts): try emitAlternatives(parts)
        case .repeated(let part, let minimum, let maximum):
            // What matches only the empty text need not be repeated, whatever the count.
            if part.isEmpty { return }
            for _ in 0..<minimum { try emit(part) }
            if let maximum { try emitOptional(part, times: maximum - minimum) } else { try emitStar(part) }
        }
    }

    private mutating func emitAlternatives(_ parts: [TextPatternNode]) throws(TextPattern.Refusal) {
        var jumps: [Int] = []
        for part in parts.dropLast() {
            let fork = reserve()
            try emit(part)
            jumps.append(reserve())
            program[fork] = .fork(fork + 1, program.count)
        }
        if let last = parts.last { try emit(last) }
        for jump in jumps { program[jump] = .jump(program.count) }
    }

    private mutating func emitStar(_ part: TextPatternNode) throws(TextPattern.Refusal) {
        let fork = reserve()
        try emit(part)
        program.append(.jump(fork))
        program[fork] = .fork(fork + 1, program.count)
    }

    private mutating func emitOptional(_ part: TextPatternNode, times: Int) throws(TextPattern.Refusal) {
        var forks: [Int] = []
        for _ in 0..<times {
            forks.append(reserve())
            try emit(part)
        }
        for fork in forks { program[fork] = .fork(fork + 1, program.count) }
    }

    private mutating func reserve() -> Int {
        program.append(.match)
        return program.count - 1
    }
}
