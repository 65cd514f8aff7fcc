import DriverAPI
import Logging
import Messaging
import MessagingAMQP
import ServiceOptions
import TestBroker
import Testing

struct Add: RPCMessage, Hashable {
    static let name = "add"
    static let version = MessageVersion(1, 2)
    static let oldestVersion = MessageVersion(1, 0)
    typealias Reply = Int
    var left: Int
    var right: Int
}

/// The same message as a newer sender has it.
struct NewerAdd: RPCMessage {
    static let name = "add"
    static let version = MessageVersion(1, 3)
    typealias Reply = Int
    var left = 1
    var right = 1
}

/// The same message as an older sender has it.
struct OlderAdd: RPCMessage {
    static let name = "add"
    static let version = MessageVersion(1, 0)
    typealias Reply = Int
    var left = 1
    var right = 1
}

struct Note: RPCMessage {
    static let name = "note"
    static let version = MessageVersion(1, 0)
    typealias Reply = NoReply
    var text: String
}

struct NoHost: FaultConvertible {
    var remoteFault: RemoteFault {
        RemoteFault(kind: "NoValidHost", message: "No valid host was found.", details: ["tried": "3"])
    }
}

/// What receivers noted, in order.
final class Notebook: Sendable {
    private let entries = Locked<[String]>([])
    func write(_ entry: String) { entries.with { $0.append(entry) } }
    var all: [String] { entries.with(\.self) }
}

/// Holds work back until a test lets it go.
final class Gate: Sendable {
    private struct State {
        var isOpen = false
        var waiting: [CheckedContinuation<Void, Never>] = []
        var arrivals = 0
    }
    private let state = Locked(State())

    var arrivals: Int { state.with(\.arrivals) }

    func pass() async {
        await withCheckedContinuation { continuation in
            let isOpen = state.with { state in
                state.arrivals += 1
                if !state.isOpen { state.waiting.append(continuation) }
                return state.isOpen
            }
            if isOpen { continuation.resume() }
        }
    }

    func open() {
        let waiting = state.with { state in
            state.isOpen = true
            defer { state.waiting = [] }
            return state.waiting
        }
        for continuation in waiting { continuation.resume() }
    }
}

struct ConditionTimedOut: Error {}

/// Waits until the condition holds; fails after ten seconds.
func eventually(_ condition: () -> Bool) async throws {
    let deadline = ContinuousClock.now + .seconds(10)
    while !condition() {
        guard ContinuousClock.now < deadline else { throw ConditionTimedOut() }
        try await Task.sleep(for: .milliseconds(1))
    }
}

let quiet = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }

/// What carries messages in a test.
enum Carrier: Sendable, CustomTestStringConvertible {
    case values
    case encoded
    case broker

    var testDescription: String { "\(self)" }

    /// All that this machine has.
    static let all: [Carrier] = TestBroker.isInstalled ? [.values, .encoded, .broker] : [.values, .encoded]

    /// Whether queues outlive their subscribers.
    var keepsMessages: Bool { self == .broker }
}

/// A bus over one carrier, with topics of its own: tests share one broker.
struct World: Sendable {
    let bus: MessageBus
    private let mark: String

    init(_ carrier: Carrier, faults: FaultPlan? = nil, logger: Logger = quiet) async throws {
        var generator = SystemRandomNumberGenerator()
        mark = String(generator.next() as UInt64, radix: 36)
        let transport: any RPCTransport =
            switch carrier {
            case .values: InProcessTransport(faults: faults, logger: logger)
            case .encoded: InProcessTransport(encodes: true, faults: faults, logger: logger)
            case .broker: try await AMQPTransport.connect(try settings(try await TestBroker.shared()), logger: logger)
            }
        bus = try await MessageBus(over: transport, defaultDeadline: .seconds(30), logger: logger)
    }

    /// Another process of the same world.
    init(beside other: World, over transport: any RPCTransport, logger: Logger = quiet) async throws {
        mark = other.mark
        bus = try await MessageBus(over: transport, defaultDeadline: .seconds(30), logger: logger)
    }

    /// A topic under a name that no other test has.
    func topic(_ name: String = "t") -> String { "\(name)-\(mark)" }
    var conductor: Address { Address(topic: topic("conductor")) }
    func address(_ host: String? = nil) -> Address { Address(topic: topic(), host: host) }

    func serve(
        _ name: String, host: String? = nil, limit: Int = 64, _ handlers: [RPCHandler]
    ) async throws -> Subscription {
        try await bus.serve(topic: topic(name), host: host, limit: limit, handlers)
    }
}

extension World {
    func serve(host: String? = nil, limit: Int = 64, _ handlers: [RPCHandler]) async throws -> Subscription {
        try await serve("t", host: host, limit: limit, handlers)
    }
}

/// How tests reach a broker.
func settings(_ broker: TestBroker, url: String? = nil) throws -> BrokerSettings {
    var settings = BrokerSettings(url: try TransportURL(Secret(url ?? broker.url())))
    settings.startPatience = .seconds(20)
    return settings
}

func makeBus(
    _ limits: InProcessTransport.Limits = .init(), encodes: Bool = false, faults: FaultPlan? = nil
) async throws -> MessageBus {
    try await MessageBus(
        over: InProcessTransport(limits: limits, encodes: encodes, faults: faults, logger: quiet),
        defaultDeadline: .seconds(20), logger: quiet)
}

let adder = RPCHandler { (message: Add, _) in message.left + message.right }
let conductor = Address(topic: "conductor")
