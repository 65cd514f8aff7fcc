import ComputeAgent
import ComputeModel
import DriverAPI
import Logging
import Messaging
import ServiceInterfaces

/// An agent between a scripted driver and a conductor that notes everything.
final class AgentBench: Sendable {
    struct Notes: Sendable {
        var reports: [ReportOperation] = []
        var services: [ReportService] = []
        var nodes: [ReportNode] = []
        var guests: [ReportGuests] = []
        var prepared: [PortID] = []
        var asked = 0
        var expected: [ExpectedGuest] = []
        /// So many reports are refused before one is acknowledged.
        var refusals = 0
        var preparationFault: RemoteFault?
        var nodeFault: RemoteFault?
    }
    let scratch: ScratchDirectory
    let bus: MessageBus
    let driver: ScriptedDriver
    let notes = Locked(Notes())
    private let network = Locked<Subscription?>(nil)

    init(driver: ScriptedDriver = ScriptedDriver(), in scratch: ScratchDirectory? = nil, expected: [ExpectedGuest] = [])
        async throws
    {
        self.driver = driver
        self.scratch = try scratch ?? ScratchDirectory()
        var logger = Logger(label: "test")
        logger.logLevel = .critical
        bus = try await MessageBus(over: InProcessTransport(encodes: true, logger: logger), logger: logger)
        notes.with { $0.expected = expected }
        try await serveConductor()
        try await serveNetwork()
    }

    private func serveConductor() async throws {
        let notes = notes
        _ = try await bus.serve(
            topic: Topic.conductor,
            [
                RPCHandler { (message: ReportOperation, _) in
                    let refused = notes.with { notes in
                        guard notes.refusals == 0 else {
                            notes.refusals -= 1
                            return true
                        }
                        notes.reports.append(message)
                        return false
                    }
                    if refused { throw RemoteFault(kind: "Unavailable", message: "not now") }
                    return Acknowledged()
                },
                RPCHandler { (message: ReportService, _) in
                    notes.with { $0.services.append(message) }
                    return Acknowledged()
                },
                RPCHandler { (message: ReportNode, _) in
                    if let fault = notes.with({ $0.nodeFault }) { throw fault }
                    notes.with { $0.nodes.append(message) }
                    return ReportNode.Reply(node: NodeID.random())
                },
                RPCHandler { (message: ReportGuests, _) in
                    notes.with { $0.guests.append(message) }
                    return Acknowledged()
                },
                RPCHandler { (_: AskExpectedGuests, _) in
                    notes.with { notes in
                        notes.asked += 1
                        return AskExpectedGuests.Reply(guests: notes.expected)
                    }
                },
            ])
    }

    func serveNetwork() async throws {
        let notes = notes
        let subscription = try await bus.serve(
            topic: Topic.network, host: "h1",
            [
                RPCHandler { (message: PreparePort, _) in
                    let fault = notes.with { notes in
                        notes.prepared.append(message.port)
                        return notes.preparationFault
                    }
                    if let fault { throw fault }
                    return Acknowledged()
                }
            ])
        network.with { $0 = subscription }
    }

    func stopNetwork() async {
        let subscription = network.with { $0 }
        await subscription?.stop()
    }

    /// Runs an agent around `body`.
    func withAgent<Value: Sendable>(
        buildsMax: Int = 10, syncInterval: Duration = .seconds(600),
        adjust: (inout ComputeAgentOptions) -> Void = { _ in }, _ body: (ComputeAgent) async throws -> Value
    ) async throws -> Value {
        var options = ComputeAgentOptions(
            host: "h1", driverName: "scripted", hostIP: "127.0.0.1", stateDirectory: scratch.path)
        options.buildsMax = buildsMax
        options.syncInterval = syncInterval
        options.firstRetryPause = .milliseconds(2)
        adjust(&options)
        var logger = Logger(label: "agent")
        logger.logLevel = .critical
        let agent = try ComputeAgent(options, driver: driver, bus: bus, logger: logger)
        let isReady = Locked(false)
        let task = Task { try await agent.run { isReady.with { $0 = true } } }
        do {
            try await until { isReady.with { $0 } }
            let value = try await body(agent)
            task.cancel()
            _ = try? await task.value
            return value
        } catch {
            task.cancel()
            _ = try? await task.value
            throw error
        }
    }

    /// Waits until the newest sign of life names a trouble with these words, or none.
    func trouble(_ words: String?) async throws {
        do {
            try await until { [notes] in
                notes.with { notes in
                    guard let last = notes.services.last else { return false }
                    return words.map { last.trouble?.contains($0) == true } ?? (last.trouble == nil)
                }
            }
        } catch {
            let last = notes.with { $0.services.last.map { $0.trouble ?? "none" } }
            throw ToolFailure(
                description: "the node's trouble is not '\(words ?? "none")' but '\(last ?? "not reported")'")
        }
    }

    func perform(_ operation: Int64, _ command: ComputeCommand, on guest: InstanceID) async throws {
        _ = try await bus.call(
            PerformOperation(instance: guest, operation: operation, requestID: "req-1", command: command),
            to: Address(topic: Topic.compute, host: "h1"), deadline: .seconds(10))
    }

    /// The reports on one operation, once there are so many.
    func reports(_ operation: Int64, on guest: InstanceID, atLeast count: Int = 1) async throws -> [OperationOutcome] {
        let found = { [notes] in
            notes.with { $0.reports.filter { $0.instance == guest && $0.operation == operation }.map(\.outcome) }
        }
        try await until { found().count >= count }
        return found()
    }
}

extension NetworkInterfaceSpec {
    static func bridged(_ port: PortID) -> NetworkInterfaceSpec {
        NetworkInterfaceSpec(
            portID: port, networkID: .random(), networkName: "n", macAddress: "fa:16:3e:00:00:01", mtu: 1500,
            binding: .bridge(bridge: "br1", tap: "tap1"), addresses: [])
    }
}

extension Logger {
    /// Says nothing.
    static var quiet: Logger {
        var logger = Logger(label: "quiet")
        logger.logLevel = .critical
        return logger
    }
}
