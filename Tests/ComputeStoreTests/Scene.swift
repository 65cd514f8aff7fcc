import ComputeModel
import ComputeStore
import Database
import DatabaseServers
import Glibc

/// Stores to test on, and things to put into them.
enum Scene {
    /// A clock that counts up by a microsecond each time it is looked at.
    static func clock(from start: Int64 = 1_700_000_000) -> @Sendable () -> Timestamp {
        let ticks = Locked(start * 1_000_000)
        return {
            ticks.withLock { now in
                now += 1
                return Timestamp(microseconds: now)
            }
        }
    }

    static func inMemory() async throws -> ComputeStore {
        try await ComputeStore.open(try await SQLDatabase.open(url: TestEngine.emptyDatabase()), now: clock())
    }

    /// Runs `body` with a store in a file, in a directory that is gone afterwards.
    static func inFile<T: Sendable>(_ body: (ComputeStore) async throws -> T) async throws -> T {
        var template = Array("/tmp/kilonova-store-XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else { throw StoreError.notFound("a directory") }
        let directory = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
        let database = try await SQLDatabase.open(url: "sqlite://\(directory)/store.sqlite")
        do {
            let value = try await body(try await ComputeStore.open(database, now: clock()))
            await close(database, directory)
            return value
        } catch {
            await close(database, directory)
            throw error
        }
    }

    private static func close(_ database: SQLDatabase, _ directory: String) async {
        await database.close()
        for suffix in ["", "-wal", "-shm"] { unlink("\(directory)/store.sqlite\(suffix)") }
        rmdir(directory)
    }

    /// How often a store's database waited for the disk.
    static func flushes(_ store: ComputeStore) -> Int { store.database.commitCounts.onDisk }

    static let unlimited = CreationLimits(instances: -1, cores: -1, memoryMiB: -1)
    static let flavor = FlavorSpec(flavorID: "f1", name: "small", vcpus: 2, memoryMiB: 512, rootGiB: 1)

    static func origin(_ request: String = "req-1", project: String = "p") -> ActionOrigin {
        ActionOrigin(requestID: request, userID: "u", projectID: project)
    }

    static func instance(
        _ name: String = "vm", project: String = "p", flavor: FlavorSpec = flavor, tags: [String] = [],
        description: String? = nil, keyName: String? = nil, id: InstanceID = .random()
    ) -> NewInstance {
        NewInstance(
            id: id, reservationID: "r-1", launchIndex: 0, projectID: project, userID: "u", name: name,
            description: description, hostname: name, availabilityZone: nil, imagePropertiesJSON: "{}",
            keyName: keyName, keyData: nil, userData: nil, configDrive: false, accessIPv4: nil, accessIPv6: nil,
            metadata: [:], tags: tags, trustedCertificatesJSON: nil, hintsJSON: "{}", specJSON: "{}", flavor: flavor,
            imageID: nil)
    }

    static func saga(_ name: String = "build-instance", about id: InstanceID) -> NewSaga {
        NewSaga(id: .random(), name: name, subject: id.description, parametersJSON: "{}")
    }

    @discardableResult
    static func create(_ store: ComputeStore, _ instances: NewInstance..., request: String = "req-1") async throws
        -> [InstanceID]
    {
        try await store.createInstances(
            instances, sagas: instances.map { saga(about: $0.id) }, origin: origin(request), limits: unlimited)
        return instances.map(\.id)
    }

    /// A server that is built and has nothing to do.
    static func built(_ store: ComputeStore, _ instance: NewInstance = instance(), host: String = "h1") async throws
        -> InstanceID
    {
        let id = try await create(store, instance)[0]
        try await store.place(id, host: host, node: host, nodeID: .random(), availabilityZone: "nova")
        try await store.finishOperation(
            on: id, vm: .active, power: .running, expecting: TaskState.building, launched: true)
        return id
    }
}
