import ComputeModel
import DriverAPI
import FoundationEssentials
import Glibc

/// Which operation removed a guest, kept in the state directory for a day: a message that comes later than that is
/// refused even though the guest is gone.
struct Removals: Sendable {
    private let folder: String
    private static let secondsKept = 86_400

    init(stateDirectory: String) { folder = stateDirectory + "/removed" }

    /// The operation that removed the guest; `nil` when none did lately.
    func operation(of guest: GuestID) -> Int64? {
        guard let text = try? String(contentsOfFile: "\(folder)/\(guest)", encoding: .utf8) else { return nil }
        return Int64(text)
    }

    /// Notes a removal.
    func note(_ guest: GuestID, _ operation: Int64) throws(DriverError) {
        do {
            try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
            try Data("\(operation)".utf8).write(to: URL(filePath: "\(folder)/\(guest)"), options: .atomic)
        } catch {
            throw .failed("the removal of guest \(guest) cannot be noted in \(folder): \(error)")
        }
    }

    /// Forgets a removal, because the guest was made again.
    func forget(_ guest: GuestID) { unlink("\(folder)/\(guest)") }

    /// Forgets what is old.
    func prune() {
        let now = time(nil)
        for name in (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? [] {
            var information = stat()
            let path = "\(folder)/\(name)"
            if stat(path, &information) == 0, now - information.st_mtim.tv_sec > Self.secondsKept { unlink(path) }
        }
    }
}
