import ComputeModel
import DriverAPI
import DriverSupport
import Glibc

/// Makes the disks of a guest.
struct GuestDisks: Sendable {
    let cache: ImageCache
    let qemuImg: QemuImg
    let threads: BlockingThreads
    let imagesType: LibvirtOptions.ImagesType
    let mkisofsCommand: String

    private static let gib: UInt64 = 1 << 30
    private static let mib: UInt64 = 1 << 20

    /// Makes the root disk from the image and returns its format.
    func makeRoot(_ spec: GuestSpec, _ image: ImageSpec, in directory: GuestDirectory) async throws(DriverError)
        -> DiskFormat
    {
        let wanted = UInt64(clamping: spec.flavor.rootGiB) * Self.gib
        return try await cache.withBase(for: image, sizeMax: wanted > 0 ? wanted : nil) {
            base async throws(DriverError) in
            let size = wanted > 0 ? wanted : base.virtualSize
            switch imagesType {
            case .qcow2:
                try await qemuImg.createOverlay(
                    directory.rootDisk, base: base.path, baseFormat: base.format, size: size)
                return .qcow2
            case .raw:
                try await qemuImg.convert(
                    base.path, base.format, to: directory.rootDisk, .raw, virtualSize: base.virtualSize)
                try await fileCall { () throws(FileFailure) in
                    guard truncate(directory.rootDisk, off_t(clamping: size)) == 0 else {
                        throw FileFailure(call: "size \(directory.rootDisk)", number: errno)
                    }
                }
                return .raw
            }
        }
    }

    /// Makes the disk that a rescue boots from: an overlay on the cached image.
    func makeRescue(_ image: ImageSpec, allowsISO: Bool, in directory: GuestDirectory) async throws(DriverError) {
        try await cache.withBase(for: image, sizeMax: nil, allowsISO: allowsISO) { base async throws(DriverError) in
            try await qemuImg.createOverlay(
                directory.rescueDisk, base: base.path, baseFormat: base.format, size: base.virtualSize)
        }
    }

    /// Makes an empty second disk with an ext4 file system labelled `ephemeral0`.
    func makeEphemeral(gib: Int, in directory: GuestDirectory) async throws(DriverError) {
        let path = directory.ephemeralDisk
        let size = UInt64(clamping: gib) * Self.gib
        try await fileCall { () throws(FileFailure) in try makeSparseFile(path, size: size) }
        let arguments = ["-q", "-F", "-t", "ext4", "-L", "ephemeral0", path]
        try await run(Subprocess("mke2fs", arguments, timeout: .seconds(600)))
    }

    /// Makes a swap disk.
    func makeSwap(mib: Int, in directory: GuestDirectory) async throws(DriverError) {
        let path = directory.swapDisk
        let size = UInt64(clamping: mib) * Self.mib
        try await fileCall { () throws(FileFailure) in try makeSparseFile(path, size: size) }
        try await run(Subprocess("mkswap", [path], timeout: .seconds(120)))
    }

    /// Makes the configuration drive: ISO 9660 with Joliet and Rock Ridge names, labelled `config-2`.
    ///
    /// - Parameter path: where; `nil` for the guest's usual drive.
    func makeConfigDrive(
        _ files: [String: [UInt8]], in directory: GuestDirectory, at path: String? = nil
    ) async throws(DriverError) {
        for path in files.keys.sorted() {
            let parts = path.split(separator: "/", omittingEmptySubsequences: false)
            guard !parts.isEmpty, parts.allSatisfy({ !$0.isEmpty && $0 != "." && $0 != ".." && !$0.contains("\0") })
            else {
                throw .refused("the configuration drive cannot hold a file named '\(path)'")
            }
        }
        let root = directory.configDriveFiles
        let outcome: Result<Void, DriverError>
        do throws(DriverError) {
            try await fileCall { () throws(FileFailure) in
                try removeTree(root)
                try makeDirectories(root, mode: 0o700)
                for (path, bytes) in files {
                    let target = "\(root)/\(path)"
                    try makeDirectories(parentDirectory(of: target), mode: 0o700)
                    try writeDurably(bytes, to: target, mode: 0o600)
                }
            }
            let arguments = [
                "-o", path ?? directory.configDrive, "-ldots", "-allow-lowercase", "-allow-multidot", "-l",
                "-publisher", "Kilonova", "-quiet", "-J", "-r", "-V", "config-2", root,
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

    private func fileCall(_ body: @escaping @Sendable () throws(FileFailure) -> Void) async throws(DriverError) {
        do throws(FileFailure) { try await threads.run(body) } catch { throw error.driverError }
    }
}
