import ComputeModel
import DriverAPI
import DriverSupport
import Glibc

/// What was decided of a guest before anything is made.
struct GuestPlan: Sendable {
    var capabilities: DomainCapabilities
    var devices: GuestDevices
    var limits: GuestLimits
}

/// Which local disks a guest has.
struct LocalDisks: Hashable, Sendable {
    /// Form of the root disk; `nil` for a guest that boots from a volume.
    var root: DiskFormat?
    var hasEphemeral: Bool
    var hasSwap: Bool
    var hasConfigDrive: Bool
}

extension LibvirtDriver {
    /// Chooses devices, and refuses what this node cannot give.
    func plan(_ spec: GuestSpec) async throws(DriverError) -> GuestPlan {
        guard spec.image != nil || spec.bootVolume != nil else {
            throw .refused("guest \(spec.id) has neither an image nor a volume to boot from")
        }
        for interface in spec.interfaces where interface.binding.kind != .bridge {
            throw .refused("port \(interface.portID) is bound as \(interface.binding.kind.rawValue), not to a bridge")
        }
        for volume in spec.volumes { try checkVolume(volume) }
        let capabilities = try await machineCapabilities(spec.image)
        let devices = try GuestDevices.choose(spec, capabilities, arch: facts.capabilities.arch)
        if let most = capabilities.vcpusMax, spec.flavor.vcpus > most {
            throw .refused("the flavor has \(spec.flavor.vcpus) processors, a guest here at most \(most)")
        }
        return GuestPlan(
            capabilities: capabilities, devices: devices, limits: try GuestLimits(spec.flavor.extraSpecs))
    }

    /// What guests of the image's machine type, or of the default one, can have.
    private func machineCapabilities(_ image: ImageSpec?) async throws(DriverError) -> DomainCapabilities {
        guard let machine = image?.properties["hw_machine_type"], !machine.isEmpty, machine != facts.machine else {
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

    /// Makes the local disks of a new guest.
    func makeDisks(_ spec: GuestSpec, _ directory: GuestDirectory) async throws(DriverError) -> LocalDisks {
        var made = LocalDisks(hasEphemeral: false, hasSwap: false, hasConfigDrive: false)
        if let image = spec.image, spec.bootVolume == nil {
            host.report(DriverProgress(guest: spec.id, phase: "preparing image"))
            made.root = try await disks.makeRoot(spec, image, in: directory)
        }
        host.report(DriverProgress(guest: spec.id, phase: "making disks"))
        try await makeOtherDisks(spec, directory, &made)
        return made
    }

    /// Makes those of the other local disks that are not there.
    func makeOtherDisks(
        _ spec: GuestSpec, _ directory: GuestDirectory, _ made: inout LocalDisks
    ) async throws(DriverError) {
        let there = await threads.run { (exists(directory.ephemeralDisk), exists(directory.swapDisk)) }
        if spec.flavor.ephemeralGiB > 0 {
            if !there.0 { try await disks.makeEphemeral(gib: spec.flavor.ephemeralGiB, in: directory) }
            made.hasEphemeral = true
        }
        if spec.flavor.swapMiB > 0 {
            if !there.1 { try await disks.makeSwap(mib: spec.flavor.swapMiB, in: directory) }
            made.hasSwap = true
        }
        if let files = spec.configDrive {
            try await disks.makeConfigDrive(files, in: directory)
            made.hasConfigDrive = true
        }
    }

    /// The definition of a guest whose disks are there.
    func compose(
        _ spec: GuestSpec, _ plan: GuestPlan, _ local: LocalDisks, _ call: DriverCall, _ directory: GuestDirectory
    ) async throws(DriverError) -> DomainDefinition {
        var names = DeviceNames()
        var made: [DomainDefinition.Disk] = []
        var volumes: [XMLElement] = []
        let bus = plan.devices.diskBus
        func add(
            _ role: DomainDefinition.Disk.Role, _ path: String, _ format: DiskFormat, bus: String, boot: Int? = nil
        ) throws(DriverError) {
            made.append(
                DomainDefinition.Disk(
                    role: role, path: path, format: format, bus: bus,
                    device: try names.take(nil, on: bus, insists: false), bootOrder: boot))
        }
        // The device to boot from comes first, whatever it is, and has the first name.
        let order = spec.volumes.compactMap(\.bootIndex).filter { $0 >= 0 }.sorted()
        func place(_ volume: VolumeSpec) -> Int? {
            guard let index = volume.bootIndex, let place = order.firstIndex(of: index) else { return nil }
            return place + (local.root == nil ? 1 : 2)
        }
        if let format = local.root { try add(.root, directory.rootDisk, format, bus: bus, boot: 1) }
        if local.root == nil, let volume = spec.bootVolume {
            let own = volume.bus ?? bus
            let name = try names.take(nil, on: own, insists: false)
            volumes.append(try await volumeElement(volume, device: name, bus: own, bootOrder: place(volume)))
        }
        if local.hasEphemeral { try add(.ephemeral, directory.ephemeralDisk, .raw, bus: bus) }
        if local.hasSwap { try add(.swap, directory.swapDisk, .raw, bus: bus) }
        for volume in spec.volumes where local.root != nil || volume.bootIndex != 0 {
            let own = volume.bus ?? bus
            let name = try names.take(volume.deviceName, on: own, insists: false)
            volumes.append(try await volumeElement(volume, device: name, bus: own, bootOrder: place(volume)))
        }
        if local.hasConfigDrive { try add(.configDrive, directory.configDrive, .raw, bus: plan.devices.cdromBus) }
        return DomainDefinition(
            spec: spec, virtType: facts.decision.virtType, arch: facts.capabilities.arch,
            machine: plan.capabilities.machine, emulator: facts.emulator, cpu: facts.cpu, devices: plan.devices,
            limits: plan.limits, disks: made, volumes: volumes, cacheMode: cacheMode,
            consoles: try await consoles(directory), firmwareVariables: directory.firmwareVariables,
            rngDevicePath: options.rngDevicePath, expressPorts: options.expressPorts,
            hostCells: Dictionary(
                (facts.capabilities.topology?.cells ?? []).map { ($0.id, $0.cpus) }, uniquingKeysWith: { $1 }),
            node: host.nodeName, operation: call.operation)
    }

    private func consoles(_ directory: GuestDirectory) async throws(DriverError) -> DomainDefinition.Consoles {
        let address = options.consoleListen
        var consoles = DomainDefinition.Consoles(log: directory.consoleLog)
        if options.graphics.contains("vnc") { consoles.vnc = address }
        if options.graphics.contains("spice") { consoles.spice = address }
        guard options.serialConsole else { return consoles }
        consoles.serial = (address, try await serialPort())
        return consoles
    }

    /// A port for one more serial console.
    func serialPort() async throws(DriverError) -> Int {
        let (range, address, instances) = (options.serialPorts, options.consoleListen, options.instancesPath)
        while true {
            // Several guests are made at once, and it takes each a while until its definition names its port.
            let recent: Set<Int> = chosenPorts.with { ports in
                ports = ports.filter { ContinuousClock.now - $0.value < .seconds(60) }
                return Set(ports.keys)
            }
            let port = await threads.run {
                SerialPorts.choose(range, except: recent, address: address, instancesPath: instances)
            }
            guard let port else {
                throw .insufficientResources(
                    "no port of [libvirt] serial_port_range = \(range.lowerBound):\(range.upperBound) is free")
            }
            let isMine = chosenPorts.with { ports in
                guard ports[port] == nil else { return false }
                ports[port] = .now
                return true
            }
            if isMine { return port }
        }
    }
}
