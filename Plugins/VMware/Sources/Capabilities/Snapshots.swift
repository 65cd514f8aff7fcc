import ComputeModel
import DriverAPI
import FoundationEssentials

/// Makes images of root disks. A snapshot freezes a running guest's disk for as long as it is copied; the copy is
/// fetched over HTTP and packed here.
struct Snapshots: SnapshottingGuests {
    let formats = ["vmdk", "raw"]
    let isLive = true
    private let parts: DriverParts
    init(_ parts: DriverParts) { self.parts = parts }

    private static let name = "kilonova-image"

    func snapshot(_ guest: GuestID, to target: SnapshotTarget, _ call: DriverCall) async throws(DriverError) {
        let driver = try parts.driver()
        guard formats.contains(target.diskFormat) else {
            throw .notSupported("images in format '\(target.diskFormat)'; there are \(formats.joined(separator: ", "))")
        }
        try await driver.change(guest, call) { (machine) async throws(VimFailure) in
            guard let disk = machine.rootDisk, let file = disk.file else {
                throw .driver(.notSupported("an image of guest \(guest), which boots from a volume"))
            }
            guard !target.mustQuiesce || machine.power == .running else {
                throw .driver(.refused("guest \(guest) is off; there are no file systems to silence"))
            }
            try await removeLeftovers(machine, driver)
            let local = "\(driver.host.stateDirectory)/staging/\(UUIDValue.random())"
            defer { for name in [local, local + ".vmdk"] { try? FileManager.default.removeItem(atPath: name) } }
            try await fetch(file, of: machine, to: local, target, guest, driver)
            let adapter = machine.devices.first { $0.key == disk.controllerKey }?.adapter ?? .lsiLogic
            let image = target.diskFormat == "raw" ? local : local + ".vmdk"
            if image != local {
                try await onOwnThread { flag throws(VimFailure) in
                    try SparseVMDK.write(
                        local, to: image, adapter: adapter.diskManagerName, isCancelled: { flag.isSet })
                }
            }
            driver.host.report(DriverProgress(guest: guest, phase: "uploading image"))
            do throws(DriverError) {
                try await driver.host.storeImage(target.image, from: image, format: target.diskFormat)
            } catch {
                throw .driver(error)
            }
        }
    }

    /// Copies the disk as it is now to a file of this host.
    private func fetch(
        _ file: DatastorePath, of machine: Machine, to local: String, _ target: SnapshotTarget, _ guest: GuestID,
        _ driver: VMwareDriver
    ) async throws(VimFailure) {
        do {
            let folder = driver.host.stateDirectory + "/staging"
            try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        } catch {
            throw .driver(.failed("the folder for a guest's image cannot be made: \(error)"))
        }
        let work = driver.images.workPlace(file.datastore)
        try await withRollback { (rollback: inout Rollback) async throws(VimFailure) in
            try await driver.files.makeFolder(work)
            rollback.onFailure { try? await driver.files.remove(work) }
            let snapshot = machine.power == .shutdown ? nil : try await freeze(machine, target, driver)
            if let snapshot { rollback.onFailure { try? await thaw(snapshot, driver) } }
            let copy = work.appending("disk.vmdk")
            try await driver.files.copyDisk(file, to: copy, .init(guest: guest, phase: "copying disk"))
            // As early as can be: a guest with a snapshot is slower.
            if let snapshot { try await thaw(snapshot, driver) }
            driver.host.report(DriverProgress(guest: guest, phase: "fetching disk"))
            try await driver.files.download(copy.flat, to: local)
        }
        try await driver.files.remove(work)
    }

    private func freeze(
        _ machine: Machine, _ target: SnapshotTarget, _ driver: VMwareDriver
    ) async throws(VimFailure) -> ManagedReference {
        let result = try await driver.tasks.run(
            "CreateSnapshot_Task", machine.reference,
            [
                XMLElement("name", Self.name), XMLElement("description", "Taken for image \(target.image)"),
                XMLElement("memory", false), XMLElement("quiesce", target.mustQuiesce),
            ])
        guard let snapshot = result?.reference else {
            throw .driver(.failed("vCenter took a snapshot of \(machine.name) and does not say which"))
        }
        return snapshot
    }

    private func thaw(_ snapshot: ManagedReference, _ driver: VMwareDriver) async throws(VimFailure) {
        do throws(VimFailure) {
            try await driver.tasks.run("RemoveSnapshot_Task", snapshot, [XMLElement("removeChildren", false)])
        } catch where error.kind == .managedObjectNotFound {
            return
        }
    }

    /// Removes snapshots of ours that a killed process left.
    private func removeLeftovers(_ machine: Machine, _ driver: VMwareDriver) async throws(VimFailure) {
        var trees = machine.snapshot?.all("rootSnapshotList") ?? []
        while let tree = trees.popLast() {
            trees += tree.all("childSnapshotList")
            if tree.string("name") == Self.name, let reference = tree["snapshot"]?.reference {
                try await thaw(reference, driver)
            }
        }
    }
}
