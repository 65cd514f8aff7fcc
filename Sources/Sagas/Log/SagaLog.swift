/// Where sagas are kept so that any executor can resume those of a dead one.
///
/// Rules for every implementation:
/// - A call that returns has made its change whole and, unless it says less, durable; a call that throws may have done
///   it or not, but never half of it.
/// - Changes reach the disk in the order of the calls. ``SagaPersistence`` says when they must be there. Claims, lease
///   renewals and releases may always be deferred: losing one costs nothing but time.
/// - A saga has at most one owner at a time. Each claim raises `generation` by one, so that an owner that was away
///   too long is told apart from its successor. Every call that takes a ``SagaOwnership`` compares owner *and*
///   generation with the stored ones in the same atomic change (`UPDATE … WHERE id = ? AND owner_place = ? AND
///   owner_incarnation = ? AND generation = ? AND status = 'running'`); when they differ it changes nothing and
///   throws ``SagaLogError/notOwner``. The lease is *not* compared there: an owner whose lease has run out but whose
///   saga nobody took still owns it.
/// - Whoever gets ``SagaLogError/notOwner`` stops quietly: somebody else has the saga and it is no failure.
/// - All times are durations since 1970-01-01 00:00 UTC, given by the caller. At least milliseconds are kept.
///
/// A saga may be put into the store by another transaction (the API writes its rows and the saga's record in one);
/// it must then look exactly as after ``create(_:)``: running, no owner, generation 0, no events.
package protocol SagaLog: Sendable {
    /// Stores a new saga: running, unowned, generation 0. Nothing happens when the id is there already, so that
    /// making it can be repeated after a lost answer.
    func create(_ record: SagaRecord) async throws

    /// The same with less waiting where `persistence` allows it: for a child, which its parent would make again.
    /// Without an implementation, it is on disk.
    func create(_ record: SagaRecord, persistence: SagaPersistence) async throws

    /// Takes that saga for `claim.owner` when it is running and one of: it has no owner; its lease ended before
    /// `claim.now`; its owner has the same `place` but another `incarnation` (a process that was restarted follows
    /// itself). Sets owner, generation + 1 and the lease, in one atomic change, and returns the saga as it is then.
    ///
    /// Nil when there is no such saga, it has ended, or somebody owns it.
    func claim(_ id: SagaID, _ claim: SagaClaim) async throws -> ClaimedSaga?

    /// Takes up to `limit` sagas that ``claim(_:_:)`` would give, oldest first, of the named types and without those
    /// in `excluding`.
    func claimAny(
        _ claim: SagaClaim, names: [String], excluding: Set<SagaID>, limit: Int
    ) async throws -> [ClaimedSaga]

    /// Appends events in that order, at `now`, as one write that is on disk when this returns.
    func append(_ events: [SagaEvent], to ownership: SagaOwnership, now: Duration) async throws

    /// The same with less waiting where `persistence` allows it. Without an implementation, everything is on disk.
    func append(
        _ events: [SagaEvent], to ownership: SagaOwnership, now: Duration, persistence: SagaPersistence
    ) async throws

    /// Moves the lease of all of these that are still owned so, and returns them; the others are left alone. Does
    /// not throw ``SagaLogError/notOwner``.
    func renew(_ ownerships: [SagaOwnership], leaseUntil: Duration) async throws -> [SagaOwnership]

    /// Appends `events` and gives the saga up unfinished: no owner, no lease; the generation stays. One write.
    func release(_ ownership: SagaOwnership, events: [SagaEvent], now: Duration) async throws

    /// Appends `events`, stores the conclusion with the status that belongs to it, and removes owner and lease. One
    /// write. After it the saga is never claimed again.
    func finish(
        _ ownership: SagaOwnership, events: [SagaEvent], conclusion: SagaConclusion, now: Duration
    ) async throws

    /// The same with less waiting where `persistence` allows it. Without an implementation, everything is on disk.
    func finish(
        _ ownership: SagaOwnership, events: [SagaEvent], conclusion: SagaConclusion, now: Duration,
        persistence: SagaPersistence
    ) async throws

    /// Everything about one saga, or nil when there is none. No ownership needed.
    func load(_ id: SagaID) async throws -> SagaHistory?

    /// Sagas for operators, newest first.
    func list(_ filter: SagaFilter) async throws -> [SagaSummary]

    /// Deletes up to `limit` sagas with their events that completed or were unwound before that time, and returns
    /// their number. Stuck ones stay until an operator removes them; children (`parent.label`) stay at least until
    /// their parent has ended, because it may still ask how they ended.
    func deleteFinished(before: Duration, limit: Int) async throws -> Int
}

extension SagaLog {
    package func create(_ record: SagaRecord, persistence: SagaPersistence) async throws {
        try await create(record)
    }

    package func append(
        _ events: [SagaEvent], to ownership: SagaOwnership, now: Duration, persistence: SagaPersistence
    ) async throws {
        try await append(events, to: ownership, now: now)
    }

    package func finish(
        _ ownership: SagaOwnership, events: [SagaEvent], conclusion: SagaConclusion, now: Duration,
        persistence: SagaPersistence
    ) async throws {
        try await finish(ownership, events: events, conclusion: conclusion, now: now)
    }
}

/// When a write to the log must be on disk.
package enum SagaPersistence: Sendable, Hashable {
    /// When the call returns.
    case onDisk
    /// With the next write that is ``onDisk``. It survives the death of the process; a power failure may lose it
    /// together with everything written later, never something before it.
    case deferred
}

/// What a log refuses.
package enum SagaLogError: Error, Sendable, Hashable {
    /// The saga has another owner or generation by now, or has ended.
    case notOwner
}
