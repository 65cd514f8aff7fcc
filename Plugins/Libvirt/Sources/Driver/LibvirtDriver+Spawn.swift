import ComputeModel
import DriverAPI

extension LibvirtDriver {
    func spawn(_ spec: GuestSpec, _ call: DriverCall) async throws(DriverError) -> GuestHandle {
        try await alone(with: spec.id) { () async throws(DriverError) in
            try await self.admit(call, spec.id)
            let directory = self.directory(of: spec.id)
            let record = try await self.files { () throws(FileFailure) in directory.record() }
            switch try await self.presence(of: spec.id) {
            case .foreign(let name): throw Self.foreign(spec.id, name)
            case .ours(.running) where record?.complete == true && record?.spawnedBy == call.operation:
                return GuestIdentity(spec.id).handle
            case .ours where record?.complete != false:
                throw .refused("guest \(spec.id) exists already")
            case .ours, .absent:
                // What an interrupted attempt left, whose record is not complete, is of no use: begin anew.
                try await self.removeEverything(spec.id, directory)
            }
            try await self.build(spec, call, directory)
            let removed = self.removed
            await self.threads.run { removed.forget(spec.id) }
            return GuestIdentity(spec.id).handle
        }
    }

    private func build(_ spec: GuestSpec, _ call: DriverCall, _ directory: GuestDirectory) async throws(DriverError) {
        guard let image = spec.image else { throw .notSupported("booting from a volume") }
        for interface in spec.interfaces where interface.binding.kind != .bridge {
            throw .refused("port \(interface.portID) is bound as \(interface.binding.kind.rawValue), not to a bridge")
        }
        let capabilities = try await machineCapabilities(image)
        let devices = try GuestDevices.choose(spec, capabilities, arch: facts.capabilities.arch)
        if let most = capabilities.vcpusMax, spec.flavor.vcpus > most {
            throw .refused("the flavor has \(spec.flavor.vcpus) processors, a guest here at most \(most)")
        }
        try await withRollback { (rollback: inout Rollback) async throws(DriverError) in
            var record = GuestDirectory.Record(operation: call.operation, spawnedBy: call.operation, complete: false)
            let first = record
            rollback.onFailure { [threads] in await threads.run { try? removeTree(directory.path) } }
            try await self.files { () throws(FileFailure) in
                try directory.create()
                try directory.write(first)
            }
            let disks = try await self.makeDisks(spec, image, devices, directory)
            let definition = DomainDefinition(
                spec: spec, virtType: self.facts.decision.virtType, arch: self.facts.capabilities.arch,
                machine: capabilities.machine, emulator: self.facts.emulator, cpu: self.facts.cpu, devices: devices,
                disks: disks, cacheMode: self.cacheMode, consoleLog: directory.consoleLog,
                vncListen: self.options.vncListen, rngDevicePath: self.options.rngDevicePath,
                node: self.host.nodeName, operation: call.operation
            ).xml
            try await self.files { () throws(FileFailure) in
                try writeDurably(Array(definition.utf8), to: directory.definition)
            }
            if Task.isCancelled { throw .cancelled }
            rollback.onFailure { await self.removeDomain(spec.id) }
            try await self.session.change(spec.id) { connection throws(LibvirtFailure) in
                try connection.define(definition)
                return
            }
            try await self.startDomain(spec.id)
            if Task.isCancelled { throw .cancelled }
            record.complete = true
            let last = record
            try await self.files { () throws(FileFailure) in try directory.write(last) }
        }
    }

    /// What guests of the image's machine type, or of the default one, can have.
    private func machineCapabilities(_ image: ImageSpec) async throws(DriverError) -> DomainCapabilities {
        guard let machine = image.properties["hw_machine_type"], !machine.isEmpty, machine != facts.machine else {
            return facts.domainCapabilities
        }
        let (arch, virtType) = (facts.capabilities.arch, facts.decision.virtType)
        let xml: String
        do throws(DriverError) {
            xml = try await session.read { connection throws(LibvirtFailure) in
                try connection.domainCapabilities(arch: arch, machine: machine, virtType: virtType)
            }
        } catch .unreachable(let text) {
            throw .unreachable(text)
        } catch .cancelled {
            throw .cancelled
        } catch {
            throw .imageUnacceptable(
                "Image property hw_machine_type = \(machine) is not possible on this host: \(error.message)")
        }
        guard let capabilities = try? DomainCapabilities(xml: xml) else {
            throw .failed("libvirt's capabilities of machine type \(machine) cannot be read")
        }
        return capabilities
    }

