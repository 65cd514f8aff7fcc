import DriverAPI
import Logging
import Messaging
import MessagingAMQP
import ServiceOptions
import TestBroker
import Testing

/// Messages that are not like others, over a broker.
@Suite(
    .enabled(if: TestBroker.isInstalled, "needs rabbitmq-server"), .timeLimit(.minutes(3))
) struct BrokerMessageTests {
    @Test func aReceiverThatDiesBeforeAcknowledgingIsReplaced() async throws {
        let broker = try await TestBroker.shared()
        let world = try await World(.broker)
        let dying = try await AMQPTransport.connect(settings(broker), logger: quiet)
        let first = try await World(beside: world, over: dying)
        let gate = Gate()
        let notes = Notebook()
        _ = try await first.serve([
            RPCHandler { (_: Note, _) in
                await gate.pass()
                return NoReply()
            }
        ])
        let call = Task { try await world.bus.call(Note(text: "x"), to: world.address()) }
        try await eventually { gate.arrivals == 1 }
        _ = try await world.serve([
            RPCHandler { (message: Note, context) in
                notes.write("\(message.text) \(context.isRedelivered ? "again" : "first")")
                return NoReply()
            }
        ])
        // The connection goes as it does when a process is killed: nothing was acknowledged.
        await dying.close()
        _ = try await call.value
        #expect(notes.all == ["x again"])
        gate.open()
        await world.bus.shutdown()
    }

    @Test func poisonIsPutAsideWhereOperatorsFindIt() async throws {
        let log = RecordedLog()
        let world = try await World(.broker, logger: log.logger)
        let receiver = try await World(.broker, logger: log.logger)
        _ = receiver
        let notes = Notebook()
        _ = try await world.serve([
            RPCHandler { (message: Note, _) in
                notes.write(message.text)
                return NoReply()
            }
        ])
        try await world.bus.cast(WrongNote(), to: world.address())
        try await world.bus.cast(Note(text: "good"), to: world.address())
        try await eventually { notes.all == ["good"] && log.contains("dead-lettered") }
        let line = log.lines.first { $0.contains("dead-lettered") } ?? ""
        #expect(line.contains("kilonova.dead-letters") && line.contains("note") && line.contains(world.topic()))
        let listed = try await TestBroker.shared().control(["list_queues", "name", "messages"])
        #expect(listed.contains("kilonova.dead-letters"))
        #expect(!listed.contains("kilonova.dead-letters\t0"))
        await world.bus.shutdown()
        await receiver.bus.shutdown()
    }

    @Test func aBodyLargerThanTheLimitIsRefusedWithTheOption() async throws {
        let broker = try await TestBroker.shared()
        var small = try settings(broker)
        small.bodyBytesMax = 2000
        let world = try await World(.broker)
        let limited = try await World(
            beside: world, over: try await AMQPTransport.connect(small, logger: quiet))
        let long = String(repeating: "x", count: 4000)
        let error = await #expect(throws: MessagingError.self) {
            try await limited.bus.cast(Note(text: long), to: world.address())
        }
        #expect(error?.description.contains("[kilonova] message_size_max = 2000") == true)
        // An answer that is too large becomes a fault that says so.
        _ = try await limited.serve([RPCHandler { (_: Echo, _) in long }])
        let fault = await #expect(throws: MessagingError.self) {
            try await world.bus.call(Echo(), to: world.address())
        }
        #expect(fault?.description.contains("message_size_max") == true)
        await limited.bus.shutdown()
        await world.bus.shutdown()
    }

    @Test func aServiceOfTheTwoReleasesBeforeIsUnderstoodAndNoneOlder() async throws {
        let log = RecordedLog()
        let world = try await World(.broker, logger: log.logger)
        _ = try await world.serve([RPCHandler { (message: Current, _) in message.old + (message.new ?? "-") }])
        #expect(try await world.bus.call(Current(old: "a", new: "b"), to: world.address()) == "ab")
        #expect(try await world.bus.call(OneBefore(), to: world.address()) == "a-")
        #expect(try await world.bus.call(TwoBefore(), to: world.address()) == "a-")
        let error = await #expect(throws: MessagingError.self) {
            try await world.bus.call(ThreeBefore(), to: world.address())
        }
        #expect(error?.description.contains("takes versions 1.3 to 1.5") == true)
        #expect(log.contains("message is refused: its version is not taken"))
        await world.bus.shutdown()
    }

    @Test func aNewerSenderSpeaksAsOlderReceiversUnderstand() async throws {
        let world = try await World(.broker)
        let notes = Notebook()
        _ = try await world.serve(
            host: "old",
            [
                RPCHandler { (message: TwoBefore, _) in
                    notes.write(message.old)
                    return message.old
                }
            ])
        #expect(try await world.bus.call(Current(old: "x", new: nil), to: world.address("old")) == "x")
        // A cast gets no answer, so its sender asks first.
        try await world.bus.cast(Current(old: "y", new: nil), to: world.address("old"))
        try await eventually { notes.all == ["x", "y"] }
        // What cannot be said in the older version is not sent.
        await #expect(throws: MessagingError.self) {
            try await world.bus.call(Current(old: "z", new: "new"), to: world.address("old"))
        }
        #expect(notes.all == ["x", "y"])
        await world.bus.shutdown()
    }

    @Test func aCastThatExpiredWhileNobodyServedIsNotDone() async throws {
        let world = try await World(.broker)
        let notes = Notebook()
        let handler = RPCHandler { (message: Note, _) in
            notes.write(message.text)
            return NoReply()
        }
        try await world.serve([handler]).stop()
        try await world.bus.cast(Note(text: "late"), to: world.address(), deadline: .milliseconds(50))
        try await world.bus.cast(Note(text: "kept"), to: world.address(), deadline: .seconds(60))
        try await Task.sleep(for: .milliseconds(100))
        _ = try await world.serve([handler])
        try await eventually { notes.all.contains("kept") }
        #expect(notes.all == ["kept"])
        await world.bus.shutdown()
    }

    @Test func urlsAreUnderstoodOrRefusedWithoutShowingPasswords() throws {
        let url = try TransportURL("rabbit://a%40b:s%2Fecret@one,u:p@[::1]:7,three:5673/my%2Fhost?ssl=1")
        #expect(url.brokers.map(\.host) == ["one", "::1", "three"])
        #expect(url.brokers.map(\.port) == [0, 7, 5673])
        #expect(url.brokers.map(\.user) == ["a@b", "u", "u"])
        #expect(url.brokers[0].password.revealed == "s/ecret")
        #expect(url.virtualHost == "my/host" && url.asksForTLS == true)
        #expect(try TransportURL("rabbit://h/").virtualHost == "/")
        for wrong in ["http://u:pa55@h/", "pa55", "rabbit://u:pa55@h:0/", "rabbit://u:pa55@/", "rabbit://u:pa55%zz@h"] {
            let error = #expect(throws: BrokerConfigurationError.self) { try TransportURL(.init(wrong)) }
            #expect(error?.description.contains("[DEFAULT] transport_url") == true)
            #expect(error?.description.contains("pa55") == false)
        }
    }
}

