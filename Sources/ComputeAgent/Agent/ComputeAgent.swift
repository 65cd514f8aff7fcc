import ComputeModel
package import DriverAPI
package import Logging
package import Messaging
import ServiceInterfaces

/// Where an agent works and how often it reports.
package struct ComputeAgentOptions: Sendable {
    /// `[DEFAULT] host`: the name under which conductors reach it.
    package var host: String
    /// Name of the driver, for records.
    package var driverName: String
    /// The address at which other hosts reach this one.
    package var hostIP: String
    /// A directory of its own, absolute, existing.
    package var stateDirectory: String
    /// Between signs of life (`report_interval`).
    package var reportInterval: Duration = .seconds(10)
    /// Between full reports of all guests (`sync_power_state_interval`).
    package var syncInterval: Duration = .seconds(600)
    /// Between repeated descriptions of the node (`update_resources_interval`).
    package var inventoryInterval: Duration = .seconds(60)
    /// `max_concurrent_builds`.
    package var buildsMax = 10

    package init(host: String, driverName: String, hostIP: String, stateDirectory: String) {
        self.host = host
        self.driverName = driverName
        self.hostIP = hostIP
        self.stateDirectory = stateDirectory
    }
}

/// The service `nova-compute` of one node: takes operations from conductors, lets the driver carry them out, and
/// reports what the hypervisor says.
///
/// It knows no database. Guests never depend on its life: after a restart it asks a conductor what the host should
/// hold and lets the driver find it.
package actor ComputeAgent {
    private let options: ComputeAgentOptions
    private let driver: any ComputeDriver
    private let bus: MessageBus
    private let logger: Logger
    private let journal: OperationJournal
    private let reports: ReportSender
    private let runner: OperationRunner
    private var workers: [InstanceID: GuestWorker] = [:]
    private var trouble: String?

    /// An agent for a driver that has started.
    ///
    /// - Throws: ``AgentError/stateDirectory(_:)``.
    package init(
        _ options: ComputeAgentOptions, driver: any ComputeDriver, bus: MessageBus, logger: Logger
    ) throws(AgentError) {
        self.options = options
        self.driver = driver
        self.bus = bus
        self.logger = logger
        journal = try OperationJournal(path: options.stateDirectory + "/operations.jsonl", now: .now())
        reports = ReportSender(host: options.host, bus: bus, logger: logger)
        runner = OperationRunner(
            host: options.host, driver: driver, bus: bus, logger: logger, retriesMax: 5,
            builds: Semaphore(limit: options.buildsMax))
    }

    /// Works until the task is cancelled. `ready` is called once operations are taken.
    ///
    /// - Throws: `MessagingError` when the host's topic cannot be served.
    package func run(ready: @escaping @Sendable () async -> Void) async throws {
        await recoverGuests()
        let subscription = try await bus.serve(topic: Topic.compute, host: options.host, limit: 256, handlers())
        await withDiscardingTaskGroup { group in
            group.addTask { await self.reports.run() }
            group.addTask { await self.watchHealth() }
            group.addTask { await self.watchInventory() }
            group.addTask { await self.watchEvents() }
            group.addTask { await self.repeatedly(every: self.options.reportInterval) { await self.reportService() } }
            group.addTask { await self.repeatedly(every: self.options.syncInterval) { await self.reportAllGuests() } }
            group.addTask { await self.repeatedly(every: self.options.inventoryInterval) { await self.reportNode() } }
            await ready()
        }
        await subscription.stop(grace: .seconds(5))
    }

    private nonisolated func handlers() -> [RPCHandler] {
        [
            RPCHandler { (message: PerformOperation, _) in
                try await self.worker(for: message.instance).take(message)
                return Acknowledged()
            },
            RPCHandler { (message: ReadConsoleLog, _) in
                guard let console = self.driver.capabilities.consoleLog else {
                    throw RemoteFault(
                        kind: FaultKind.notSupported, message: "This hypervisor does not keep console logs.")
                }
                do {
                    let bytes = try await console.consoleLog(of: message.instance, bytesMax: message.bytesMax)
                    return ReadConsoleLog.Reply(bytes: bytes)
                } catch DriverError.noSuchGuest {
                    throw RemoteFault(
                        kind: FaultKind.notFound, message: "The host does not hold \(message.instance).")
                } catch let error as DriverError {
                    throw RemoteFault(kind: FaultKind.unavailable, message: error.message)
                }
            },
        ]
    }

    private func worker(for instance: InstanceID) -> GuestWorker {
        if let known = workers[instance] { return known }
        let worker = GuestWorker(instance, runner: runner, journal: journal, reports: reports, logger: logger)
        workers[instance] = worker
        return worker
    }

    // MARK: - Start

    /// Finds the guests of earlier runs again, and wires what a restart of the host has taken away.
    private func recoverGuests() async {
        guard let expected = await askExpectedGuests() else { return }
        var handles: [GuestID: GuestHandle] = [:]
        for guest in expected {
            if let handle = guest.handle {
                handles[guest.instance] = GuestHandle(version: handle.version, data: handle.data)
            }
        }
        do {
            let found = try await driver.recover(handles)
            logger.info(
                "guests recovered", metadata: ["expected": "\(handles.count)", "found": "\(found.count)"])
        } catch {
            logger.error("guests could not be recovered", metadata: ["error": "\(error)"])
        }
        for guest in expected {
            do {
                try await runner.prepare(guest.interfaces)
            } catch {
                logger.error(
                    "a guest's network could not be prepared",
                    metadata: ["instance.id": "\(guest.instance)", "error": "\(error)"])
            }
        }
    }

    private func askExpectedGuests() async -> [ExpectedGuest]? {
        var pause = Duration.milliseconds(50)
        while !Task.isCancelled {
            do {
                let question = AskExpectedGuests(host: options.host)
                return try await bus.call(question, to: Address(topic: Topic.conductor), deadline: .seconds(10)).guests
            } catch {
                logger.notice("no conductor answers yet", metadata: ["error": "\(error)"])
            }
            try? await Task.sleep(for: pause)
            pause = min(pause * 2, .seconds(5))
        }
        return nil
    }

    // MARK: - Watching the driver

    private func watchHealth() async {
        for await health in driver.health() {
            switch health {
            case .healthy:
                trouble = nil
            case .unhealthy(let reason):
                trouble = reason
                logger.error("the hypervisor cannot be used", metadata: ["reason": "\(reason)"])
            }
            await reportService()
            if trouble == nil { await reportAllGuests() }
        }
    }

    private var latest: NodeInventory?

    private func watchInventory() async {
        for await inventory in driver.inventory() {
            latest = inventory
            await reportNode()
        }
    }

    private func watchEvents() async {
        for await event in driver.events() {
            switch event {
            case .power(let guest, let power): await report([guest: power], complete: false)
            case .missed: await reportAllGuests()
            }
        }
    }

    private func repeatedly(every interval: Duration, _ body: @Sendable () async -> Void) async {
        while !Task.isCancelled {
            await body()
            do { try await Task.sleep(for: interval) } catch { return }
        }
    }

    // MARK: - Reports

    private func reportService() async {
        await tell(
            ReportService(binary: "nova-compute", host: options.host, topic: Topic.compute, trouble: trouble))
    }

    private func reportNode() async {
        guard let latest else { return }
        let capabilities = driver.capabilities
        await tell(
            ReportNode(
                host: options.host, driver: options.driverName, inventory: latest,
                capabilityTraits: capabilities.placementTraits, bindings: capabilities.bindings,
                hostIP: options.hostIP))
    }

    private func reportAllGuests() async {
        do {
            let guests = try await driver.guests()
            for foreign in guests where !foreign.isOurs {
                logger.debug("a guest that is not ours", metadata: ["guest": "\(foreign.id)", "name": "\(foreign.name)"])
            }
            let ours = guests.filter(\.isOurs).map { ($0.id, $0.power) }
            await report(Dictionary(ours) { first, _ in first }, complete: true)
        } catch {
            logger.warning("guests cannot be listed", metadata: ["error": "\(error)"])
        }
    }

    /// Leaves out guests with an operation on the way: its report will tell.
    private func report(_ powers: [GuestID: PowerState], complete: Bool) async {
        var observed: [GuestObservation] = []
        for (guest, power) in powers {
            if let worker = workers[guest], await !worker.isIdle { continue }
            observed.append(
                GuestObservation(instance: guest, power: power, operation: journal[guest]?.operation ?? 0))
        }
        if observed.isEmpty, !complete { return }
        await tell(ReportGuests(host: options.host, observed: observed, complete: complete))
    }

    /// Reports that the next interval repeats: one try.
    private func tell<Message: RPCMessage>(_ message: Message) async {
        do {
            _ = try await bus.call(message, to: Address(topic: Topic.conductor), deadline: .seconds(10))
        } catch {
            logger.warning("report not delivered", metadata: ["report": "\(Message.name)", "error": "\(error)"])
        }
    }
}
