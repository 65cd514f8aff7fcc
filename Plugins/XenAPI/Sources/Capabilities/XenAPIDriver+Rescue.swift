import ComputeModel
import DriverAPI
import FoundationEssentials

/// What stands in a machine's mark while it is in rescue: the disks that changed their places, to be put back.
private struct RescueRecord: Codable {
    struct Moved: Codable {
        var vdi: String
        var place: String
        var isBootable: Bool
        var isReadOnly: Bool
        var marks: [String: String]
    }
    var root: Moved
    /// The guest's own configuration drive, which makes way for the rescue system's.
    var config: Moved?

    /// References of objects hold while the pool's database does, which also holds this text.
    var text: String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = .sortedKeys
        return (try? encoder.encode(self)).map { String(decoding: $0, as: UTF8.self) } ?? ""
    }

    init?(_ text: String) {
        guard let record = try? JSONDecoder().decode(Self.self, from: Data(text.utf8)) else { return nil }
        self = record
    }

    init(root: MachineDisk, config: MachineDisk?) {
        func moved(_ disk: MachineDisk) -> Moved {
            Moved(
                vdi: disk.vdi ?? "", place: disk.place, isBootable: disk.isBootable,
                isReadOnly: disk.record["mode"].text == "RO", marks: disk.otherConfig)
        }
        self.root = moved(root)
        self.config = config.map(moved)
    }
}

extension XenAPIDriver: RescuingGuests {
    func rescue(_ guest: GuestID, with spec: RescueSpec, _ call: DriverCall) async throws(DriverError) {
        if let device = spec.stableDevice, device.device != "disk" {
            throw .notSupported("A rescue device of kind \(device.device) is not possible on XenAPI nodes; disk is.")
        }
        try await change(guest, call) { machine async throws(DriverError) in
            if machine.otherConfig[Mark.rescuedBy] == "\(call.operation)" { return try await self.bringUp(machine) }
            try await self.pullThePlug(machine)
            try await self.putBack(machine, guest)
            let disks = try await self.disks(of: machine)
            guard let root = disks.first(where: { $0.place == "0" }), root.vdi != nil else {
                throw .notSupported("The server has no disk to boot from that a rescue could set aside.")
            }
            let config = spec.configDrive == nil ? nil : disks.first { $0.role == .config }
            try await withRollback { (rollback: inout Rollback) async throws(DriverError) in
                rollback.onFailure { await self.undoRescue(machine, guest) }
                let repository = try await Repositories(client: self.client, place: self.place).guests()
                let maker = GuestDisks(driver: self, repository: repository, guest: guest)
                self.host.report(DriverProgress(guest: guest, phase: "preparing image"))
                let rescue = try await maker.makeRoot(from: spec.image, gib: 0, as: .rescue)
                var rescueConfig: String?
                if let files = spec.configDrive {
                    rescueConfig = try await maker.makeConfigDrive(files, as: .rescueConfig)
                }
                // The record stands before anything is moved, so that whatever happens it can be put back.
                let record = RescueRecord(root: root, config: config)
                try await self.mark(machine.reference, [Mark.rescue: record.text])
                try await self.client.call("VBD.destroy", [.text(root.reference)], accepting: ["HANDLE_INVALID"])
                if let config {
                    try await self.client.call("VBD.destroy", [.text(config.reference)], accepting: ["HANDLE_INVALID"])
                }
                try await maker.attach(rescue, as: .rescue, to: machine.reference, at: "0", bootable: true)
                var places = DiskPlaces(taken: disks.map(\.place) + ["0", "3"])
                if let rescueConfig {
                    try await maker.attach(
                        rescueConfig, as: .rescueConfig, to: machine.reference, at: config?.place ?? "3", readOnly: true
                    )
                }
                try await self.place(record.root, in: machine, at: try places.take(forDevice: nil), bootable: false)
                try await self.long(
                    "VM.start_on", [.text(machine.reference), .text(self.place.reference), false, false],
                    "start the guest \(guest) in rescue", within: self.options.runningTimeout)
                try await self.mark(machine.reference, [Mark.rescuedBy: "\(call.operation)"])
            }
        }
    }

    func unrescue(_ guest: GuestID, _ call: DriverCall) async throws(DriverError) {
        try await change(guest, call) { machine async throws(DriverError) in
            if machine.otherConfig[Mark.rescue] != nil {
                try await self.pullThePlug(machine)
                try await self.putBack(machine, guest)
            }
            guard let now = try await self.machine(machine.reference) else { throw .noSuchGuest(guest) }
            try await self.bringUp(now)
        }
    }

    private func place(_ moved: RescueRecord.Moved, in machine: Machine, at place: String, bootable: Bool)
        async throws(DriverError)
    {
        _ = try await client.call(
            "VBD.create",
            [
                GuestDisks.attachment(
                    moved.vdi, to: machine.reference, at: place, bootable: bootable, readOnly: moved.isReadOnly,
                    moved.marks)
            ], "put a disk in its place")
    }

    /// Makes a machine that is off be as it was before a rescue, from whatever point that was left at.
    private func putBack(_ machine: Machine, _ guest: GuestID) async throws(DriverError) {
        guard let record = machine.otherConfig[Mark.rescue].flatMap({ RescueRecord($0) }) else {
            return try await removeRescueDisks(guest)
        }
        let moved = [record.root, record.config].compactMap { $0 }
        var missing = moved
        guard let now = try await self.machine(machine.reference) else { throw .noSuchGuest(guest) }
        for disk in try await disks(of: now) {
            let isRescue = disk.role == .rescue || disk.role == .rescueConfig
            let home = moved.first { $0.vdi == disk.vdi }
            if let home, !isRescue, home.place == disk.place {
                missing.removeAll { $0.vdi == home.vdi }
            } else if isRescue || home != nil {
                try await client.call("VBD.destroy", [.text(disk.reference)], accepting: ["HANDLE_INVALID"])
            }
        }
        for disk in missing { try await place(disk, in: machine, at: disk.place, bootable: disk.isBootable) }
        try await removeRescueDisks(guest)
        try await mark(machine.reference, [Mark.rescue: "", Mark.rescuedBy: ""])
    }

    private func removeRescueDisks(_ guest: GuestID) async throws(DriverError) {
        for role in [DiskRole.rescue, .rescueConfig] {
            let found = try await client.call(
                "VDI.get_by_name_label", [.text(role.name(of: guest))], "look for a rescue disk"
            ).texts
            for disk in found { try await removeDisk(disk, of: guest) }
        }
    }

    private func undoRescue(_ machine: Machine, _ guest: GuestID) async {
        for attempt in 1...5 {
            do throws(DriverError) {
                guard let now = try await self.machine(machine.reference) else { return }
                try await pullThePlug(now)
                try await putBack(now, guest)
                return
            } catch {
                host.log(
                    .warning, "undoing a failed rescue failed",
                    ["guest.id": guest.description, "attempt": "\(attempt)", "error": error.message])
                try? await Task.sleep(for: .milliseconds(500))
            }
        }
    }
}
