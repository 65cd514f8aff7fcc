import ComputeStore
import DriverAPI

/// Servers as they were written into earlier lists, so that a list writes anew only those that have changed.
///
/// Most servers of a list are as they were when it was last asked for. What is kept is found by the row's stamp and by
/// everything else that a server's text depends on (``ServerScene/Kind``), so an entry is current or is not found.
/// The bytes are bounded: entries live in two generations, and when the younger one has half of the space it becomes
/// the older one, whose entries are dropped unless they are asked for again.
package final class RenderedServers: Sendable {
    /// One server's JSON object.
    struct Entry: Sendable {
        let revision: Int64
        /// The state of its host, which is not part of the row.
        let hostStatus: String?
        let json: [UInt8]
    }

    private struct Generations {
        var young: [ServerScene.Kind: [Int64: Entry]] = [:]
        var old: [ServerScene.Kind: [Int64: Entry]] = [:]
        var youngBytes = 0
    }
    private let generations = Locked(Generations())
    private let bytesMax: Int
    /// What an entry costs beside its text.
    private static let overhead = 160

    /// - Parameter bytesMax: how much memory the texts may take; 0 keeps nothing.
    package init(bytesMax: Int) { self.bytesMax = bytesMax }

    /// The text of a server at that stamp; `nil` when it must be written.
    func json(_ stamp: InstanceStamp, hostStatus: String?, _ kind: ServerScene.Kind) -> [UInt8]? {
        generations.with { all in
            if let entry = all.young[kind]?[stamp.number] { return Self.text(entry, stamp, hostStatus) }
            guard let entry = all.old[kind]?[stamp.number], let text = Self.text(entry, stamp, hostStatus) else {
                return nil
            }
            add(entry, stamp.number, kind, to: &all)
            return text
        }
    }

    /// Keeps the texts of servers that were written.
    func keep(_ written: [(number: Int64, entry: Entry)], _ kind: ServerScene.Kind) {
        guard bytesMax > 0, !written.isEmpty else { return }
        generations.with { all in
            for (number, entry) in written { add(entry, number, kind, to: &all) }
        }
    }

    /// How many bytes are kept at most, counted as they are bounded.
    var bytes: Int {
        generations.with { all in
            all.youngBytes + all.old.values.joined().reduce(0) { $0 + Self.cost($1.value) }
        }
    }

    private func add(_ entry: Entry, _ number: Int64, _ kind: ServerScene.Kind, to all: inout Generations) {
        let cost = Self.cost(entry)
        guard cost <= bytesMax / 2 else { return }
        if all.youngBytes + cost > bytesMax / 2 {
            (all.old, all.young, all.youngBytes) = (all.young, [:], 0)
        }
        let before = all.young[kind, default: [:]].updateValue(entry, forKey: number)
        all.youngBytes += cost - (before.map(Self.cost) ?? 0)
    }

    private static func cost(_ entry: Entry) -> Int { entry.json.count + overhead }

    private static func text(_ entry: Entry, _ stamp: InstanceStamp, _ hostStatus: String?) -> [UInt8]? {
        entry.revision == stamp.revision && entry.hostStatus == hostStatus ? entry.json : nil
    }
}
