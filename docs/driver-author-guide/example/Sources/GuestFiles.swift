import ComputeModel
import DriverAPI
import FoundationEssentials

/// A guest as its file has it.
struct Guest: Codable, Sendable {
    var name: String
    var power: PowerState
    /// The last operation carried out on it.
    var operation: Int64
}

/// The hypervisor: a folder for each guest, below the state directory, so that guests outlive the process as
/// real ones do. One that is being made has a name of its own until it is whole.
final class GuestFiles: Sendable {
    private let root: String
    private let removalsPath: String
    /// The operation that removed a guest, so that a late message does not bring it back.
    private let removals: Locked<[GuestID: Int64]>

    init(directory: String) {
        root = directory + "/guests"
        removalsPath = directory + "/removed.json"
        try? FileManager.default.createDirectory(atPath: root, withIntermediateDirectories: true)
        let known = try? Data(contentsOf: URL(filePath: removalsPath))
        let entries = known.flatMap { try? JSONDecoder().decode([String: Int64].self, from: $0) } ?? [:]
        removals = Locked(
            Dictionary(entries.compactMap { key, value in GuestID(key).map { ($0, value) } }) { $1 })
    }

    subscript(guest: GuestID) -> Guest? {
        guard let data = try? Data(contentsOf: URL(filePath: sheet(guest))) else { return nil }
        return try? JSONDecoder().decode(Guest.self, from: data)
    }

    var all: [GuestID: Guest] {
        let names = (try? FileManager.default.contentsOfDirectory(atPath: root)) ?? []
        let found = names.compactMap { GuestID($0) }.compactMap { id in self[id].map { (id, $0) } }
        return Dictionary(found) { $1 }
    }

    /// Refuses a message that comes later than a newer one, also one for a guest that was removed since.
    func refuseStale(_ guest: GuestID, _ call: DriverCall) throws(DriverError) {
        let seen = self[guest]?.operation ?? removals.with { $0[guest] } ?? 0
        guard call.operation < seen else { return }
        throw .stale("guest \(guest) has seen operation \(seen); \(call.operation) is refused")
    }

    /// Begins a guest and returns the folder for its parts.
    func begin(_ guest: GuestID) throws(DriverError) -> String {
        removeUnfinished(guest)
        do {
            try FileManager.default.createDirectory(
                atPath: unfinished(guest), withIntermediateDirectories: true)
        } catch {
            throw .insufficientResources("the folder of guest \(guest) cannot be made: \(error)")
        }
        return unfinished(guest)
    }

    /// Makes a guest whole.
    func finish(_ guest: GuestID, _ content: Guest) throws(DriverError) {
        do {
            try JSONEncoder().encode(content).write(to: URL(filePath: unfinished(guest) + "/guest.json"))
            try FileManager.default.moveItem(atPath: unfinished(guest), toPath: folder(guest))
        } catch {
            throw .insufficientResources("guest \(guest) cannot be written: \(error)")
        }
    }

    func write(_ guest: GuestID, _ content: Guest) throws(DriverError) {
        do {
            try JSONEncoder().encode(content).write(to: URL(filePath: sheet(guest)), options: .atomic)
        } catch {
            throw .insufficientResources("guest \(guest) cannot be written: \(error)")
        }
    }

    /// Removes a guest and what is left of one that was not finished.
    func remove(_ guest: GuestID, operation: Int64) throws(DriverError) {
        removeUnfinished(guest)
        if FileManager.default.fileExists(atPath: folder(guest)) {
            do {
                try FileManager.default.removeItem(atPath: folder(guest))
            } catch {
                throw .failed("guest \(guest) cannot be removed: \(error)")
            }
        }
        let known = removals.with { removals in
            // The oldest are not known apart; a bound is what matters.
            if removals.count >= 10_000, let any = removals.keys.first { removals[any] = nil }
            removals[guest] = operation
            return removals
        }
        let texts = Dictionary(known.map { ($0.key.description, $0.value) }) { $1 }
        try? JSONEncoder().encode(texts).write(to: URL(filePath: removalsPath), options: .atomic)
    }

    /// Removes what a spawn left that did not end.
    func removeUnfinished(_ guest: GuestID) { try? FileManager.default.removeItem(atPath: unfinished(guest)) }

    /// Removes what killed processes left.
    func removeUnfinished() {
        let names = (try? FileManager.default.contentsOfDirectory(atPath: root)) ?? []
        for name in names where name.hasSuffix(".new") {
            try? FileManager.default.removeItem(atPath: root + "/" + name)
        }
    }

    private func folder(_ guest: GuestID) -> String { root + "/" + guest.description }
    private func unfinished(_ guest: GuestID) -> String { folder(guest) + ".new" }
    private func sheet(_ guest: GuestID) -> String { folder(guest) + "/guest.json" }
}
