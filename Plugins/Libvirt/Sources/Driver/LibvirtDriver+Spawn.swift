import ComputeModel
import DriverAPI
import DriverSupport

extension LibvirtDriver {
    func spawn(_ spec: GuestSpec, _ call: DriverCall) async throws(DriverError) -> GuestHandle {
        try await alone(with: spec.id) { () async throws(DriverError) in
            try await self.admit(call, spec.id)
            let directory = self.directory(of: spec.id)
            let record = try await self.files { () throws(FileFailure) in directory.record() }
            switch try await self.presence(of: spec.id) {
            case .foreign(let name): throw Self.foreign(spec.id, name)
            case .ours(let power) where record?.complete == true && record?.spawnedBy == call.operation:
                // The hypervisor may have died since and taken the guest along, or left it standing still.
                if spec.isRunning, power != .running { try await self.startDomain(spec.id) }
                return GuestIdentity(spec.id).handle
            case .ours where record?.complete != false:
                throw .refused("guest \(spec.id) exists already")
            case .ours, .absent:
                // What an interrupted attempt left, whose record is not complete, is of no use: begin anew.
                try await self.removeEverything(spec.id, directory)
            }
            try await self.build(spec, call, directory)
            return GuestIdentity(spec.id).handle
        }
    }

    private func build(_ spec: GuestSpec, _ call: DriverCall, _ directory: GuestDirectory) async throws(DriverError) {
        let plan = try await plan(spec)
        try await withRollback { (rollback: inout Rollback) async throws(DriverError) in
            let first = Self.newRecord(spec, call)
            rollback.onFailure { await self.removeFiles(of: spec.id, directory) }
            try await self.files { () throws(FileFailure) in
                try directory.create()
                try directory.write(first)
            }
            let disks = try await self.makeDisks(spec, directory)
            try await self.establish(spec, plan, disks, call, directory)
        }
    }

    /// Undo of a guest's files. While libvirt may have the guest they stay, with the record by which a repeated call
    /// and a removal know it.
    func removeFiles(of guest: GuestID, _ directory: GuestDirectory) async {
        guard await isGone(guest) else { return }
        await threads.run { try? removeTree(directory.path) }
    }

    /// Whether libvirt says that it has no such guest.
    private func isGone(_ guest: GuestID) async -> Bool {
        do throws(DriverError) {
            // Not `read`: also a cancelled call cleans up.
            return try await session.change { connection throws(LibvirtFailure) in
                guard let domain = try connection.domain(guest) else { return true }
                return domain.id == nil
            }
        } catch {
            return false
        }
    }

    /// The record of a guest that is being made.
    static func newRecord(_ spec: GuestSpec, _ call: DriverCall) -> GuestDirectory.Record {
        var record = GuestDirectory.Record(operation: call.operation, spawnedBy: call.operation, complete: false)
        record.token = UUIDValue.random().description
        let properties = spec.image?.properties ?? [:]
        record.adminUser =
            properties["os_admin_user"] ?? (properties["os_type"] == "windows" ? "Administrator" : nil)
        return record
    }

    /// Defines a guest whose disks are there, starts it where the specification says so, and notes that it is whole.
    /// If it throws, neither domain nor secrets remain; the files stay as they are.
    func establish(
        _ spec: GuestSpec, _ plan: GuestPlan, _ disks: LocalDisks, _ call: DriverCall, _ directory: GuestDirectory
    ) async throws(DriverError) {
        let definition = try await compose(spec, plan, disks, call, directory).xml
        try await withRollback { (rollback: inout Rollback) async throws(DriverError) in
            try await self.files { () throws(FileFailure) in
                try writeDurably(Array(definition.utf8), to: directory.definition)
            }
            if Task.isCancelled { throw .cancelled }
            rollback.onFailure { await self.forgetSecrets(of: spec.volumes.map(\.id)) }
            try await self.keepSecrets(of: spec.volumes)
            rollback.onFailure { await self.removeDomain(spec.id) }
            try await self.session.change(spec.id) { connection throws(LibvirtFailure) in
                try connection.define(definition)
                return
            }
            if spec.isRunning { try await self.startDomain(spec.id) }
            if Task.isCancelled { throw .cancelled }
            try await self.files { () throws(FileFailure) in
                try directory.update { record in
                    record.complete = true
                    record.operation = max(record.operation, call.operation)
                }
            }
        }
        await keepAsExpanded(spec.id)
        let removed = self.removed
        await self.threads.run { removed.forget(spec.id) }
    }

    /// Starts a defined guest. Cancelling the task stops the start, which then fails.
    func startDomain(_ guest: GuestID) async throws(DriverError) {
        let (failure, wasStopped) = await stoppable(guest) { connection throws(LibvirtFailure) in
            guard let domain = try connection.domain(guest) else { throw .noDomain("start the guest") }
            try domain.start()
            if try domain.powerState() == .paused { try domain.resume() }
        } stop: { domain throws(LibvirtFailure) in
            // libvirt lets a second call end a guest that is still starting.
            try domain.stop()
        }
        if wasStopped {
            // The stop may have come before the start, too early to stop anything.
            try await session.change(guest) { connection throws(LibvirtFailure) in
                try connection.domain(guest)?.stop()
            }
            throw .cancelled
        }
        if let failure { throw failure }
    }

    func destroy(_ guest: GuestID, _ call: DriverCall) async throws(DriverError) {
        try await alone(with: guest) { () async throws(DriverError) in
            try await self.admit(call, guest)
            if case .foreign(let name) = try await self.presence(of: guest) { throw Self.foreign(guest, name) }
            try await self.removeEverything(guest, self.directory(of: guest))
            let (removed, departed) = (self.removed, GuestDirectory.departed(guest, in: self.options.instancesPath))
            try await self.files { () throws(FileFailure) in
                try removeTree(departed.path)
                try removed.note(guest, operation: call.operation)
            }
            // Whoever waits for the guest's files shall not get what is no more.
            let departure = self.departures.with { $0.removeValue(forKey: guest) }
            for file in departure?.files ?? [] { await self.host.withdrawFile(file) }
        }
    }

    /// Removes domain, definition, secrets and files of a guest known to be ours.
    func removeEverything(_ guest: GuestID, _ directory: GuestDirectory) async throws(DriverError) {
        let volumes = (try? await keptDocument(guest))?.volumes ?? []
        try await session.change(guest) { connection throws(LibvirtFailure) in
            guard let domain = try connection.domain(guest) else { return }
            try domain.stop()
            try domain.undefine()
        }
        await forgetSecrets(of: volumes)
        try await files { () throws(FileFailure) in try removeTree(directory.path) }
    }

    /// Undo of a definition: tries for a while, because files of a running guest must not be removed under it.
    func removeDomain(_ guest: GuestID) async {
        for attempt in 1...5 {
            do throws(DriverError) {
                try await session.change(guest) { connection throws(LibvirtFailure) in
                    guard let domain = try connection.domain(guest) else { return }
                    try domain.stop()
                    try domain.undefine(keepingFirmware: true)
                }
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
