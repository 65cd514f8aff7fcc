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
    /// `max_concurrent_builds`; 0 for no limit.
    package var buildsMax = 10
    /// How often a call is repeated when the driver says that repeating may help.
    package var retriesMax = 5
    /// The pause before the first repetition; it doubles.
    package var firstRetryPause: Duration = .milliseconds(400)

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
    /// One for each guest with an operation on the way.
    private var workers: [InstanceID: GuestWorker] = [:]
    private var trouble: String?
    private var latest: NodeInventory?
    /// The driver has not found its guests since the hypervisor was last away.
    private var needsRecovery = true

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
            host: options.host, driver: driver, bus: bus, logger: logger, retriesMax: options.retriesMax,
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
                while try await !self.worker(for: message.instance).take(message) {
                    // That worker retired meanwhile and is being forgotten.
                    await Task.yield()
                }
                return Acknowledged()
            },
            RPCHandler { (message: ReadConsoleLog, _) in
                guard let console = self.driver.capabilities.consoleLog else {
                    throw RemoteFault(
                        kind: FaultKind.notSupported, message: "This hypervisor does not keep console logs.")
                }
                do {
                    let bytes = try await console.consoleLog(of: message.instance, bytesMax: max(0, message.bytesMax))
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
            needsRecovery = false
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
            guard trouble == nil else {
                needsRecovery = true
                continue
            }
            if needsRecovery { await recoverGuests() }
            await reportAllGuests()
        }
    }

    private func watchInventory() async {
        for await inventory in driver.inventory() {
            latest = inventory
            await reportNode()
        }
    }

    private func watchEvents() async {
        for await event in driver.events() {
            switch event {
            case .power(let guest, _): await report(guest)
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

    /// Reports every guest of ours. What an operation may have changed while the hypervisor was being asked is asked
    /// again or left to that operation's own report.
    private func reportAllGuests() async {
        let before = journal.operations
        let guests: [GuestSummary]
        do {
            guests = try await driver.guests()
        } catch {
            logger.warning("guests cannot be listed", metadata: ["error": "\(error)"])
            return
        }
        let after = journal.operations
        var observed: [GuestObservation] = []
        var listed: Set<GuestID> = []
        for guest in guests {
            guard guest.isOurs else {
                logger.debug("a guest that is not ours", metadata: ["guest": "\(guest.id)", "name": "\(guest.name)"])
                continue
            }
            listed.insert(guest.id)
            let operation = before[guest.id] ?? 0
            var seen: GuestObservation? = GuestObservation(instance: guest.id, power: guest.power, operation: operation)
            if after[guest.id] ?? 0 != operation { seen = await observation(of: guest.id) }
            if let seen { observed.append(seen) }
        }
        let isNew = { (guest: InstanceID) in !listed.contains(guest) }
        let changed = after.contains { before[$0.key] != $0.value && isNew($0.key) }
        let complete = !changed && !workers.keys.contains(where: isNew)
        if observed.isEmpty, !complete { return }
        await tell(ReportGuests(host: options.host, observed: observed, complete: complete))
    }

    /// Reports one guest that changed, unless an operation is on the way, whose report will tell.
    private func report(_ guest: GuestID) async {
        guard let seen = await observation(of: guest), workers[guest] == nil else { return }
        await tell(ReportGuests(host: options.host, observed: [seen], complete: false))
    }

    /// The power state of a guest and the operation after which it was seen; `nil` when there is no such guest.
    private func observation(of guest: GuestID) async -> GuestObservation? {
        while !Task.isCancelled {
            let before = journal[guest]
            if before?.guestIsGone == true { return nil }
            do {
                let power = try await driver.powerState(of: guest)
                guard journal[guest] == before else { continue }
                return GuestObservation(instance: guest, power: power, operation: before?.operation ?? 0)
            } catch {
                return nil
            }
        }
        return nil
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
