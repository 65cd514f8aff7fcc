import ComputeModel
import DriverAPI
import DriverSupport
import FoundationEssentials
import Glibc

/// The driver: QEMU and KVM guests of one host, through its libvirt daemon.
///
/// libvirt keeps the guests; this object keeps a connection, a directory of disks and no state of its own that could
/// not be found again from those two.
final class LibvirtDriver: ComputeDriver {
    let session: LibvirtSession
    let options: LibvirtOptions
    let facts: HypervisorFacts
    let host: any DriverHost
    let disks: GuestDisks
    /// For files and programs; calls of libvirt have threads of their own.
    let threads: BlockingThreads
    let cacheMode: String
    let removed: RemovedGuests
    /// How often each guest's file systems were frozen; tells the one who thaws late whether it is still meant.
    let lastThaw = Locked<[GuestID: Int]>([:])
    /// What guests that have departed were given along, while this process lives.
    let departures = Locked<[GuestID: MovePackage]>([:])
    /// What was offered at the last check of a live move of each guest.
    let liveOffers = Locked<[GuestID: [FileOffer]]>([:])
    /// Ports that were chosen for serial consoles a moment ago: nothing listens on them yet.
    let chosenPorts = Locked<[Int: ContinuousClock.Instant]>([:])
    private let locks = GuestLocks()
    private let source: InventorySource

    /// Connects, looks at the host and begins the streams.
    static func start(_ options: LibvirtOptions, host: any DriverHost) async throws(DriverError) -> LibvirtDriver {
        // As many as a daemon serves for one client at a time (max_client_requests).
        let session = LibvirtSession(
            uri: options.connectionURI, threads: BlockingThreads(count: 5), log: { host.log($0, $1, $2) })
        try await session.open()
        do throws(DriverError) {
            let threads = BlockingThreads(count: 4)
            let facts = try await HypervisorFacts.find(session, options, threads: threads)
            let cacheMode = try await prepareDirectories(options, threads: threads, host: host)
            let driver = try await LibvirtDriver(session, options, facts, host, threads, cacheMode: cacheMode)
            driver.begin()
            return driver
        } catch {
            await session.close()
            throw error
        }
    }

    private init(
        _ session: LibvirtSession, _ options: LibvirtOptions, _ facts: HypervisorFacts, _ host: any DriverHost,
        _ threads: BlockingThreads, cacheMode: String
    ) async throws(DriverError) {
        self.session = session
        self.options = options
        self.facts = facts
        self.host = host
        self.threads = threads
        self.cacheMode = cacheMode
        removed = RemovedGuests(instancesPath: options.instancesPath)
        let qemuImg = QemuImg(
            threads: threads, addressSpaceMax: UInt64(options.qemuImgAddressSpaceGiB) << 30,
            cpuSecondsMax: options.qemuImgCPUSecondsMax, conversionTimeout: options.conversionTimeout)
        let cache = ImageCache(
            directory: Self.cachePath(options), convertsToRaw: options.forceRawImages,
            virtualSizeMax: UInt64(options.imageVirtualGiBMax) << 30, qemuImg: qemuImg, threads: threads, host: host)
        await threads.run { cache.removeParts() }
        disks = GuestDisks(
            cache: cache, qemuImg: qemuImg, threads: threads, imagesType: options.imagesType,
            mkisofsCommand: options.mkisofsCommand)
        let look: InventorySource.Look = {
            do throws(DriverError) {
                return try await Self.inventory(session, options, facts, threads)
            } catch {
                return nil
            }
        }
        let first = try await Self.inventory(session, options, facts, threads)
        source = InventorySource(first: first, interval: options.inventoryInterval, look: look)
    }

    private static func cachePath(_ options: LibvirtOptions) -> String { "\(options.instancesPath)/_base" }

    /// Makes the directories; returns the cache mode that disks there can have.
    private static func prepareDirectories(
        _ options: LibvirtOptions, threads: BlockingThreads, host: any DriverHost
    ) async throws(DriverError) -> String {
        do throws(FileFailure) {
            return try await threads.run { () throws(FileFailure) in
                try makeDirectories(cachePath(options), mode: 0o711)
                guard access(options.instancesPath, W_OK) == 0 else {
                    throw FileFailure(call: "write to \(options.instancesPath)", number: errno)
                }
                var path = options.instancesPath
                while path != "/" {
                    var information = stat()
                    if stat(path, &information) == 0, information.st_mode & S_IXOTH == 0 {
                        host.log(
                            .warning, "guest disks may be out of the hypervisor's reach",
                            ["directory": path, "remedy": "chmod o+x, or set [libvirt] instances_path elsewhere"])
                    }
                    path = parentDirectory(of: path)
                }
                let direct = supportsDirectAccess(options.instancesPath)
                return options.diskCacheMode ?? (direct ? "none" : "writeback")
            }
        } catch {
            throw .badConfiguration("[libvirt] instances_path = \(options.instancesPath): \(error.message)")
        }
    }

    private func begin() {
        host.log(
            .info, "libvirt driver started",
            [
                "virt_type": facts.decision.virtType, "reason": facts.decision.reason,
                "hypervisor": "\(facts.hypervisorType) \(facts.hypervisorVersion)",
                "libvirt": "\(facts.libraryVersion)", "machine": facts.machine, "uri": options.connectionURI,
            ])
        session.onReconnection { [weak self] in
            Task { [weak self] in await self?.source.refresh(always: true) }
        }
        let instances = options.instancesPath
        let (bytesMax, filesMax, removed, threads) = (
            options.consoleLogBytesMax, options.consoleLogFilesMax, removed, threads
        )
        thawLeftovers()
        source.start {
            await threads.run {
                for name in namesInDirectory(instances) {
                    guard let guest = GuestID(name) else { continue }
                    try? GuestDirectory(guest, in: instances).rotateConsoleLog(bytesMax: bytesMax, filesMax: filesMax)
                }
                removed.prune(now: time(nil))
            }
        }
    }

