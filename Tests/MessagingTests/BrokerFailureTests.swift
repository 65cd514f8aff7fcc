import DriverAPI
import Logging
import Messaging
import MessagingAMQP
import ServiceOptions
import TestBroker
import Testing

/// What happens when the broker, or the way to it, is not as it should be. Each test owns its broker.
@Suite(
    .enabled(if: TestBroker.isInstalled, "needs rabbitmq-server"), .serialized, .timeLimit(.minutes(5))
) struct BrokerFailureTests {
    private func bus(_ settings: BrokerSettings, _ logger: Logger = quiet) async throws -> MessageBus {
        try await MessageBus(
            over: AMQPTransport.connect(settings, logger: logger), defaultDeadline: .seconds(60), logger: logger)
    }

    /// Calls until told to stop; what it saw.
    private actor Load {
        private(set) var answered = 0
        private(set) var failures: [String] = []
        private(set) var lastFailure: ContinuousClock.Instant?
        private(set) var lastAnswer = ContinuousClock.now
        func note(_ error: any Error) {
            failures.append("\(error)")
            lastFailure = .now
        }
        func noteAnswer() {
            answered += 1
            lastAnswer = .now
        }
    }

    @Test func aBrokerThatIsKilledUnderLoadComesBackAndNothingIsDoneTwice() async throws {
        let broker = try await TestBroker.make()
        let sender = try await bus(settings(broker))
        let receiver = try await bus(settings(broker))
        let worked = Locked<[Int: Int]>([:])
        let handler = RPCHandler { (message: Add, _) in
            worked.with { $0[message.left, default: 0] += 1 }
            return message.left + message.right
        }
        _ = try await receiver.serve(topic: "conductor", limit: 16, [handler])
        let load = Load()
        let next = Locked(0)
        let isOver = Locked(false)
        let callers = Task {
            await withTaskGroup(of: Void.self) { group in
                for _ in 0..<8 {
                    group.addTask {
                        while !isOver.with(\.self) {
                            let number = next.with { next in
                                next += 1
                                return next
                            }
                            do {
                                let sum = try await sender.call(Add(left: number, right: 1), to: conductor)
                                #expect(sum == number + 1)
                                await load.noteAnswer()
                            } catch {
                                await load.note(error)
                            }
                        }
                    }
                }
            }
        }
        try await eventually { next.with(\.self) > 200 }
        try await broker.kill()
        try await broker.start()
        let back = ContinuousClock.now
        let before = next.with(\.self)
        try await eventually { next.with(\.self) > before + 400 }
        print("400 calls were answered \(ContinuousClock.now - back) after the broker was back")
        #expect(ContinuousClock.now - back < .seconds(10))
        isOver.with { $0 = true }
        await callers.value
        #expect(await load.failures == [])
        #expect(worked.with { $0.values.max() } == 1)
        #expect(worked.with(\.count) == next.with(\.self))
        await sender.shutdown()
        await receiver.shutdown()
        try await broker.remove()
    }

    @Test func theNextBrokerOfTheListIsUsed() async throws {
        let first = try await TestBroker.make()
        let second = try await TestBroker.make()
        let url = "rabbit://guest:guest@127.0.0.1:\(first.port),127.0.0.1:\(second.port)/"
        let bus = try await bus(settings(first, url: url))
        _ = try await bus.serve(topic: "conductor", [adder])
        #expect(try await bus.call(Add(left: 1, right: 1), to: conductor) == 2)
        try await first.remove()
        // Until the receiver's queue is there too, the second broker knows no such address.
        let deadline = ContinuousClock.now + .seconds(30)
        var answer: Int?
        while answer == nil, ContinuousClock.now < deadline {
            answer = try? await bus.call(Add(left: 2, right: 2), to: conductor, deadline: .seconds(5))
        }
        #expect(answer == 4)
        await bus.shutdown()
        try await second.remove()
    }

    @Test func aBrokerThatStopsAnsweringIsNoticedWithinTheThreshold() async throws {
        let broker = try await TestBroker.make()
        var settings = try settings(broker)
        settings.heartbeatThreshold = .seconds(4)
        let transport = try await AMQPTransport.connect(settings, logger: quiet)
        #expect(transport.trouble == nil)
        await broker.pause()
        let paused = ContinuousClock.now
        try await eventually { transport.trouble != nil }
        // The clock of heartbeats began with the last thing that came.
        #expect(ContinuousClock.now - paused < .seconds(7))
        await broker.resume()
        try await eventually { transport.trouble == nil }
        await transport.close()
        try await broker.remove()
    }

    @Test func whatCannotWorkIsRefusedWithOneSentence() async throws {
        let broker = try await TestBroker.shared()
        func refusal(_ change: (inout BrokerSettings) -> Void, url: String? = nil) async throws -> String {
            var settings = try settings(broker, url: url)
            settings.startPatience = .zero
            change(&settings)
            do {
                try await AMQPTransport.connect(settings, logger: quiet).close()
                return "connected"
            } catch {
                return error.description
            }
        }
        let login = try await refusal({ _ in }, url: broker.url(password: "pa55word"))
        #expect(login.contains("refuses the user 'guest' of [DEFAULT] transport_url"))
        #expect(login.contains("rabbitmqctl"))
        #expect(!login.contains("pa55word"))
        let vhost = try await refusal({ _ in }, url: broker.url(vhost: "nowhere"))
        #expect(vhost.contains("refuses the virtual host 'nowhere' of [DEFAULT] transport_url"))
        let port = try TestBroker.freePorts(1)[0]
        let absent = try await refusal({ _ in }, url: broker.url(port: port))
        #expect(absent.contains("127.0.0.1:\(port)") && absent.contains("start one there, or correct the URL"))
        let secure = broker.url(host: "localhost", port: broker.tlsPort)
        let untrusted = try await refusal(
            { $0.tls = BrokerSettings.TLS(authorities: broker.otherAuthority) }, url: secure)
        #expect(untrusted.contains("ssl_ca_file = \(broker.otherAuthority)"))
        let missing = try await refusal({ $0.tls = BrokerSettings.TLS(authorities: "/nowhere.pem") }, url: secure)
        #expect(missing.contains("ssl_ca_file = /nowhere.pem cannot be read"))
        #expect(
            try await refusal({ $0.tls = BrokerSettings.TLS(authorities: broker.authority) }, url: secure)
                == "connected")
    }

    @Test func messagesCrossTLS() async throws {
        let broker = try await TestBroker.shared()
        var settings = try settings(broker, url: broker.url(host: "localhost", port: broker.tlsPort))
        settings.tls = BrokerSettings.TLS(authorities: broker.authority)
        let bus = try await bus(settings)
        _ = try await bus.serve(topic: "over-tls", [adder])
        for number in 0..<50 {
            #expect(try await bus.call(Add(left: number, right: 1), to: Address(topic: "over-tls")) == number + 1)
        }
        await bus.shutdown()
    }

    @Test func quorumQueuesCarryMessagesToo() async throws {
        let broker = try await TestBroker.shared()
        var settings = try settings(broker)
        settings.usesQuorumQueues = true
        let bus = try await bus(settings)
        _ = try await bus.serve(topic: "quorum", host: "h", [adder])
        for number in 0..<20 {
            #expect(try await bus.call(Add(left: number, right: 1), to: Address(topic: "quorum")) == number + 1)
        }
        // The same queue with other properties is refused with the remedy.
        settings.usesQuorumQueues = false
        let other = try await self.bus(settings)
        let error = await #expect(throws: MessagingError.self) { try await other.serve(topic: "quorum", [adder]) }
        #expect(error?.description.contains("rabbit_quorum_queue") == true)
        await other.shutdown()
        await bus.shutdown()
    }
}
