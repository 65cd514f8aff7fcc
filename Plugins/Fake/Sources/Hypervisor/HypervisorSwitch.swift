import ComputeModel
import DriverAPI

/// Whether the hypervisor answers, and who is told when that changes.
final class HypervisorSwitch: Sendable {
    /// How it is.
    enum Condition: Hashable, Sendable {
        case up
        case down
        case hanging
        /// Turned off through the driver.
        case off
    }
    /// The pause between two looks at the control file; a call looks by itself.
    private static let interval: Duration = .milliseconds(50)

    let file: ControlFile
    let health: NewestValueBroadcast<DriverHealth>
    private let events: GuestEventBroadcast
    private let mutation: Mutation?
    private struct State {
        var condition = Condition.up
        var isOff: Bool
        var watcher: Task<Void, Never>?
    }
    private let state: Locked<State>
    private let conditions = NewestValueBroadcast<Condition>(.up)

    init(file: ControlFile, isOff: Bool, events: GuestEventBroadcast, mutation: Mutation?) {
        self.file = file
        self.events = events
        self.mutation = mutation
        health = NewestValueBroadcast()
        state = Locked(State(isOff: isOff))
        health.send(.healthy)
        look()
    }

    deinit { state.with { $0.watcher?.cancel() } }

    /// Begins to watch the control file; orders that concern a guest are handed to `act`.
    func start(_ act: @escaping @Sendable (ControlFile.Order) -> Void) {
        let watcher = Task { [weak self] in
            while self?.watch(act) != nil {
                do { try await Task.sleep(for: Self.interval) } catch { return }
            }
        }
        state.with { $0.watcher = watcher }
    }

    private func watch(_ act: (ControlFile.Order) -> Void) {
        switch look() {
        case .crash(let guest): act(.crash(guest))
        case .stop(let guest): act(.stop(guest))
        case .work, .down, .hang, .unknown: return
        }
    }

    func stop() {
        state.with { $0.watcher }?.cancel()
        health.finish()
        conditions.finish()
    }

    /// Turns the node off or on.
    func setOff(_ isOff: Bool) {
        state.with { $0.isOff = isOff }
        look()
    }

    /// The condition at this moment.
    var condition: Condition {
        look()
        return state.with { $0.condition }
    }

    /// Reads the control file and tells what changed. Both under the lock, so that what is told last is what is true.
    @discardableResult
    private func look() -> ControlFile.Order {
        state.with { state in
            let order = file.order
            var now: Condition =
                switch order {
                case .down: .down
                case .hang: .hanging
                case .work, .crash, .stop, .unknown: .up
                }
            if state.isOff { now = .off }
            guard now != state.condition else { return order }
            state.condition = now
            conditions.send(now)
            if mutation != .healthNeverUnhealthy { health.send(health(now)) }
            if now == .up, mutation != .eventsMissing { events.send(.missed) }
            return order
        }
    }

    private func health(_ condition: Condition) -> DriverHealth {
        switch condition {
        case .up: .healthy
        case .down: .unhealthy("the fake hypervisor is down: \(file.path) says so")
        case .hanging: .unhealthy("the fake hypervisor does not answer: \(file.path) says so")
        case .off: .unhealthy("the node is turned off")
        }
    }

    /// Returns when the hypervisor takes a call; waits while it hangs.
    func pass() async throws(DriverError) {
        var now = condition
        if now == .hanging {
            for await condition in conditions.stream() where condition != .hanging {
                now = condition
                break
            }
            if Task.isCancelled { throw .cancelled }
        }
        switch now {
        case .up: return
        case .down, .off, .hanging:
            let text = now == .off ? "the node is turned off" : "the fake hypervisor does not answer"
            throw mutation == .unreachableAsFailed ? .failed(text) : .unreachable(text)
        }
    }

    /// Lets a call take its time. Ends early when the hypervisor does not work any more, so that the call fails then.
    func sleep(for duration: Duration) async throws(DriverError) {
        if mutation == .cancelIgnored {
            await Task { try? await Task.sleep(for: duration) }.value
            return
        }
        await withTaskGroup(of: Void.self) { group in
            group.addTask { try? await Task.sleep(for: duration) }
            group.addTask { [conditions] in
                for await condition in conditions.stream() where condition != .up { return }
            }
            await group.next()
            group.cancelAll()
        }
        if Task.isCancelled { throw .cancelled }
    }
}
