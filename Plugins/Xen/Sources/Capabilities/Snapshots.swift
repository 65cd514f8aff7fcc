import ComputeModel
import DriverAPI
import DriverSupport

/// Makes images of root disks. A running guest stands still while its disk is copied, which is a moment where the file
/// system shares blocks between copies.
struct Snapshots: SnapshottingGuests {
    let driver: XenDriver
    let isLive = false

    var formats: [String] { ImageCache.formats().sorted { $0 == "raw" && $1 != "raw" } }

    func snapshot(_ guest: GuestID, to target: SnapshotTarget, _ call: DriverCall) async throws(DriverError) {
        try await driver.changing(guest, call) { held async throws(DriverError) in
            guard formats.contains(target.diskFormat) else {
                throw .notSupported("The Xen driver makes no snapshots in the format \(target.diskFormat)")
            }
            guard !target.mustQuiesce else {
                throw .notSupported("The Xen driver cannot silence a guest's file systems")
            }
            let directory = driver.directory(of: guest)
            let outcome: Result<Void, DriverError>
            do throws(DriverError) {
                try await take(held, directory)
                outcome = .success(try await upload(held.guest.id, target, directory))
            } catch {
                outcome = .failure(error)
            }
            await driver.threads.run {
                for path in [directory.snapshot, "\(directory.snapshot)-converted"] { try? removeTree(path) }
            }
            try outcome.get()
        }
    }

    private func take(_ held: XenDriver.Held, _ directory: GuestDirectory) async throws(DriverError) {
        try await driver.files { () throws(FileFailure) in try removeTree(directory.snapshot) }
        guard held.power == .running, let domain = held.domain else {
            return try await driver.disks.copy(directory.rootDisk, to: directory.snapshot)
        }
        try await driver.ask { xen throws(XenFailure) in try xen.pause(domain) }
        let copied: DriverError?
        do throws(DriverError) {
            try await driver.disks.copy(directory.rootDisk, to: directory.snapshot)
            copied = nil
        } catch {
            copied = error
        }
        try await driver.ask { xen throws(XenFailure) in try xen.unpause(domain) }
        if let copied { throw copied }
    }

    private func upload(_ guest: GuestID, _ target: SnapshotTarget, _ directory: GuestDirectory)
        async throws(DriverError)
    {
        var path = directory.snapshot
        if target.diskFormat != "raw" {
            path = "\(directory.snapshot)-converted"
            let source = directory.snapshot
            let size = await driver.threads.run { fileSize(source) ?? 0 }
            try await driver.cache.convert(source, "raw", to: path, target.diskFormat, sizeMax: size)
        }
        if Task.isCancelled { throw .cancelled }
        driver.host.report(DriverProgress(guest: guest, phase: "uploading snapshot"))
        try await driver.host.storeImage(target.image, from: path, format: target.diskFormat)
    }
}
