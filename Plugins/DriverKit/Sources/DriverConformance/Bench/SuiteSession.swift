import ComputeModel
import DriverAPI

/// One run of the suite: the nodes, the guest that is shared, and what happens around each case.
final class SuiteSession: Sendable {
    private struct State {
        var node: Node?
        var otherNode: Node?
        /// Whether the subject was asked for another node.
        var hasAsked = false
        var shared: TestGuest?
        /// Kinds of connection that the driver takes, once asked.
        var connections: Set<VolumeConnection.Kind>?
    }
    private let subject: any ConformanceSubject
    private let options: SuiteOptions
    private let numbers = CallNumbers()
    private let state = Locked(State())

    init(_ subject: any ConformanceSubject, _ options: SuiteOptions) {
        self.subject = subject
        self.options = options
    }

    var capabilities: [String] { state.with { $0.node }?.driver.capabilities.names ?? [] }
    private var limits: ConformanceLimits { subject.limits }

    /// Starts the driver.
    ///
    /// - Returns: why it does not start; `nil` when it does.
    func start() async -> String? {
        let subject = subject
        switch await bounded(limits.scaled(.seconds(60)), { try await Node.start(subject) }) {
        case .value(let node):
            state.with { $0.node = node }
            return nil
        case .failure(let error): return told(error)
        case .late: return "the driver did not start within \(limits.scaled(.seconds(60)))"
        }
    }

    /// Removes what is left, ends the drivers and closes the subjects.
    func end() async {
        let limit = limits.scaled(.seconds(30))
        _ = await bounded(limit) { [self] in await dropSharedGuest() }
        let (node, other) = state.with { ($0.node, $0.otherNode) }
        for node in [node, other].compactMap({ $0 }) where node.isOpen {
            _ = await bounded(limit) { await node.shutDown() }
        }
        if let other { await other.subject.close() }
        await subject.close()
    }

    // MARK: A case

    /// Runs one case with everything around it.
    func run(_ candidate: ConformanceCase) async -> ConformanceReport.Result {
        let begun = ContinuousClock.now
        var result = ConformanceReport.Result(
            id: candidate.id, sentence: candidate.sentence, feature: candidate.feature, outcome: .passed)
        do {
            try await refuseWhatIsNotThere(candidate)
            try await prepare(candidate)
            try await examine(candidate)
        } catch let skip as CaseSkip {
            (result.outcome, result.reason) = (skip.outcome, skip.reason)
        } catch {
            (result.outcome, result.reason) = (.failed, told(error))
        }
        if result.outcome == .failed { await repair() }
        result.seconds = seconds(ContinuousClock.now - begun)
        return result
    }

    private func refuseWhatIsNotThere(_ candidate: ConformanceCase) async throws {
        guard let node = state.with({ $0.node }) else { throw CaseSkip.notShown("the driver does not start") }
        for need in candidate.needs where try await !declares(need, node) {
            throw CaseSkip.notDeclared("the driver does not declare \(need)")
        }
        for part in SubjectPart.allCases where candidate.parts.contains(part) {
            if try await !gives(part, node) { throw CaseSkip.notShown(part.absence) }
        }
        guard candidate.guests <= limits.guestsMax else {
            throw CaseSkip.notShown("it takes \(candidate.guests) guests at once; \(limits.guestsMax) may exist here")
        }
    }

    private func declares(_ need: ConformanceNeed, _ node: Node) async throws -> Bool {
        let capabilities = node.driver.capabilities
        switch need {
        case .capability(let name): return capabilities.offers(name)
        case .fact(let fact): return capabilities.facts.contains(fact)
        case .console(let kind): return capabilities.consoles?.kinds.contains(kind) ?? false
        case .connection(let kind):
            guard let volumes = capabilities.volumes else { return false }
            if let known = state.with({ $0.connections }) { return known.contains(kind) }
            let found = try await volumes.connector().kinds
            state.with { $0.connections = found }
            return found.contains(kind)
        }
    }

    private func gives(_ part: SubjectPart, _ node: Node) async throws -> Bool {
        switch part {
        case .world: return try await subject.world() != nil
        case .hypervisorControl: return subject.hypervisor != nil
        case .volumes: return subject.volumes != nil
        case .interfaces:
            guard let interface = try await subject.makeInterface(for: node.driver) else { return false }
            try await subject.remove(interface)
            return true
        case .foreignGuests: return subject.foreignGuests != nil
        case .accidents: return subject.accidents != nil
        case .rehearsal: return subject.rehearsal != nil
        case .agent: return subject.images.agent != nil
        case .hostPower: return subject.mayTurnHostOff
        case .secondNode: return try await otherNode() != nil
        }
    }

    /// The second node, started when it is first needed.
    private func otherNode() async throws -> Node? {
        let (known, hasAsked) = state.with { state in
            defer { state.hasAsked = true }
            return (state.otherNode, state.hasAsked)
        }
        if hasAsked { return known }
        guard let other = try await subject.secondNode() else { return nil }
        other.host.knowImages(of: subject.host)
        let node = try await Node.start(other)
        state.with { $0.otherNode = node }
        return node
    }

