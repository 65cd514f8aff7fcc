import ComputeModel
import DriverAPI

extension VMwareDriver {
    /// Between two looks at a guest that is going down.
    private static let lookInterval: Duration = .milliseconds(200)

    func guests() async throws(DriverError) -> [GuestSummary] {
        try await serve { () async throws(VimFailure) in
            // Hosts and datastores are of no interest here, so nothing of them is asked for.
            let query = PropertyQuery.cluster(self.cluster.reference, ["VirtualMachine": Mirror.machinePaths])
            let found = try await self.client.retrieve(query, pageMax: self.options.objectsMax)
            return found.compactMap { properties -> GuestSummary? in
                let machine = MachineSummary(properties)
                guard let id = machine.id, !machine.isTemplate else { return nil }
                return GuestSummary(id: id, name: machine.name, power: machine.power, isOurs: machine.isOurs)
            }
        }
    }

    func powerState(of guest: GuestID) async throws(DriverError) -> PowerState {
        try await read(guest) { (machine) async throws(VimFailure) in machine.power }
    }

    func recover(_ handles: [GuestID: GuestHandle]) async throws(DriverError) -> [GuestID: GuestHandle] {
        guard !handles.isEmpty else { return [:] }
        let ours = Set(try await guests().filter(\.isOurs).map(\.id))
        return handles.filter { ours.contains($0.key) }.reduce(into: [:]) { $0[$1.key] = Self.handle($1.key) }
    }

    /// vCenter finds a guest by its identifier; a handle needs to say no more.
    static func handle(_ guest: GuestID) -> GuestHandle {
        GuestHandle(version: 1, data: Array(guest.description.utf8))
    }

    func powerOn(_ guest: GuestID, _ call: DriverCall) async throws(DriverError) {
        try await change(guest, call) { (machine) async throws(VimFailure) in
            try await self.turnOn(machine)
        }
    }

    func powerOff(_ guest: GuestID, within grace: Duration, _ call: DriverCall) async throws(DriverError) {
        try await change(guest, call) { (machine) async throws(VimFailure) in
            if try await self.goesDownByItself(machine, within: grace) { return }
            try await self.turnOff(machine)
        }
    }

    func reboot(
        _ guest: GuestID, _ kind: RebootKind, within grace: Duration, _ call: DriverCall
    ) async throws(DriverError) {
        try await change(guest, call) { (machine) async throws(VimFailure) in
            guard machine.power == .running else {
                // A suspended machine would wake up where it was; a reboot begins anew.
                try await self.turnOff(machine)
                return try await self.turnOn(machine)
            }
            if kind == .soft, grace > .zero {
                do throws(VimFailure) {
                    _ = try await self.client.call("RebootGuest", machine.reference)
                    return
                } catch where error.kind == .toolsUnavailable || error.kind == .notSupported {
                    self.host.log(
                        .info, "soft reboot becomes hard",
                        ["guest.id": guest.description, "reason": error.driverError.message])
                }
            }
            try await self.tasks.run("ResetVM_Task", machine.reference)
        }
    }

    /// Starts a machine; one that runs is fine.
    func turnOn(_ machine: Machine) async throws(VimFailure) {
        guard machine.power != .running else { return }
        do throws(VimFailure) {
            try await tasks.run("PowerOnVM_Task", machine.reference)
        } catch where error.kind == .invalidPowerState {
            guard try await power(of: machine.reference) == .running else { throw error }
        }
    }

    /// Pulls the plug; a machine that is off is fine.
    func turnOff(_ machine: Machine) async throws(VimFailure) {
        guard try await power(of: machine.reference) != .shutdown else { return }
        do throws(VimFailure) {
            try await tasks.run("PowerOffVM_Task", machine.reference)
        } catch where error.kind == .invalidPowerState {
            guard try await power(of: machine.reference) == .shutdown else { throw error }
        }
    }

    /// Asks the guest's tools to shut it down and waits.
    ///
    /// - Returns: whether it went off within the grace. A guest without tools cannot hear.
    func goesDownByItself(_ machine: Machine, within grace: Duration) async throws(VimFailure) -> Bool {
        guard grace > .zero, machine.power == .running else { return false }
        do throws(VimFailure) {
            _ = try await client.call("ShutdownGuest", machine.reference)
        } catch
            where error.kind == .toolsUnavailable || error.kind == .invalidPowerState
            || error.kind == .notSupported
        {
            return false
        }
        let clock = ContinuousClock()
        let deadline = clock.now + grace
        while clock.now < deadline {
            if try await power(of: machine.reference) == .shutdown { return true }
            do { try await Task.sleep(for: Self.lookInterval) } catch { throw .driver(.cancelled) }
        }
        return false
    }

    func power(of machine: ManagedReference) async throws(VimFailure) -> PowerState {
        let now = try await client.properties(["runtime.powerState"], of: machine)
        return PowerState(vim: now.string("runtime.powerState") ?? "")
    }

    func destroy(_ guest: GuestID, _ call: DriverCall) async throws(DriverError) {
        try await serve { () async throws(VimFailure) in
            try await self.locks.alone(guest) { () async throws(VimFailure) in
                if let machine = try await self.admit(call, guest) { try await self.remove(machine) }
                try self.removed.note(guest, call.operation)
            }
        }
    }

    /// Removes a machine and its files, but no volume. One that is gone meanwhile is fine.
    func remove(_ machine: Machine) async throws(VimFailure) {
        // vSphere would destroy volumes together with the machine that holds them.
        let held = machine.record.volumes.keys.compactMap { machine.device(of: $0) }
        do throws(VimFailure) {
            try await turnOff(machine)
            if !held.isEmpty { try await reconfigure(machine, held.map { DeviceChange.remove($0) }) }
            try await tasks.run("Destroy_Task", machine.reference)
        } catch where error.kind == .managedObjectNotFound {
            return
        }
        // Files that vSphere does not know as the machine's, such as a configuration drive. Only in a folder that was
        // made for the guest, and that no volume was moved into.
        let isOwn = machine.folder.name.contains(machine.id.description)
        if isOwn, !held.contains(where: { $0.file?.folder == machine.folder }) {
            try await files.remove(machine.folder)
        }
    }
}
