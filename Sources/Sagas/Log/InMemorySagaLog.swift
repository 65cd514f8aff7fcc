
/// A log for tests and for measurements. Two executors can share one, as they would share a database.
package final class InMemorySagaLog: SagaLog {
    private struct Entry {
        var record: SagaRecord
        var position: Int
        var events: [SagaHistory.LoggedEvent] = []
        var owner: SagaOwner?
        var generation: Int64 = 0
        var leaseUntil: Duration?
        var conclusion: SagaConclusion?
        var updated: Duration
        /// What a power failure leaves.
        var flushed = (events: 0, conclusion: SagaConclusion?.none)

        func isFree(for claim: SagaClaim) -> Bool {
            guard conclusion == nil else { return false }
            guard let owner, let leaseUntil else { return true }
            let isOwnPast = owner.place == claim.owner.place && owner.incarnation != claim.owner.incarnation
            return isOwnPast || leaseUntil < claim.now
        }

        func belongs(to ownership: SagaOwnership) -> Bool {
            conclusion == nil && owner == ownership.owner && generation == ownership.generation
        }

        mutating func take(_ claim: SagaClaim) -> ClaimedSaga {
            (owner, leaseUntil) = (claim.owner, claim.leaseUntil)
            generation += 1
            return ClaimedSaga(
                ownership: SagaOwnership(saga: record.id, owner: claim.owner, generation: generation),
                record: record, events: events.map(\.event))
        }

        var summary: SagaSummary {
            SagaSummary(
                record: record, conclusion: conclusion, owner: owner, generation: generation, leaseUntil: leaseUntil,
                updated: updated)
        }
    }

    private let entries = Locked<[SagaID: Entry]>([:])

    package init() {}

    /// Forgets what was written but not yet on disk, and all owners: the machine went dark.
    package func losePower() {
        entries.withLock { entries in
            for id in entries.keys {
                guard var entry = entries.removeValue(forKey: id) else { continue }
                entry.events.removeSubrange(entry.flushed.events...)
                (entry.conclusion, entry.owner, entry.leaseUntil) = (entry.flushed.conclusion, nil, nil)
                entries[id] = entry
            }
        }
    }

    package func create(_ record: SagaRecord) async throws {
        entries.withLock { entries in
            guard entries[record.id] == nil else { return }
            entries[record.id] = Entry(record: record, position: entries.count, updated: record.created)
        }
    }

    package func claim(_ id: SagaID, _ claim: SagaClaim) async throws -> ClaimedSaga? {
        entries.withLock { entries in
            guard let entry = entries[id], entry.isFree(for: claim) else { return nil }
            return entries[id]?.take(claim)
        }
    }

    package func claimAny(
        _ claim: SagaClaim, names: [String], excluding: Set<SagaID>, limit: Int
    ) async throws -> [ClaimedSaga] {
        entries.withLock { entries in
            let free = entries.values.filter {
                names.contains($0.record.name) && !excluding.contains($0.record.id) && $0.isFree(for: claim)
            }
            let oldest = free.sorted { ($0.record.created, $0.position) < ($1.record.created, $1.position) }
            return oldest.prefix(limit).compactMap { entries[$0.record.id]?.take(claim) }
        }
    }

    package func append(_ events: [SagaEvent], to ownership: SagaOwnership, now: Duration) async throws {
        try await append(events, to: ownership, now: now, persistence: .onDisk)
    }

    package func append(
        _ events: [SagaEvent], to ownership: SagaOwnership, now: Duration, persistence: SagaPersistence
    ) async throws {
        try change(ownership, events, now, persistence) { _ in }
    }

    package func renew(_ ownerships: [SagaOwnership], leaseUntil: Duration) async throws -> [SagaOwnership] {
        entries.withLock { entries in
            ownerships.filter { ownership in
                guard entries[ownership.saga]?.belongs(to: ownership) == true else { return false }
                entries[ownership.saga]?.leaseUntil = leaseUntil
                return true
            }
        }
    }

    package func release(_ ownership: SagaOwnership, events: [SagaEvent], now: Duration) async throws {
        try change(ownership, events, now, .deferred) { ($0.owner, $0.leaseUntil) = (nil, nil) }
    }

    package func finish(
        _ ownership: SagaOwnership, events: [SagaEvent], conclusion: SagaConclusion, now: Duration
    ) async throws {
        try await finish(ownership, events: events, conclusion: conclusion, now: now, persistence: .onDisk)
    }

    package func finish(
        _ ownership: SagaOwnership, events: [SagaEvent], conclusion: SagaConclusion, now: Duration,
        persistence: SagaPersistence
    ) async throws {
        try change(ownership, events, now, persistence) { entry in
            (entry.owner, entry.leaseUntil, entry.conclusion) = (nil, nil, conclusion)
        }
    }

    package func load(_ id: SagaID) async throws -> SagaHistory? {
        entries.withLock { entries in
            entries[id].map { SagaHistory(summary: $0.summary, events: $0.events) }
        }
    }

    package func list(_ filter: SagaFilter) async throws -> [SagaSummary] {
        entries.withLock { entries in
            let wanted = entries.values.filter { entry in
                (filter.status.map { $0 == entry.summary.status } ?? true)
                    && (filter.name.map { $0 == entry.record.name } ?? true)
            }
            let newest = wanted.sorted { ($0.record.created, $0.position) > ($1.record.created, $1.position) }
            return newest.prefix(filter.limit).map(\.summary)
        }
    }

    package func deleteFinished(before: Duration, limit: Int) async throws -> Int {
        entries.withLock { entries in
            let done = entries.values.filter { entry in
                switch entry.conclusion {
                case .completed, .unwound: entry.updated < before
                case .stuck, nil: false
                }
            }
            for entry in done.prefix(limit) { entries[entry.record.id] = nil }
            return min(done.count, limit)
        }
    }

    private func change(
        _ ownership: SagaOwnership, _ events: [SagaEvent], _ now: Duration, _ persistence: SagaPersistence,
        _ change: (inout Entry) -> Void
    ) throws {
        try entries.withLock { entries in
            guard var entry = entries[ownership.saga], entry.belongs(to: ownership) else { throw SagaLogError.notOwner }
            entries[ownership.saga] = nil
            entry.events += events.map { SagaHistory.LoggedEvent(event: $0, time: now) }
            entry.updated = now
            change(&entry)
            if persistence == .onDisk { entry.flushed = (entry.events.count, entry.conclusion) }
            entries[ownership.saga] = entry
        }
    }
}
