package import ComputeModel
package import DriverAPI
import Glibc

/// Watches what the host offers and sends it when it changes.
package final class InventorySource: Sendable {
    /// Reads the inventory again; `nil` when the host cannot be asked now.
    package typealias Look = @Sendable () async -> NodeInventory?

    /// The newest inventory, for any number of readers.
    package let broadcast: NewestValueBroadcast<NodeInventory>
    private let interval: Duration
    private let look: Look
    private let task = Locked<Task<Void, Never>?>(nil)
    /// An unchanged inventory is sent again after that many looks, because its uptime grows old.
    private static let looksUntilRepeat = 10

    package init(first: NodeInventory, interval: Duration, look: @escaping Look) {
        broadcast = NewestValueBroadcast(first)
        self.interval = interval
        self.look = look
    }

    /// Begins to look every interval. `each` runs at every look.
    package func start(each: @escaping @Sendable () async -> Void) {
        let interval = interval
        let running = Task { [weak self] in
            var looks = 0
            while true {
                do { try await Task.sleep(for: interval) } catch { return }
                await each()
                looks += 1
                guard let source = self else { return }
                await source.refresh(always: looks % Self.looksUntilRepeat == 0)
            }
        }
        task.with { $0 = running }
    }

    /// Looks now and sends what changed.
    package func refresh(always: Bool = false) async {
        guard let new = await look() else { return }
        if always || broadcast.current.map({ Self.differs($0, new) }) ?? true { broadcast.send(new) }
    }

    // Load and uptime differ at every look, and say nothing that placement needs.
    private static func differs(_ old: NodeInventory, _ new: NodeInventory) -> Bool {
        var old = old
        old.uptime = new.uptime
        return old != new
    }

    /// Stops looking and ends the streams.
    package func stop() {
        task.with { task in
            task?.cancel()
            task = nil
        }
        broadcast.finish()
    }
}

/// The host's time since start and load, in the form of uptime(1).
package enum HostUptime {
    /// Reads the host's files; `nil` where there are none.
    package static func read() -> String? {
        guard let uptime = try? readText("/proc/uptime", bytesMax: 256),
            let load = try? readText("/proc/loadavg", bytesMax: 256)
        else { return nil }
        var now = time(nil)
        var parts = tm()
        localtime_r(&now, &parts)
        return text(
            clock: (Int(parts.tm_hour), Int(parts.tm_min), Int(parts.tm_sec)), uptime: uptime, load: load)
    }

    /// The line, from the texts of /proc/uptime and /proc/loadavg.
    package static func text(clock: (Int, Int, Int), uptime: String, load: String) -> String? {
        guard let seconds = uptime.split(separator: " ").first.flatMap({ Double($0) }) else { return nil }
        let loads = load.split(separator: " ").prefix(3).joined(separator: ", ")
        let minutes = Int(seconds) / 60
        let days = minutes / 1440
        let hours = minutes / 60 % 24
        let since = hours > 0 ? "\(pad(hours, " ")):\(pad(minutes % 60, "0"))" : "\(minutes % 60) min"
        let dayText = days > 0 ? "\(days) day\(days == 1 ? "" : "s"), " : ""
        let time = "\(pad(clock.0, "0")):\(pad(clock.1, "0")):\(pad(clock.2, "0"))"
        return " \(time) up \(dayText)\(since),  0 users,  load average: \(loads)"
    }

    private static func pad(_ number: Int, _ filler: String) -> String {
        number < 10 ? "\(filler)\(number)" : "\(number)"
    }
}
