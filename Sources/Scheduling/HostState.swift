package import ComputeModel
package import ServiceInterfaces

/// A host as filters and weighers see it: what it is, and what is free on it now.
package struct HostState: Sendable {
    package var host: String
    /// Hypervisor host name.
    package var node: String
    package var nodeID: NodeID
    package var availabilityZone: String
    /// The service's own state; filters refuse what is down or disabled.
    package var isUp: Bool
    package var isDisabled: Bool
    package var disabledReason: String?
    /// What its agent says is wrong with the hypervisor; such a service counts as down.
    package var trouble: String?
    package var inventory: NodeInventory
    package var traits: Set<Trait>
    package var bindings: [PortBinding.Kind]
    package var instances: Int
    /// Servers on the host with a task under way that loads disks.
    package var ioOperations: Int
    package var usedVCPUs: Int
    package var usedMemoryMiB: Int
    package var usedDiskGiB: Int
    /// Ways to satisfy the request here, from placement.
    package var candidates: [AllocationCandidate]

    package init(
        host: String, node: String, nodeID: NodeID, availabilityZone: String, isUp: Bool, isDisabled: Bool,
        disabledReason: String?, trouble: String? = nil, inventory: NodeInventory, traits: Set<Trait>,
        bindings: [PortBinding.Kind],
        instances: Int, ioOperations: Int, usedVCPUs: Int, usedMemoryMiB: Int, usedDiskGiB: Int,
        candidates: [AllocationCandidate]
    ) {
        self.host = host
        self.node = node
        self.nodeID = nodeID
        self.availabilityZone = availabilityZone
        self.isUp = isUp
        self.isDisabled = isDisabled
        self.disabledReason = disabledReason
        self.trouble = trouble
        self.inventory = inventory
        self.traits = traits
        self.bindings = bindings
        self.instances = instances
        self.ioOperations = ioOperations
        self.usedVCPUs = usedVCPUs
        self.usedMemoryMiB = usedMemoryMiB
        self.usedDiskGiB = usedDiskGiB
        self.candidates = candidates
    }

    /// What is left of a class after over-commitment; a node without it has nothing left.
    package func free(_ resource: ResourceClass) -> Double {
        guard let inventory = inventory.resources[resource] else { return 0 }
        let capacity = Double(inventory.total - inventory.reserved) * inventory.allocationRatio
        let used =
            switch resource {
            case .vcpu: usedVCPUs
            case .memoryMiB: usedMemoryMiB
            case .diskGiB: usedDiskGiB
            default: 0
            }
        return capacity - Double(used)
    }

    /// Counts an instance that was just placed here, so that the next one of the same request sees it.
    package mutating func consume(_ flavor: FlavorSpec) {
        instances += 1
        ioOperations += 1
        usedVCPUs += flavor.vcpus
        usedMemoryMiB += flavor.memoryMiB
        usedDiskGiB += flavor.resources[.diskGiB] ?? 0
    }
}
