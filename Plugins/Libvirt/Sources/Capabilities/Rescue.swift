import ComputeModel
import DriverAPI
import DriverSupport

/// Boots guests from a rescue image. The definition for that time is kept beside the usual one, so that a guest stays
/// in rescue whatever is restarted.
struct Rescuing: RescuingGuests {
    let driver: LibvirtDriver

    func rescue(_ guest: GuestID, with spec: RescueSpec, _ call: DriverCall) async throws(DriverError) {
        if let device = spec.stableDevice { try Self.check(device) }
        try await driver.changing(guest, call) { held async throws(DriverError) in
            let directory = driver.directory(of: guest)
            let record = await driver.threads.run { directory.record() }
            if let operation = record?.rescuedBy {
                guard operation == call.operation else { throw .refused("guest \(guest) is in rescue already") }
                if held.power != .running { try await driver.startDomain(guest) }
                return
            }
            let kept = try await driver.keptDocument(guest)
            try await driver.pullThePlug(guest)
            try await withRollback { (rollback: inout Rollback) async throws(DriverError) in
                rollback.onFailure { await Self.leave(guest, driver) }
                try await driver.files { () throws(FileFailure) in try Self.removeFiles(directory) }
                driver.host.report(DriverProgress(guest: guest, phase: "preparing rescue image"))
                let isDrive = spec.stableDevice?.device == "cdrom"
                try await driver.disks.makeRescue(spec.image, allowsISO: isDrive, in: directory)
                if let files = spec.configDrive {
                    try await driver.disks.makeConfigDrive(files, in: directory, at: directory.rescueConfigDrive)
                }
                let bus = spec.image.properties["hw_disk_bus"] ?? kept.diskBus
                let document = try Self.definition(
                    from: kept, directory, stable: spec.stableDevice, bus: bus,
                    hasConfigDrive: spec.configDrive != nil)
                try await driver.files { () throws(FileFailure) in
                    try writeDurably(Array(document.root.serialized.utf8), to: directory.rescueDefinition)
                    try directory.update { $0.rescuedBy = call.operation }
                }
                try await driver.defineAgain(guest)
                try await driver.startDomain(guest)
            }
        }
    }

    func unrescue(_ guest: GuestID, _ call: DriverCall) async throws(DriverError) {
        try await driver.changing(guest, call) { held async throws(DriverError) in
            let directory = driver.directory(of: guest)
            if await driver.threads.run({ directory.record()?.rescuedBy }) != nil {
                try await driver.pullThePlug(guest)
                try await driver.files { () throws(FileFailure) in try directory.update { $0.rescuedBy = nil } }
                try await driver.defineAgain(guest)
            } else if held.power == .running {
                return
            }
            try await driver.startDomain(guest)
            // Only now: a repeated call must find the way from any step before.
            try await driver.files { () throws(FileFailure) in try Self.removeFiles(directory) }
        }
    }

    private static func removeFiles(_ directory: GuestDirectory) throws(FileFailure) {
        for path in [directory.rescueDefinition, directory.rescueDisk, directory.rescueConfigDrive] {
            try removeTree(path)
        }
    }

    /// Undo: the guest is as it was, and off.
    private static func leave(_ guest: GuestID, _ driver: LibvirtDriver) async {
        let directory = driver.directory(of: guest)
        do throws(DriverError) {
            try await driver.pullThePlug(guest)
            try await driver.files { () throws(FileFailure) in try directory.update { $0.rescuedBy = nil } }
            try await driver.defineAgain(guest)
            try await driver.files { () throws(FileFailure) in try removeFiles(directory) }
        } catch {
            driver.host.log(
                .warning, "undoing a failed rescue failed",
                ["guest.id": guest.description, "error": error.message])
        }
    }

    private static func check(_ device: StableRescueDevice) throws(DriverError) {
        let buses = ["disk": ["virtio", "scsi", "ide", "sata", "usb"], "cdrom": ["scsi", "ide", "sata", "usb"]]
        guard let possible = buses[device.device] else {
            throw .notSupported("rescue from a \(device.device); possible are cdrom and disk")
        }
        guard possible.contains(device.bus) else {
            throw .notSupported("rescue from a \(device.device) on the bus \(device.bus)")
        }
    }

    /// The definition for the time in rescue.
    ///
    /// - Parameters:
    ///   - stable: on what the rescue image appears beside all other devices; `nil` to have it in the root disk's
    ///     place, with the root disk as the second and no other.
    ///   - bus: of the rescue disk where `stable` says none.
    static func definition(
        from kept: GuestDocument, _ directory: GuestDirectory, stable: StableRescueDevice?, bus: String,
        hasConfigDrive: Bool
    ) throws(DriverError) -> GuestDocument {
        var document = kept
        let root = kept.disks.first { $0.child("boot")?["order"] == "1" } ?? kept.disks.first
        var drives = kept.disks.filter { $0.child("source")?["file"] == directory.configDrive }
        let stay = stable == nil ? drives.compactMap { $0.child("target")?["dev"] } : Array(kept.deviceNames)
        var names = DeviceNames(used: Set(stay))
        let name = try names.take(nil, on: stable?.bus ?? bus, insists: false)
        let isDrive = stable?.device == "cdrom"
        var rescue = XMLElement("disk", ["type": "file", "device": isDrive ? "cdrom" : "disk"])
        rescue.add(XMLElement("driver", ["name": "qemu", "type": "qcow2"]))
        rescue.add(XMLElement("source", ["file": directory.rescueDisk]))
        rescue.add(XMLElement("target", ["dev": name, "bus": stable?.bus ?? bus]))
        if isDrive { rescue.add(XMLElement("readonly")) }
        rescue.add(XMLElement("boot", ["order": "1"]))

        if hasConfigDrive, drives.isEmpty {
            let isQ35 = kept.root.child("os")?.child("type")?["machine"]?.contains("q35") == true
            let bus = isQ35 ? "scsi" : "ide"
            var drive = XMLElement("disk", ["type": "file", "device": "cdrom"])
            drive.add(XMLElement("driver", ["name": "qemu", "type": "raw"]))
            drive.add(XMLElement("source", ["file": directory.rescueConfigDrive]))
            drive.add(XMLElement("target", ["dev": try names.take(nil, on: bus, insists: false), "bus": bus]))
            drive.add(XMLElement("readonly"))
            drives = [drive]
            if stable != nil { document.add(drive) }
        }
        if stable == nil {
            var disks = [rescue]
            if var second = root, let own = second.child("target")?["bus"] {
                let name = try names.take(nil, on: own, insists: false)
                second.edit("target") { $0.set("dev", name) }
                disks.append(second)
            }
            disks += drives
            document.remove { $0.name == "disk" }
            for disk in disks { document.add(disk) }
        } else {
            document.add(rescue)
        }
        document.editDevices { device in
            if device.child("source")?["file"] != directory.rescueDisk { device.remove { $0.name == "boot" } }
            guard device.name == "disk" else { return }
            // Places on buses were for the usual order of disks.
            if stable == nil { device.remove { $0.name == "address" } }
            if hasConfigDrive, device.child("source")?["file"] == directory.configDrive {
                device.edit("source") { $0.set("file", directory.rescueConfigDrive) }
            }
        }
        return document
    }
}
