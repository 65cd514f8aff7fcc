import ComputeModel
import DriverAPI

/// Boots guests from a disk of a rescue image that is plugged in beside their own, by the order of boot devices.
struct Rescue: RescuingGuests {
    private let parts: DriverParts
    init(_ parts: DriverParts) { self.parts = parts }

    private static let key = "rescue"
    private static let driveName = "rescue-configdrive.iso"

    /// What the guest's record keeps while it is in rescue.
    private struct State: Hashable, Codable, Sendable {
        var operation: Int64
        /// The rescue disk's file.
        var disk: String
        /// The configuration drive that was taken out.
        var drive: String?
    }

    func rescue(_ guest: GuestID, with spec: RescueSpec, _ call: DriverCall) async throws(DriverError) {
        let driver = try parts.driver()
        if let stable = spec.stableDevice, stable != StableRescueDevice(device: "disk", bus: "scsi") {
            throw .notSupported(
                "rescue from a \(stable.device) on the bus '\(stable.bus)' on vSphere; only disk on scsi")
        }
        try await driver.change(guest, call) { (machine) async throws(VimFailure) in
            if let state = machine.record.value(Self.key, as: State.self) {
                guard state.operation == call.operation else {
                    throw .driver(.refused("guest \(guest) is in rescue already"))
                }
                return try await driver.turnOn(machine)
            }
            let plan = try MachinePlan(spec.image, [:], usesLinkedClones: driver.options.usesLinkedClones)
            let stored = try await driver.images.image(
                spec.image, plan, on: machine.folder.datastore, for: guest)
            guard !stored.facts.isCDROM else { throw .driver(.notSupported("rescue from a CD-ROM image on vSphere")) }
            try await driver.turnOff(machine)
            try await withRollback { (rollback: inout Rollback) async throws(VimFailure) in
                let file = machine.folder.appending("rescue-\(call.operation).vmdk")
                rollback.onFailure { try? await driver.files.removeDisk(file) }
                try await driver.files.copyDisk(stored.file, to: file, .init(guest: guest, phase: "copying disk"))
                rollback.onFailure { await putBack(guest, machine.reference, driver) }
                try await plugIn(file, stored, spec, call, machine, guest, driver)
                try await driver.turnOn(try await Machine.read(machine.reference, guest, driver.client))
            }
        }
    }

    private func plugIn(
        _ file: DatastorePath, _ stored: StoredImage, _ spec: RescueSpec, _ call: DriverCall, _ machine: Machine,
        _ guest: GuestID, _ driver: VMwareDriver
    ) async throws(VimFailure) {
        let place = try VMwareDriver.place(for: machine, guest)
        let old =
            spec.configDrive == nil ? nil : machine.devices.first { $0.isCDROM && $0.file?.name == "configdrive.iso" }
        var record = machine.record
        record.set(
            Self.key, State(operation: call.operation, disk: file.description, drive: old?.file?.description))
        let kib = Int((stored.facts.diskBytes + 1023) / 1024)
        let disk = DeviceChange.disk(
            key: -501, controller: place.controller, unit: place.unit, file: file.description, kib: kib)
        var changes = place.changes + [DeviceChange.add(disk)]
        if let old { changes.append(DeviceChange.remove(old)) }
        try await driver.reconfigure(machine, changes + record.options())
        if let files = spec.configDrive {
            let drive = machine.folder.appending(Self.driveName)
            try await driver.files.upload(
                .bytes(ISOImage.bytes(files, label: "config-2", date: .now())), to: drive)
            try await driver.addCDROM(drive, to: try await Machine.read(machine.reference, guest, driver.client))
        }
        let now = try await Machine.read(machine.reference, guest, driver.client)
        guard let device = now.disks.first(where: { $0.file == file }) else {
            throw .driver(.failed("the rescue disk of guest \(guest) is not where it was plugged in"))
        }
        try await driver.reconfigure(now, [Self.bootOrder(device.key)])
    }

    func unrescue(_ guest: GuestID, _ call: DriverCall) async throws(DriverError) {
        let driver = try parts.driver()
        try await driver.change(guest, call) { (machine) async throws(VimFailure) in
            guard machine.record.entries[Self.key] != nil else { return try await driver.turnOn(machine) }
            try await driver.turnOff(machine)
            try await takeOut(guest, machine.reference, driver)
            try await driver.turnOn(try await Machine.read(machine.reference, guest, driver.client))
        }
    }

    /// Brings the machine back to what it was before the rescue; it is off.
    private func takeOut(
        _ guest: GuestID, _ reference: ManagedReference, _ driver: VMwareDriver
    ) async throws(VimFailure) {
        let machine = try await Machine.read(reference, guest, driver.client)
        guard let state = machine.record.value(Self.key, as: State.self) else { return }
        var changes: [XMLElement] = []
        if let disk = machine.disks.first(where: { $0.file?.description == state.disk }) {
            changes.append(DeviceChange.remove(disk, destroysFile: true))
        }
        let drives = machine.devices.filter { $0.isCDROM && $0.file?.name == Self.driveName }
        changes += drives.map { DeviceChange.remove($0) }
        if let root = machine.rootDisk { changes.append(Self.bootOrder(root.key)) }
        if !changes.isEmpty { try await driver.reconfigure(machine, changes) }
        for drive in drives { if let file = drive.file { try await driver.files.remove(file) } }
        let now = try await Machine.read(reference, guest, driver.client)
        if let drive = state.drive.flatMap({ DatastorePath($0) }), !now.devices.contains(where: { $0.file == drive }) {
            try await driver.addCDROM(drive, to: now)
        }
        // Last, so that a repeated call after a failure finds what is left to do.
        var record = now.record
        record.entries[Self.key] = nil
        try await driver.reconfigure(now, record.options(removing: [Self.key]))
    }

    private func putBack(_ guest: GuestID, _ reference: ManagedReference, _ driver: VMwareDriver) async {
        do throws(VimFailure) {
            try await driver.turnOff(try await Machine.read(reference, guest, driver.client))
            try await takeOut(guest, reference, driver)
        } catch {
            driver.host.log(
                .error, "a failed rescue could not be undone",
                ["guest.id": guest.description, "reason": error.driverError.message])
        }
    }

    private static func bootOrder(_ disk: Int) -> XMLElement {
        XMLElement(
            "bootOptions",
            [
                XMLElement(
                    "bootOrder", type: "VirtualMachineBootOptionsBootableDiskDevice", [XMLElement("deviceKey", disk)])
            ])
    }
}