    private func makeDisks(
        _ spec: GuestSpec, _ image: ImageSpec, _ devices: GuestDevices, _ directory: GuestDirectory
    ) async throws(DriverError) -> [DomainDefinition.Disk] {
        var names = DeviceNames()
        var made: [DomainDefinition.Disk] = []
        func add(
            _ role: DomainDefinition.Disk.Role, _ path: String, _ format: DiskFormat, bus: String
        ) throws(DriverError) {
            guard let device = names.next(on: bus) else { throw .refused("too many disks for the bus \(bus)") }
            made.append(DomainDefinition.Disk(role: role, path: path, format: format, bus: bus, device: device))
        }
        host.report(DriverProgress(guest: spec.id, phase: "preparing image"))
        let format = try await disks.makeRoot(spec, image, in: directory)
        try add(.root, directory.rootDisk, format, bus: devices.diskBus)
        host.report(DriverProgress(guest: spec.id, phase: "making disks"))
        if spec.flavor.ephemeralGiB > 0 {
            try await disks.makeEphemeral(gib: spec.flavor.ephemeralGiB, in: directory)
            try add(.ephemeral, directory.ephemeralDisk, .raw, bus: devices.diskBus)
        }
        if spec.flavor.swapMiB > 0 {
            try await disks.makeSwap(mib: spec.flavor.swapMiB, in: directory)
            try add(.swap, directory.swapDisk, .raw, bus: devices.diskBus)
        }
        if let files = spec.configDrive {
            try await disks.makeConfigDrive(files, in: directory)
            try add(.configDrive, directory.configDrive, .raw, bus: devices.cdromBus)
        }
        return made
    }

    /// Starts a defined guest. Cancelling the task stops the start, which then fails.
    func startDomain(_ guest: GuestID) async throws(DriverError) {
        let finished = Locked(false)
        let session = session
        let started: DriverError? = await withTaskCancellationHandler {
            do throws(DriverError) {
                try await session.change(guest) { connection throws(LibvirtFailure) in
                    guard let domain = try connection.domain(guest) else { throw .noDomain("start the guest") }
                    try domain.start()
                    if try domain.powerState() == .paused { try domain.resume() }
                }
                return nil
            } catch {
                return error
            }
        } onCancel: {
            // libvirt lets a second call end a guest that is still starting.
            Task {
                while !finished.with({ $0 }) {
                    try? await session.change(guest) { connection throws(LibvirtFailure) in
                        try connection.domain(guest)?.stop()
                    }
                    try? await Task.sleep(for: .milliseconds(100))
                }
            }
        }
        finished.with { $0 = true }
        if let started { throw Task.isCancelled ? .cancelled : started }
    }

    func destroy(_ guest: GuestID, _ call: DriverCall) async throws(DriverError) {
        try await alone(with: guest) { () async throws(DriverError) in
            try await self.admit(call, guest)
            if case .foreign(let name) = try await self.presence(of: guest) { throw Self.foreign(guest, name) }
            try await self.removeEverything(guest, self.directory(of: guest))
            let removed = self.removed
            try await self.files { () throws(FileFailure) in try removed.note(guest, operation: call.operation) }
        }
    }

    /// Removes domain, definition and files of a guest known to be ours.
    func removeEverything(_ guest: GuestID, _ directory: GuestDirectory) async throws(DriverError) {
        try await session.change(guest) { connection throws(LibvirtFailure) in
            guard let domain = try connection.domain(guest) else { return }
            try domain.stop()
            try domain.undefine()
        }
        try await files { () throws(FileFailure) in try removeTree(directory.path) }
    }

    /// Undo of a definition: tries for a while, because files of a running guest must not be removed under it.
    private func removeDomain(_ guest: GuestID) async {
        for attempt in 1...5 {
            do throws(DriverError) {
                try await session.change(guest) { connection throws(LibvirtFailure) in
                    guard let domain = try connection.domain(guest) else { return }
                    try domain.stop()
                    try domain.undefine()
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
