import ComputeModel
import DriverAPI

/// Moves running guests between clusters of one vCenter, which does the work: a machine is relocated, with its disks
/// where the destination does not reach them.
struct LiveMoves: LiveMigratingGuests {
    private let parts: DriverParts
    /// Tasks of migrations that run now.
    private let running = Locked<[GuestID: ManagedReference]>([:])
    init(_ parts: DriverParts) { self.parts = parts }

    /// What the destination tells the source.
    private struct Offer: Hashable, Codable, Sendable {
        var vCenter: String
        var cluster: String
        var pool: ManagedReference
        var host: ManagedReference
        /// Datastores that the destination reaches, by name.
        var datastores: Set<String>
        /// Where disks go that it does not reach.
        var datastore: ManagedReference
        var freeBytes: Int
    }

    func offer(for spec: GuestSpec, _ move: LiveMove) async throws(DriverError) -> MovePackage {
        let driver = try parts.driver()
        return try await driver.serve { () async throws(VimFailure) in
            let mirror = driver.watch.mirror
            guard let host = mirror.hosts.filter(\.isUsable).max(by: { $0.memoryMiB < $1.memoryMiB }) else {
                throw .driver(.refused("cluster \(driver.cluster.name) has no host that can be used"))
            }
            let datastore = try driver.source.datastore(mirror, needing: 0)
            return try MovePackage(
                Offer(
                    vCenter: driver.client.content.instanceUUID, cluster: driver.cluster.name,
                    pool: driver.cluster.resourcePool, host: host.reference,
                    datastores: Set(driver.allowedDatastores.map(\.name)), datastore: datastore.reference,
                    freeBytes: datastore.freeBytes))
        }
    }

    func check(_ guest: GuestID, _ move: LiveMove, _ offer: MovePackage) async throws(DriverError) -> MovePackage {
        let driver = try parts.driver()
        return try await driver.read(guest) { (machine) async throws(VimFailure) in
            let content = try offer.content(as: Offer.self)
            guard content.vCenter == driver.client.content.instanceUUID else {
                throw .driver(.refused("the destination belongs to another vCenter"))
            }
            guard machine.power == .running else { throw .driver(.refused("guest \(guest) does not run")) }
            guard !content.datastores.contains(machine.folder.datastore) else { return offer }
            guard move.copiesDisks != false else {
                throw .driver(
                    .refused(
                        "cluster \(content.cluster) does not reach datastore \(machine.folder.datastore), where the "
                            + "disks of guest \(guest) lie"))
            }
            guard machine.record.volumes.isEmpty else {
                throw .driver(.refused("cluster \(content.cluster) does not reach the volumes of guest \(guest)"))
            }
            let bytes = machine.disks.reduce(0) { $0 + ($1.kib ?? 0) << 10 }
            guard bytes <= content.freeBytes else {
                throw .driver(.refused("cluster \(content.cluster) has too little disk space for guest \(guest)"))
            }
            return offer
        }
    }

    func prepareArrival(
        of spec: GuestSpec, _ move: LiveMove, _ package: MovePackage, _ call: DriverCall
    ) async throws(DriverError) -> MovePackage {
        let driver = try parts.driver()
        // vCenter makes at the destination what it needs there; only the host may have gone since the offer.
        return try await driver.serve { () async throws(VimFailure) in
            let content = try package.content(as: Offer.self)
            let query = PropertyQuery.cluster(driver.cluster.reference, ["HostSystem": Mirror.hostPaths])
            let hosts = try await driver.client.retrieve(query, pageMax: driver.options.objectsMax)
                .map { HostFacts($0) }
            guard hosts.contains(where: { $0.reference == content.host && $0.isUsable }) else {
                throw .driver(.refused("the host that cluster \(driver.cluster.name) offered cannot be used any more"))
            }
            return package
        }
    }

    func migrate(
        _ guest: GuestID, _ move: LiveMove, _ package: MovePackage, _ call: DriverCall
    ) async throws(DriverError) -> LiveMoveEnd {
        let driver = try parts.driver()
        return try await driver.change(guest, call, anywhere: true) { (machine) async throws(VimFailure) in
            let content = try package.content(as: Offer.self)
            if try await driver.find(guest) == nil { return .moved }
            var spec: [XMLElement] = []
            if !content.datastores.contains(machine.folder.datastore) {
                spec.append(content.datastore.element("datastore"))
            }
            spec += [content.pool.element("pool"), content.host.element("host")]
            defer { running.with { $0[guest] = nil } }
            do throws(VimFailure) {
                try await driver.tasks.run(
                    "RelocateVM_Task", machine.reference,
                    [XMLElement("spec", spec), XMLElement("priority", "highPriority")],
                    .init(guest: guest, phase: "migrating"), onBegin: { task in running.with { $0[guest] = task } })
                return .moved
            } catch {
                guard case .fault(let fault, _) = error, fault.kind != .managedObjectNotFound, fault.kind != .busy
                else {
                    throw error
                }
                driver.host.log(
                    .warning, "live migration failed; the guest stays",
                    ["guest.id": guest.description, "destination": move.destination, "reason": fault.sentence])
                return .stayed
            }
        }
    }

    func forceComplete(_ guest: GuestID) async throws(DriverError) {
        throw .refused("vSphere ends a migration when it can; nobody can force it")
    }

    func abort(_ guest: GuestID) async throws(DriverError) {
        let driver = try parts.driver()
        guard let task = running.with({ $0[guest] }) else { throw .refused("guest \(guest) does not migrate") }
        try await driver.serve { () async throws(VimFailure) in
            _ = try await driver.client.call("CancelTask", task)
        }
    }

    func finishArrival(
        of spec: GuestSpec, _ package: MovePackage, _ call: DriverCall
    ) async throws(DriverError) -> GuestHandle {
        let driver = try parts.driver()
        return try await driver.change(spec.id, call) { (machine) async throws(VimFailure) in
            let notes = GuestMark.notes(of: spec, node: driver.source.nodeName)
            try await driver.reconfigure(machine, [XMLElement("annotation", notes)])
            return VMwareDriver.handle(spec.id)
        }
    }

    func finishDeparture(
        of guest: GuestID, _ package: MovePackage, _ call: DriverCall
    ) async throws(DriverError) {
        let driver = try parts.driver()
        // Nothing of it is left here once it has gone.
        try await driver.serve { () async throws(VimFailure) in
            guard try await driver.find(guest) == nil else {
                throw .driver(.refused("guest \(guest) is still in cluster \(driver.cluster.name)"))
            }
        }
    }

    func abandonArrival(
        of guest: GuestID, _ package: MovePackage, _ call: DriverCall
    ) async throws(DriverError) {
        let driver = try parts.driver()
        // Nothing was made for it. Whoever is told so shall have been heard by vCenter.
        try await driver.serve { () async throws(VimFailure) in
            if try await driver.find(guest) != nil {
                driver.host.log(
                    .warning, "the arrival of a guest that has come is abandoned", ["guest.id": guest.description])
            }
        }
    }
}
