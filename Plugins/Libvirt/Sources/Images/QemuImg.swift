import DriverAPI
import DriverSupport

/// The few uses of qemu-img: always with explicit formats, under limits, never asked what a file is.
struct QemuImg: Sendable {
    let threads: BlockingThreads
    /// Address space in bytes.
    let addressSpaceMax: UInt64
    /// Processor seconds for making a disk.
    let cpuSecondsMax: Int
    /// Clock and processor time for converting one.
    let conversionTimeout: Duration

    /// Converts an inspected image.
    ///
    /// - Parameter virtualSize: what the inspector found; the result may not become larger than that, by a margin
    ///   for the target format's own tables.
    func convert(
        _ source: String, _ format: DiskFormat, to target: String, _ targetFormat: DiskFormat, virtualSize: UInt64
    ) async throws(DriverError) {
        var work = Subprocess(
            "qemu-img", ["convert", "-q", "-f", try name(format), "-O", try name(targetFormat), source, target],
            timeout: conversionTimeout)
        work.addressSpaceMax = addressSpaceMax
        work.cpuSecondsMax = Int(conversionTimeout.components.seconds)
        work.fileSizeMax = virtualSize + virtualSize / 100 + (16 << 20)
        do throws(Subprocess.Failure) {
            _ = try await work.run(on: threads)
        } catch {
            try? removeTree(target)
            throw Self.driverError(error, imageFault: true)
        }
    }

    /// Makes a qcow2 overlay of that size on a base.
    func createOverlay(
        _ path: String, base: String, baseFormat: DiskFormat, size: UInt64
    ) async throws(DriverError) {
        let arguments = ["create", "-q", "-f", "qcow2", "-F", try name(baseFormat), "-b", base, path, "\(size)"]
        try await run(short(arguments), removing: path)
    }

    /// Copies a guest's own disk with all that it leans on into one file.
    func flatten(
        _ source: String, _ format: DiskFormat, to target: String, _ targetFormat: DiskFormat, virtualSize: UInt64
    ) async throws(DriverError) {
        var work = Subprocess(
            "qemu-img", ["convert", "-q", "-U", "-f", try name(format), "-O", try name(targetFormat), source, target],
            timeout: conversionTimeout)
        work.addressSpaceMax = addressSpaceMax
        work.fileSizeMax = virtualSize + virtualSize / 100 + (16 << 20)
        try await run(work, removing: target)
    }

    /// Makes an empty disk.
    func createEmpty(_ path: String, _ format: DiskFormat, size: UInt64) async throws(DriverError) {
        try await run(short(["create", "-q", "-f", try name(format), path, "\(size)"]), removing: path)
    }

    /// Makes a guest's own disk larger.
    func grow(_ path: String, _ format: DiskFormat, to size: UInt64) async throws(DriverError) {
        try await run(short(["resize", "-q", "-f", try name(format), path, "\(size)"]), removing: nil)
    }

    /// Says where a disk's base is on this host, without a look at its content.
    func rebase(_ path: String, onto base: String, _ baseFormat: DiskFormat) async throws(DriverError) {
        let arguments = ["rebase", "-q", "-u", "-f", "qcow2", "-F", try name(baseFormat), "-b", base, path]
        try await run(short(arguments), removing: nil)
    }

    private func short(_ arguments: [String]) -> Subprocess {
        var work = Subprocess("qemu-img", arguments, timeout: .seconds(max(60, cpuSecondsMax * 4)))
        work.addressSpaceMax = addressSpaceMax
        work.cpuSecondsMax = cpuSecondsMax
        return work
    }

    private func run(_ work: Subprocess, removing path: String?) async throws(DriverError) {
        do throws(Subprocess.Failure) {
            _ = try await work.run(on: threads)
        } catch {
            if let path { try? removeTree(path) }
            throw Self.driverError(error, imageFault: false)
        }
    }

    private func name(_ format: DiskFormat) throws(DriverError) -> String {
        guard let name = format.qemuName else { throw .notSupported("disks of format \(format.rawValue)") }
        return name
    }

    private static func driverError(_ failure: Subprocess.Failure, imageFault: Bool) -> DriverError {
        switch failure {
        case .cancelled: return .cancelled
        case .notFound: return .failed("\(failure.message); install qemu-utils and util-linux")
        case .notStarted: return .failed(failure.message)
        case .timedOut, .killed:
            return imageFault ? .imageUnacceptable("Image could not be converted: \(failure.message)")
                : .failed(failure.message)
        case .failed(_, _, let output):
            let full = ["No space left on device", "Disk quota exceeded"].contains { output.contains($0) }
            if full { return .insufficientResources(failure.message) }
            return imageFault ? .imageUnacceptable("Image could not be converted: \(failure.message)")
                : .failed(failure.message)
        }
    }
}