/// A note with a field of another kind, as a faulty sender has it.
struct WrongNote: RPCMessage {
    static let name = Note.name
    static let version = Note.version
    typealias Reply = NoReply
    var text = 7
}

struct Echo: RPCMessage {
    static let name = "echo"
    static let version = MessageVersion(1, 0)
    typealias Reply = String
}

/// A message with a history: `new` came with 1.5.
struct Current: RPCMessage {
    static let name = "historic"
    static let version = MessageVersion(1, 5)
    static let oldestVersion = MessageVersion(1, 3)
    typealias Reply = String
    var old: String
    var new: String?

    func spoken(in version: MessageVersion) -> Self? { version == Self.version || new == nil ? self : nil }
}

struct OneBefore: RPCMessage {
    static let name = "historic"
    static let version = MessageVersion(1, 4)
    typealias Reply = String
    var old = "a"
}

struct TwoBefore: RPCMessage {
    static let name = "historic"
    static let version = MessageVersion(1, 3)
    typealias Reply = String
    var old = "a"
}

struct ThreeBefore: RPCMessage {
    static let name = "historic"
    static let version = MessageVersion(1, 2)
    typealias Reply = String
    var old = "a"
}

/// Keeps what is logged.
final class RecordedLog: Sendable {
    private struct Handler: LogHandler {
        let log: RecordedLog
        var metadata: Logger.Metadata = [:]
        var logLevel = Logger.Level.debug
        subscript(metadataKey key: String) -> Logger.Metadata.Value? {
            get { metadata[key] }
            set { metadata[key] = newValue }
        }
        func log(event: LogEvent) {
            log.kept.with { $0.append("\(event.level) \(event.message) \(event.metadata ?? [:])") }
        }
    }
    private let kept = Locked<[String]>([])
    var logger: Logger { Logger(label: "test") { _ in Handler(log: self) } }
    var lines: [String] { kept.with(\.self) }
    func contains(_ text: String) -> Bool { lines.contains { $0.contains(text) } }
}
