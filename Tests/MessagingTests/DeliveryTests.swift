import DriverAPI
import Messaging
import Testing

@Suite(.timeLimit(.minutes(2))) struct DeliveryTests {
    private func noting(_ notes: Notebook, _ who: String) -> RPCHandler {
        RPCHandler { (message: Note, _) in
            notes.write("\(who) \(message.text)")
            return NoReply()
        }
    }

    @Test(arguments: Carrier.all) func servicesOfATopicShareItsMessages(_ carrier: Carrier) async throws {
        let world = try await World(carrier)
        let bus = world.bus
        let notes = Notebook()
        for host in ["h1", "h2", "h3"] { _ = try await world.serve(host: host, [noting(notes, host)]) }
        for number in 0..<30 { _ = try await bus.call(Note(text: "\(number)"), to: world.address()) }
        #expect(notes.all.count == 30)
        for host in ["h1", "h2", "h3"] { #expect(notes.all.filter { $0.hasPrefix(host) }.count == 10) }
        await bus.shutdown()
    }

    @Test(arguments: Carrier.all) func aHostsMessagesAreItsOwn(_ carrier: Carrier) async throws {
        let world = try await World(carrier)
        let bus = world.bus
        let notes = Notebook()
        for host in ["h1", "h2"] { _ = try await world.serve(host: host, [noting(notes, host)]) }
        for _ in 0..<5 { _ = try await bus.call(Note(text: "x"), to: world.address("h2")) }
        #expect(notes.all == Array(repeating: "h2 x", count: 5))
        await bus.shutdown()
    }

    @Test(arguments: Carrier.all) func aFanOutReachesEveryServiceOnce(_ carrier: Carrier) async throws {
        let world = try await World(carrier)
        let bus = world.bus
        let notes = Notebook()
        for host in ["h1", "h2", "h3"] { _ = try await world.serve(host: host, [noting(notes, host)]) }
        _ = try await world.serve("other", [noting(notes, "other")])
        try await bus.fanOut(Note(text: "all"), topic: world.topic())
        try await eventually { notes.all.count == 3 }
        #expect(notes.all.sorted() == ["h1 all", "h2 all", "h3 all"])
        await bus.shutdown()
    }

    @Test(arguments: Carrier.all) func messagesOfOneQueueAreBegunInOrder(_ carrier: Carrier) async throws {
        let world = try await World(carrier)
        let bus = world.bus
        let notes = Notebook()
        let subscription = try await world.serve(limit: 1, [noting(notes, "h")])
        for number in 0..<2000 { try await bus.cast(Note(text: "\(number)"), to: world.address()) }
        if carrier.keepsMessages { try await eventually { notes.all.count == 2000 } }
        #expect(await subscription.stop())
        #expect(notes.all == (0..<2000).map { "h \($0)" })
        await bus.shutdown()
    }

    @Test(arguments: Carrier.all) func noMoreThanTheLimitIsWorkedOnAtATime(_ carrier: Carrier) async throws {
        let world = try await World(carrier)
        let bus = world.bus
        let running = Locked((now: 0, most: 0))
        let done = Notebook()
        let handler = RPCHandler { (_: Note, _) in
            running.with { $0 = ($0.now + 1, max($0.most, $0.now + 1)) }
            for _ in 0..<20 { await Task.yield() }
            running.with { $0.now -= 1 }
            done.write(".")
            return NoReply()
        }
        let subscription = try await world.serve(host: "h", limit: 3, [handler])
        try await withThrowingTaskGroup(of: Void.self) { group in
            for number in 0..<300 {
                let address = world.address(number.isMultiple(of: 2) ? "h" : nil)
                group.addTask { try await bus.cast(Note(text: ""), to: address) }
            }
            try await group.waitForAll()
        }
        if carrier.keepsMessages { try await eventually { done.all.count == 300 } }
        #expect(await subscription.stop())
        #expect(running.with { $0.most } == 3)
        await bus.shutdown()
    }

    @Test func sendersWaitForRoomAndAreTurnedAwayWhenTooManyWait() async throws {
        let bus = try await makeBus(.init(queue: 2, senders: 1, sendTimeout: .seconds(20)))
        let gate = Gate()
        let notes = Notebook()
        let handler = RPCHandler { (message: Note, _) in
            notes.write(message.text)
            await gate.pass()
            return NoReply()
        }
        let address = Address(topic: "t")
        let subscription = try await bus.serve(topic: "t", limit: 1, [handler])
        for number in 0..<3 { try await bus.cast(Note(text: "\(number)"), to: address) }
        let isSent = Locked(false)
        let waiting = Task {
            try await bus.cast(Note(text: "3"), to: address)
            isSent.with { $0 = true }
        }
        // The one place in line is taken as soon as a further sender is turned away.
        try await eventually { gate.arrivals == 1 }
        var refusal: MessagingError?
        while refusal == nil {
            do throws(MessagingError) {
                _ = try await bus.call(Note(text: "probe"), to: address, deadline: .milliseconds(1))
            } catch {
                if case .overloaded = error, !isSent.with(\.self) { refusal = error }
                await Task.yield()
            }
        }
        #expect(refusal == .overloaded(address))
        gate.open()
        try await waiting.value
        #expect(await subscription.stop())
        #expect(notes.all.filter { $0 != "probe" } == ["0", "1", "2", "3"])
        await bus.shutdown()
    }

    @Test func aSenderGivesUpWaitingForRoom() async throws {
        let bus = try await makeBus(.init(queue: 1, senders: 10, sendTimeout: .milliseconds(30)))
        let gate = Gate()
        let address = Address(topic: "t")
        let handler = RPCHandler { (_: Note, _) in
            await gate.pass()
            return NoReply()
        }
        _ = try await bus.serve(topic: "t", limit: 1, [handler])
        for _ in 0..<2 { try await bus.cast(Note(text: ""), to: address) }
        await #expect(throws: MessagingError.overloaded(address)) { try await bus.cast(Note(text: ""), to: address) }
        let cancelled = Task { try await bus.call(Note(text: ""), to: address, deadline: .seconds(20)) }
        cancelled.cancel()
        await #expect(throws: MessagingError.cancelled) { try await cancelled.value }
        gate.open()
        await bus.shutdown()
    }

    @Test(arguments: Carrier.all) func drainingFinishesWhatWasAccepted(_ carrier: Carrier) async throws {
        let world = try await World(carrier)
        let bus = world.bus
        let notes = Notebook()
        let gate = Gate()
        let handler = RPCHandler { (message: Note, _) in
            await gate.pass()
            notes.write(message.text)
            return NoReply()
        }
        let subscription = try await world.serve(host: "h", limit: 2, [handler])
        for number in 0..<10 { try await bus.cast(Note(text: "\(number)"), to: world.address()) }
        for number in 10..<20 { try await bus.cast(Note(text: "\(number)"), to: world.address("h")) }
        try await bus.fanOut(Note(text: "20"), topic: world.topic())
        async let stopped = subscription.stop()
        try await eventually { gate.arrivals == 2 }
        gate.open()
        #expect(await stopped)
        guard carrier.keepsMessages else {
            #expect(notes.all.count == 21)
            await #expect(throws: MessagingError.noReceiver(world.address())) {
                try await bus.cast(Note(text: ""), to: world.address())
            }
            return await bus.shutdown()
        }
        // What was not begun waits for the next service, and nothing is done twice. A fan-out is for those who are
        // there.
        _ = try await world.serve(host: "h", limit: 2, [handler])
        let numbers = Set((0..<20).map { "\($0)" })
        try await eventually { numbers.isSubset(of: Set(notes.all)) }
        #expect(notes.all.count == Set(notes.all).count)
        await bus.shutdown()
    }

    @Test(arguments: Carrier.all) func workThatOutlivesTheGracePeriodIsDeliveredToAnother(
        _ carrier: Carrier
    ) async throws {
        let world = try await World(carrier)
        let bus = world.bus
        let notes = Notebook()
        let first = try await world.serve(
            [
                RPCHandler { (_: Note, _) in
                    notes.write("begun")
                    try await Task.sleep(for: .seconds(3600))
                    return NoReply()
                }
            ])
        let call = Task { try await bus.call(Note(text: "x"), to: world.address()) }
        try await eventually { notes.all == ["begun"] }
        _ = try await world.serve(
            [
                RPCHandler { (_: Note, context) in
                    notes.write(context.isRedelivered ? "redelivered" : "new")
                    return NoReply()
                }
            ])
        #expect(await first.stop(grace: .milliseconds(20)) == false)
        _ = try await call.value
        #expect(notes.all == ["begun", "redelivered"])
        await bus.shutdown()
    }

    @Test(arguments: [Carrier.values, .encoded])
    func callersAreToldWhenTheLastReceiverGoesAway(_ carrier: Carrier) async throws {
        let world = try await World(carrier)
        let bus = world.bus
        let gate = Gate()
        let subscription = try await world.serve(limit: 1,
            [
                RPCHandler { (_: Note, _) in
                    gate.open()
                    try await Task.sleep(for: .seconds(3600))
                    return NoReply()
                }
            ])
        let calls = (0..<3).map { _ in Task { try await bus.call(Note(text: "x"), to: world.address()) } }
        await gate.pass()
        #expect(await subscription.stop(grace: .milliseconds(20)) == false)
        for call in calls { await #expect(throws: MessagingError.self) { try await call.value } }
        await bus.shutdown()
    }
}
