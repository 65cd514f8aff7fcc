import ComputeModel
import DriverAPI
import DriverSupport

/// Makes images of root disks: of running guests by a backup of QEMU's, which takes the disk as it was at one moment
/// while the guest runs on, and of guests that are off by a plain copy. Either is flat: it leans on no base.
struct Snapshots: SnapshottingGuests {
    let driver: LibvirtDriver

    var formats: [String] { ["qcow2", "raw", "vmdk", "vdi", "vhd", "vhdx"] }
    var isLive: Bool { true }

    func snapshot(_ guest: GuestID, to target: SnapshotTarget, _ call: DriverCall) async throws(DriverError) {
        guard formats.contains(target.diskFormat), let format = DiskFormat(rawValue: target.diskFormat) else {
            throw .notSupported(
                "snapshots of format \(target.diskFormat); possible are \(formats.joined(separator: ", "))")
        }
        try await driver.changing(guest, call) { held async throws(DriverError) in
            let directory = driver.directory(of: guest)
            guard let root = try await driver.rootDisk(guest) else {
                throw .notSupported("a snapshot of guest \(guest): it has no root disk of its own")
            }
            if target.mustQuiesce, !held.isActive, held.isSaved {
                throw .notSupported("a quiet snapshot of guest \(guest), whose memory is on disk")
            }
            let temporary = [directory.snapshot, directory.convertedSnapshot]
            let outcome: Result<Void, DriverError>
            do throws(DriverError) {
                try await driver.files { () throws(FileFailure) in for path in temporary { try removeTree(path) } }
                var ready = directory.snapshot
                if held.isActive {
                    let copied = format == .raw ? DiskFormat.raw : .qcow2
                    try await copyLive(guest, held, root, to: ready, copied, mustQuiesce: target.mustQuiesce)
                    if copied != format {
                        driver.host.report(DriverProgress(guest: guest, phase: "converting"))
                        ready = directory.convertedSnapshot
                        try await driver.disks.qemuImg.flatten(
                            directory.snapshot, copied, to: ready, format, virtualSize: root.header.virtualSize)
                    }
                } else {
                    driver.host.report(DriverProgress(guest: guest, phase: "copying root disk"))
                    try await driver.disks.qemuImg.flatten(
                        root.path, root.header.format, to: ready, format, virtualSize: root.header.virtualSize)
                }
                if Task.isCancelled { throw .cancelled }
                driver.host.report(DriverProgress(guest: guest, phase: "uploading"))
                try await driver.host.storeImage(target.image, from: ready, format: target.diskFormat)
                outcome = .success(())
            } catch {
                outcome = .failure(error)
            }
            await driver.threads.run { for path in temporary { try? removeTree(path) } }
            try outcome.get()
        }
    }

    /// Copies the root disk of a running guest as it is at one moment.
    private func copyLive(
        _ guest: GuestID, _ held: LibvirtDriver.Held, _ root: LibvirtDriver.RootDisk, to path: String,
        _ format: DiskFormat, mustQuiesce: Bool
    ) async throws(DriverError) {
        let live = try await driver.document(of: guest, .live)
        guard let name = live.disks.first(where: { $0.child("source")?["file"] == root.path })?.child("target")?["dev"]
        else { throw .failed("guest \(guest) runs without its root disk \(root.path)") }
        try await endLeftover(guest)
        if mustQuiesce { try await driver.freeze(guest, held) }
        let document = Self.backup(of: name, among: live, to: path, format)
        let begun: DriverError?
        do throws(DriverError) {
            try await driver.disks.qemuImg.createEmpty(path, format, size: root.header.virtualSize)
            try await driver.session.change(guest) { connection throws(LibvirtFailure) in
                try connection.domain(guest)?.beginBackup(document)
            }
            begun = nil
        } catch {
            begun = error
        }
        if mustQuiesce {
            // The moment is over once the backup has begun.
            try? await driver.throughAgent(of: guest, held) { domain throws(LibvirtFailure) in try domain.thaw() }
            try? await driver.noteFrozen(guest, nil)
        }
        if let begun { throw begun }
        do throws(DriverError) {
            try await follow(guest)
        } catch {
            let reason = error
            await Task { try? await endLeftover(guest) }.value
            throw reason
        }
    }

    private func follow(_ guest: GuestID) async throws(DriverError) {
        while true {
            let job: DomainJob? = try await driver.session.read(guest) {
                connection throws(LibvirtFailure) -> DomainJob? in
                guard let domain = try connection.domain(guest) else { throw .noDomain("look up the guest") }
                guard domain.isActive else {
                    return DomainJob(end: .failed, operation: 0, total: 0, done: 0, reason: "the guest went off")
                }
                if let job = try domain.job() { return job }
                return try domain.completedJob()
            }
            guard let job else { throw .failed("the copy of guest \(guest)'s root disk ended without a word") }
            switch job.end {
            case .completed: return
            case .failed:
                let reason = job.reason ?? "no reason given"
                if reason.contains("No space left") { throw .insufficientResources("snapshot of \(guest): \(reason)") }
                throw .failed("the copy of guest \(guest)'s root disk failed: \(reason)")
            case nil:
                driver.host.report(DriverProgress(guest: guest, phase: "copying root disk", percent: job.percent))
            }
            try await driver.pause()
        }
    }

    /// Ends a backup of ours that nobody follows any more, and waits until it has ended.
    private func endLeftover(_ guest: GuestID) async throws(DriverError) {
        while true {
            let runs = try await driver.session.change(guest) { connection throws(LibvirtFailure) in
                guard let domain = try connection.domain(guest), domain.isActive, try domain.job()?.isBackup == true
                else { return false }
                try domain.abortJob()
                return true
            }
            guard runs else { return }
            try await driver.pause()
        }
    }

    /// The document of a backup of one disk.
    static func backup(
        of name: String, among live: GuestDocument, to path: String, _ format: DiskFormat
    ) -> XMLElement {
        var disks = XMLElement("disks")
        for other in live.deviceNames.sorted() where other != name {
            disks.add(XMLElement("disk", ["name": other, "backup": "no"]))
        }
        disks.add(
            XMLElement(
                "disk", ["name": name, "backup": "yes", "type": "file"],
                [XMLElement("driver", ["type": format.qemuName ?? "raw"]), XMLElement("target", ["file": path])]))
        return XMLElement("domainbackup", ["mode": "push"], [disks])
    }
}

extension LibvirtDriver {
    /// A guest's own root disk.
    struct RootDisk: Sendable {
        var path: String
        var header: DiskHeader
    }

    /// The root disk as its definition names it; `nil` for a guest that boots from a volume.
    func rootDisk(_ guest: GuestID) async throws(DriverError) -> RootDisk? {
        let path = directory(of: guest).rootDisk
        let kept = try await keptDocument(guest)
        guard let disk = kept.disks.first(where: { $0.child("source")?["file"] == path }) else { return nil }
        let format = DiskFormat(rawValue: disk.child("driver")?["type"] ?? "raw") ?? .raw
        let header = await threads.run { DiskHeader(path, format) }
        guard let header else { throw .failed("the root disk \(path) of guest \(guest) cannot be read") }
        return RootDisk(path: path, header: header)
    }
}
