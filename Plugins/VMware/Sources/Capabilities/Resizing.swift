import ComputeModel
import DriverAPI
import FoundationEssentials

/// Resizes guests and moves them between clusters of one vCenter.
///
/// The machine stays one and the same: it is relocated where the destination is another cluster, and reconfigured. A
/// root disk that grows is a grown copy; the old one lies beside it until the move is confirmed. A snapshot chain
/// cannot grow, and an old disk cannot shrink back.
struct Resizing: ResizingGuests {
    let canStayOnNode = true
    private let parts: DriverParts
    init(_ parts: DriverParts) { self.parts = parts }

    private static let key = "move"

    /// What the guest's record keeps until the move is confirmed or reverted.
    private struct State: Hashable, Codable, Sendable {
        var departed: Int64
        var arrived: Int64?
        var cpus: Int
        var memoryMiB: Int
        var notes: String
        /// The root disk as it was, once a grown copy has taken its place.
        var oldRoot: String?
        var oldKiB: Int?
        /// Where it was: its host, its cluster's resource pool and its datastore.
        var host: ManagedReference?
        var pool: ManagedReference?
        var datastore: ManagedReference?
        var datastoreName: String?
    }

    /// What goes from source to destination.
    private struct Content: Hashable, Codable, Sendable {
        var vCenter: String
        var machine: String
    }

    func depart(_ guest: GuestID, _ move: ColdMove, _ call: DriverCall) async throws(DriverError) -> MovePackage {
        let driver = try parts.driver()
        return try await driver.change(guest, call) { (machine) async throws(VimFailure) in
            let content = Content(vCenter: driver.client.content.instanceUUID, machine: machine.reference.value)
            let package = try MovePackage(content)
            if machine.record.value(Self.key, as: State.self)?.departed == call.operation { return package }
            if let root = machine.rootDisk?.kib, move.flavor.rootGiB > 0, root > move.flavor.rootGiB << 20 {
                throw .driver(
                    .refused(
                        "the root disk of guest \(guest) has \(root >> 20) GiB and cannot shrink to "
                            + "\(move.flavor.rootGiB)"))
            }
            if try await !driver.goesDownByItself(machine, within: move.grace) { try await driver.turnOff(machine) }
            var record = machine.record
            record.set(
                Self.key,
                State(
                    departed: call.operation, cpus: machine.cpus, memoryMiB: machine.memoryMiB, notes: machine.notes,
                    host: machine.host, pool: driver.cluster.resourcePool,
                    datastore: driver.watch.mirror.datastores.first { $0.name == machine.folder.datastore }?.reference,
                    datastoreName: machine.folder.datastore))
            try await driver.reconfigure(machine, record.options())
            return package
        }
    }

    func arrive(
        _ spec: GuestSpec, with package: MovePackage, _ call: DriverCall
    ) async throws(DriverError) -> GuestHandle {
        let driver = try parts.driver()
        return try await driver.change(spec.id, call, anywhere: true) { (machine) async throws(VimFailure) in
            try check(package, driver)
            guard let state = machine.record.value(Self.key, as: State.self) else {
                throw .driver(.refused("guest \(spec.id) has not departed from anywhere"))
            }
            if state.arrived != call.operation {
                try await withRollback { (rollback: inout Rollback) async throws(VimFailure) in
                    rollback.onFailure { await goBack(machine, spec.id, driver) }
                    try await driver.bringHere(machine, spec.id)
                    let here = try await Machine.read(machine.reference, spec.id, driver.client)
                    try await reshape(here, spec, state, call, driver)
                }
            }
            if spec.isRunning {
                try await driver.turnOn(try await Machine.read(machine.reference, spec.id, driver.client))
            }
            return VMwareDriver.handle(spec.id)
        }
    }

    private func check(_ package: MovePackage, _ driver: VMwareDriver) throws(VimFailure) {
        let content = try package.content(as: Content.self)
        guard content.vCenter == driver.client.content.instanceUUID else {
            throw .driver(.refused("the guest is in another vCenter; it cannot be moved from one to the other"))
        }
    }

