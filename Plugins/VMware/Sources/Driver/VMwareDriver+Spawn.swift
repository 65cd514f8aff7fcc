import ComputeModel
import DriverAPI

extension VMwareDriver {
    func spawn(_ spec: GuestSpec, _ call: DriverCall) async throws(DriverError) -> GuestHandle {
        try await serve { () async throws(VimFailure) in
            try await self.locks.alone(spec.id) { () async throws(VimFailure) in
                if let machine = try await self.admit(call, spec.id) {
                    guard machine.record.spawnedBy == call.operation || !machine.record.isComplete else {
                        throw .driver(.refused("guest \(spec.id) exists already"))
                    }
                    if machine.record.isComplete {
                        if spec.isRunning { try await self.turnOn(machine) }
                        return Self.handle(spec.id)
                    }
                    // What an interrupted attempt left is of no use: begin anew.
                    try await self.remove(machine)
                }
                try await self.build(spec, call)
                self.removed.forget(spec.id)
                return Self.handle(spec.id)
            }
        }
    }

    private func build(_ spec: GuestSpec, _ call: DriverCall) async throws(VimFailure) {
        let plan = try MachinePlan(spec, usesLinkedClones: options.usesLinkedClones)
        for interface in spec.interfaces where interface.binding.kind == .bridge {
            throw .driver(
                .refused(
                    "port \(interface.portID) is bound as \(interface.binding.kind.rawValue); vSphere connects "
                        + "guests to its own networks only"))
        }
        try await requireUsableHost()
        try await withRollback { (rollback: inout Rollback) async throws(VimFailure) in
            let (datastore, disk) = try await prepareDisk(spec, plan)
            let reference = try await create(spec, plan, call, datastore)
            rollback.onFailure { await self.undo(reference, spec.id) }
            // The first disk is the one that a machine boots from.
            if let volume = spec.bootVolume { try await attach(volume, to: reference, spec.id) }
            try await addDisks(spec, plan, disk, to: try await Machine.read(reference, spec.id, client))
            try await addConfigDrive(spec, to: reference)
            for volume in spec.volumes where volume.bootIndex != 0 {
                try await attach(volume, to: reference, spec.id)
            }
            try await finish(spec, call, try await Machine.read(reference, spec.id, client))
        }
    }

    /// Refuses to build where no host could run the guest: machines can be made all the same, which would help nobody.
    private func requireUsableHost() async throws(VimFailure) {
        // Asked and not mirrored: maintenance may have ended a moment ago.
        let query = PropertyQuery.cluster(cluster.reference, ["HostSystem": Mirror.hostPaths])
        let hosts = try await client.retrieve(query, pageMax: options.objectsMax).map { HostFacts($0) }
        guard !hosts.contains(where: \.isUsable) else { return }
        let maintained = hosts.count(where: \.isInMaintenance)
        throw .driver(
            .insufficientResources(
                "none of the \(hosts.count) hosts of cluster \(cluster.name) takes guests; \(maintained) are in "
                    + "maintenance"))
    }

    /// Gives the machine the name that people see, marks it complete and starts it.
    private func finish(_ spec: GuestSpec, _ call: DriverCall, _ machine: Machine) async throws(VimFailure) {
        // Made under the identifier, so that its files are named by it; people see the server's name.
        try await tasks.run(
            "Rename_Task", machine.reference, [XMLElement("newName", Self.machineName(spec.name, spec.id))])
        var record = machine.record
        record.isComplete = true
        try await reconfigure(machine, record.options())
        if spec.isRunning { try await turnOn(machine) }
    }

    /// As Nova names machines: at most 80 characters, of which the identifier takes its part.
    static func machineName(_ name: String, _ guest: GuestID) -> String {
        let safe = name.map { "/\\%".contains($0) || $0.isNewline ? "_" : $0 }
        return "\(String(safe.prefix(41))) (\(guest))"
    }

    /// Removes a machine that was not made to its end.
    func undo(_ reference: ManagedReference, _ guest: GuestID) async {
        do throws(VimFailure) {
            try await remove(try await Machine.read(reference, guest, client))
        } catch {
            guard error.kind != .managedObjectNotFound else { return }
            host.log(
                .error, "a half-made guest could not be removed",
                ["guest.id": guest.description, "machine": reference.value, "reason": error.driverError.message])
        }
    }

