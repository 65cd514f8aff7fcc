import CXen
import ComputeModel
import DriverAPI
import DriverSupport
import Glibc

/// Makes the disks of a guest: raw files, which Xen's block back end serves by itself.
struct GuestDisks: Sendable {
    let cache: ImageCache
    let threads: BlockingThreads
    let mkisofsCommand: String

    /// Makes the root disk from the image, as large as the flavor says.
    func makeRoot(_ spec: GuestSpec, _ image: ImageSpec, in directory: GuestDirectory) async throws(DriverError) {
        let wanted = UInt64(clamping: spec.flavor.rootGiB) << 30
        let base = try await cache.base(for: image, sizeMax: wanted > 0 ? wanted : nil)
        try await copy(base, to: directory.rootDisk, size: wanted > 0 ? wanted : nil)
    }

    /// Copies a raw disk, sharing blocks where the file system can. If it throws, there is no copy.
    func copy(_ source: String, to target: String, size: UInt64? = nil) async throws(DriverError) {
        let isCancelled = Locked(false)
        let failure: FileFailure? = await withTaskCancellationHandler {
            await threads.run {
                do throws(FileFailure) {
                    try copySparsely(source, to: target) { isCancelled.with { $0 } }
                    if let size, truncate(target, off_t(clamping: size)) != 0 {
                        throw FileFailure(call: "size \(target)", number: errno)
                    }
                    return nil
                } catch {
                    unlink(target)
                    return error
                }
            }
        } onCancel: {
            isCancelled.with { $0 = true }
        }
        guard let failure else { return }
        throw failure.number == ECANCELED ? .cancelled : failure.driverError
    }

    /// Makes an empty second disk with an ext4 file system labelled `ephemeral0`.
    func makeEphemeral(gib: Int, in directory: GuestDirectory) async throws(DriverError) {
        let path = directory.ephemeralDisk
        try await files { () throws(FileFailure) in try makeSparseFile(path, size: UInt64(clamping: gib) << 30) }
        let arguments = ["-q", "-F", "-t", "ext4", "-L", "ephemeral0", path]
        try await run(Subprocess("mke2fs", arguments, timeout: .seconds(600)))
    }

    /// Makes a swap disk.
    func makeSwap(mib: Int, in directory: GuestDirectory) async throws(DriverError) {
        let path = directory.swapDisk
        try await files { () throws(FileFailure) in try makeSparseFile(path, size: UInt64(clamping: mib) << 20) }
        try await run(Subprocess("mkswap", [path], timeout: .seconds(120)))
    }

    /// Makes the configuration drive: ISO 9660 with Joliet and Rock Ridge names, labelled `config-2`.
    func makeConfigDrive(_ files: [String: [UInt8]], in directory: GuestDirectory) async throws(DriverError) {
        for path in files.keys.sorted() {
            let parts = path.split(separator: "/", omittingEmptySubsequences: false)
            guard !parts.isEmpty, parts.allSatisfy({ !$0.isEmpty && $0 != "." && $0 != ".." && !$0.contains("\0") })
            else { throw .refused("the configuration drive cannot hold a file named '\(path)'") }
        }
        let root = directory.configDriveFiles
        let outcome: Result<Void, DriverError>
        do throws(DriverError) {
            try await self.files { () throws(FileFailure) in
                try removeTree(root)
                try makeDirectories(root, mode: 0o700)
                for (path, bytes) in files {
                    try makeDirectories(parentDirectory(of: "\(root)/\(path)"), mode: 0o700)
                    try writeDurably(bytes, to: "\(root)/\(path)", mode: 0o600)
                }
            }
            let arguments = [
                "-o", directory.configDrive, "-ldots", "-allow-lowercase", "-allow-multidot", "-l", "-publisher",
                "Kilonova", "-quiet", "-J", "-r", "-V", "config-2", root,
            ]
            try await run(Subprocess(mkisofsCommand, arguments, timeout: .seconds(120)))
            outcome = .success(())
        } catch {
            outcome = .failure(error)
        }
        // The files hold secrets; the drive has its own copy.
        await threads.run { try? removeTree(root) }
        try outcome.get()
    }

    private func run(_ work: Subprocess) async throws(DriverError) {
        do throws(Subprocess.Failure) {
            _ = try await work.run(on: threads)
        } catch .cancelled {
            throw .cancelled
        } catch {
            throw .failed(error.message)
        }
    }

    private func files(_ body: @escaping @Sendable () throws(FileFailure) -> Void) async throws(DriverError) {
        do throws(FileFailure) { try await threads.run(body) } catch { throw error.driverError }
    }
}

/// Copies a file to a new one without its holes; by sharing blocks where the file system can.
///
/// - Throws: a ``FileFailure`` with ECANCELED once `isCancelled` says so.
func copySparsely(_ source: String, to target: String, isCancelled: () -> Bool) throws(FileFailure) {
    let from = open(source, O_RDONLY | O_CLOEXEC)
    guard from >= 0 else { throw FileFailure(call: "open \(source)", number: errno) }
    defer { close(from) }
    let to = open(target, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
    guard to >= 0 else { throw FileFailure(call: "create \(target)", number: errno) }
    defer { close(to) }
    if kn_xen_clone_file(to, from) == 0 { return }
    let end = lseek(from, 0, SEEK_END)
    guard end >= 0, ftruncate(to, end) == 0 else { throw FileFailure(call: "size \(target)", number: errno) }
    let (seekData, seekHole): (Int32, Int32) = (3, 4)
    var buffer = [UInt8](repeating: 0, count: 1 << 20)
    var position: off_t = 0
    while position < end {
        let data = lseek(from, position, seekData)
        if data < 0 { break }
        let hole = lseek(from, data, seekHole)
        position = data
        while position < hole {
            if isCancelled() { throw FileFailure(call: "copy \(source)", number: ECANCELED) }
            let count = pread(from, &buffer, min(buffer.count, Int(hole - position)), position)
            guard count > 0 else { throw FileFailure(call: "read \(source)", number: count < 0 ? errno : EIO) }
            guard pwrite(to, buffer, count, position) == count else {
                throw FileFailure(call: "write \(target)", number: errno == 0 ? ENOSPC : errno)
            }
            position += off_t(count)
        }
    }
}
