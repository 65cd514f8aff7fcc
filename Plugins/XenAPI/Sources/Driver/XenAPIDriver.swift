import ComputeModel
import DriverAPI

/// Guests of XCP-ng or XenServer, one host of a pool for each driver.
///
/// The server's own objects are the only memory: what the driver must know of a guest stands in the `other_config` of
/// its machine and disks (``Mark``), so a restart of driver, host process or toolstack forgets nothing. Events feed the
/// streams and the waiting for tasks; nothing is polled but the host's free space.
final class XenAPIDriver: ComputeDriver {
    let client: XenClient
    let tasks: XenTasks
    let transfers: XenTransfers
    let options: XenAPIOptions
    let host: any DriverHost
    /// This node's host: its reference and its address.
    let place: Place
    let mirror: PoolMirror
    let removals: Removals
    let guestGate = Turnstile<GuestID>(width: 1)
    let imageGate = Turnstile<ImageID>(width: 1)
    private let healthBroadcast = NewestValueBroadcast<DriverHealth>(.healthy)
    private let inventoryBroadcast: NewestValueBroadcast<NodeInventory>
    private let eventBroadcast = GuestEventBroadcast()
    private let inventorySignal: AsyncStream<Void>.Continuation
    private let loops = Locked<[Task<Void, Never>]>([])

    /// The host of the pool that this node is.
    struct Place: Hashable, Sendable {
        let reference: String
        let uuid: String
        let name: String
        let endpoint: XenEndpoint
    }

    /// Connects, finds the node's host and storage, and begins the streams.
    static func start(_ options: XenAPIOptions, host: any DriverHost) async throws(DriverError) -> XenAPIDriver {
        let client = XenClient(options: options, host: host)
        do throws(DriverError) {
            let place = try await HostFinder(client: client).find()
            let source = InventorySource(client: client, place: place)
            let first = try await source.look()
            let driver = XenAPIDriver(client, place, first)
            do throws(DriverError) {
                // So that other nodes of the pool know which host this node is.
                try await driver.mark(place.reference, [Mark.node: host.nodeName], of: "host")
            } catch {
                await driver.shutDown()
                throw error
            }
            return driver
        } catch {
            await client.logOut()
            throw error
        }
    }

    private init(_ client: XenClient, _ place: Place, _ first: NodeInventory) {
        self.client = client
        self.place = place
        (options, host) = (client.options, client.host)
        tasks = XenTasks(client: client)
        transfers = XenTransfers(client: client, tasks: tasks)
        mirror = PoolMirror(host: place.reference, node: client.host.nodeName)
        removals = Removals(stateDirectory: client.host.stateDirectory)
        inventoryBroadcast = NewestValueBroadcast(first)
        let (signals, signal) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
        inventorySignal = signal
        begin(signals)
    }

    var capabilities: Capabilities {
        var capabilities = Capabilities(
            bindings: [.network, .unbound], imageFormats: DiskImage.formats,
            facts: [
                .configDrive, .deviceTags, .taggedInterfaces, .taggedVolumes, .bootFromVolume, .rescueOfVolumes,
                .trustedImages, .uefi,
            ], traits: [Trait("COMPUTE_STORAGE_BUS_XEN"), Trait("COMPUTE_NET_VIF_MODEL_NETFRONT")])
        capabilities.consoles = self
        capabilities.pausing = self
        capabilities.suspending = self
        capabilities.snapshots = self
        capabilities.rescue = self
        capabilities.volumes = VolumeAttachments(driver: self)
        capabilities.interfaces = InterfaceAttachments(driver: self)
        capabilities.resizing = ColdMoves(driver: self)
        capabilities.liveMigration = LiveMoves(driver: self)
        capabilities.evacuation = Evacuation(driver: self)
        capabilities.diagnostics = self
        capabilities.imageCache = ImageCache(driver: self)
        capabilities.hostPower = HostControl(driver: self)
        capabilities.hostMaintenance = HostControl(driver: self)
        return capabilities
    }

    func health() -> AsyncStream<DriverHealth> { healthBroadcast.stream() }
    func inventory() -> AsyncStream<NodeInventory> { inventoryBroadcast.stream() }
    func events() -> AsyncStream<GuestEvent> { eventBroadcast.stream() }

    func shutDown() async {
        let running = loops.with { loops in
            defer { loops = [] }
            return loops
        }
        inventorySignal.finish()
        for loop in running { loop.cancel() }
        for loop in running { await loop.value }
        await client.logOut()
        healthBroadcast.finish()
        inventoryBroadcast.finish()
        eventBroadcast.finish()
    }

    // MARK: - Streams

    private func begin(_ signals: AsyncStream<Void>) {
        removals.prune()
        let events = XenEvents(client: client)
        // Weak: the loops must not keep a driver alive that nobody holds.
        let eventLoop = Task { [weak self] in
            await events.run { [weak self] news in self?.take(news) }
        }
        let interval = options.inventoryInterval
        let source = InventorySource(client: client, place: place)
        let ticker = Task { [inventorySignal] in
            while !Task.isCancelled {
                try? await Task.sleep(for: interval)
                inventorySignal.yield()
            }
        }
        let inventoryLoop = Task { [inventoryBroadcast] in
            for await _ in signals {
                do throws(DriverError) {
                    let found = try await source.look()
                    if found != inventoryBroadcast.current { inventoryBroadcast.send(found) }
                } catch {
                    // The loop of events tells why the pool cannot be reached.
                }
                // Changes come in bursts; once a second is often enough.
                try? await Task.sleep(for: .seconds(1))
            }
        }
        loops.with { $0 += [eventLoop, ticker, inventoryLoop] }
        host.log(
            .info, "xenapi driver started",
            [
                "host": place.name, "server": "\(options.endpoint)", "encoding": client.encodingName ?? "",
                "storage": "\(options.repository)",
            ])
    }

    private func take(_ news: XenEvents.News) {
        switch news {
        case .trouble(let error):
            let health = DriverHealth.unhealthy("XenAPI at \(options.endpoint) cannot be used: \(error.message)")
            if healthBroadcast.current != health { healthBroadcast.send(health) }
        case .everything(let events):
            let machines = events.filter { $0.kind == "vm" }.map { Machine($0.reference, $0.record) }
            for event in mirror.replace(machines) { eventBroadcast.send(event) }
            for event in events where event.kind == "task" { tasks.take(event.reference, event.record) }
            inventorySignal.yield()
            if healthBroadcast.current != .healthy { healthBroadcast.send(.healthy) }
        case .changes(let events):
            for event in events { take(event) }
            if healthBroadcast.current != .healthy { healthBroadcast.send(.healthy) }
        }
    }

    private func take(_ event: XenEvent) {
        switch (event.kind, event.operation) {
        case ("task", .changed): tasks.take(event.reference, event.record)
        case ("vm", .changed):
            for news in mirror.take(Machine(event.reference, event.record)) { eventBroadcast.send(news) }
        case ("vm", .removed):
            for news in mirror.remove(event.reference) { eventBroadcast.send(news) }
        case ("sr", _), ("host", _), ("pool", _): inventorySignal.yield()
        default: break
        }
    }
}
