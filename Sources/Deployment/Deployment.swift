import AsyncHTTPClient
import ComputeModel
import ComputeStore
import Conductor
import DriverAPI
import DriverHTTP
import HTTPService
import Logging
import Messaging
import PeerClients
import Placement
import Scheduling
import ServiceInterfaces
import ServiceOptions

/// A whole cloud in one process: every service over the in-process bus, the stand-ins for its peers, one listener.
///
/// Nothing here decides anything: it makes the parts, gives them to one another, and ends them in reverse.
package final class Deployment: Sendable {
    let up: UpOptions
    let state: StateDirectory
    let databases: Databases
    /// The name under which this node's services are known.
    let host: String
    /// The compute nodes that run in it.
    let nodes: [NodePlan]
    private let door: FrontDoor
    private let server: HTTPServer
    private let client: HTTPClient
    /// What drivers are lent.
    let driverHTTP = DriverHTTPClient()
    let lentFiles: LentFiles
    /// Where the APIs are: `http://127.0.0.1:8774`.
    package let url: String

    /// Takes the state directory, opens the listener and the databases. Until ``run()`` the listener answers 503.
    ///
    /// - Throws: ``DeploymentError``.
    package static func prepare(_ up: UpOptions) async throws(DeploymentError) -> Deployment {
        let host = up.options.node.host ?? HostFacts.name
        let nodes = try NodePlan.all(up, host: host)
        let state = try StateDirectory.open(up.stateDirectory)
        state.remove("run/ready")
        let log = try LogFile(path: up.options.node.logFile)
        log.install(level: up.options.node.debug ? .debug : .info)
        let door = FrontDoor()
        let kilonova = up.options.kilonova
        let server = HTTPServer(
            listeners: [.tcp(host: kilonova.listen, port: kilonova.port)], responder: door,
            logger: Logger(label: "listener"))
        let bound: [BoundListener]
        do {
            bound = try await server.start()
        } catch {
            throw DeploymentError(.unavailable, "\(error)")
        }
        do {
            let databases = try await Databases.open(state, up.options)
            door.watch { databases.troubles }
            return Deployment(
                up: up, host: host, nodes: nodes, state: state, databases: databases, door: door, server: server,
                url: url(kilonova.listen, bound.first?.port ?? kilonova.port))
        } catch {
            await server.shutdown(grace: .zero)
            throw error
        }
    }

    private init(
        up: UpOptions, host: String, nodes: [NodePlan], state: StateDirectory, databases: Databases, door: FrontDoor,
        server: HTTPServer, url: String
    ) {
        (self.host, self.nodes) = (host, nodes)
        (self.up, self.state, self.databases) = (up, state, databases)
        (self.door, self.server, self.url) = (door, server, url)
        client = HTTPClient(eventLoopGroupProvider: .singleton)
        lentFiles = LentFiles(url: url)
    }

    /// An address on which this process reaches itself.
    private static func url(_ listen: String, _ port: Int) -> String {
        switch listen {
        case "0.0.0.0", "::", "": "http://127.0.0.1:\(port)"
        default: listen.contains(":") ? "http://[\(listen)]:\(port)" : "http://\(listen):\(port)"
        }
    }

    func logger(_ name: String) -> Logger { Logger(label: name) }

    /// Starts everything, and works until the task is cancelled.
    ///
    /// - Throws: ``DeploymentError`` when something cannot start.
    package func run() async throws(DeploymentError) {
        var failure: DeploymentError?
        do {
            try await work()
        } catch let error as DeploymentError {
            failure = error
        } catch is CancellationError {
            failure = nil
        } catch {
            failure = DeploymentError(.unavailable, "\(error)")
        }
        state.remove("run/ready")
        await server.shutdown(grace: .seconds(5))
        await databases.close()
        try? await client.shutdown()
        await driverHTTP.shutDown()
        if let failure { throw failure }
    }

    private func work() async throws {
        let accounts = try Accounts.load(state, adminPassword: up.options.kilonova.adminPassword?.revealed)
        let bus = try await MessageBus(
            over: try await makeTransport(), defaultDeadline: up.options.node.rpcResponseTimeout,
            logger: logger("messaging"))
        door.watch { [transport = bus.transport] in transport.trouble.map { ["message broker": $0] } ?? [:] }
        let store = try await ComputeStore.open(databases.compute, now: Timestamp.now)
        let placement = try await PlacementService.start(
            database: databases.placement, logger: logger("placement"),
            clock: { Timestamp.now().microseconds / 1_000_000 })
        let peers = Peers(up.options, door: url, accounts: accounts, client: client)
        try await openDoor(accounts, store, placement, bus, peers)
        let servePlacement = try await bus.serve(topic: Topic.placement, limit: 256, placement.endpoints)
        let serveScheduling = try await makeScheduler(store, bus).serve()
        let conductor = try makeConductor(store, bus, peers)
        try await withThrowingTaskGroup(of: Void.self) { group in
            let (ready, isReady) = AsyncStream<String>.makeStream()
            group.addTask { try await conductor.run { isReady.yield("conductor") } }
            var readiness = ready.makeAsyncIterator()
            _ = await readiness.next()
            group.addTask { await self.reportServices(bus) }
            let running = RunningNodes(metadata: try await self.startMetadata(store, accounts))
            do {
                try await self.startNodes(&group, bus, peers, running)
                try await self.announce(accounts, store, running)
                // Only an error or the end of the process ends a member.
                try await group.next()
            } catch {
                group.cancelAll()
                await running.stop()
                throw error
            }
            group.cancelAll()
            await running.stop()
        }
        await serveScheduling.stop(grace: .seconds(5))
        await servePlacement.stop(grace: .seconds(5))
        await bus.shutdown()
    }

    /// Puts the APIs behind the listener.
    private func openDoor(
        _ accounts: Accounts, _ store: ComputeStore, _ placement: PlacementService, _ bus: MessageBus, _ peers: Peers
    ) async throws {
        var mounts: [String: any HTTPResponder] = [
            "/compute": try makeCompute(store, bus, peers), "/placement": try makePlacement(placement, peers),
            LentFiles.path: lentFiles,
        ]
        let kilonova = up.options.kilonova
        if kilonova.runsIdentity { mounts["/identity"] = try await makeIdentity(accounts, peers.tokens) }
        if kilonova.runsImages { mounts["/image"] = try await makeImages(peers) }
        if kilonova.runsNetworks { mounts["/network"] = try await makeNetworks(bus, peers) }
        door.install(MountedResponder(mounts: mounts, fallback: DoorPlate(mounts: mounts.keys.sorted())))
    }

    /// Signs of life of the services that have no host of their own.
    private func reportServices(_ bus: MessageBus) async {
        let services = [("nova-conductor", Topic.conductor), ("nova-scheduler", Topic.scheduler)]
        while !Task.isCancelled {
            for (binary, topic) in services {
                do {
                    _ = try await bus.call(
                        ReportService(binary: binary, host: host, topic: topic), to: Address(topic: Topic.conductor),
                        deadline: .seconds(10))
                } catch {
                    logger("deployment").warning("service not reported", metadata: ["error": "\(error)"])
                }
            }
            do { try await Task.sleep(for: up.options.node.reportInterval) } catch { return }
        }
    }

    /// Tells the world that everything is up: files for clients, the mark of readiness, `/readyz`.
    private func announce(_ accounts: Accounts, _ store: ComputeStore, _ running: RunningNodes) async throws {
        try await awaitNodes(store, running)
        let identity = up.options.tokens.credentials.authURL ?? "\(url)/identity/v3"
        try ClientFiles.write(
            state, identityURL: identity, accounts: accounts, adminUser: up.options.kilonova.adminUser,
            adminProject: up.options.kilonova.adminProject, region: up.options.kilonova.region)
        door.note("start", nil)
        let mark = "{\"identity_url\": \"\(identity)\", \"pid\": \(processID)}\n"
        try state.write("run/ready", mark, mode: 0o644)
        logger("deployment").notice("ready", metadata: ["identity.url": "\(identity)"])
    }
}
