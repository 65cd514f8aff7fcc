import ComputeModel
import DriverAPI
import Foundation

/// Which operation removed a guest, for a day: a message that comes later than that is refused. A file for each, so
/// that it outlives the process.
struct RemovedGuests: Sendable {
    private static let ageMax: TimeInterval = 86400
    let folder: String

    func operation(_ guest: GuestID) -> Int64? {
        guard let text = try? String(contentsOfFile: path(guest), encoding: .utf8) else { return nil }
        return Int64(text)
    }

    /// Notes a removal and forgets old ones.
    func note(_ guest: GuestID, _ operation: Int64) throws(VimFailure) {
        do {
            try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
            try Data(String(operation).utf8).write(to: URL(fileURLWithPath: path(guest)), options: .atomic)
        } catch {
            throw .driver(.failed("the removal of guest \(guest) cannot be noted: \(error)"))
        }
        prune()
    }

    func forget(_ guest: GuestID) { try? FileManager.default.removeItem(atPath: path(guest)) }

    private func path(_ guest: GuestID) -> String { "\(folder)/\(guest)" }

    private func prune() {
        for name in (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? [] {
            let path = "\(folder)/\(name)"
            guard let date = try? FileManager.default.attributesOfItem(atPath: path)[.modificationDate] as? Date,
                -date.timeIntervalSinceNow > Self.ageMax
            else { continue }
            try? FileManager.default.removeItem(atPath: path)
        }
    }
}
