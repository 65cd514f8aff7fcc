import ComputeModel
import ComputeStore

extension APIFixture {
    /// A conductor, and two compute hosts of which the first has reported its node.
    func cloud() async throws {
        try await store.heartbeat(
            binary: "nova-conductor", host: "control", topic: "conductor", version: 1, trouble: nil)
        try await addHost("node1")
        try await addHost("node2")
    }

    /// A compute service with its node.
    func addHost(_ host: String) async throws {
        try await store.heartbeat(binary: "nova-compute", host: host, topic: "compute", version: 1, trouble: nil)
        let inventory = NodeInventory(
            hypervisorType: "QEMU", hypervisorVersion: 8_002_002, hypervisorHostname: "\(host).local",
            cpu: CPUDescription(arch: "x86_64", vendor: "Intel", model: "Nehalem", features: ["avx"]),
            supportedGuests: [],
            resources: [
                .vcpu: ResourceInventory(total: 8), .memoryMiB: ResourceInventory(total: 16384, reserved: 512),
                .diskGiB: ResourceInventory(total: 100),
            ], traits: [], diskFreeGiB: 90, uptime: "up 3 days")
        _ = try await store.reportNode(
            host: host, driver: "libvirt", hostIP: "192.0.2.1", inventory: inventory, traits: [], bindings: [])
    }

    /// A server on a node of the cloud.
    func serverOnFirstNode() async throws -> InstanceID {
        let node = try await store.computeNodes()[0]
        let id = try await builtServer(try await ground())
        try await store.place(id, host: node.host, node: node.node, nodeID: node.id, availabilityZone: "nova")
        return id
    }
}
