package import ComputeModel
import Glibc

/// Operation numbers of guests that were removed, so that a late message cannot bring one back.
package struct RemovedGuests: Sendable {
    private let path: String
    /// How long a number is kept, in seconds.
    package static let keptSeconds = 86_400

    package init(instancesPath: String) { path = "\(instancesPath)/_removed" }

    /// The number of the operation that removed the guest.
    package func operation(_ guest: GuestID) -> Int64? {
        (try? readText("\(path)/\(guest)", bytesMax: 64)).flatMap { Int64($0) }
    }

    /// Notes a removal.
    package func note(_ guest: GuestID, operation: Int64) throws(FileFailure) {
        try makeDirectories(path, mode: 0o700)
        try writeDurably(Array("\(operation)".utf8), to: "\(path)/\(guest)")
    }

    /// Forgets the note: the guest was made anew.
    package func forget(_ guest: GuestID) { unlink("\(path)/\(guest)") }

    /// Forgets old notes.
    ///
    /// - Parameter now: seconds since 1970.
    package func prune(now: Int) {
        for name in namesInDirectory(path) {
            var information = stat()
            guard stat("\(path)/\(name)", &information) == 0 else { continue }
            if now - information.st_mtim.tv_sec > Self.keptSeconds { unlink("\(path)/\(name)") }
        }
    }
}