    /// What the root disk starts from.
    enum RootDisk: Sendable {
        /// A disk in the cache to lean on.
        case linked(DatastorePath, kib: Int)
        /// A disk in the cache to copy, and to grow afterwards.
        case copied(DatastorePath, kib: Int, grownTo: Int?)
        /// An empty disk and a CD-ROM to install from.
        case installed(DatastorePath, kib: Int)
        /// A volume takes its place.
        case volume
    }

    private func prepareDisk(
        _ spec: GuestSpec, _ plan: MachinePlan
    ) async throws(VimFailure) -> (datastore: DatastoreFacts, disk: RootDisk) {
        let gib = spec.flavor.rootGiB
        guard let image = spec.image, spec.bootVolume == nil else {
            guard spec.bootVolume != nil else {
                throw .driver(.refused("guest \(spec.id) has neither an image nor a volume to boot from"))
            }
            return (try source.datastore(watch.mirror, needing: 0), .volume)
        }
        let datastore = try source.datastore(watch.mirror, needing: UInt64(max(0, image.sizeBytes)))
        let stored = try await images.image(image, plan, on: datastore.name, for: spec.id)
        if stored.facts.isCDROM {
            guard gib > 0 else {
                throw .driver(
                    .refused(
                        "image \(image.id) is a CD-ROM and the flavor \(spec.flavor.name) gives no disk to "
                            + "install to"))
            }
            return (datastore, .installed(stored.file, kib: gib << 20))
        }
        let kib = Int((stored.facts.diskBytes + 1023) / 1024)
        guard gib == 0 || kib <= gib << 20 else {
            throw .driver(
                .imageUnacceptable(
                    "image \(image.id) describes a disk of \((kib + (1 << 20) - 1) >> 20) GiB, the flavor "
                        + "\(spec.flavor.name) has \(gib)"))
        }
        let grown = gib > 0 && kib < gib << 20
        guard plan.isLinked else {
            return (datastore, .copied(stored.file, kib: kib, grownTo: grown ? gib << 20 : nil))
        }
        guard grown else { return (datastore, .linked(stored.file, kib: kib)) }
        let purpose = TaskRunner.Purpose(guest: spec.id, phase: "growing disk")
        let file = try await images.grown(stored, toGiB: gib, purpose: purpose)
        return (datastore, .linked(file, kib: gib << 20))
    }

    private func create(
        _ spec: GuestSpec, _ plan: MachinePlan, _ call: DriverCall, _ datastore: DatastoreFacts
    ) async throws(VimFailure) -> ManagedReference {
        let folder = try await machineFolder(of: spec.projectID)
        var devices: [XMLElement] = []
        // The IDE controllers are there in every machine.
        if plan.adapter != .ide { devices.append(DeviceChange.add(DeviceChange.controller(plan.adapter, key: -101))) }
        for (index, interface) in spec.interfaces.enumerated() {
            devices.append(DeviceChange.add(try await networkCard(interface, plan.networkCard, key: -201 - index)))
        }
        var record = GuestRecord(operation: call.operation, spawnedBy: call.operation, isComplete: false)
        for interface in spec.interfaces {
            record.entries[GuestRecord.portKey(interface.portID)] = interface.macAddress
        }
        var extra = record.options() + [GuestRecord.option("nvp.vm-uuid", spec.id.description)]
        for (index, interface) in spec.interfaces.enumerated() {
            extra.append(GuestRecord.option("nvp.iface-id.\(index)", interface.portID.description))
        }
        extra += try await vncOptions()
        let secureBoot =
            plan.hasSecureBoot ? [XMLElement("bootOptions", [XMLElement("efiSecureBootEnabled", true)])] : []
        let config = XMLElement(
            "config",
            [
                XMLElement("name", spec.id.description), XMLElement("uuid", spec.id.description),
                XMLElement("instanceUuid", spec.id.description), XMLElement("guestId", plan.guestOS),
                XMLElement("annotation", GuestMark.notes(of: spec, node: source.nodeName)),
                XMLElement("files", [XMLElement("vmPathName", "[\(datastore.name)]")]),
                XMLElement("numCPUs", spec.flavor.vcpus), XMLElement("memoryMB", spec.flavor.memoryMiB),
            ] + devices + plan.allocation + extra + secureBoot + [XMLElement("firmware", plan.firmware)])
        let result = try await tasks.run(
            "CreateVM_Task", folder, [config, cluster.resourcePool.element("pool")],
            .init(guest: spec.id, phase: "creating machine"))
        guard let reference = result?.reference else {
            throw .driver(.failed("vCenter made a machine for guest \(spec.id) and does not say which"))
        }
        return reference
    }

