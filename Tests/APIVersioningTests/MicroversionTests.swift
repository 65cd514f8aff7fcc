import APIVersioning
import Testing

@Suite struct MicroversionTests {
    @Test func minorNumbersAreIntegers() {
        #expect(Microversion(2, 9) < Microversion(2, 10))
        #expect(Microversion("2.10") == Microversion(2, 10))
        #expect("\(Microversion(2, 104))" == "2.104")
    }

    @Test(arguments: ["", "2", "2.", ".1", "2.01", "02.1", "0.1", "2.1.1", "a.b", "2.-1", " 2.1", "+2.1", "2.1x"])
    func whatIsNoVersionIsNotRead(text: String) {
        #expect(Microversion(text) == nil)
    }

    @Test func aValueHoldsFromItsVersionToTheNext() {
        let history = Versioned(since: Microversion(2, 1), "a")
            .then(since: Microversion(2, 9), "b").then(since: Microversion(2, 10), "c")
        #expect(history[Microversion(2, 0)] == nil)
        #expect(history[Microversion(2, 1)] == "a")
        #expect(history[Microversion(2, 8)] == "a")
        #expect(history[Microversion(2, 9)] == "b")
        #expect(history[Microversion(2, 104)] == "c")
        #expect(history.map(\.count)[Microversion(2, 9)] == 1)
    }

    @Test func spansAreHalfOpen() {
        let early = VersionSpan.since(Microversion(2, 1)).until(Microversion(2, 47))
        let late = VersionSpan.since(Microversion(2, 47))
        #expect(early.contains(Microversion(2, 46)) && !early.contains(Microversion(2, 47)))
        #expect(late.contains(Microversion(2, 47)))
        #expect(!early.overlaps(late) && !late.overlaps(early))
        #expect(early.overlaps(.since(Microversion(2, 46))))
        #expect("\(early), \(late)" == "2.1 until 2.47, since 2.47")
    }
}
