import ComputeModel
import DriverAPI
import DriverSupport
import FoundationEssentials
import Glibc

/// The files of one guest.
struct GuestDirectory: Hashable, Sendable {
    /// Its directory.
    let path: String

    /// The directory of a guest, whether it exists or not.
    init(_ guest: GuestID, in instancesPath: String) { path = "\(instancesPath)/\(guest)" }

    var rootDisk: String { "\(path)/disk" }
    var ephemeralDisk: String { "\(path)/disk.eph0" }
    var swapDisk: String { "\(path)/disk.swap" }
    var configDrive: String { "\(path)/disk.config" }
    var configDriveFiles: String { "\(path)/.config-drive" }
    /// The guest's memory while it is suspended.
    var memory: String { "\(path)/memory" }
    /// A snapshot in the making.
    var snapshot: String { "\(path)/.snapshot" }
    private var recordPath: String { "\(path)/guest.json" }

    /// What is known of the guest, also while Xen does not know it.
    struct Record: Hashable, Codable, Sendable {
        /// Form of this record.
        var version = 1
        /// The highest operation number seen.
        var operation: Int64
        /// The operation that spawned it.
        var spawnedBy: Int64
        /// The guest; `nil` while it is being made.
        var guest: XenGuest?
        /// Whether its memory is on disk.
        var isSuspended = false
    }

    /// The record; `nil` when there is none or it cannot be read.
    func record() -> Record? {
        guard let bytes = try? readTail(recordPath, bytesMax: 64 << 10) else { return nil }
        guard let record = try? JSONDecoder().decode(Record.self, from: Data(bytes)), record.version == 1 else {
            return nil
        }
        return record
    }

    /// Replaces the record.
    func write(_ record: Record) throws(FileFailure) {
        guard let data = try? JSONEncoder().encode(record) else { throw FileFailure(call: "encode", number: EINVAL) }
        try writeDurably(Array(data), to: recordPath)
    }

    /// Changes the record, where there is one.
    func update(_ change: (inout Record) -> Void) throws(FileFailure) {
        guard var record = record() else { return }
        change(&record)
        try write(record)
    }
}