    /// Sees to a healthy driver, and to the shared guest or to room for others.
    private func prepare(_ candidate: ConformanceCase) async throws {
        let hasRoom = candidate.guests < limits.guestsMax
        switch candidate.sharedGuest {
        case .reads: try await ensureSharedGuest()
        case .watches where hasRoom: try await ensureSharedGuest()
        case .excludes: await dropSharedGuest()
        case .none, .watches: if !hasRoom { await dropSharedGuest() }
        }
    }

    private func examine(_ candidate: ConformanceCase) async throws {
        guard let node = state.with({ $0.node }) else { throw CaseSkip.notShown("the driver does not start") }
        let (other, shared) = state.with { ($0.otherNode, $0.shared) }
        let nodes = [node] + (candidate.parts.contains(.secondNode) ? [other].compactMap { $0 } : [])
        let bench = Bench(node: node, otherNode: other, numbers: numbers, seed: options.seed, shared: shared)
        let before = try await worlds(nodes)
        var problems: [String] = []
        var skip: CaseSkip?
        switch await bounded(limits.scaled(candidate.deadline), { try await candidate.body(bench) }) {
        case .value: break
        case .failure(let error as CaseSkip): skip = error
        case .failure(let error): problems.append(told(error))
        case .late: problems.append("it did not end within \(limits.scaled(candidate.deadline))")
        }
        problems += await tidyUp(bench, nodes, mayBeDown: candidate.parts.contains(.hypervisorControl))
        if problems.isEmpty { problems += try await leaks(nodes, since: before) }
        guard problems.isEmpty else { throw CaseFailure(description: problems.joined(separator: "; ")) }
        if let skip { throw skip }
    }

    /// Brings the hypervisor and the drivers back if the case left them off, and removes what it made.
    private func tidyUp(_ bench: Bench, _ nodes: [Node], mayBeDown: Bool) async -> [String] {
        let limit = limits.scaled(.seconds(30))
        let outcome = await bounded(limit) {
            for node in nodes {
                try await node.subject.hypervisor?.revive()
                if !node.isOpen { try await node.start() }
                // The next case shall find the driver as it usually is; that it does so is for the cases to show.
                if mayBeDown { try? await bench.expectHealth(healthy: true, "after the case", on: node) }
            }
            return await bench.cleanUp()
        }
        switch outcome {
        case .value(let problems): return problems
        case .failure(let error): return ["cleaning up: \(told(error))"]
        case .late: return ["cleaning up did not end within \(limit)"]
        }
    }

    private func worlds(_ nodes: [Node]) async throws -> [[String]?] {
        var all: [[String]?] = []
        for node in nodes { all.append(try await node.subject.world()?.sorted()) }
        return all
    }

    /// What the case left behind or took away, after the hypervisor had time to finish.
    private func leaks(_ nodes: [Node], since before: [[String]?]) async throws -> [String] {
        let end = ContinuousClock.now + limits.scaled(.seconds(3))
        while true {
            var problems: [String] = []
            for (node, before) in zip(nodes, before) {
                guard let before, let after = try await node.subject.world()?.sorted() else { continue }
                let difference = after.difference(from: before)
                for change in difference {
                    switch change {
                    case .insert(_, let line, _): problems.append("left behind: \(line)")
                    case .remove(_, let line, _): problems.append("taken away: \(line)")
                    }
                }
                let offers = node.subject.host.openOffers
                if !offers.isEmpty { problems.append("files still offered: \(offers.count)") }
            }
            if problems.isEmpty || ContinuousClock.now > end { return Array(problems.prefix(5)) }
            try await Task.sleep(for: .milliseconds(10))
        }
    }

    /// After a failure nothing is trusted: the driver is started anew, and the shared guest made anew.
    private func repair() async {
        let (node, other) = state.with { ($0.node, $0.otherNode) }
        _ = await bounded(limits.scaled(.seconds(30))) { [self] in
            for node in [node, other].compactMap({ $0 }) {
                try await node.subject.hypervisor?.revive()
                try await node.restart()
            }
            await dropSharedGuest()
        }
    }

    // MARK: The shared guest

    private func ensureSharedGuest() async throws {
        guard let node = state.with({ $0.node }) else { return }
        let bench = Bench(node: node, numbers: numbers, seed: options.seed)
        if let shared = state.with({ $0.shared }) {
            if (try? await bench.power(of: shared.id)) == .running { return }
            await dropSharedGuest()
        }
        let guest: TestGuest
        do {
            guest = try await bench.spawn()
        } catch {
            _ = await bench.cleanUp()
            throw error
        }
        state.with { $0.shared = guest }
    }

    private func dropSharedGuest() async {
        let (node, shared) = state.with { state in
            defer { state.shared = nil }
            return (state.node, state.shared)
        }
        guard let node, let shared else { return }
        try? await node.driver.destroy(shared.id, numbers.next())
        node.keep(nil, of: shared.id)
    }
}
