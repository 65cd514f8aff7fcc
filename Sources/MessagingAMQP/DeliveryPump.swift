import DriverAPI
import Messaging

/// Hands deliveries to tasks, at most so many at a time; the others wait in order. What waits is bounded by the
/// prefetch limits at the broker.
final class DeliveryPump: Sendable {
    struct Item: Sendable {
        var delivery: WireDelivery
        var tag: DeliveryTag
    }
    private struct State: Sendable {
        var waiting = FIFO<Item>()
        var running = 0
        var isDraining = false
        var tasks: [UInt64: Task<Void, Never>] = [:]
        var lastTask: UInt64 = 0
        var idle: Waiting<Bool>?
    }
    private let state = Locked(State())
    private let limit: Int
    private let work: @Sendable (Item) async -> Void

    init(limit: Int, work: @escaping @Sendable (Item) async -> Void) {
        (self.limit, self.work) = (max(1, limit), work)
    }

    /// Takes a delivery.
    ///
    /// - Returns: false while draining: somebody else must take it.
    func offer(_ delivery: WireDelivery, _ tag: DeliveryTag) -> Bool {
        let item = Item(delivery: delivery, tag: tag)
        return state.with { state in
            guard !state.isDraining else { return false }
            if state.running < limit {
                state.running += 1
                start(item, &state)
            } else {
                state.waiting.append(item)
            }
            return true
        }
    }

    /// The connection is lost: what waits comes again.
    func forgetWaiting() { state.with { _ = $0.waiting.takeAll() } }

    /// Takes nothing more. Fan-outs that wait are still worked on: nobody else has this copy.
    ///
    /// - Returns: what else waited, to be given back.
    func drain() -> [Item] {
        state.with { state in
            state.isDraining = true
            let all = state.waiting.takeAll()
            for item in all where item.delivery.isFanOut { state.waiting.append(item) }
            return all.filter { !$0.delivery.isFanOut }
        }
    }

    /// Waits until nothing is worked on, at most for the grace period; then cancels.
    ///
    /// - Returns: true when nothing had to be cancelled.
    func settle(grace: Duration) async -> Bool {
        if await isIdle(within: grace) { return true }
        for task in state.with({ Array($0.tasks.values) }) { task.cancel() }
        _ = await isIdle(within: .seconds(1))
        return false
    }

    private func isIdle(within time: Duration) async -> Bool {
        let idle = state.with { state -> Waiting<Bool>? in
            guard state.running > 0 else { return nil }
            let idle = Waiting<Bool>()
            state.idle = idle
            return idle
        }
        guard let idle else { return true }
        let timer = Task {
            guard (try? await Task.sleep(for: time)) != nil else { return }
            idle.resume(false)
        }
        defer { timer.cancel() }
        return await idle.value()
    }

    private func start(_ item: Item, _ state: inout State) {
        state.lastTask += 1
        let number = state.lastTask
        state.tasks[number] = Task { [self] in
            var current: Item? = item
            while let item = current {
                await work(item)
                current = next(after: number)
            }
        }
    }

    private func next(after number: UInt64) -> Item? {
        let (item, idle) = state.with { state -> (Item?, Waiting<Bool>?) in
            if !Task.isCancelled, let item = state.waiting.popFirst() { return (item, nil) }
            state.running -= 1
            state.tasks[number] = nil
            guard state.running == 0 else { return (nil, nil) }
            defer { state.idle = nil }
            return (nil, state.idle)
        }
        idle?.resume(true)
        return item
    }
}