    /// Gives the machine its new sizes.
    private func reshape(
        _ machine: Machine, _ spec: GuestSpec, _ before: State, _ call: DriverCall, _ driver: VMwareDriver
    ) async throws(VimFailure) {
        var state = before
        var changes: [XMLElement] = []
        if let root = machine.rootDisk, let file = root.file, let kib = root.kib, let controller = root.controllerKey,
            let unit = root.unit, state.oldRoot == nil, spec.flavor.rootGiB << 20 > kib
        {
            let grown = machine.folder.appending("\(spec.id)-\(call.operation).vmdk")
            try await driver.files.removeDisk(grown)  // of an attempt that was cut short
            try await driver.files.copyDisk(file, to: grown, .init(guest: spec.id, phase: "copying disk"))
            try await driver.files.extendDisk(grown, toKiB: spec.flavor.rootGiB << 20)
            // One after the other, as two disks in one place are refused within a single change.
            let disk = DeviceChange.disk(
                key: -501, controller: controller, unit: unit, file: grown.description,
                kib: spec.flavor.rootGiB << 20)
            state.oldRoot = file.description
            state.oldKiB = kib
            var record = machine.record
            record.set(Self.key, state)
            try await driver.reconfigure(machine, [DeviceChange.remove(root)] + record.options())
            changes.append(DeviceChange.add(disk))
        }
        state.arrived = call.operation
        var record = machine.record
        record.set(Self.key, state)
        // The schema wants these before the devices.
        let sizes = [
            XMLElement("annotation", GuestMark.notes(of: spec, node: driver.source.nodeName)),
            XMLElement("numCPUs", spec.flavor.vcpus), XMLElement("memoryMB", spec.flavor.memoryMiB),
        ]
        try await driver.reconfigure(machine, sizes + changes + record.options())
    }

    func confirmDeparture(of guest: GuestID, _ package: MovePackage, _ call: DriverCall) async throws(DriverError) {
        let driver = try parts.driver()
        do throws(DriverError) {
            try await driver.change(guest, call, anywhere: true) { (machine) async throws(VimFailure) in
                guard let state = machine.record.value(Self.key, as: State.self) else { return }
                if let old = state.oldRoot.flatMap({ DatastorePath($0) }), machine.rootDisk?.file != old {
                    try await driver.files.removeDisk(old)
                }
                try await forget(machine, driver)
            }
        } catch .noSuchGuest {
            return  // removed since, with all that was its
        }
    }

    func abandonArrival(of guest: GuestID, _ package: MovePackage, _ call: DriverCall) async throws(DriverError) {
        let driver = try parts.driver()
        do throws(DriverError) {
            try await driver.change(guest, call, anywhere: true) { (machine) async throws(VimFailure) in
                try await restore(machine, guest, driver)
            }
        } catch .noSuchGuest {
            return
        }
    }

    func takeBack(
        _ spec: GuestSpec, _ package: MovePackage, _ call: DriverCall
    ) async throws(DriverError) -> GuestHandle {
        let driver = try parts.driver()
        return try await driver.change(spec.id, call, anywhere: true) { (machine) async throws(VimFailure) in
            try await restore(machine, spec.id, driver)
            try await driver.bringHere(machine, spec.id)
            let here = try await Machine.read(machine.reference, spec.id, driver.client)
            try await forget(here, driver)
            if spec.isRunning { try await driver.turnOn(here) }
            return VMwareDriver.handle(spec.id)
        }
    }

    /// Gives the machine the sizes and the root disk that it had; it is off afterwards where something had changed.
    private func restore(_ machine: Machine, _ guest: GuestID, _ driver: VMwareDriver) async throws(VimFailure) {
        guard var state = machine.record.value(Self.key, as: State.self) else { return }
        guard state.arrived != nil || state.oldRoot != nil else {
            return try await sendHome(machine, state, guest, driver)
        }
        try await driver.turnOff(machine)
        var now = machine
        var additions: [XMLElement] = []
        if let old = state.oldRoot.flatMap({ DatastorePath($0) }), !now.disks.contains(where: { $0.file == old }) {
            // The grown disk stands in the old one's place, or nothing does.
            let grown = now.disks.first { $0.file?.name.hasPrefix("\(guest)-") ?? false }
            if let grown {
                try await driver.reconfigure(now, [DeviceChange.remove(grown, destroysFile: true)])
                now = try await Machine.read(machine.reference, guest, driver.client)
            }
            let place = try VMwareDriver.place(for: now, guest)
            additions =
                place.changes + [
                    DeviceChange.add(
                        DeviceChange.disk(
                            key: -501, controller: place.controller, unit: place.unit, file: old.description,
                            kib: state.oldKiB))
                ]
        }
        state.oldRoot = nil
        state.oldKiB = nil
        state.arrived = nil
        var record = now.record
        record.set(Self.key, state)
        let sizes = [
            XMLElement("annotation", state.notes), XMLElement("numCPUs", state.cpus),
            XMLElement("memoryMB", state.memoryMiB),
        ]
        try await driver.reconfigure(now, sizes + additions + record.options())
        now = try await Machine.read(machine.reference, guest, driver.client)
        try await sendHome(now, state, guest, driver)
    }

