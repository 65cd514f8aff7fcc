import ComputeModel
import DriverAPI

/// Tells what the node offers: at once, and each minute again, because its uptime grows.
final class InventorySource: Sendable {
    private static let interval: Duration = .seconds(60)

    let broadcast = NewestValueBroadcast<NodeInventory>()
    private let begin: Timestamp
    private let now: @Sendable () -> Timestamp
    private let inventory: NodeInventory
    private let refreshing = Locked<Task<Void, Never>?>(nil)

    init(_ inventory: NodeInventory, now: @escaping @Sendable () -> Timestamp) {
        self.inventory = inventory
        self.now = now
        begin = now()
    }

    deinit { refreshing.with { $0?.cancel() } }

    func start() {
        send()
        let task = Task { [weak self] in
            while true {
                do { try await Task.sleep(for: Self.interval) } catch { return }
                guard self?.send() != nil else { return }
            }
        }
        refreshing.with { $0 = task }
    }

    func stop() {
        refreshing.with { $0 }?.cancel()
        broadcast.finish()
    }

    private func send() {
        let moment = now()
        var fresh = inventory
        fresh.uptime = Self.uptime(at: moment, after: moment - begin)
        broadcast.send(fresh)
    }

    /// Time of day, time since the start, and a load of nothing, in the form of uptime(1).
    static func uptime(at now: Timestamp, after passed: Duration) -> String {
        let clock = now.civil
        let minutes = max(0, Int(passed.components.seconds / 60))
        let (days, hours, rest) = (minutes / 1440, minutes / 60 % 24, minutes % 60)
        var words = days == 0 ? "" : days == 1 ? "1 day, " : "\(days) days, "
        words += hours == 0 ? "\(rest) min" : "\(hours):\(two(rest))"
        let time = "\(two(clock.hour)):\(two(clock.minute)):\(two(clock.second))"
        return " \(time) up \(words),  0 users,  load average: 0.00, 0.00, 0.00"
    }

    private static func two(_ number: Int) -> String { number < 10 ? "0\(number)" : "\(number)" }
}