    /// Thaws what a driver that died had frozen.
    private func thawLeftovers() {
        let instances = options.instancesPath
        threads.start { [weak self] in
            for name in namesInDirectory(instances) {
                guard let guest = GuestID(name),
                    GuestDirectory(guest, in: instances).record()?.isFrozen == true
                else { continue }
                self?.thaw(guest, after: .seconds(1))
            }
        }
    }

    func health() -> AsyncStream<DriverHealth> { session.health.stream() }

    func inventory() -> AsyncStream<NodeInventory> { source.broadcast.stream() }

    func events() -> AsyncStream<GuestEvent> { session.events.stream() }

    func shutDown() async {
        source.stop()
        await session.close()
    }

    private static func inventory(
        _ session: LibvirtSession, _ options: LibvirtOptions, _ facts: HypervisorFacts, _ threads: BlockingThreads
    ) async throws(DriverError) -> NodeInventory {
        let node = try await session.read { connection throws(LibvirtFailure) in try connection.node() }
        let space: (total: UInt64, free: UInt64)
        do throws(FileFailure) {
            space = try await threads.run { () throws(FileFailure) in try diskSpace(options.instancesPath) }
        } catch {
            throw error.driverError
        }
        let gib: UInt64 = 1 << 30
        return NodeInventory(
            hypervisorType: facts.hypervisorType, hypervisorVersion: facts.hypervisorVersion,
            hypervisorHostname: facts.hostname, cpu: facts.capabilities.cpu,
            supportedGuests: facts.capabilities.supportedGuests(kvm: facts.decision.virtType == "kvm"),
            resources: [
                .vcpu: ResourceInventory(
                    total: node.cpus, reserved: options.reservedCPUs, allocationRatio: options.cpuAllocationRatio),
                .memoryMiB: ResourceInventory(
                    total: node.memoryMiB, reserved: options.reservedMemoryMiB,
                    allocationRatio: options.memoryAllocationRatio),
                .diskGiB: ResourceInventory(
                    total: Int(space.total / gib), reserved: (options.reservedDiskMiB + 1023) / 1024,
                    allocationRatio: options.diskAllocationRatio),
            ],
            traits: facts.traits, diskFreeGiB: Int(space.free / gib), uptime: await threads.run { HostUptime.read() },
            topology: facts.capabilities.topology)
    }
}

extension LibvirtDriver {
    /// The guest's files.
    func directory(of guest: GuestID) -> GuestDirectory { GuestDirectory(guest, in: options.instancesPath) }

    /// Runs `body` when it is this guest's turn.
    func alone<Value: Sendable>(
        with guest: GuestID, _ body: () async throws(DriverError) -> Value
    ) async throws(DriverError) -> Value {
        try await locks.acquire(guest)
        do throws(DriverError) {
            let value = try await body()
            await locks.release(guest)
            return value
        } catch {
            await locks.release(guest)
            throw error
        }
    }

    /// Runs file work on a thread that may block.
    func files<Value: Sendable>(
        _ body: @escaping @Sendable () throws(FileFailure) -> Value
    ) async throws(DriverError) -> Value {
        do throws(FileFailure) { return try await threads.run(body) } catch { throw error.driverError }
    }

    /// Throws ``DriverError/stale(_:)`` for a late call; else notes its number, where the guest has a directory.
    func admit(_ call: DriverCall, _ guest: GuestID) async throws(DriverError) {
        let directory = directory(of: guest)
        let removed = removed
        let last: Int64? = try await files { () throws(FileFailure) in
            if let operation = removed.operation(guest), operation > call.operation { return operation }
            guard var record = directory.record() else { return nil }
            guard record.operation <= call.operation else { return record.operation }
            if record.operation < call.operation {
                record.operation = call.operation
                try directory.write(record)
            }
            return nil
        }
        if let last {
            throw .stale("operation \(call.operation) on guest \(guest) comes after operation \(last)")
        }
    }

    /// What libvirt has under that identifier.
    enum Presence: Sendable, Equatable {
        case absent
        case foreign(name: String)
        case ours(PowerState)
    }

    /// Looks for the guest.
    func presence(of guest: GuestID) async throws(DriverError) -> Presence {
        try await session.read(guest) { connection throws(LibvirtFailure) in
            guard let domain = try connection.domain(guest) else { return .absent }
            do throws(LibvirtFailure) {
                guard GuestMetadata.isOurs(try domain.metadata()) else { return .foreign(name: domain.name) }
                return .ours(try domain.powerState())
            } catch where error.isNoDomain {
                return .absent  // removed meanwhile
            }
        }
    }

    /// The power state of a guest of ours.
    func ourPowerState(_ guest: GuestID) async throws(DriverError) -> PowerState {
        switch try await presence(of: guest) {
        case .absent: throw .noSuchGuest(guest)
        case .foreign(let name): throw Self.foreign(guest, name)
        case .ours(let power): return power
        }
    }

    static func foreign(_ guest: GuestID, _ name: String) -> DriverError {
        .refused("libvirt's domain \(name) with the identifier \(guest) was not made by this driver; it is not touched")
    }
}
