import ComputeModel
import DriverAPI

/// What events have told about the pool's machines: which guest is which machine, and in what state.
final class PoolMirror: Sendable {
    private struct Known {
        var guest: GuestID
        var power: PowerState
        var isHere: Bool
    }
    private struct State {
        var machines: [String: Known] = [:]
        var references: [GuestID: String] = [:]
        var leaving: Set<String> = []
    }
    private let state = Locked(State())
    private let host: String
    private let node: String

    /// - Parameters:
    ///   - host: the reference of this node's host.
    ///   - node: this node's name.
    init(host: String, node: String) { (self.host, self.node) = (host, node) }

    /// Whether a machine is on this node: where it runs decides, and while it is off who made it.
    func isHere(_ machine: Machine) -> Bool {
        if let resident = machine.host { return resident == host }
        return machine.otherConfig[Mark.node] == node
    }

    /// The machine that was last seen to be a guest.
    func reference(of guest: GuestID) -> String? { state.with { $0.references[guest] } }

    /// A machine that this driver removes: its end is no news.
    func expectEnd(of reference: String) { state.with { _ = $0.leaving.insert(reference) } }

    /// Begins anew; answers what changed since.
    func replace(_ machines: [Machine]) -> [GuestEvent] {
        let before = state.with { state in
            defer {
                state.machines = [:]
                state.references = [:]
            }
            return state.machines
        }
        var events = machines.flatMap { take($0, before: before[$0.reference]) }
        let now = Set(machines.map(\.reference))
        if before.contains(where: { $0.value.isHere && !now.contains($0.key) }) { events.append(.missed) }
        return events
    }

    /// Takes a changed machine; answers what that means.
    func take(_ machine: Machine) -> [GuestEvent] {
        take(machine, before: state.with { $0.machines[machine.reference] })
    }

    private func take(_ machine: Machine, before: Known?) -> [GuestEvent] {
        guard machine.isGuest, let guest = machine.guest else {
            remember(machine.reference, nil)
            return []
        }
        let here = isHere(machine)
        let now = Known(guest: guest, power: machine.power, isHere: here)
        remember(machine.reference, now)
        guard let before else { return [] }
        if before.isHere, !here { return [.missed] }
        return here && before.power != now.power ? [.power(guest, now.power)] : []
    }

    /// Takes the end of a machine.
    func remove(_ reference: String) -> [GuestEvent] {
        let (known, expected) = state.with { ($0.machines[reference], $0.leaving.remove(reference) != nil) }
        remember(reference, nil)
        return known?.isHere == true && !expected ? [.missed] : []
    }

    private func remember(_ reference: String, _ known: Known?) {
        state.with { state in
            if let old = state.machines[reference], state.references[old.guest] == reference {
                state.references[old.guest] = nil
            }
            state.machines[reference] = known
            if let known { state.references[known.guest] = reference }
        }
    }
}
