package import Database
package import Logging

/// Placement for callers in this process: providers with their inventories and traits, claims on them, and the search
/// for candidates.
///
/// Reads of providers and candidates come from the mirror, which holds everything that was committed before the call;
/// allocations and consumers come from the tables. Every write is one transaction. Errors are ``PlacementError`` where
/// the caller asked for something impossible, else ``DatabaseError``.
package final class PlacementService: Sendable {
    private let database: SQLDatabase
    private let keeper: MirrorKeeper
    private let clock: @Sendable () -> Int64
    private let limits: CandidateLimits
    let logger: Logger
    /// Attempts at a claim that another process disturbs.
    private static let claimAttemptsMax = 10

    /// Brings the tables and the standard names up to date and fills the mirror.
    /// - Parameter clock: seconds since 1970.
    package static func start(
        database: SQLDatabase, limits: CandidateLimits = CandidateLimits(), logger: Logger,
        clock: @escaping @Sendable () -> Int64
    ) async throws -> PlacementService {
        let history = PlacementMigrations.history
        try await database.migrate(history.migrations, component: history.component)
        let service = PlacementService(database, limits, logger, clock)
        try await service.keeper.catchUp()
        try await service.write { try $0.ensureStandardNames() }
        return service
    }

    private init(
        _ database: SQLDatabase, _ limits: CandidateLimits, _ logger: Logger, _ clock: @escaping @Sendable () -> Int64
    ) {
        (self.database, self.limits, self.logger, self.clock) = (database, limits, logger, clock)
        keeper = MirrorKeeper(database)
    }

    /// Seconds since 1970.
    package var now: Int64 { clock() }

    /// The image of all providers as of now; a value that does not change under the caller.
    package var mirror: ProviderMirror { keeper.mirror }

    /// Takes over what other processes committed.
    package func refresh() async throws { try await keeper.catchUp() }

    // MARK: Candidates

    /// Which providers could serve the request. Runs on the caller's thread; pure computation.
    package func candidates(_ request: CandidateRequest) throws(CandidateRequestError) -> CandidateSet {
        try CandidateSearch.run(request, in: mirror, limits: limits)
    }

    // MARK: Claims

    /// Replaces what these consumers hold, all or nothing. Repeated when another process changes a provider meanwhile.
    package func replaceAllocations(_ claims: [ConsumerClaim]) async throws {
        var attempt = 1
        while true {
            do {
                return try await write { try $0.replaceAllocations(claims) }
            } catch PlacementError.providerGenerationConflict where attempt < Self.claimAttemptsMax {
                attempt += 1
            }
        }
    }

    /// Takes everything from a consumer. `false` when it held nothing.
    @discardableResult
    package func deleteAllocations(consumer: String) async throws -> Bool {
        try await write { try $0.deleteAllocations(consumer: consumer) }
    }

    /// What a consumer holds; empty when there is no such consumer.
    package func allocations(consumer: String) async throws -> (ConsumerRecord?, [AllocationRecord]) {
        try await database.read {
            (try PlacementReading.consumer($0, consumer), try PlacementReading.allocations($0, consumer: consumer))
        }
    }

    /// What consumers hold of a provider.
    package func allocations(provider: String) async throws -> [AllocationRecord] {
        try await database.read { try PlacementReading.allocations($0, provider: provider) }
    }

    /// What a project, or one of its users, holds, per consumer type and class.
    package func usages(project: String, user: String? = nil) async throws -> [ProjectUsage] {
        try await database.read { try PlacementReading.usages($0, project: project, user: user) }
    }

    /// Replaces inventories of providers and allocations of consumers together, tested on the end state.
    package func reshape(_ providers: [ReshapedProvider], _ claims: [ConsumerClaim]) async throws {
        try await write { try $0.reshape(providers, claims) }
    }

    // MARK: Providers

    package func createProvider(uuid: String, name: String, parent: String? = nil) async throws {
        try await write { try $0.createProvider(uuid: uuid, name: name, parent: parent) }
    }

    package func updateProvider(
        _ uuid: String, name: String, parent: ParentChange, reparentingAllowed: Bool
    ) async throws {
        try await write {
            try $0.updateProvider(uuid, name: name, parent: parent, reparentingAllowed: reparentingAllowed)
        }
    }

    package func deleteProvider(_ uuid: String) async throws {
        try await write { try $0.deleteProvider(uuid) }
    }

    package func addInventory(_ provider: String, resourceClass: String, _ record: InventoryRecord) async throws {
        try await write { try $0.addInventory(provider, resourceClass: resourceClass, record) }
    }

    package func updateInventory(
        _ provider: String, resourceClass: String, _ record: InventoryRecord, generation: Int64?
    ) async throws {
        try await write {
            try $0.updateInventory(provider, resourceClass: resourceClass, record, generation: generation)
        }
    }

    package func setInventories(
        _ provider: String, _ records: [String: InventoryRecord], generation: Int64?
    ) async throws {
        try await write { try $0.setInventories(provider, records, generation: generation) }
    }

    package func deleteInventory(_ provider: String, resourceClass: String) async throws {
        try await write { try $0.deleteInventory(provider, resourceClass: resourceClass) }
    }

    package func setTraits(_ provider: String, _ names: [String], generation: Int64?) async throws {
        try await write { try $0.setTraits(provider, names: names, generation: generation) }
    }

    /// `raisesGeneration`: old callers of the API change aggregates without it.
    package func setAggregates(
        _ provider: String, _ aggregates: [String], generation: Int64?, raisesGeneration: Bool = true
    ) async throws {
        try await write {
            try $0.setAggregates(
                provider, aggregates: aggregates, generation: generation, raisesGeneration: raisesGeneration)
        }
    }

    // MARK: Names

    package func createResourceClass(_ name: String) async throws {
        try await write { try $0.createResourceClass(name) }
    }

    package func renameResourceClass(_ name: String, to newName: String) async throws {
        try await write { try $0.renameResourceClass(name, to: newName) }
    }

    package func deleteResourceClass(_ name: String) async throws {
        try await write { try $0.deleteResourceClass(name) }
    }

    /// `true` when the trait is new.
    @discardableResult
    package func ensureTrait(_ name: String) async throws -> Bool {
        try await write { try $0.ensureTrait(name) }
    }

    package func deleteTrait(_ name: String) async throws {
        try await write { try $0.deleteTrait(name) }
    }

    /// Identifiers of the traits that any provider has.
    package func associatedTraits() async throws -> Set<Int> {
        try await database.read { try PlacementReading.associatedTraits($0) }
    }

    // MARK: Writing

    func write<T: Sendable>(_ body: @escaping @Sendable (inout PlacementWrite) throws -> T) async throws -> T {
        let now = clock()
        let (value, change) = try await database.transaction { connection in
            // Every change gets the next number, so writers go one after another; then what each reads stays true.
            try connection.takeTurn(by: "UPDATE placement_state SET sequence = sequence WHERE id = 1")
            var write = PlacementWrite(connection, now: now)
            let value = try body(&write)
            return (value, try write.finish())
        }
        if let change { try await keeper.take(change) }
        return value
    }
}
