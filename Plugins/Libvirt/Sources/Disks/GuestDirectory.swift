import ComputeModel
import DriverAPI
import DriverSupport
import FoundationEssentials
import Glibc

/// The files of one guest. Every path is made of the instances directory and the guest's own identifier.
struct GuestDirectory: Hashable, Sendable {
    /// The directory.
    let path: String

    /// The directory of a guest, whether it exists or not.
    init(_ guest: GuestID, in instancesPath: String) { path = "\(instancesPath)/\(guest)" }

    /// What a guest that has moved away leaves until the move is confirmed.
    static func departed(_ guest: GuestID, in instancesPath: String) -> GuestDirectory {
        GuestDirectory(path: "\(instancesPath)/\(guest)_resize")
    }

    private init(path: String) { self.path = path }

    var rootDisk: String { "\(path)/disk" }
    var ephemeralDisk: String { "\(path)/disk.eph0" }
    var swapDisk: String { "\(path)/disk.swap" }
    var configDrive: String { "\(path)/disk.config" }
    var configDriveFiles: String { "\(path)/.config-drive" }
    var consoleLog: String { "\(path)/console.log" }
    /// The definition as it was made, kept for hard reboots.
    var definition: String { "\(path)/domain.xml" }
    /// The definition that is in force while the guest is in rescue.
    var rescueDefinition: String { "\(path)/rescue.xml" }
    var rescueDisk: String { "\(path)/disk.rescue" }
    var rescueConfigDrive: String { "\(path)/disk.config.rescue" }
    /// Where the firmware keeps its variables.
    var firmwareVariables: String { "\(path)/firmware-variables.fd" }
    /// A snapshot in the making, and its form for the image service.
    var snapshot: String { "\(path)/.snapshot" }
    var convertedSnapshot: String { "\(path)/.snapshot-converted" }
    private var recordPath: String { "\(path)/guest.json" }

    /// What was last done to the guest.
    struct Record: Hashable, Codable, Sendable {
        /// Form of this record.
        var version = 1
        /// The highest operation number seen.
        var operation: Int64
        /// The operation that spawned it.
        var spawnedBy: Int64
        /// Whether spawn has come to its end.
        var complete: Bool
        /// Tells by which two nodes see that they look at the same files.
        var token: String?
        /// The operation that brought it into rescue; `nil` when it is not.
        var rescuedBy: Int64?
        /// Whether its file systems were frozen and not thawed since.
        var isFrozen: Bool?
        /// The administrator's name in the guest.
        var adminUser: String?

        init(operation: Int64, spawnedBy: Int64, complete: Bool) {
            (self.operation, self.spawnedBy, self.complete) = (operation, spawnedBy, complete)
        }
    }

    /// The record; `nil` when there is none or it cannot be read.
    func record() -> Record? {
        guard let bytes = try? readTail(recordPath, bytesMax: 4096) else { return nil }
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

    /// The definition in force: that of the rescue, or the usual one.
    var definitionInForce: String { record()?.rescuedBy == nil ? definition : rescueDefinition }

    /// Makes the directory. Others may pass through it, because the hypervisor runs as another user, but not list it.
    func create() throws(FileFailure) { try makeDirectories(path, mode: 0o711) }

    /// The last bytes of the console: of the current log and of what was rotated away.
    ///
    /// - Parameter bytesMax: at most this many.
    func consoleTail(bytesMax: Int) throws(FileFailure) -> [UInt8] {
        var collected: [UInt8] = []
        for name in [consoleLog] + (0..<100).map({ "\(consoleLog).\($0)" }) {
            guard collected.count < bytesMax, exists(name) else {
                if name == consoleLog { continue }
                break
            }
            collected = try readTail(name, bytesMax: bytesMax - collected.count) + collected
        }
        return collected
    }

    /// Moves a console log that has grown too large to `console.log.0`, older ones one further.
    ///
    /// The writer keeps its open file, so the log is copied and cut; what is written between the two is lost.
    func rotateConsoleLog(bytesMax: Int, filesMax: Int) throws(FileFailure) {
        guard let size = fileSize(consoleLog), size > UInt64(bytesMax) else { return }
        for index in stride(from: filesMax - 1, to: 0, by: -1) where exists("\(consoleLog).\(index - 1)") {
            try moveDurably("\(consoleLog).\(index - 1)", to: "\(consoleLog).\(index)")
        }
        let bytes = try readTail(consoleLog, bytesMax: bytesMax)
        try writeDurably(bytes, to: "\(consoleLog).0")
        guard truncate(consoleLog, 0) == 0 else { throw FileFailure(call: "cut \(consoleLog)", number: errno) }
    }
}
