import ComputeModel
import DriverAPI

/// Where capability objects find their driver, which holds them.
final class DriverParts: Sendable {
    // Set once, in the driver's initializer, before anybody else has either.
    private let box = Locked<Weak?>(nil)
    private struct Weak: Sendable {
        weak let driver: VMwareDriver?
    }

    func set(_ driver: VMwareDriver) { box.with { $0 = Weak(driver: driver) } }

    /// - Throws: ``DriverError/unreachable(_:)`` once the driver is gone.
    func driver() throws(DriverError) -> VMwareDriver {
        guard let driver = box.with({ $0?.driver }) else { throw .unreachable("the VMware driver has been shut down") }
        return driver
    }
}

/// Guests in one cluster of a vCenter.
///
/// What must outlive the process lies in vCenter, with the guest: a mark in the machine's notes and a record in its
/// configuration. Nothing about guests is remembered here but the numbers of operations that removed some.
final class VMwareDriver: ComputeDriver {
    let capabilities: Capabilities
    let options: VMwareOptions
    let host: any DriverHost
    let client: VCenterClient
    let cluster: Cluster
    let watch: InventoryWatch
    let tasks: TaskRunner
    let files: DatastoreFiles
    let images: ImageCache
    let source: InventorySource
    let removed: RemovedGuests
    let locks = KeyedLocks<GuestID>()
    let vncPorts = VNCPorts()
    private let folderLock: KeyedLocks<String>

    /// Connects, finds the cluster and takes the first picture of it. If it throws, nothing of it remains.
    static func start(_ options: VMwareOptions, host: any DriverHost) async throws(DriverError) -> VMwareDriver {
        do throws(VimFailure) {
            let client = try await VCenterClient.connect(options.endpoint, host: host)
            do throws(VimFailure) {
                return try await begin(client, options, host)
            } catch {
                await Task { await client.logOut() }.value
                throw error
            }
        } catch {
            throw error.driverError
        }
    }

    private static func begin(
        _ client: VCenterClient, _ options: VMwareOptions, _ host: any DriverHost
    ) async throws(VimFailure) -> VMwareDriver {
        let cluster = try await Cluster.find(options.clusterName, in: client)
        let source = InventorySource(content: client.content, cluster: cluster, options: options)
        let watch = InventoryWatch(client, cluster.reference, host: host) { source.send($0) }
        try await watch.start()
        guard watch.mirror.datastores.contains(where: { options.allows($0) }) else {
            await watch.stop()
            throw .driver(InventorySource.noDatastore(watch.mirror, options, cluster.name))
        }
        let driver = VMwareDriver(client, options, host, cluster, source, watch)
        await driver.images.sweep(watch.mirror.datastores.filter { options.allows($0) })
        host.log(
            .info, "vmware driver started",
            [
                "server": client.endpoint.authority, "version": client.content.fullName, "cluster": cluster.name,
                "node": source.nodeName,
            ])
        return driver
    }

    private init(
        _ client: VCenterClient, _ options: VMwareOptions, _ host: any DriverHost, _ cluster: Cluster,
        _ source: InventorySource, _ watch: InventoryWatch
    ) {
        (self.client, self.options, self.host, self.cluster) = (client, options, host, cluster)
        (self.source, self.watch) = (source, watch)
        tasks = TaskRunner(client: client, watch: watch, host: host, pollInterval: options.taskPollInterval)
        files = DatastoreFiles(
            client: client, tasks: tasks, datacenter: cluster.datacenter, datacenterPath: cluster.datacenterPath)
        images = ImageCache(client, files, tasks, cluster, host: host, folderName: options.cacheFolder)
        removed = RemovedGuests(folder: host.stateDirectory + "/removed")
        folderLock = KeyedLocks()
        var capabilities = Capabilities(
            bindings: [.network, .unbound], imageFormats: ImageInspection.formats,
            facts: [.configDrive, .uefi, .secureBoot, .bootFromVolume], traits: MachinePlan.traits)
        let parts = DriverParts()
        capabilities.suspending = Suspending(parts)
        capabilities.snapshots = Snapshots(parts)
        capabilities.rescue = Rescue(parts)
        capabilities.volumes = Volumes(parts)
        capabilities.volumeExtending = Volumes(parts)
        capabilities.interfaces = Interfaces(parts)
        capabilities.resizing = Resizing(parts)
        capabilities.liveMigration = LiveMoves(parts)
        capabilities.consoles = Consoles(parts, hasVNC: client.content.apiNumbers < (7, 0))
        capabilities.diagnostics = Diagnostics(parts)
        capabilities.imageCache = CachedImages(parts)
        capabilities.hostMaintenance = Maintenance(parts)
        self.capabilities = capabilities
        parts.set(self)
    }

