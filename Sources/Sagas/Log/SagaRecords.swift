/// A saga as it is created.
package struct SagaRecord: Sendable, Hashable {
    package let id: SagaID
    /// The saga's type: ``Saga/name``.
    package let name: String
    /// The parameters as JSON.
    package let parameters: [UInt8]
    /// Since 1970-01-01 00:00 UTC.
    package let created: Duration

    package init(id: SagaID, name: String, parameters: [UInt8], created: Duration) {
        (self.id, self.name, self.parameters, self.created) = (id, name, parameters, created)
    }

    /// The record of a saga that is about to be written, for a transaction that also writes other rows.
    package init<S: Saga>(id: SagaID, _ saga: S.Type, parameters: S.Parameters, created: Duration) throws {
        self.init(id: id, name: S.name, parameters: try StepOutput.encode(parameters), created: created)
    }
}

/// Who runs sagas.
package struct SagaOwner: Sendable, Hashable, CustomStringConvertible {
    /// The same after a restart, and never used by two processes at once: `conductor@host-1`.
    package let place: String
    /// New at each start of the process.
    package let incarnation: String

    package init(place: String, incarnation: String) {
        (self.place, self.incarnation) = (place, incarnation)
    }

    package var description: String { "\(place)/\(incarnation)" }
}

/// The right to write to one saga.
package struct SagaOwnership: Sendable, Hashable {
    package let saga: SagaID
    package let owner: SagaOwner
    /// Counts the claims of the saga.
    package let generation: Int64

    package init(saga: SagaID, owner: SagaOwner, generation: Int64) {
        (self.saga, self.owner, self.generation) = (saga, owner, generation)
    }
}

/// The wish to own sagas.
package struct SagaClaim: Sendable, Hashable {
    package let owner: SagaOwner
    /// Leases that ended before are void.
    package let now: Duration
    /// Until when nobody else may take it.
    package let leaseUntil: Duration

    package init(owner: SagaOwner, now: Duration, leaseUntil: Duration) {
        (self.owner, self.now, self.leaseUntil) = (owner, now, leaseUntil)
    }
}

/// A saga right after it was claimed.
package struct ClaimedSaga: Sendable, Hashable {
    package let ownership: SagaOwnership
    package let record: SagaRecord
    /// In the order in which they were appended.
    package let events: [SagaEvent]

    package init(ownership: SagaOwnership, record: SagaRecord, events: [SagaEvent]) {
        (self.ownership, self.record, self.events) = (ownership, record, events)
    }
}

/// Where a saga stands, for lists and indexes. Never change a released text.
package enum SagaStatus: String, Sendable, CaseIterable {
    case running
    case completed
    case unwound
    case stuck
}

/// How a saga ended, as it is stored.
package enum SagaConclusion: Codable, Sendable, Hashable {
    case completed
    case unwound(failedStep: String, reason: String)
    case stuck(failedStep: String, undoStep: String, reason: String)

    package var status: SagaStatus {
        switch self {
        case .completed: .completed
        case .unwound: .unwound
        case .stuck: .stuck
        }
    }
}

/// One saga without its events.
package struct SagaSummary: Sendable, Hashable {
    package let record: SagaRecord
    /// Nil while it runs.
    package let conclusion: SagaConclusion?
    package let owner: SagaOwner?
    package let generation: Int64
    package let leaseUntil: Duration?
    /// When the last event was written, or the record where there is none.
    package let updated: Duration

    package init(
        record: SagaRecord, conclusion: SagaConclusion?, owner: SagaOwner?, generation: Int64, leaseUntil: Duration?,
        updated: Duration
    ) {
        (self.record, self.conclusion, self.owner) = (record, conclusion, owner)
        (self.generation, self.leaseUntil, self.updated) = (generation, leaseUntil, updated)
    }

    package var status: SagaStatus { conclusion?.status ?? .running }
}

/// One saga with everything that happened.
package struct SagaHistory: Sendable, Hashable {
    package let summary: SagaSummary
    /// In the order in which they were appended.
    package let events: [LoggedEvent]

    package init(summary: SagaSummary, events: [LoggedEvent]) {
        (self.summary, self.events) = (summary, events)
    }

    package var record: SagaRecord { summary.record }
    package var conclusion: SagaConclusion? { summary.conclusion }

    /// An event and when it was appended.
    package struct LoggedEvent: Sendable, Hashable {
        package let event: SagaEvent
        package let time: Duration

        package init(event: SagaEvent, time: Duration) {
            (self.event, self.time) = (event, time)
        }
    }
}

/// Which sagas a list shows.
package struct SagaFilter: Sendable, Hashable {
    /// Nil for all.
    package var status: SagaStatus?
    /// The saga's type, nil for all.
    package var name: String?
    package var limit: Int

    package init(status: SagaStatus? = nil, name: String? = nil, limit: Int = 100) {
        (self.status, self.name, self.limit) = (status, name, limit)
    }
}
