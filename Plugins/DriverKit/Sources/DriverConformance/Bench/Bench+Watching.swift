import ComputeModel
import DriverAPI

/// What can be seen of a guest from outside, to tell whether a call changed it.
struct Observation: Equatable, Sendable {
    /// `nil` when the driver does not know the guest.
    var power: PowerState?
    /// How often the driver lists it.
    var listings: Int
    /// Lines of the world about it; empty when the world cannot be seen.
    var world: [String]
    /// `nil` without the capability.
    var volumes: Set<VolumeID>?
    /// `nil` without the capability.
    var interfaces: Set<String>?
    /// `nil` when that cannot be seen.
    var boots: Int?

    /// What differs, for people; `nil` when nothing does.
    func difference(to other: Observation, ignoringPower: Bool = false) -> String? {
        var parts: [String] = []
        if power != other.power, !ignoringPower {
            parts.append("power \(Self.text(power)) → \(Self.text(other.power))")
        }
        if listings != other.listings { parts.append("listed \(listings) → \(other.listings) times") }
        for change in other.world.difference(from: world) {
            switch change {
            case .insert(_, let line, _): parts.append("new: \(line)")
            case .remove(_, let line, _): parts.append("gone: \(line)")
            }
        }
        if volumes != other.volumes { parts.append("other volumes") }
        if interfaces != other.interfaces { parts.append("other interfaces") }
        if boots != other.boots, !ignoringPower {
            parts.append("started \(boots ?? 0) → \(other.boots ?? 0) times")
        }
        return parts.isEmpty ? nil : parts.joined(separator: "; ")
    }

    private static func text(_ power: PowerState?) -> String { power.map { "\($0)" } ?? "absent" }
}

extension Bench {
    /// The power state; `nil` when the driver does not know the guest.
    func power(of guest: GuestID, on node: Node? = nil) async throws -> PowerState? {
        let driver = (node ?? self.node).driver
        do {
            return try await driver.powerState(of: guest)
        } catch {
            if ErrorKind(error) == .noSuchGuest { return nil }
            throw CaseFailure(description: "powerState threw \(told(error))")
        }
    }

    /// Fails the case unless the guest is in one of these states.
    func expectPower(_ wanted: Set<PowerState>, of guest: GuestID, _ when: String, on node: Node? = nil) async throws {
        let found = try await power(of: guest, on: node)
        let names = wanted.map { "\($0)" }.sorted().joined(separator: " or ")
        guard let found else { throw CaseFailure(description: "\(when) the guest is absent, not \(names)") }
        try check(wanted.contains(found), "\(when) the guest is \(found), not \(names)")
    }

    /// Fails the case unless the driver neither knows nor lists the guest.
    func expectAbsent(_ guest: GuestID, _ when: String, on node: Node? = nil) async throws {
        let found = try await power(of: guest, on: node)
        try check(found == nil, "\(when) the guest is still there")
        let listed = try await guests(on: node).contains { $0.id == guest }
        try check(!listed, "\(when) the guest is still listed")
    }

    /// All guests that the driver lists.
    func guests(on node: Node? = nil) async throws -> [GuestSummary] {
        let driver = (node ?? self.node).driver
        return try await doing("guests") { try await driver.guests() }
    }

    /// What can be seen of a guest now.
    func observe(_ guest: GuestID, on node: Node? = nil) async throws -> Observation {
        let node = node ?? self.node
        let capabilities = node.driver.capabilities
        let power = try await power(of: guest, on: node)
        let listings = try await guests(on: node).count { $0.id == guest }
        let world = try await node.subject.world() ?? []
        var volumes: Set<VolumeID>?
        var interfaces: Set<String>?
        if power != nil {
            volumes = try await capabilities.volumes?.volumes(of: guest)
            interfaces = try await capabilities.interfaces?.interfaces(of: guest)
        }
        let boots = try await node.subject.insight?.boots(of: guest)
        let name = guest.description
        return Observation(
            power: power, listings: listings, world: world.filter { $0.contains(name) }.sorted(), volumes: volumes,
            interfaces: interfaces, boots: boots)
    }

    /// Fails the case when the guest is not as it was.
    func expectUnchanged(
        _ guest: GuestID, since before: Observation, _ when: String, ignoringPower: Bool = false, on node: Node? = nil
    ) async throws {
        let after = try await observe(guest, on: node)
        if let difference = before.difference(to: after, ignoringPower: ignoringPower) {
            throw CaseFailure(description: "\(when) the guest has changed: \(difference)")
        }
    }

    /// Waits until the condition holds, at most so long (before the subject's scale). The pause between two looks is
    /// scaled as well where one is named.
    func eventually(
        _ what: String, within limit: Duration = .seconds(5), every pause: Duration? = nil,
        _ condition: @Sendable () async throws -> Bool
    ) async throws {
        let pause = pause.map { limits.scaled($0) } ?? .milliseconds(5)
        let end = ContinuousClock.now + limits.scaled(limit)
        while true {
            if try await condition() { return }
            try check(ContinuousClock.now < end, "not within \(limits.scaled(limit)): \(what)")
            try await Task.sleep(for: pause)
        }
    }

    /// The value of `body`, or the failure of the case when it does not come in time (before the subject's scale).
    func within<Value: Sendable>(
        _ limit: Duration, _ what: String, _ body: @escaping @Sendable () async throws -> Value
    ) async throws -> Value {
        switch await bounded(limits.scaled(limit), body) {
        case .value(let value): return value
        case .failure(let error): throw error
        case .late: throw CaseFailure(description: "\(what) did not end within \(limits.scaled(limit))")
        }
    }

    /// The power states of all guests but one.
    func others(than guest: GuestID, on node: Node? = nil) async throws -> [GuestID: PowerState] {
        var powers: [GuestID: PowerState] = [:]
        for summary in try await guests(on: node) where summary.id != guest { powers[summary.id] = summary.power }
        return powers
    }

    // MARK: The hypervisor

    /// Stops the hypervisor of a node.
    func kill(_ node: Node? = nil) async throws {
        guard let hypervisor = (node ?? self.node).subject.hypervisor else {
            throw CaseSkip.notShown(SubjectPart.hypervisorControl.absence)
        }
        try await hypervisor.kill()
    }

    /// Starts the hypervisor of a node, waits until its driver says that it is healthy, and lets it recover.
    func revive(_ node: Node? = nil) async throws {
        let node = node ?? self.node
        try await node.subject.hypervisor?.revive()
        try await expectHealth(healthy: true, "after the hypervisor came back", on: node)
        try await node.recover()
    }

    /// Waits until the driver says that it is healthy, or that it is not.
    func expectHealth(healthy wanted: Bool, _ when: String, on node: Node? = nil) async throws {
        let health = (node ?? self.node).driver.health()
        try await within(.seconds(20), "\(when) the driver saying that it is \(wanted ? "" : "not ")healthy") {
            for await state in health where (state == .healthy) == wanted {
                if case .unhealthy(let reason) = state {
                    try check(!reason.isEmpty, "\(when) the driver is unhealthy without saying why")
                }
                return
            }
            throw CaseFailure(description: "\(when) the stream of health ended")
        }
    }
}
