import ComputeModel
import DriverAPI
import DriverSupport
import Glibc

/// Guests' consoles, as Xen's console daemon writes them to files.
struct ConsoleLogs: ConsoleLogReading {
    let directory: String
    let instancesPath: String
    let threads: BlockingThreads

    /// The logs, where the daemon keeps any.
    static func find(_ options: XenOptions, _ threads: BlockingThreads) -> ConsoleLogs? {
        let place = options.consoleLogDirectory ?? namesInDirectory("/proc").lazy
            .filter { $0.utf8.allSatisfy { (48...57).contains($0) } }
            .compactMap { process -> String? in
                guard let bytes = try? readTail("/proc/\(process)/cmdline", bytesMax: 4096, whole: true) else {
                    return nil
                }
                return directory(ofDaemon: bytes.split(separator: 0).map { String(decoding: $0, as: UTF8.self) })
            }.first
        return place.map { ConsoleLogs(directory: $0, instancesPath: options.instancesPath, threads: threads) }
    }

    /// Where a daemon with that command line keeps guests' logs; `nil` for another program or one that keeps none.
    static func directory(ofDaemon words: [String]) -> String? {
        guard let program = words.first, program.split(separator: "/").last == "xenconsoled" else { return nil }
        let keeps = words.contains { ["--log=guest", "--log=all"].contains($0) }
        guard keeps else { return nil }
        let named = words.first { $0.hasPrefix("--log-dir=") }.map { String($0.dropFirst("--log-dir=".count)) }
        return named ?? "/var/log/xen/console"
    }

    /// The file of one guest.
    func path(of guest: GuestID) -> String { "\(directory)/guest-\(XenGuest.name(guest)).log" }

    func consoleLog(of guest: GuestID, bytesMax: Int) async throws(DriverError) -> [UInt8] {
        let (own, log) = (GuestDirectory(guest, in: instancesPath), path(of: guest))
        let bytes: [UInt8]?
        do throws(FileFailure) {
            bytes = try await threads.run { () throws(FileFailure) in
                guard own.record()?.guest != nil else { return nil }
                // A guest that has said nothing yet has no file.
                return exists(log) ? try readTail(log, bytesMax: max(0, bytesMax)) : []
            }
        } catch {
            throw .failed("the console log of guest \(guest) cannot be read: \(error.message)")
        }
        guard let bytes else { throw .noSuchGuest(guest) }
        return bytes
    }
}
