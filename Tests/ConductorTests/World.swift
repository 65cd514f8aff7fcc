import ComputeModel
import ComputeStore
import Database
import DatabaseServers
import Glibc
import Logging
import Messaging
import Sagas
import ServiceInterfaces
import Testing

@testable import Conductor

/// A deployment around a conductor: real store and bus, fake hosts, scheduler, placement and network service.
struct World: Sendable {
    let store: ComputeStore
    let bus: MessageBus
    let network = FakeNetwork()
    let hosts: FakeHosts
    let scheduler: FakeScheduler
    let services: ConductorServices

    static let hostNames = ["h1", "h2", "h3", "h4"]
    static let silence = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }

    /// - Parameters:
    ///   - patience: how long an agent that was asked may take to report.
    ///   - serving: the hosts whose agents are there from the beginning.
    init(
        url: String? = nil, encodes: Bool = false, patience: Duration = .milliseconds(20),
        serving: [String] = hostNames
    ) async throws {
        let address = if let url { url } else { try await TestEngine.emptyDatabase() }
        let database = try await SQLDatabase.open(url: address)
        store = try await ComputeStore.open(database, now: Timestamp.now)
        bus = try await MessageBus(over: InProcessTransport(encodes: encodes), logger: Self.silence)
        hosts = FakeHosts(bus)
        scheduler = FakeScheduler(Self.hostNames)
        var options = ConductorOptions()
        options.reportPatience = patience
        options.abandonInterval = .milliseconds(10)
        options.missingGrace = .zero
        // Longer than any test: hosts go down by force only.
        options.serviceDownAfter = .seconds(3600)
        services = ConductorServices(
            options: options, store: store, bus: bus, wiring: PortWiring(network: network), desk: ReportDesk(),
            configDriveFiles: { _, _, _ in [:] }, logger: Self.silence)
        try await scheduler.serve(bus)
        for host in Self.hostNames {
            if serving.contains(host) { try await hosts.serve(host) }
            try await store.heartbeat(binary: "nova-compute", host: host, topic: "compute", version: 1, trouble: nil)
        }
    }

    /// Runs `body` beside a conductor.
    static func withConductor(
        url: String = "sqlite://", encodes: Bool = true, patience: Duration = .milliseconds(20),
        serving: [String] = hostNames, _ body: @Sendable (World) async throws -> Void
    ) async throws {
        let world = try await World(url: url, encodes: encodes, patience: patience, serving: serving)
        var options = SagaExecutorOptions()
        options.logger = silence
        options.adoptionInterval = .milliseconds(50)
        options.backOff = SagaBackOff(first: .milliseconds(2), max: .milliseconds(10))
        let conductor = ConductorService(
            host: "c", world.services, owner: SagaOwner(place: "c", incarnation: "1"), sagaOptions: options)
        let (ready, isReady) = AsyncStream.makeStream(of: Void.self)
        let service = Task {
            try await conductor.run { isReady.finish() }
        }
        for await _ in ready {}
        do {
            try await body(world)
        } catch {
            service.cancel()
            throw error
        }
        service.cancel()
        try await service.value
        await world.bus.shutdown()
    }

    // MARK: - Requests

    private func insert(_ id: InstanceID, _ sagas: [NewSaga]) async throws {
        let flavor = FlavorSpec(flavorID: "f", name: "f", vcpus: 1, memoryMiB: 64, rootGiB: 1)
        let spec = RequestSpec(projectID: FakeNetwork.project, userID: "u", flavor: flavor, image: nil)
        let new = NewInstance(
            id: id, reservationID: "r", launchIndex: 0, projectID: FakeNetwork.project, userID: "u", name: "vm",
            description: nil, hostname: "vm", availabilityZone: nil, imagePropertiesJSON: "{}", keyName: nil,
            keyData: nil, userData: nil, configDrive: false, accessIPv4: nil, accessIPv6: nil, metadata: [:],
            tags: [], trustedCertificatesJSON: nil, hintsJSON: "{}", specJSON: try StoredJSON.encode(spec),
            flavor: flavor, imageID: nil)
        try await store.createInstances(
            [new], sagas: sagas, origin: ActionOrigin(requestID: "req-create", userID: "u", projectID: "p"),
            limits: CreationLimits(instances: -1, cores: -1, memoryMiB: -1))
    }

    /// A server whose creation was accepted, without the saga that would build it.
    func accept() async throws -> InstanceID {
        let id = InstanceID.random()
        try await insert(id, [])
        return id
    }

    func request(_ id: InstanceID, _ networks: NetworkRequest = .auto) -> BuildInstanceRequest {
        BuildInstanceRequest(instance: id, requestID: "req-create", networks: networks, securityGroups: [])
    }

    /// Has a server built, as the API does.
    func create(_ networks: NetworkRequest = .auto) async throws -> InstanceID {
        let id = InstanceID.random()
        let saga = NewSaga(
            id: .random(), name: SagaName.build, subject: id.description,
            parametersJSON: try StoredJSON.encode(request(id, networks)))
        try await insert(id, [saga])
        try await bus.cast(WakeSagas(sagas: [saga.id]), to: Address(topic: Topic.conductor))
        return id
    }

    func begin(_ action: InstanceAction, on id: InstanceID) async throws {
        let requestID = "req-\(action)"
        let isDeletion = action == .delete
        let deletion = try StoredJSON.encode(DeleteInstanceRequest(instance: id, requestID: requestID))
        let power = try StoredJSON.encode(PowerInstanceRequest(instance: id, requestID: requestID, action: action))
        let saga = NewSaga(
            id: .random(), name: isDeletion ? SagaName.delete : SagaName.power, subject: id.description,
            parametersJSON: isDeletion ? deletion : power)
        try await store.begin(
            action, on: id, saga: saga, origin: ActionOrigin(requestID: requestID, userID: "u", projectID: "p"))
        // A hint: without a conductor nobody takes it.
        try? await bus.cast(WakeSagas(sagas: [saga.id]), to: Address(topic: Topic.conductor))
    }

    /// An active server on h1 that no saga made.
    func built() async throws -> InstanceID {
        let id = try await accept()
        let place = PortPlace(host: "h1", availabilityZone: "nova", bindings: [.bridge])
        let wiring = try await services.wiring.connect(
            id, project: FakeNetwork.project, request: request(id), at: place)
        await scheduler.claim(id, on: "h1")
        await hosts.hold(id, on: "h1")
        try await store.place(id, host: "h1", node: "h1", nodeID: .random(), availabilityZone: "nova")
        try await store.wire(
            id, interfaces: wiring.interfaces, given: wiring.given, addressesJSON: wiring.addressesJSON,
            securityGroupsJSON: wiring.securityGroupsJSON)
        try await store.finishOperation(
            on: id, vm: .active, power: .running, expecting: TaskState.building, launched: true)
        return id
    }

    // MARK: - What is there

    func row(_ id: InstanceID) async throws -> InstanceRecord {
        try #require(try await store.instance(id, includingDeleted: true))
    }

    func reaches(_ vm: VMState, _ id: InstanceID) async throws {
        try await until("\(vm)") {
            let status = try await row(id).status
            return status.vm == vm && status.task == nil
        }
        try await settle(id)
    }

    /// Waits until no saga about the server runs.
    func settle(_ id: InstanceID) async throws {
        for saga in [SagaName.build, SagaName.delete, SagaName.power] {
            try await until("the end of \(saga)") { !(try await store.isRunning(saga: saga, about: id)) }
        }
    }

    /// What a server holds outside its row.
    func holdings(_ id: InstanceID) async throws -> String {
        let ports = await network.devices(id).count
        let claim = await scheduler.claimed(by: id) == nil ? 0 : 1
        return "\(claim) claims, \(ports) ports, \(await hosts.count(of: id)) guests"
    }
}

let nothing = "0 claims, 0 ports, 0 guests"
let everything = "1 claims, 1 ports, 1 guests"

/// Waits for a condition, at most twenty seconds.
func until(_ what: String, _ condition: () async throws -> Bool) async throws {
    struct NeverCame: Error { let what: String }
    let deadline = ContinuousClock.now + .seconds(20)
    while try await !condition() {
        guard ContinuousClock.now < deadline else { throw NeverCame(what: what) }
        try await Task.sleep(for: .milliseconds(2))
    }
}

/// A directory for a database that is gone afterwards.
func withDirectory(_ body: (String) async throws -> Void) async throws {
    var template = Array("/tmp/kilonova-conductor-XXXXXX".utf8CString)
    try #require(mkdtemp(&template) != nil)
    let directory = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
    try await body(directory)
    for suffix in ["", "-wal", "-shm"] { unlink("\(directory)/store.sqlite\(suffix)") }
    rmdir(directory)
}
