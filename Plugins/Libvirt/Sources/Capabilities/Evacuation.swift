import ComputeModel
import DriverAPI
import DriverSupport

/// Brings up guests of dead nodes from an instances directory that nodes share.
struct Evacuating: EvacuatingGuests {
    let driver: LibvirtDriver

    func holdsDisks(of guest: GuestID) async throws(DriverError) -> Bool {
        let directory = driver.directory(of: guest)
        guard await driver.threads.run({ directory.record()?.complete == true }) else { return false }
        // A guest without a root disk boots from a volume, and its directory is all that it has.
        let kept = try? await driver.keptDocument(guest)
        guard let kept else { return false }
        let names = kept.disks.compactMap { $0.child("source")?["file"] }.filter { $0.hasPrefix(directory.path) }
        return await driver.threads.run { names.allSatisfy { exists($0) } }
    }

    func adopt(_ spec: GuestSpec, _ call: DriverCall) async throws(DriverError) -> GuestHandle {
        let guest = spec.id
        return try await driver.alone(with: guest) { () async throws(DriverError) -> GuestHandle in
            try await driver.admit(call, guest)
            let directory = driver.directory(of: guest)
            let record = await driver.threads.run { directory.record() }
            switch try await driver.presence(of: guest) {
            case .foreign(let name): throw LibvirtDriver.foreign(guest, name)
            case .ours(let power) where record?.spawnedBy == call.operation && (power == .running || !spec.isRunning):
                return GuestIdentity(guest).handle
            case .ours where record?.spawnedBy != call.operation: throw .refused("guest \(guest) is here already")
            case .ours, .absent: break
            }
            guard try await holdsDisks(of: guest) else {
                throw .refused("the disks of guest \(guest) are not in \(directory.path)")
            }
            let plan = try await driver.plan(spec)
            let before = await driver.threads.run { try? readText(directory.definition, bytesMax: 1 << 20) }
            guard let before, let record else { throw .refused("the files of guest \(guest) went away") }
            try await withRollback { (rollback: inout Rollback) async throws(DriverError) in
                rollback.onFailure {
                    try? await driver.files { () throws(FileFailure) in
                        try writeDurably(Array(before.utf8), to: directory.definition)
                        try directory.write(record)
                    }
                }
                // First, so that a repeated call knows its own guest at whatever moment this process dies.
                try await driver.files { () throws(FileFailure) in
                    try directory.update { record in
                        record.spawnedBy = call.operation
                        record.rescuedBy = nil
                    }
                }
                let local = try await driver.existingDisks(spec, directory)
                try await driver.establish(spec, plan, local, call, directory)
            }
            return GuestIdentity(guest).handle
        }
    }

    func forget(_ guest: GuestID, _ call: DriverCall) async throws(DriverError) {
        try await driver.alone(with: guest) { () async throws(DriverError) in
            try await driver.admit(call, guest)
            switch try await driver.presence(of: guest) {
            case .foreign(let name): throw LibvirtDriver.foreign(guest, name)
            case .absent: return
            case .ours: break
            }
            let volumes = (try? await driver.keptDocument(guest))?.volumes ?? []
            try await driver.session.change(guest) { connection throws(LibvirtFailure) in
                guard let domain = try connection.domain(guest) else { return }
                try domain.stop()
                try domain.undefine(keepingFirmware: true)
            }
            await driver.forgetSecrets(of: volumes)
        }
    }
}
