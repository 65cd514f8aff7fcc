import ComputeModel
import DriverAPI

/// Makes the node's inventory of what the cluster holds, and sends it when it changes.
struct InventorySource: Sendable {
    let content: ServiceContent
    let cluster: Cluster
    let options: VMwareOptions
    let broadcast = NewestValueBroadcast<NodeInventory>()

    /// The node's name, as Nova composes it.
    var nodeName: String { "\(cluster.reference.value).\(content.instanceUUID)" }

    func send(_ mirror: Mirror) {
        let inventory = inventory(mirror)
        if broadcast.current != inventory { broadcast.send(inventory) }
    }

    func inventory(_ mirror: Mirror) -> NodeInventory {
        let hosts = mirror.hosts.filter(\.isUsable)
        let datastores = mirror.datastores.filter { options.allows($0) }
        let threads = hosts.reduce(0) { $0 + $1.threads }
        let memory = hosts.reduce(0) { $0 + $1.memoryMiB }
        let disk = datastores.reduce(0) { $0 + $1.capacityBytes >> 30 }
        let free = datastores.reduce(0) { $0 + $1.freeBytes >> 30 }
        let first = hosts.first
        var resources: [ResourceClass: ResourceInventory] = [:]
        // Placement takes no inventory without anything in it.
        if threads > 0 {
            resources[.vcpu] = ResourceInventory(
                total: threads, reserved: min(options.reservedCPUs, threads),
                maxUnit: hosts.map(\.threads).max() ?? threads, allocationRatio: options.cpuRatio)
        }
        if memory > 0 {
            resources[.memoryMiB] = ResourceInventory(
                total: memory, reserved: min(options.reservedMemoryMiB, memory),
                maxUnit: hosts.map(\.memoryMiB).max() ?? memory, allocationRatio: options.memoryRatio)
        }
        if disk > 0 {
            resources[.diskGiB] = ResourceInventory(
                total: disk, reserved: min((options.reservedDiskMiB + 1023) / 1024, disk),
                maxUnit: max(1, datastores.map { $0.capacityBytes >> 30 }.max() ?? disk),
                allocationRatio: options.diskRatio)
        }
        return NodeInventory(
            hypervisorType: "VMware vCenter Server", hypervisorVersion: Self.number(content.version),
            hypervisorHostname: nodeName,
            cpu: CPUDescription(
                arch: "x86_64", vendor: first?.vendor ?? "", model: first?.cpuModel ?? "",
                sockets: max(1, first?.packages ?? 1),
                cores: max(1, (first?.cores ?? 1) / max(1, first?.packages ?? 1)),
                threads: max(1, (first?.threads ?? 1) / max(1, first?.cores ?? 1))),
            supportedGuests: [
                SupportedGuest(architecture: "i686", hypervisorType: "vmware", machineMode: "hvm"),
                SupportedGuest(architecture: "x86_64", hypervisorType: "vmware", machineMode: "hvm"),
            ], resources: resources, traits: [], diskFreeGiB: free)
    }

    /// `6.5.0` as one number.
    static func number(_ version: String) -> Int {
        let parts = version.split(separator: ".").map { min(999, max(0, Int($0) ?? 0)) } + [0, 0, 0]
        return parts[0] * 1_000_000 + parts[1] * 1000 + parts[2]
    }

    /// The datastore for a guest: the one with most free space.
    func datastore(_ mirror: Mirror, needing bytes: UInt64) throws(VimFailure) -> DatastoreFacts {
        let allowed = mirror.datastores.filter { options.allows($0) }
        guard let best = allowed.max(by: { ($0.freeBytes, $1.name) < ($1.freeBytes, $0.name) }) else {
            throw .driver(Self.noDatastore(mirror, options, cluster.name))
        }
        guard UInt64(max(0, best.freeBytes)) >= bytes else {
            throw .driver(
                .insufficientResources(
                    "datastore \(best.name) of cluster \(cluster.name) has \(best.freeBytes >> 20) MiB free, the guest "
                        + "needs \(bytes >> 20) MiB; no other datastore has more"))
        }
        return best
    }

    /// Why there is no datastore.
    static func noDatastore(_ mirror: Mirror, _ options: VMwareOptions, _ cluster: String) -> DriverError {
        let names = mirror.datastores.map { $0.isAccessible ? $0.name : "\($0.name) (not accessible)" }
        let there = names.isEmpty ? "it has none" : "it has \(names.joined(separator: ", "))"
        guard let pattern = options.datastorePattern else {
            return .badConfiguration("cluster \(cluster) has no datastore that can be used; \(there)")
        }
        return .badConfiguration(
            "[vmware] datastore_regex: no datastore of cluster \(cluster) that can be used fits '\(pattern)'; \(there)")
    }
}
