import ComputeModel
import Messaging
import ServiceInterfaces

/// The agents of some hosts: guests in memory, and what a real agent promises (an operation is carried out once, a
/// repeated request is answered with the same report, an older one is not answered).
actor FakeHosts {
    /// How a host takes operations.
    enum Temper: Sendable, Equatable {
        case well
        case failing(OperationFailure.Remedy)
        /// Carries out nothing and says nothing.
        case silent
        /// Carries out what it is asked, but the first so many reports are lost.
        case losingReports(Int)
        /// Reports everything three times.
        case repeating
    }
    private struct Done {
        var operation: Int64
        var outcome: OperationOutcome
    }
    private let bus: MessageBus
    private var tempers: [String: Temper] = [:]
    private(set) var guests: [String: [InstanceID: PowerState]] = [:]
    private var journal: [String: [InstanceID: Done]] = [:]
    /// Verbs in the order in which they were carried out, with their hosts.
    private(set) var carriedOut: [String] = []

    init(_ bus: MessageBus) { self.bus = bus }

    func serve(_ host: String) async throws {
        _ = try await bus.serve(
            topic: Topic.compute, host: host,
            [
                RPCHandler { (message: PerformOperation, _) in
                    await self.perform(message, host)
                    return Acknowledged()
                }
            ])
    }

    func set(_ host: String, _ temper: Temper) { tempers[host] = temper }
    func hold(_ guest: InstanceID, on host: String, _ power: PowerState = .running) {
        guests[host, default: [:]][guest] = power
    }
    func lose(_ guest: InstanceID, on host: String) { guests[host]?[guest] = nil }
    func count(of guest: InstanceID) -> Int { guests.values.count { $0[guest] != nil } }
    func finished(_ guest: InstanceID, on host: String) -> Int64 { journal[host]?[guest]?.operation ?? 0 }

    private func perform(_ message: PerformOperation, _ host: String) async {
        var temper = tempers[host] ?? .well
        if temper == .silent { return }
        let last = journal[host]?[message.instance]
        if let last, last.operation > message.operation { return }
        let outcome: OperationOutcome
        if let last, last.operation == message.operation {
            outcome = last.outcome
        } else {
            outcome = execute(message, host, temper)
            journal[host, default: [:]][message.instance] = Done(operation: message.operation, outcome: outcome)
        }
        var times = temper == .repeating ? 3 : 1
        if case .losingReports(let left) = temper, left > 0 {
            temper = .losingReports(left - 1)
            tempers[host] = temper
            times = 0
        }
        for _ in 0..<times {
            let report = ReportOperation(
                host: host, instance: message.instance, operation: message.operation, outcome: outcome)
            try? await bus.cast(report, to: Address(topic: Topic.conductor))
        }
    }

    private func execute(_ message: PerformOperation, _ host: String, _ temper: Temper) -> OperationOutcome {
        let id = message.instance
        if case .failing(let remedy) = temper, message.command.verb != "destroy" {
            return .failed(OperationFailure(remedy: remedy, userMessage: "\(host) cannot", details: "because"))
        }
        carriedOut.append("\(message.command.verb) \(host)")
        switch message.command {
        case .spawn:
            guests[host, default: [:]][id] = .running
            return .succeeded(power: .running, handle: StoredHandle(version: 1, data: [7]))
        case .destroy:
            guests[host]?[id] = nil
            return .succeeded(power: .noState, handle: nil)
        case .powerOn, .reboot:
            guests[host]?[id] = .running
            return .succeeded(power: .running, handle: nil)
        case .powerOff:
            guests[host]?[id] = .shutdown
            return .succeeded(power: .shutdown, handle: nil)
        }
    }
}

/// Scheduler and placement in one: gives the first host that was not excluded, and remembers who holds what.
actor FakeScheduler {
    private var hosts: [String]
    private let nodes: [String: NodeID]
    private(set) var claims: [ConsumerID: String] = [:]
    private(set) var synced: [SyncProvider] = []
    private var faults: [RemoteFault] = []
    private var isHeld = false
    private var held: [CheckedContinuation<Void, Never>] = []

    init(_ hosts: [String]) {
        self.hosts = hosts
        nodes = Dictionary(uniqueKeysWithValues: hosts.map { ($0, NodeID.random()) })
    }

    func fail(_ fault: RemoteFault) { faults.append(fault) }
    /// From now on there are only these hosts.
    func know(_ names: [String]) { hosts = names }
    func hold() { isHeld = true }
    func letGo() {
        isHeld = false
        for waiter in held { waiter.resume() }
        held = []
    }
    var holds: Int { held.count }
    func claim(_ instance: InstanceID, on host: String) { claims[ConsumerID(instance.uuid)] = host }
    func claimed(by instance: InstanceID) -> String? { claims[ConsumerID(instance.uuid)] }

    private func select(_ message: SelectDestinations) async throws -> SelectDestinations.Reply {
        if isHeld { await withCheckedContinuation { held.append($0) } }
        if !faults.isEmpty { throw faults.removeFirst() }
        guard let host = hosts.first(where: { !message.excludedHosts.contains($0) }), let node = nodes[host] else {
            throw RemoteFault(kind: FaultKind.noValidHost, message: "No valid host was found.")
        }
        // As placement does: who holds something cannot claim more.
        guard message.instances.allSatisfy({ claims[ConsumerID($0.uuid)] == nil }) else {
            throw RemoteFault(kind: FaultKind.noValidHost, message: "The instance holds a claim already.")
        }
        return SelectDestinations.Reply(
            selections: message.instances.map { instance in
                claims[ConsumerID(instance.uuid)] = host
                return Selection(
                    host: host, node: host, nodeID: node, availabilityZone: "nova", bindings: [.bridge],
                    allocations: [:])
            })
    }

    private func release(_ message: ReleaseResources) -> Acknowledged {
        claims[message.consumer] = nil
        return Acknowledged()
    }

    private func sync(_ message: SyncProvider) -> Acknowledged {
        synced.append(message)
        return Acknowledged()
    }

    func serve(_ bus: MessageBus) async throws {
        _ = try await bus.serve(
            topic: Topic.scheduler, [RPCHandler { (message: SelectDestinations, _) in try await self.select(message) }])
        _ = try await bus.serve(
            topic: Topic.placement,
            [
                RPCHandler { (message: ReleaseResources, _) in await self.release(message) },
                RPCHandler { (message: SyncProvider, _) in await self.sync(message) },
            ])
    }
}
