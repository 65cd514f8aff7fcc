/// Inventory values as they are written; defaults are the reference's.
package struct InventoryRecord: Sendable, Hashable {
    package var total: Int64
    package var reserved: Int64
    package var minUnit: Int64
    package var maxUnit: Int64
    package var stepSize: Int64
    package var allocationRatio: Double

    /// The largest amount the reference's schema admits, and its default for `max_unit`.
    package static let amountMax = Int64(Int32.max)

    package init(
        total: Int64, reserved: Int64 = 0, minUnit: Int64 = 1, maxUnit: Int64 = Self.amountMax, stepSize: Int64 = 1,
        allocationRatio: Double = 1
    ) {
        (self.total, self.reserved, self.minUnit) = (total, reserved, minUnit)
        (self.maxUnit, self.stepSize, self.allocationRatio) = (maxUnit, stepSize, allocationRatio)
    }

    /// (total - reserved) × ratio, cut to an integer.
    package var capacity: Int64 { InventoryImage.capacity(total: total, reserved: reserved, ratio: allocationRatio) }
}

/// A consumer with what it holds.
package struct ConsumerRecord: Sendable, Hashable {
    package var uuid: String
    package var projectID: String
    package var userID: String
    package var generation: Int64
    /// `nil` for consumers written before types existed.
    package var type: String?
}

/// One allocation row.
package struct AllocationRecord: Sendable, Hashable {
    package var providerUUID: String
    package var providerGeneration: Int64
    package var consumerUUID: String
    package var consumerGeneration: Int64
    package var resourceClass: String
    package var used: Int64
    /// Seconds since 1970.
    package var createdAt: Int64
}

/// What a consumer is to hold from now on, in place of whatever it holds.
package struct ConsumerClaim: Sendable, Hashable {
    /// What is known of the consumer's generation.
    package enum Generation: Sendable, Hashable {
        /// Not checked.
        case any
        /// Must be this; `nil`: the consumer must not exist yet.
        case expect(Int64?)
    }

    /// Amounts from one provider.
    package struct Share: Sendable, Hashable {
        package var providerUUID: String
        package var amounts: [CandidateRequest.Amount]

        package init(providerUUID: String, amounts: [CandidateRequest.Amount]) {
            (self.providerUUID, self.amounts) = (providerUUID, amounts)
        }
    }

    package var consumerUUID: String
    package var projectID: String
    package var userID: String
    /// `nil` leaves the type as it is.
    package var type: String?
    package var generation: Generation
    /// Empty: the consumer gives everything back.
    package var shares: [Share]

    package init(
        consumerUUID: String, projectID: String, userID: String, type: String? = nil, generation: Generation,
        shares: [Share]
    ) {
        (self.consumerUUID, self.projectID, self.userID) = (consumerUUID, projectID, userID)
        (self.type, self.generation, self.shares) = (type, generation, shares)
    }

    /// Stands for projects and users of consumers that were written without them.
    package static let unknownOwner = "00000000-0000-0000-0000-000000000000"
}

/// The inventories that a provider is to have after a reshape.
package struct ReshapedProvider: Sendable, Hashable {
    package var uuid: String
    package var generation: Int64
    package var inventories: [String: InventoryRecord]

    package init(uuid: String, generation: Int64, inventories: [String: InventoryRecord]) {
        (self.uuid, self.generation, self.inventories) = (uuid, generation, inventories)
    }
}

/// How much of a class a project uses, for one type of consumer.
package struct ProjectUsage: Sendable, Hashable {
    /// `nil` for consumers without a type.
    package var consumerType: String?
    package var resourceClass: String
    package var used: Int64
    /// Consumers of this type, whatever class they use.
    package var consumers: Int
}
