import APIVersioning
import Testing

@Suite struct TextPatternTests {
    @Test(arguments: [
        ("^a*b$", ["b", "aab", "aab\n"], ["ba", "aab\nx", ""]),
        ("(ab|cd)+$", ["xabcd", "cd"], ["abc", ""]),
        ("^(?! )[a-zA-Z0-9. _-]+(?<! )$", ["a b", "a"], [" a", "a ", ""]),
        (#"\bfoo\b"#, ["a foo b", "foo"], ["foot", "afoo"]),
        ("^[a-zA-Z0-9-_:. ]{1,3}$", ["a", "a-b", "a:\n"], ["", "abcd", "é"]),
        ("^([0-9a-fA-F]{2})(:[0-9a-fA-F]{2}){5}$", ["fa:16:3e:00:00:01"], ["fa:16:3e:00:00"]),
        (#"^\w+\s\d$"#, ["ab 1", "日 ٣"], ["ab1"]),
        ("[^]a]", ["b"], ["]a"]),
        ("x{0}y|z{2,}", ["y", "zz"], ["z", "x"]),
        ("a{,2}b{c", ["b{c", "aab{c"], ["bc"]),
        (#"^[^\p{C}\p{Zl}\p{Zp}]*$"#, ["a b", "é"], ["\u{1}", "\u{2028}", "\u{200B}"]),
        (#"\Aa\Z"#, ["a"], ["a\n"]),
        (".", ["a", "\r"], ["\n", ""]),
        ("", ["", "x"], []),
    ])
    func aPatternMeansWhatItMeansInPython(pattern: String, fitting: [String], others: [String]) throws {
        let compiled = try TextPattern(pattern)
        for text in fitting { #expect(compiled.matches(text), "\(pattern) on \(text)") }
        for text in others { #expect(!compiled.matches(text), "\(pattern) on \(text)") }
    }

    @Test(arguments: ["(", "a**", "[a-", "a{2,1}", #"\q"#, "*a", "(?<=a*)b", "a(?i)", "[^]", "a)", #"\1"#, "[b-a]"])
    func whatIsNoExpressionIsRefused(pattern: String) {
        #expect(!TextPattern.isValid(pattern))
        #expect(throws: TextPattern.Refusal.self) { try TextPattern(pattern) }
    }

    @Test(arguments: ["(?P<n>a)(?P=n)", #"(a)\1"#, "(?i)a", "(?=ab)c", "(a)(?(1)b|c)", "a*+"])
    func whatNeedsBacktrackingIsValidButNotCompiled(pattern: String) {
        #expect(TextPattern.isValid(pattern))
        #expect(throws: TextPattern.Refusal.self) { try TextPattern(pattern) }
    }

    @Test func expressionsThatBlowUpElsewhereTakeLinearTime() throws {
        let text = String(repeating: "a", count: 20_000)
        #expect(try !TextPattern("^(a*)*b$").matches(text))
        #expect(try !TextPattern("^(a|a)*b$").matches(text))
        #expect(try TextPattern("(a|aa)+$").matches(text))
        let clock = ContinuousClock()
        let elapsed = try clock.measure { _ = try TextPattern("(x+x+)+y").matches(text) }
        #expect(elapsed < .seconds(5))
    }

    @Test func hugeExpressionsAreRefused() {
        #expect(throws: TextPattern.Refusal.tooLarge) { try TextPattern("((a{100}){100}){100}") }
        #expect(throws: TextPattern.Refusal.tooLarge) { try TextPattern("a{99999999999999999999}") }
        #expect(throws: TextPattern.Refusal.tooLarge) { try TextPattern(String(repeating: "(", count: 5000)) }
        #expect(throws: Never.self) { _ = try TextPattern("(){1000000000}") }
    }
}