    func health() -> AsyncStream<DriverHealth> { watch.health.stream() }
    func inventory() -> AsyncStream<NodeInventory> { source.broadcast.stream() }
    func events() -> AsyncStream<GuestEvent> { watch.events.stream() }

    func shutDown() async {
        await watch.stop()
        source.broadcast.finish()
        await client.logOut()
    }
}

extension VMwareDriver {
    /// Runs `body` and turns what goes wrong into what callers understand.
    func serve<Value>(
        _ guest: GuestID? = nil, _ body: () async throws(VimFailure) -> Value
    ) async throws(DriverError) -> Value {
        do throws(VimFailure) {
            return try await body()
        } catch {
            // The machine was removed by somebody else between two steps.
            if let guest, error.kind == .managedObjectNotFound, case .fault(_, let during) = error,
                during.contains("VirtualMachine ")
            {
                throw .noSuchGuest(guest)
            }
            throw error.driverError
        }
    }

    /// Runs a changing call on a guest that must be there, when it is the guest's turn.
    ///
    /// - Parameter anywhere: whether the guest may be in another cluster of the datacenter.
    func change<Value>(
        _ guest: GuestID, _ call: DriverCall, anywhere: Bool = false,
        _ body: (Machine) async throws(VimFailure) -> Value
    ) async throws(DriverError) -> Value {
        try await serve(guest) { () async throws(VimFailure) in
            try await self.locks.alone(guest) { () async throws(VimFailure) in
                guard let machine = try await self.admit(call, guest, anywhere: anywhere) else {
                    throw .driver(.noSuchGuest(guest))
                }
                return try await body(machine)
            }
        }
    }

    /// Runs a reading call on a guest that must be there.
    func read<Value>(
        _ guest: GuestID, _ body: (Machine) async throws(VimFailure) -> Value
    ) async throws(DriverError) -> Value {
        try await serve(guest) { () async throws(VimFailure) in
            guard let machine = try await self.find(guest) else { throw .driver(.noSuchGuest(guest)) }
            return try await body(machine)
        }
    }

    /// The guest's machine, where it is in this cluster.
    func find(_ guest: GuestID) async throws(VimFailure) -> Machine? {
        guard let machine = try await Machine.find(guest, client, cluster) else { return nil }
        guard let host = machine.host else { return machine }
        return watch.mirror.hosts.contains { $0.reference == host } ? machine : nil
    }

    /// Refuses late calls and calls for machines of others; else notes the call's number with the guest.
    ///
    /// - Returns: `nil` when there is no such machine.
    func admit(
        _ call: DriverCall, _ guest: GuestID, anywhere: Bool = false
    ) async throws(VimFailure) -> Machine? {
        func stale(_ last: Int64) -> VimFailure {
            .driver(.stale("operation \(call.operation) on guest \(guest) comes after operation \(last)"))
        }
        if let last = removed.operation(guest), last > call.operation { throw stale(last) }
        let found = anywhere ? try await Machine.find(guest, client, cluster) : try await find(guest)
        guard let machine = found else { return nil }
        guard machine.isOurs else {
            throw .driver(
                .refused(
                    "the machine \(machine.name) with the identifier \(guest) was not made by this driver; it is "
                        + "not touched"))
        }
        var record = machine.record
        if record.operation > call.operation { throw stale(record.operation) }
        guard record.operation < call.operation else { return machine }
        record.operation = call.operation
        try await reconfigure(machine, record.options())
        return try await Machine.read(machine.reference, guest, client)
    }

    /// Changes a machine's configuration.
    func reconfigure(_ machine: Machine, _ changes: [XMLElement]) async throws(VimFailure) {
        try await tasks.run("ReconfigVM_Task", machine.reference, [XMLElement("spec", changes)])
    }

    /// The folder of a project's machines, made where it is not there: `OpenStack/Project (…)/Instances`.
    func machineFolder(of project: String) async throws(VimFailure) -> ManagedReference {
        let path = ["OpenStack", "Project (\(project))", "Instances"]
        return try await folderLock.alone(project) { () async throws(VimFailure) in
            var folder = self.cluster.machineFolder
            for name in path { folder = try await self.folder(String(name.prefix(80)), in: folder) }
            return folder
        }
    }

    private func folder(_ name: String, in parent: ManagedReference) async throws(VimFailure) -> ManagedReference {
        do throws(VimFailure) {
            let answer = try await client.call("CreateFolder", parent, [XMLElement("name", name)])
            if let made = answer["returnval"]?.reference { return made }
        } catch {
            guard case .duplicateName(let there) = error.kind else { throw error }
            if let there { return there }
            let answer = try await client.call(
                "FindChild", client.content.searchIndex, [parent.element("entity"), XMLElement("name", name)],
                isRead: true)
            if let found = answer["returnval"]?.reference { return found }
        }
        throw .driver(.failed("the folder \(name) for machines is neither there nor can it be made"))
    }
}
