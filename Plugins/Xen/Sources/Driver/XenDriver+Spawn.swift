import ComputeModel
import DriverAPI
import DriverSupport

extension XenDriver {
    func spawn(_ spec: GuestSpec, _ call: DriverCall) async throws(DriverError) -> GuestHandle {
        try await alone(with: spec.id) { () async throws(DriverError) in
            try await self.admit(call, spec.id)
            let found = try await self.find(spec.id)
            if found.guest != nil {
                let isSame = found.record?.spawnedBy == call.operation && (found.power == .running || !spec.isRunning)
                guard isSame else { throw .refused("guest \(spec.id) exists already") }
                return Self.handle(spec.id)
            }
            // What an interrupted attempt left is of no use: begin anew.
            try await self.removeEverything(spec.id)
            try await self.build(spec, call)
            return Self.handle(spec.id)
        }
    }

    /// A guest is found by its identifier alone.
    static func handle(_ guest: GuestID) -> GuestHandle {
        GuestHandle(version: 1, data: Array(guest.description.utf8))
    }

    private func build(_ spec: GuestSpec, _ call: DriverCall) async throws(DriverError) {
        let plan = try GuestPlan(spec, options, facts)
        if spec.isRunning { try await expectRoom(for: plan.guest) }
        let directory = directory(of: spec.id)
        try await withRollback { (rollback: inout Rollback) async throws(DriverError) in
            rollback.onFailure { [self] in await undo(spec.id) }
            try await self.files { () throws(FileFailure) in
                try makeDirectories(directory.path, mode: 0o700)
                try directory.write(GuestDirectory.Record(operation: call.operation, spawnedBy: call.operation))
            }
            let guest = try await self.makeDisks(spec, plan, directory)
            if Task.isCancelled { throw .cancelled }
            if spec.isRunning { try await self.ask { xen throws(XenFailure) in try xen.create(guest) } }
            if Task.isCancelled { throw .cancelled }
            try await self.files { () throws(FileFailure) in
                try directory.update { record in
                    record.guest = guest
                    record.operation = max(record.operation, call.operation)
                }
            }
        }
        let removed = removed
        await threads.run { removed.forget(spec.id) }
        if spec.isRunning { note(.running, of: spec.id) }
    }

    /// Makes the disks and names them: `xvda` for the root, then ephemeral, swap and configuration drive.
    private func makeDisks(_ spec: GuestSpec, _ plan: GuestPlan, _ directory: GuestDirectory)
        async throws(DriverError) -> XenGuest
    {
        var guest = plan.guest
        host.report(DriverProgress(guest: spec.id, phase: "making disks"))
        try await disks.makeRoot(spec, plan.image, in: directory)
        guest.disks = [XenGuest.Disk(path: directory.rootDisk, device: "xvda")]
        if spec.flavor.ephemeralGiB > 0 {
            try await disks.makeEphemeral(gib: spec.flavor.ephemeralGiB, in: directory)
            guest.disks.append(XenGuest.Disk(path: directory.ephemeralDisk, device: "xvdb"))
        }
        if spec.flavor.swapMiB > 0 {
            try await disks.makeSwap(mib: spec.flavor.swapMiB, in: directory)
            guest.disks.append(XenGuest.Disk(path: directory.swapDisk, device: "xvdc"))
        }
        if let files = spec.configDrive {
            try await disks.makeConfigDrive(files, in: directory)
            guest.disks.append(XenGuest.Disk(path: directory.configDrive, device: "xvdz", isReadOnly: true))
            guest.hasConfigDrive = true
        }
        return guest
    }

    /// Xen gives memory only while it has some; asked first, because then the error says what is missing.
    func expectRoom(for guest: XenGuest) async throws(DriverError) {
        let (needed, free) = try await ask { xen throws(XenFailure) in
            (try xen.neededMiB(for: guest), try xen.host().freeMemoryMiB)
        }
        guard needed <= free else {
            throw .insufficientResources(
                "guest \(guest.id) needs \(needed) MiB of memory with what Xen keeps for it, and \(free) MiB are free")
        }
    }

    func destroy(_ guest: GuestID, _ call: DriverCall) async throws(DriverError) {
        try await alone(with: guest) { () async throws(DriverError) in
            try await self.admit(call, guest)
            _ = try await self.find(guest)
            try await self.removeEverything(guest)
            let removed = self.removed
            try await self.files { () throws(FileFailure) in try removed.note(guest, operation: call.operation) }
        }
    }

    /// Removes domain, files and console log of a guest known to be ours.
    func removeEverything(_ guest: GuestID) async throws(DriverError) {
        try await stop(guest)
        let (directory, logs) = (directory(of: guest), consoleLogs)
        try await files { () throws(FileFailure) in
            try removeTree(directory.path)
            if let logs { try removeTree(logs.path(of: guest)) }
        }
    }

    /// Removes the domain and returns when nothing of it holds the disks.
    func stop(_ guest: GuestID) async throws(DriverError) {
        let wasThere = try await ask { xen throws(XenFailure) in
            guard let domain = try xen.domain(guest), !domain.isDying else { return false }
            try xen.destroy(domain)
            return true
        }
        guard wasThere else { return }
        let directory = directory(of: guest)
        let isSuspended = await threads.run { directory.record()?.isSuspended == true }
        note(isSuspended ? .suspended : .shutdown, of: guest)
    }

    /// Undo of a spawn: tries for a while, because files of a running guest must not be removed under it.
    private func undo(_ guest: GuestID) async {
        for attempt in 1...5 {
            do throws(DriverError) {
                try await removeEverything(guest)
                return
            } catch {
                host.log(
                    .warning, "undoing a failed spawn failed",
                    ["guest.id": guest.description, "attempt": "\(attempt)", "error": error.message])
                try? await Task.sleep(for: .milliseconds(500))
            }
        }
    }
}
