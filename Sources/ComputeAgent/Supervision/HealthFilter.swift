import ComputeModel
import DriverAPI

/// What a driver says of its hypervisor, as a verdict that does not change more often than operators can read.
///
/// A hypervisor that comes and goes is of no use to anybody: with too many changes in a window of time it counts as
/// unusable until there are fewer.
struct HealthFilter {
    private let changesMax: Int
    private let window: Duration
    /// The newest changes, at most one more than are allowed.
    private var changes: [ContinuousClock.Instant] = []
    /// What the driver said last; `nil` before its first word.
    private(set) var last: DriverHealth?
    /// Why the hypervisor was away the last time; `nil` while it never was.
    private var lastReason: String?

    init(changesMax: Int, window: Duration) { (self.changesMax, self.window) = (changesMax, window) }

    /// Takes the driver's word.
    mutating func take(_ health: DriverHealth, at now: ContinuousClock.Instant) {
        if let last, Self.isUsable(last) != Self.isUsable(health) {
            changes.append(now)
            if changes.count > changesMax + 1 { changes.removeFirst() }
        }
        last = health
        if case .unhealthy(let reason) = health, !reason.isEmpty { lastReason = reason }
    }

    /// Why the hypervisor cannot be used; `nil` when it can, and before the driver's first word.
    func trouble(at now: ContinuousClock.Instant) -> String? {
        if changes.count > changesMax, changes.allSatisfy({ now - $0 <= window }) {
            return "the hypervisor comes and goes: more than \(changesMax) changes within \(window.inWords)"
                + (lastReason.map { "; it was away because: \($0)" } ?? "")
        }
        guard case .unhealthy(let reason) = last else { return nil }
        return reason.isEmpty ? "the driver gives no reason" : reason
    }

    private static func isUsable(_ health: DriverHealth) -> Bool {
        if case .healthy = health { true } else { false }
    }
}

/// Takes a driver's events as fast as they come and keeps what is to be looked at, within bounds.
final class EventGate: Sendable {
    /// What to look at next.
    enum Task: Equatable {
        case some([GuestID])
        case everything
    }
    private struct State {
        var guests: Set<GuestID> = []
        var everything = false
        var windowBegan: ContinuousClock.Instant
        var count = 0
        var isFlooded = false
    }
    private let state: Locked<State>
    private let guestsMax: Int
    private let eventsMax: Int
    private let window: Duration
    /// One element whenever there is something to do; never more than one waits.
    let signals: AsyncStream<Void>
    private let signal: AsyncStream<Void>.Continuation

    /// - Parameters:
    ///   - guestsMax: with events of more guests waiting, all guests are looked at instead.
    ///   - eventsMax: more events than this within `window` are a flood.
    init(guestsMax: Int = 64, eventsMax: Int, window: Duration) {
        self.guestsMax = guestsMax
        self.eventsMax = eventsMax
        self.window = window
        state = Locked(State(windowBegan: .now))
        (signals, signal) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(1))
    }

    /// Takes an event.
    func take(_ event: GuestEvent, at now: ContinuousClock.Instant = .now) {
        state.with { state in
            roll(&state, now)
            state.count += 1
            if state.count > eventsMax { state.isFlooded = true }
            switch event {
            case .power(let guest, _): if !state.everything { state.guests.insert(guest) }
            case .missed: state.everything = true
            }
            if state.guests.count > guestsMax { state.everything = true }
            if state.everything { state.guests = [] }
        }
        signal.yield()
    }

    /// What is to be looked at since the last time; `nil` for nothing.
    func drain() -> Task? {
        state.with { state in
            defer { (state.guests, state.everything) = ([], false) }
            if state.everything { return .everything }
            return state.guests.isEmpty ? nil : .some(state.guests.sorted())
        }
    }

    /// Why the node counts as down: too many events; `nil` once a whole window had few.
    func trouble(at now: ContinuousClock.Instant = .now) -> String? {
        state.with { state in
            roll(&state, now)
            return state.isFlooded
                ? "the driver floods its host with events: more than \(eventsMax) within \(window.inWords)" : nil
        }
    }

    private func roll(_ state: inout State, _ now: ContinuousClock.Instant) {
        guard now - state.windowBegan > window else { return }
        state.isFlooded = state.count > eventsMax && now - state.windowBegan <= window * 2
        (state.windowBegan, state.count) = (now, 0)
    }
}

/// Names of hypervisors that nodes of one process have taken: two nodes of one name would be one to placement.
package final class NodeNames: Sendable {
    private let owners = Locked<[String: String]>([:])

    package init() {}

    /// Takes a name for a host.
    ///
    /// - Returns: the other host that has it already; `nil` when it is this host's now.
    func take(_ name: String, for host: String) -> String? {
        owners.with { owners in
            if let owner = owners[name], owner != host { return owner }
            owners[name] = host
            return nil
        }
    }
}
