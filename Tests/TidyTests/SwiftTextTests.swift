import Testing

/// The scanner that the other tests trust.
@Suite struct SwiftTextTests {
    @Test func commentsAndStringsAreTakenOut() {
        let text = SwiftText(
            ##"""
            let a = "one // two" // three
            /* four /* five */ "six" */ let b = #"seven \#(call("eight")) "nine""#
            let c = """
                ten \(print("eleven"))
                """
            """##)
        #expect(text.code.count == text.lines.count)
        #expect(text.code[0] == "let a = \"\" ")
        #expect(text.code[1] == " let b = \"(call(\"\"))\"")
        #expect(text.code[3].contains("(print(\"\"))"))
        #expect(text.literals.map(\.text).contains("one // two"))
        #expect(text.literals.map(\.text).contains("eight"))
        #expect(text.literals.first { $0.text == "eleven" }?.line == 4)
    }
}
