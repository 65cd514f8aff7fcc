import Messaging
import Testing

@Suite struct RecentRepliesTests {
    private func id(_ number: Int) -> MessageID { MessageID(high: 0, low: UInt64(number)) }

    @Test func theOldestAnswersAreForgottenFirst() async {
        let replies = RecentReplies(limit: 10)
        for number in 0..<5000 { await replies.keep(.closed, of: id(number)) }
        var kept: [Int] = []
        for number in 0..<5000 where await replies.outcome(of: id(number)) != nil { kept.append(number) }
        #expect(kept == Array(4990..<5000))
    }

    @Test func oldAnswersAreForgotten() async {
        let replies = RecentReplies(limit: 10, age: .zero)
        await replies.keep(.closed, of: id(1))
        #expect(await replies.outcome(of: id(1)) == nil)
    }

    @Test func idsAreWrittenWith32Digits() {
        #expect(MessageID(high: 1, low: 255).description == "000000000000000100000000000000ff")
    }
}
