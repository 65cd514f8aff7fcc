import DriverAPI
import Messaging
import Testing

@Suite(.timeLimit(.minutes(2))) struct FaultPlanTests {
    /// Sends again with the same id until an answer comes, as senders of work that matters do.
    private func insist(_ message: Add, _ bus: MessageBus, _ number: Int) async throws -> Int {
        let id = MessageID(high: 7, low: UInt64(number))
        for _ in 0..<100 {
            do throws(MessagingError) {
                return try await bus.call(message, to: conductor, deadline: .milliseconds(60), id: id)
            } catch .deadlineExceeded {
                continue
            }
        }
        throw ConditionTimedOut()
    }

    @Test(arguments: [1, 2, 3] as [UInt64]) func everyCallIsAnsweredAndWorkedOnOnceInSpiteOfFaults(
        seed: UInt64
    ) async throws {
        let plan = FaultPlan(
            seed: seed, requestLoss: 0.2, replyLoss: 0.2, duplication: 0.3, lateness: 0.3, reordering: 0.3)
        let bus = try await makeBus(encodes: true, faults: plan)
        let worked = Locked<[Int: Int]>([:])
        let handler = RPCHandler { (message: Add, _) in
            worked.with { $0[message.left, default: 0] += 1 }
            return message.left + message.right
        }
        _ = try await bus.serve(topic: "conductor", limit: 8, [handler])
        try await withThrowingTaskGroup(of: Void.self) { group in
            for number in 0..<200 {
                group.addTask {
                    let answer = try await insist(Add(left: number, right: 1), bus, number)
                    #expect(answer == number + 1)
                }
            }
            try await group.waitForAll()
        }
        #expect(worked.with { $0.count } == 200)
        #expect(worked.with { $0.values.max() } == 1)
        await bus.shutdown()
    }

    @Test func theSameSeedLosesTheSameMessages() async throws {
        func survivors(seed: UInt64) async throws -> [String] {
            let bus = try await makeBus(faults: FaultPlan(seed: seed, requestLoss: 0.5))
            let notes = Notebook()
            let subscription = try await bus.serve(
                topic: "t", limit: 1,
                [
                    RPCHandler { (message: Note, _) in
                        notes.write(message.text)
                        return NoReply()
                    }
                ])
            for number in 0..<100 { try await bus.cast(Note(text: "\(number)"), to: Address(topic: "t")) }
            #expect(await subscription.stop())
            await bus.shutdown()
            return notes.all
        }
        let first = try await survivors(seed: 5)
        #expect(first.count > 25 && first.count < 75)
        #expect(try await survivors(seed: 5) == first)
        #expect(try await survivors(seed: 6) != first)
    }
}