    /// A network card for an interface, on the network that its binding names (without one, that has its network's
    /// identifier for a name), else on the configured one.
    ///
    /// A user chooses the name that the network service knows a network by, so it may select no port group.
    func networkCard(
        _ interface: NetworkInterfaceSpec, _ type: String, key: Int
    ) async throws(VimFailure) -> XMLElement {
        let own =
            if case .network(let name) = interface.binding { name } else { interface.networkID.description }
        let names = [own] + (options.integrationBridge.map { [$0] } ?? [])
        guard let network = try await ClusterNetwork.find(names, in: cluster, client) else {
            let missing = options.integrationBridge.map { "nor '\($0)', which [vmware] integration_bridge names" }
            throw .driver(
                .refused(
                    "cluster \(cluster.name) has neither a network '\(own)' "
                        + (missing ?? "nor a value in [vmware] integration_bridge")))
        }
        return DeviceChange.networkCard(key: key, type: type, mac: interface.macAddress, backing: network.backing)
    }

    private func addDisks(
        _ spec: GuestSpec, _ plan: MachinePlan, _ root: RootDisk, to machine: Machine
    ) async throws(VimFailure) {
        guard
            let controller = machine.devices.first(where: {
                plan.adapter == .ide ? $0.isIDEController : $0.isSCSIController
            })
        else { throw .driver(.failed("the machine of guest \(spec.id) has no disk controller")) }
        var devices = machine.devices
        var changes: [XMLElement] = []
        var key = -301
        func add(_ file: String, _ kib: Int?, parent: DatastorePath? = nil, isNew: Bool = true) throws(VimFailure) {
            guard let unit = devices.freeUnit(on: controller.key, isSCSI: plan.adapter != .ide) else {
                throw .driver(.refused("guest \(spec.id) has more disks than its controller takes"))
            }
            let disk = DeviceChange.disk(
                key: key, controller: controller.key, unit: unit, file: file, kib: kib, parent: parent,
                isThin: plan.isThin)
            changes.append(DeviceChange.add(disk, file: isNew ? "create" : nil))
            devices.append(Device(XMLElement("device", disk.attributes, disk.children)))
            key -= 1
        }
        switch root {
        case .linked(let parent, let kib): try add("", kib, parent: parent)
        case .copied(let source, let kib, let grownTo):
            let file = machine.folder.appending("\(spec.id).vmdk")
            try await files.copyDisk(source, to: file, .init(guest: spec.id, phase: "copying disk"))
            if let grownTo { try await files.extendDisk(file, toKiB: grownTo) }
            try add(file.description, grownTo ?? kib, isNew: false)
        case .installed(let cdrom, let kib):
            try add("", kib)
            try await addCDROM(cdrom, to: machine)
        case .volume: break
        }
        if spec.flavor.ephemeralGiB > 0 { try add("", spec.flavor.ephemeralGiB << 20) }
        if spec.flavor.swapMiB > 0 { try add("", spec.flavor.swapMiB << 10) }
        if !changes.isEmpty { try await reconfigure(machine, changes) }
    }

    func addCDROM(_ file: DatastorePath, to machine: Machine) async throws(VimFailure) {
        guard let place = machine.devices.freeIDEPlace else {
            throw .driver(.failed("the machine \(machine.name) has no place for another CD-ROM"))
        }
        let device = DeviceChange.cdrom(key: -401, controller: place.controller, unit: place.unit, file: file)
        try await reconfigure(machine, [DeviceChange.add(device)])
    }

    private func addConfigDrive(_ spec: GuestSpec, to reference: ManagedReference) async throws(VimFailure) {
        guard let drive = spec.configDrive else { return }
        let machine = try await Machine.read(reference, spec.id, client)
        let file = machine.folder.appending("configdrive.iso")
        try await files.upload(
            .bytes(ISOImage.bytes(drive, label: "config-2", date: .now())), to: file)
        try await addCDROM(file, to: machine)
    }
}
