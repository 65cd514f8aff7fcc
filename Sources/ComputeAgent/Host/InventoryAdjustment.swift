package import ComputeModel

/// What an operator says of every node's resources, over what its driver says: Nova's options in `[DEFAULT]`.
/// `nil` leaves the driver's word.
package struct InventoryAdjustment: Hashable, Sendable {
    /// `cpu_allocation_ratio`.
    package var processorRatio: Double?
    /// `ram_allocation_ratio`.
    package var memoryRatio: Double?
    /// `disk_allocation_ratio`.
    package var diskRatio: Double?
    /// `reserved_host_cpus`.
    package var reservedProcessors: Int?
    /// `reserved_host_memory_mb`.
    package var reservedMemoryMiB: Int?
    /// `reserved_host_disk_mb`; placement counts disk in GiB, so it is rounded up.
    package var reservedDiskMiB: Int?

    package init() {}

    /// The inventory as placement and the API shall have it. What is reserved never exceeds what there is.
    package func applied(to inventory: NodeInventory) -> NodeInventory {
        var inventory = inventory
        let reservedDisk = reservedDiskMiB.map { ($0 + 1023) / 1024 }
        let changes: [(ResourceClass, Double?, Int?)] = [
            (.vcpu, processorRatio, reservedProcessors), (.memoryMiB, memoryRatio, reservedMemoryMiB),
            (.diskGiB, diskRatio, reservedDisk),
        ]
        for (resource, ratio, reserved) in changes {
            guard var offer = inventory.resources[resource] else { continue }
            if let ratio { offer.allocationRatio = ratio }
            if let reserved { offer.reserved = min(reserved, offer.total) }
            inventory.resources[resource] = offer
        }
        return inventory
    }
}