    /// Relocates the machine to where it departed from, unless it is there.
    private func sendHome(
        _ machine: Machine, _ state: State, _ guest: GuestID, _ driver: VMwareDriver
    ) async throws(VimFailure) {
        guard let host = state.host, let pool = state.pool, machine.host != host else { return }
        var spec: [XMLElement] = []
        if let datastore = state.datastore, machine.folder.datastore != state.datastoreName {
            spec.append(datastore.element("datastore"))
        }
        spec += [pool.element("pool"), host.element("host")]
        try await driver.relocate(machine, spec, guest)
    }

    /// After an arrival that failed.
    private func goBack(_ machine: Machine, _ guest: GuestID, _ driver: VMwareDriver) async {
        do throws(VimFailure) {
            try await restore(try await Machine.read(machine.reference, guest, driver.client), guest, driver)
        } catch {
            driver.host.log(
                .error, "a failed arrival could not be undone",
                ["guest.id": guest.description, "reason": error.driverError.message])
        }
    }

    private func forget(_ machine: Machine, _ driver: VMwareDriver) async throws(VimFailure) {
        guard machine.record.entries[Self.key] != nil else { return }
        var record = machine.record
        record.entries[Self.key] = nil
        try await driver.reconfigure(machine, record.options(removing: [Self.key]))
    }
}

extension MovePackage {
    /// A package of the present form.
    init(_ content: some Encodable) throws(VimFailure) {
        let encoder = JSONEncoder()
        encoder.outputFormatting = .sortedKeys
        guard let data = try? encoder.encode(content) else {
            throw .driver(.failed("a guest's package cannot be written"))
        }
        self.init(version: 1, data: Array(data))
    }

    func content<Content: Decodable>(as type: Content.Type) throws(VimFailure) -> Content {
        guard version == 1, let content = try? JSONDecoder().decode(type, from: Data(data)) else {
            throw .driver(.refused("the guest comes from a driver that speaks another form of package"))
        }
        return content
    }
}

extension VMwareDriver {
    /// Relocates a machine to this cluster, unless it is here: to the usable host with most memory, and to another
    /// datastore only where this cluster does not reach its own.
    func bringHere(_ machine: Machine, _ guest: GuestID) async throws(VimFailure) {
        let mirror = watch.mirror
        if let host = machine.host, mirror.hosts.contains(where: { $0.reference == host }) { return }
        guard let host = mirror.hosts.filter(\.isUsable).max(by: { $0.memoryMiB < $1.memoryMiB }) else {
            throw .driver(.insufficientResources("cluster \(cluster.name) has no host that can be used"))
        }
        var spec: [XMLElement] = []
        if !mirror.datastores.contains(where: { options.allows($0) && $0.name == machine.folder.datastore }) {
            let bytes = machine.disks.reduce(0) { $0 + ($1.kib ?? 0) << 10 }
            spec.append(try source.datastore(mirror, needing: UInt64(bytes)).reference.element("datastore"))
        }
        spec += [cluster.resourcePool.element("pool"), host.reference.element("host")]
        try await relocate(machine, spec, guest)
    }

    fileprivate func relocate(
        _ machine: Machine, _ spec: [XMLElement], _ guest: GuestID
    ) async throws(VimFailure) {
        try await tasks.run(
            "RelocateVM_Task", machine.reference,
            [XMLElement("spec", spec), XMLElement("priority", "defaultPriority")],
            .init(guest: guest, phase: "relocating"))
    }
}
