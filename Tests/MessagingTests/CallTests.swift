import Messaging
import Testing

@Suite(.timeLimit(.minutes(2))) struct CallTests {
    private func waiting(_ gate: Gate) -> RPCHandler {
        RPCHandler { (_: Add, _) in
            await gate.pass()
            return 0
        }
    }

    @Test(arguments: Carrier.all) func aCallBringsTheAnswer(_ carrier: Carrier) async throws {
        let world = try await World(carrier)
        let bus = world.bus
        _ = try await world.serve("conductor", host: "h1", [adder])
        #expect(try await bus.call(Add(left: 2, right: 3), to: world.conductor) == 5)
        let one = Address(topic: world.topic("conductor"), host: "h1")
        #expect(try await bus.call(Add(left: 2, right: 3), to: one) == 5)
        await bus.shutdown()
    }

    @Test(arguments: Carrier.all) func anErrorOfTheReceiverCrossesAsAFault(_ carrier: Carrier) async throws {
        let world = try await World(carrier)
        let bus = world.bus
        _ = try await world.serve("conductor", [RPCHandler { (_: Add, _) in throw NoHost() }])
        let fault = RemoteFault(kind: "NoValidHost", message: "No valid host was found.", details: ["tried": "3"])
        await #expect(throws: MessagingError.remote(fault)) {
            try await bus.call(Add(left: 1, right: 1), to: world.conductor)
        }
        await bus.shutdown()
    }

    @Test(arguments: Carrier.all) func theReceiverLearnsWhoAsksAndUntilWhen(_ carrier: Carrier) async throws {
        let world = try await World(carrier)
        let bus = world.bus
        let notes = Notebook()
        _ = try await world.serve("conductor",
            [
                RPCHandler { (message: Note, context) in
                    let left = context.deadline.map { $0 - .now } ?? .zero
                    #expect(left > .seconds(1) && left <= .seconds(5))
                    #expect(!context.isRedelivered)
                    notes.write("\(context.origin.requestID ?? "-") \(context.origin.projectID ?? "-") \(message.text)")
                    return NoReply()
                }
            ])
        _ = try await bus.call(
            Note(text: "x"), to: world.conductor, deadline: .seconds(5),
            origin: MessageOrigin(requestID: "req-1", projectID: "p1"))
        #expect(notes.all == ["req-1 p1 x"])
        await bus.shutdown()
    }

    @Test(arguments: Carrier.all) func nobodyThereIsSaidAtOnce(_ carrier: Carrier) async throws {
        let world = try await World(carrier)
        let bus = world.bus
        let message = Add(left: 1, right: 1)
        await #expect(throws: MessagingError.noReceiver(world.conductor)) {
            try await bus.call(message, to: world.conductor)
        }
        let subscription = try await world.serve("conductor", host: "h1", [adder])
        let other = Address(topic: world.topic("conductor"), host: "h2")
        await #expect(throws: MessagingError.noReceiver(other)) { try await bus.call(message, to: other) }
        await subscription.stop()
        if carrier.keepsMessages {
            // It waits for a receiver that comes back.
            try await bus.cast(message, to: world.conductor)
        } else {
            await #expect(throws: MessagingError.noReceiver(world.conductor)) {
                try await bus.cast(message, to: world.conductor)
            }
        }
        try await bus.fanOut(message, topic: world.topic("conductor"))
        await bus.shutdown()
    }

    @Test(arguments: Carrier.all.filter { $0 != .values }) func versionsAreChecked(_ carrier: Carrier) async throws {
        let world = try await World(carrier)
        let bus = world.bus
        _ = try await world.serve("conductor", [adder])
        #expect(try await bus.call(OlderAdd(), to: world.conductor) == 2)
        let refusal = MessagingError.unsupportedVersion(
            message: "add", sent: MessageVersion(1, 3),
            served: ServedVersions(newest: MessageVersion(1, 2), oldest: MessageVersion(1, 0)))
        await #expect(throws: refusal) { try await bus.call(NewerAdd(), to: world.conductor) }
        #expect(refusal.description ==
            "add 1.3 is not understood: the receiver takes versions 1.0 to 1.2; upgrade the older of the two services")
        let unknown = MessagingError.unsupportedVersion(message: "note", sent: MessageVersion(1, 0), served: nil)
        await #expect(throws: unknown) { try await bus.call(Note(text: ""), to: world.conductor) }
        await bus.shutdown()
    }

    @Test(arguments: Carrier.all)
    func aCallEndsAtItsDeadlineAndTheLateAnswerCanStillBeHad(_ carrier: Carrier) async throws {
        let world = try await World(carrier)
        let bus = world.bus
        let gate = Gate()
        let notes = Notebook()
        _ = try await world.serve("conductor",
            [
                RPCHandler { (message: Add, _) in
                    notes.write("worked")
                    await gate.pass()
                    return message.left + message.right
                }
            ])
        let id = MessageID(high: 1, low: 2)
        // Long enough for the work to begin on a busy machine: a message that expired before is not worked on.
        let call = Task {
            try await bus.call(Add(left: 2, right: 2), to: world.conductor, deadline: .seconds(2), id: id)
        }
        try await eventually { gate.arrivals == 1 }
        await #expect(throws: MessagingError.deadlineExceeded(world.conductor)) { try await call.value }
        // The work still goes on; asking for its answer waits for it.
        async let fetched = bus.fetchReply(to: id, of: Add.self, from: world.conductor)
        async let again = bus.call(Add(left: 2, right: 2), to: world.conductor, id: id)
        gate.open()
        #expect(try await fetched == 4)
        #expect(try await again == 4)
        #expect(try await bus.call(Add(left: 2, right: 2), to: world.conductor, id: id) == 4)
        #expect(try await bus.fetchReply(to: id, of: Add.self, from: world.conductor) == 4)
        #expect(notes.all == ["worked"])
        await bus.shutdown()
    }

    @Test(arguments: Carrier.all) func anAnswerThatNobodyHasIsSaidToBeUnknown(_ carrier: Carrier) async throws {
        let world = try await World(carrier)
        let bus = world.bus
        _ = try await world.serve("conductor", [adder])
        let error = await #expect(throws: MessagingError.self) {
            try await bus.fetchReply(to: MessageID(high: 9, low: 9), of: Add.self, from: world.conductor)
        }
        guard case .remote(let fault) = error else { return #expect(Bool(false)) }
        #expect(fault.kind == RemoteFault.replyUnknown)
        await bus.shutdown()
    }

    @Test(arguments: Carrier.all) func earlierDeadlinesThanTheOneBeingWatchedAreKept(_ carrier: Carrier) async throws {
        let world = try await World(carrier)
        let bus = world.bus
        let gate = Gate()
        _ = try await world.serve("conductor", [waiting(gate)])
        let begun = ContinuousClock.now
        await withTaskGroup(of: MessagingError?.self) { group in
            for milliseconds in [60_000, 40, 20, 30] {
                group.addTask {
                    do throws(MessagingError) {
                        _ = try await bus.call(
                            Add(left: 1, right: 1), to: world.conductor, deadline: .milliseconds(milliseconds))
                        return nil
                    } catch {
                        return error
                    }
                }
            }
            for _ in 0..<3 { #expect(await group.next() == .deadlineExceeded(world.conductor)) }
            gate.open()
            #expect(await group.next() == .some(nil))
        }
        #expect(ContinuousClock.now - begun < .seconds(20))
        await bus.shutdown()
    }

    @Test(arguments: Carrier.all) func aCancelledSenderStopsWaiting(_ carrier: Carrier) async throws {
        let world = try await World(carrier)
        let bus = world.bus
        let gate = Gate()
        _ = try await world.serve("conductor", [waiting(gate)])
        let call = Task { try await bus.call(Add(left: 1, right: 1), to: world.conductor) }
        try await eventually { gate.arrivals == 1 }
        call.cancel()
        await #expect(throws: MessagingError.cancelled) { try await call.value }
        gate.open()
        await bus.shutdown()
    }

    @Test(arguments: Carrier.all) func shuttingDownFailsWhatWaits(_ carrier: Carrier) async throws {
        let world = try await World(carrier)
        let bus = world.bus
        let gate = Gate()
        _ = try await world.serve("conductor", [waiting(gate)])
        let call = Task { try await bus.call(Add(left: 1, right: 1), to: world.conductor) }
        try await eventually { gate.arrivals == 1 }
        async let shutdown: Void = bus.shutdown()
        await #expect(throws: MessagingError.closed) { try await call.value }
        gate.open()
        await shutdown
        await #expect(throws: MessagingError.closed) { try await bus.call(Add(left: 1, right: 1), to: world.conductor) }
        await #expect(throws: MessagingError.closed) { try await bus.cast(Add(left: 1, right: 1), to: world.conductor) }
    }

    @Test(arguments: Carrier.all) func expiredMessagesAreNotWorkedOn(_ carrier: Carrier) async throws {
        let world = try await World(carrier)
        let bus = world.bus
        let gate = Gate()
        let notes = Notebook()
        _ = try await world.serve("conductor", limit: 1,
            [
                RPCHandler { (message: Add, _) in
                    notes.write("\(message.left)")
                    await gate.pass()
                    return 0
                }
            ])
        async let first = bus.call(Add(left: 1, right: 0), to: world.conductor)
        try await eventually { gate.arrivals == 1 }
        await #expect(throws: MessagingError.deadlineExceeded(world.conductor)) {
            try await bus.call(Add(left: 2, right: 0), to: world.conductor, deadline: .milliseconds(20))
        }
        gate.open()
        _ = try await first
        _ = try await bus.call(Add(left: 3, right: 0), to: world.conductor)
        #expect(notes.all == ["1", "3"])
        await bus.shutdown()
    }
}
