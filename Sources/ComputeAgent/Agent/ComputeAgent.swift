import ComputeModel
package import DriverAPI
package import Logging
package import Messaging
import ServiceInterfaces

/// The service `nova-compute` of one node: takes operations from conductors, lets the driver carry them out, and
/// reports what the hypervisor says.
///
/// It knows no database. Guests never depend on its life: after a restart it asks a conductor what the host should
/// hold and lets the driver find it. It reaches its driver through a ``DriverSupervisor`` only.
package actor ComputeAgent {
    let options: ComputeAgentOptions
    nonisolated let supervisor: DriverSupervisor
    let troubles = NodeTroubles()
    let events: EventGate
    let bus: MessageBus
    let logger: Logger
    let journal: OperationJournal
    private let reports: ReportSender
    let runner: OperationRunner
    /// One for each guest with an operation on the way.
    private var workers: [InstanceID: GuestWorker] = [:]
    /// The newest inventory that made sense.
    var latest: NodeInventory?
    /// The driver has not found its guests since the hypervisor was last away.
    var needsRecovery = true
    var isRecovering = false
    /// The driver's last list of guests made no sense.
    var needsGuestList = false
    var health: HealthFilter
    /// The verdict that was acted upon.
    var healthTrouble: String?
    let began = ContinuousClock.now
    /// Streams of the driver's that ended and were not open since.
    var endedStreams: Set<DriverCallName> = []

    /// An agent for a driver that has started.
    ///
    /// - Throws: ``AgentError/stateDirectory(_:)``.
    package init(
        _ options: ComputeAgentOptions, driver: any ComputeDriver, bus: MessageBus, logger: Logger
    ) throws(AgentError) {
        var logger = logger
        logger[metadataKey: "host"] = "\(options.host)"
        self.options = options
        self.bus = bus
        self.logger = logger
        supervisor = DriverSupervisor(
            driver, name: options.driverName, deadlines: options.deadlines, troubles: troubles, logger: logger)
        events = EventGate(eventsMax: options.limits.eventsMax, window: options.limits.eventWindow)
        health = HealthFilter(changesMax: options.limits.healthChangesMax, window: options.limits.healthWindow)
        journal = try OperationJournal(path: options.stateDirectory + "/operations.jsonl", now: .now())
        reports = ReportSender(host: options.host, bus: bus, logger: logger)
        runner = OperationRunner(
            host: options.host, supervisor: supervisor, bus: bus, logger: logger, retriesMax: options.retriesMax,
            firstPause: options.firstRetryPause, builds: BuildSlots(limit: options.buildsMax))
    }

    /// Works until the task is cancelled. `ready` is called once operations are taken.
    ///
    /// - Throws: `MessagingError` when the host's topic cannot be served.
    package func run(ready: @escaping @Sendable () async -> Void) async throws {
        await recoverGuests()
        let subscription = try await bus.serve(topic: Topic.compute, host: options.host, limit: 256, handlers())
        await withDiscardingTaskGroup { group in
            group.addTask { await self.reports.run() }
            group.addTask { await self.watchTroubles() }
            group.addTask { await self.watchHealth() }
            group.addTask { await self.watchInventory() }
            group.addTask { await self.watchEvents() }
            group.addTask { await self.repeatedly(every: self.options.reportInterval) { await self.showLife() } }
            group.addTask { await self.repeatedly(every: self.options.syncInterval) { await self.reportAllGuests() } }
            group.addTask { await self.repeatedly(every: self.options.inventoryInterval) { await self.reportNode() } }
            group.addTask { await self.watchImageCache() }
            await ready()
        }
        await subscription.stop(grace: .seconds(5))
    }

    private nonisolated func handlers() -> [RPCHandler] {
        [
            RPCHandler { (message: PerformOperation, _) in
                while try await !self.worker(for: message.instance).take(message) {
                    // That worker retired meanwhile and is being forgotten.
                    await Task.yield()
                }
                return Acknowledged()
            },
            RPCHandler { (message: ReadConsoleLog, _) in try await self.readConsoleLog(message) },
        ]
    }

    private nonisolated func readConsoleLog(_ message: ReadConsoleLog) async throws -> ReadConsoleLog.Reply {
        guard let console = supervisor.capabilities.consoleLog else {
            throw RemoteFault(kind: FaultKind.notSupported, message: "This hypervisor does not keep console logs.")
        }
        let bytesMax = max(0, message.bytesMax)
        do {
            let bytes = try await supervisor.call(.consoleLog, message.instance) { _ throws(DriverError) in
                try await console.consoleLog(of: message.instance, bytesMax: bytesMax)
            }
            // A driver that answers with more than was asked for does not fill the bus.
            return ReadConsoleLog.Reply(bytes: Array(bytes.suffix(bytesMax)))
        } catch {
            switch error {
            case .noSuchGuest:
                throw RemoteFault(kind: FaultKind.notFound, message: "The host does not hold \(message.instance).")
            default:
                throw RemoteFault(kind: FaultKind.unavailable, message: error.message)
            }
        }
    }

    private func worker(for instance: InstanceID) -> GuestWorker {
        if let known = workers[instance] { return known }
        let worker = GuestWorker(
            instance, runner: runner, journal: journal, reports: reports, logger: logger
        ) { [weak self] worker in
            await self?.forget(worker, of: instance)
        }
        workers[instance] = worker
        return worker
    }

    private func forget(_ worker: GuestWorker, of instance: InstanceID) {
        if workers[instance] === worker { workers[instance] = nil }
    }

    /// How many guests have an operation on the way.
    var busyGuests: Int { workers.count }

    /// Whether an operation is on the way for a guest.
    func isBusy(_ guest: InstanceID) -> Bool { workers[guest] != nil }

    /// Whether an operation is on the way for any guest that is not among these.
    func isBusy(beside listed: Set<GuestID>) -> Bool { workers.keys.contains { !listed.contains($0) } }

    private func repeatedly(every interval: Duration, _ body: @Sendable () async -> Void) async {
        while !Task.isCancelled {
            await body()
            do { try await Task.sleep(for: interval) } catch { return }
        }
    }
}
