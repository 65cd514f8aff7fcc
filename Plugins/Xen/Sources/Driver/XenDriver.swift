import CXen
import ComputeModel
import DriverAPI
import DriverSupport
import Glibc

/// The driver: guests of the Xen host in whose control domain it runs.
///
/// Xen knows only guests that run; what a guest is lies with its disks in the instances directory.
final class XenDriver: ComputeDriver {
    let xen: XenHypervisor
    let options: XenOptions
    let host: any DriverHost
    let facts: XenHost
    let disks: GuestDisks
    let cache: ImageCache
    /// For files and programs.
    let threads: BlockingThreads
    /// For calls of libxl, of which several may be under way.
    let calls: BlockingThreads
    let removed: RemovedGuests
    let consoleLogs: ConsoleLogs?
    let eventSource = GuestEventBroadcast()
    /// Guests whose end the watch is looking after.
    let ending = Locked<Set<GuestID>>([])
    private let healthSource = NewestValueBroadcast<DriverHealth>(.healthy)
    private let known = Locked<[GuestID: PowerState]>([:])
    private let watch = Locked<XenWatch?>(nil)
    private let locks = GuestLocks()
    private let source: InventorySource

    /// Opens Xen, looks at the host and begins the streams.
    static func start(_ options: XenOptions, host: any DriverHost) async throws(DriverError) -> XenDriver {
        let calls = BlockingThreads(count: 8)
        let threads = BlockingThreads(count: 4)
        let opened: Result<(XenHypervisor, XenHost), DriverError> = await calls.run {
            Result { () throws(DriverError) in
                let xen = try XenHypervisor { host.log(.debug, "libxl", ["said": $0]) }
                do throws(XenFailure) {
                    return (xen, try xen.host())
                } catch {
                    throw .unreachable(
                        "\(error.message); libxenlight and hypervisor must be of one version of Xen")
                }
            }
        }
        let (xen, facts) = try opened.get()
        let instances = options.instancesPath
        do throws(FileFailure) {
            try await threads.run { () throws(FileFailure) in
                try makeDirectories("\(instances)/_base", mode: 0o700)
                guard access(instances, W_OK) == 0 else {
                    throw FileFailure(call: "write to \(instances)", number: errno)
                }
            }
        } catch {
            throw .badConfiguration("[xen] instances_path = \(instances): \(error.message)")
        }
        let driver = try await XenDriver(xen, facts, options, host, threads, calls)
        try driver.begin()
        return driver
    }

    private init(
        _ xen: XenHypervisor, _ facts: XenHost, _ options: XenOptions, _ host: any DriverHost,
        _ threads: BlockingThreads, _ calls: BlockingThreads
    ) async throws(DriverError) {
        (self.xen, self.facts, self.options, self.host) = (xen, facts, options, host)
        (self.threads, self.calls) = (threads, calls)
        removed = RemovedGuests(instancesPath: options.instancesPath)
        let cache = ImageCache(
            directory: "\(options.instancesPath)/_base", virtualSizeMax: UInt64(options.imageVirtualGiBMax) << 30,
            conversionTimeout: options.imageConversionTimeout, threads: threads, host: host)
        await threads.run { cache.removeParts() }
        self.cache = cache
        disks = GuestDisks(cache: cache, threads: threads, mkisofsCommand: options.mkisofsCommand)
        consoleLogs = await threads.run { ConsoleLogs.find(options, threads) }
        let look: @Sendable () async throws(DriverError) -> NodeInventory = { () async throws(DriverError) in
            try await HostInventory.read(xen, options, calls: calls)
        }
        source = InventorySource(first: try await look(), interval: options.inventoryInterval) { try? await look() }
    }

    private func begin() throws(DriverError) {
        host.log(
            .info, "xen driver started",
            [
                "xen": "\(facts.major).\(facts.minor)\(facts.extra)", "pvh": "\(facts.runsHardwareGuests)",
                "pv": "\(facts.runsParavirtualGuests)", "console.logs": consoleLogs?.directory ?? "none",
            ])
        let (xen, removed) = (xen, removed)
        let begun = try XenWatch(interval: .seconds(5)) { [weak self] isConnected in
            guard let driver = self else { return }
            do throws(XenFailure) {
                let domains = try xen.domains()
                let storeIsAway = DriverHealth.unhealthy("Xen's store does not answer; is xenstored running?")
                driver.healthSource.send(isConnected ? .healthy : storeIsAway, unless: ==)
                driver.take(domains)
            } catch {
                driver.healthSource.send(.unhealthy(error.message), unless: ==)
            }
        }
        watch.with { $0 = begun }
        let threads = threads
        source.start { await threads.run { removed.prune(now: time(nil)) } }
    }

