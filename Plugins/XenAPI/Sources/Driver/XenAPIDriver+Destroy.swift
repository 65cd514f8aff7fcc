import ComputeModel
import DriverAPI

extension XenAPIDriver {
    func destroy(_ guest: GuestID, _ call: DriverCall) async throws(DriverError) {
        try await guestGate.pass(guest) { () async throws(DriverError) in
            try await self.admit(call, guest)
            try await self.removeEverything(guest)
            if let departed = try await self.departedMachine(guest) { try await self.remove(departed, of: guest) }
            try self.removals.note(guest, call.operation)
        }
    }

    /// Removes a guest's machine, whatever state it is in, and every disk that was made for it. Disks of a machine that
    /// has departed stay.
    func removeEverything(_ guest: GuestID) async throws(DriverError) {
        let named = try await client.call("VM.get_by_name_label", [.text(guest.machineName)], "look for a guest").texts
        for reference in Set(named + [mirror.reference(of: guest)].compactMap { $0 }) {
            guard let machine = try await machine(reference), machine.isGuest, machine.guest == guest,
                machine.name != guest.departedName, mirror.isHere(machine)
            else { continue }
            try await remove(machine, of: guest)
        }
        try await removeStrayDisks(of: guest)
    }

    /// Removes one machine with its disks and what connects it to volumes.
    func remove(_ machine: Machine, of guest: GuestID) async throws(DriverError) {
        mirror.expectEnd(of: machine.reference)
        try await pullThePlug(machine)
        var disks: [String] = []
        var volumes: Set<String> = []
        for disk in try await self.disks(of: machine) {
            guard let vdi = disk.vdi else { continue }
            if disk.volume != nil { volumes.insert(vdi) } else { disks.append(vdi) }
        }
        try await eventually("remove \(machine.name)") { () async throws(DriverError) in
            try await self.client.ask("VM.destroy", [.text(machine.reference)])
        }
        for vdi in disks { try await removeDisk(vdi, of: guest) }
        for vdi in volumes { try await Volumes(driver: self).forgetRepository(ofDisk: vdi) }
    }

    /// The disks of a machine.
    func disks(of machine: Machine) async throws(DriverError) -> [MachineDisk] {
        var found: [MachineDisk] = []
        for reference in machine.disks {
            let record = try await client.call(
                "VBD.get_record", [.text(reference)], accepting: ["HANDLE_INVALID"], "describe a disk")
            if let record { found.append(MachineDisk(reference, record)) }
        }
        return found
    }

    /// Removes a disk that was made for the guest; any other is left alone.
    func removeDisk(_ reference: String, of guest: GuestID) async throws(DriverError) {
        guard
            let record = try await client.call(
                "VDI.get_record", [.text(reference)], accepting: ["HANDLE_INVALID"], "describe a disk")
        else { return }
        guard VirtualDisk(reference, record).guest == guest else { return }
        try await destroyDisk(reference)
    }

    /// Removes a disk; it may be in use for a while by what the server does with its chain.
    func destroyDisk(_ reference: String) async throws(DriverError) {
        try await eventually("remove a disk") { () async throws(DriverError) in
            try await self.client.ask("VDI.destroy", [.text(reference)])
        }
    }

    /// Removes disks of the guest that no machine holds: what an interrupted call left.
    private func removeStrayDisks(of guest: GuestID) async throws(DriverError) {
        for role in DiskRole.allCases {
            let found = try await client.call(
                "VDI.get_by_name_label", [.text(role.name(of: guest))], "look for a guest's disks"
            ).texts
            for reference in found {
                guard
                    let record = try await client.call(
                        "VDI.get_record", [.text(reference)], accepting: ["HANDLE_INVALID"], "describe a disk")
                else { continue }
                let disk = VirtualDisk(reference, record)
                guard disk.guest == guest, record["VBDs"].list.isEmpty, !record["is_a_snapshot"].truth else { continue }
                try await destroyDisk(reference)
            }
        }
    }

    /// Repeats a call while the server is busy with its object; an object that is gone is what was wanted.
    func eventually(_ doing: String, _ body: () async throws(DriverError) -> XenResult) async throws(DriverError) {
        let attempts = max(1, options.coalesceAttempts)
        var wait = Duration.milliseconds(100)
        for attempt in 1...attempts {
            guard case .failure(let failure) = try await body() else { return }
            if failure.code == "HANDLE_INVALID" { return }
            guard ["VDI_IN_USE", "OTHER_OPERATION_IN_PROGRESS", "TOO_BUSY"].contains(failure.code), attempt < attempts
            else { throw failure.driverError(doing) }
            try await pause(wait)
            wait = min(wait * 2, options.coalesceInterval)
        }
    }
}