    func health() -> AsyncStream<DriverHealth> { healthSource.stream() }

    func inventory() -> AsyncStream<NodeInventory> { source.broadcast.stream() }

    func events() -> AsyncStream<GuestEvent> { eventSource.stream() }

    func shutDown() async {
        watch.with { $0 }?.stop()
        source.stop()
        healthSource.finish()
        eventSource.finish()
    }

    /// Tells of a change that this driver has made, which a look at Xen may come too late for.
    func note(_ power: PowerState, of guest: GuestID) {
        known.with { $0[guest] = power == .running || power == .paused ? power : nil }
        eventSource.send(.power(guest, power))
    }

    /// Tells what has changed since the last look, and looks after guests that went down by themselves.
    private func take(_ domains: [XenDomain]) {
        var now: [GuestID: PowerState] = [:]
        for domain in domains where !domain.isDying { now[GuestID(domain.uuid)] = domain.power }
        let before = known.with { known in
            defer { known = now }
            return known
        }
        for (guest, power) in now where before[guest] != power { eventSource.send(.power(guest, power)) }
        for guest in before.keys where now[guest] == nil {
            let isSuspended = directory(of: guest).record()?.isSuspended == true
            eventSource.send(.power(guest, isSuspended ? .suspended : .shutdown))
        }
        for domain in domains {
            let guest = GuestID(domain.uuid)
            guard domain.shutdown == .powerOff || domain.shutdown == .reboot, !domain.isDying else { continue }
            guard ending.with({ $0.insert(guest).inserted }) else { continue }
            Task { [weak self] in
                await self?.lookAfter(guest)
                _ = self?.ending.with { $0.remove(guest) }
            }
        }
    }
}

extension NewestValueBroadcast {
    /// Sends a value unless the newest one is as good.
    func send(_ value: Value, unless isSame: (Value, Value) -> Bool) {
        if let current, isSame(current, value) { return }
        send(value)
    }
}

extension XenDriver {
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

    /// Runs a call of libxl on a thread that may block.
    func ask<Value: Sendable>(
        _ body: @escaping @Sendable (XenHypervisor) throws(XenFailure) -> Value
    ) async throws(DriverError) -> Value {
        let xen = xen
        do throws(XenFailure) {
            return try await calls.run { () throws(XenFailure) in try body(xen) }
        } catch {
            throw error.driverError
        }
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
        if let last { throw .stale("operation \(call.operation) on guest \(guest) comes after operation \(last)") }
    }

    /// What is under an identifier.
    struct Found: Sendable {
        /// The guest as it was made; `nil` when this driver has made none, or not to its end.
        var guest: XenGuest?
        var record: GuestDirectory.Record?
        var domain: XenDomain?

        /// The power state of a guest that was made.
        var power: PowerState {
            guard let domain, !domain.isDying else { return record?.isSuspended == true ? .suspended : .shutdown }
            return domain.power
        }
    }

    /// Looks for a guest.
    ///
    /// - Throws: ``DriverError/refused(_:)`` for a domain that is not ours.
    func find(_ guest: GuestID) async throws(DriverError) -> Found {
        let directory = directory(of: guest)
        let record = await threads.run { directory.record() }
        let domain = try await ask { xen throws(XenFailure) in try xen.domain(guest) }
        if let domain, record == nil, !domain.isDying {
            throw .refused("Xen's domain \(domain.number) with the identifier \(guest) was not made by this driver")
        }
        return Found(guest: record?.guest, record: record, domain: domain)
    }

    /// A guest of ours when its turn has come.
    struct Held: Sendable {
        let guest: XenGuest
        let domain: XenDomain?
        let power: PowerState
    }

    /// Runs `body` alone with a guest of ours, unless the call is late.
    func changing<Value: Sendable>(
        _ guest: GuestID, _ call: DriverCall, _ body: (Held) async throws(DriverError) -> Value
    ) async throws(DriverError) -> Value {
        try await alone(with: guest) { () async throws(DriverError) -> Value in
            try await self.admit(call, guest)
            return try await body(try await self.held(guest))
        }
    }

    /// The guest as it is now.
    func held(_ guest: GuestID) async throws(DriverError) -> Held {
        let found = try await find(guest)
        guard let made = found.guest else { throw .noSuchGuest(guest) }
        return Held(guest: made, domain: found.domain, power: found.power)
    }
}
