import DriverAPI

/// The cluster that is our node, and where it lies.
struct Cluster: Hashable, Sendable {
    let reference: ManagedReference
    let name: String
    let resourcePool: ManagedReference
    let datacenter: ManagedReference
    /// The datacenter's place in the inventory, `folder/DC0`.
    let datacenterPath: String
    /// The datacenter's root folder of machines.
    let machineFolder: ManagedReference

    /// Looks for a cluster by name.
    ///
    /// - Throws: ``DriverError/badConfiguration(_:)`` that names the clusters there are.
    static func find(_ name: String, in client: VCenterClient) async throws(VimFailure) -> Cluster {
        let query = PropertyQuery(
            paths: [
                "Folder": ["name", "parent"], "Datacenter": ["name", "parent", "vmFolder"],
                "ClusterComputeResource": ["name", "parent", "resourcePool"],
            ],
            roots: [client.content.rootFolder],
            steps: [
                .init(name: "folders", type: "Folder", path: "childEntity", next: ["folders", "datacenters"]),
                .init(name: "datacenters", type: "Datacenter", path: "hostFolder", next: ["folders"]),
            ])
        let found = try await client.retrieve(query)
        let objects = Dictionary(found.map { ($0.reference, $0) }) { first, _ in first }
        let clusters = found.filter { $0.reference.type == "ClusterComputeResource" }
        guard let cluster = clusters.first(where: { Self.readable($0.string("name") ?? "") == name }) else {
            let names = clusters.compactMap { $0.string("name") }.map { Self.readable($0) }.sorted()
            throw .driver(
                .badConfiguration(
                    "[vmware] cluster_name: vCenter \(client.endpoint.authority) has no cluster '\(name)'; it has "
                        + (names.isEmpty ? "none that this user can see" : names.joined(separator: ", "))))
        }
        var path: [String] = []
        var datacenter: ObjectProperties?
        var next = cluster["parent"]?.reference
        // A server that names an object as its own ancestor must not be followed for ever.
        var passed: Set<ManagedReference> = []
        while let reference = next, let object = objects[reference], passed.insert(reference).inserted {
            if reference.type == "Datacenter" { datacenter = object }
            // The path begins below the root folder.
            if datacenter != nil, reference != client.content.rootFolder {
                path.insert(object.string("name") ?? "", at: 0)
            }
            next = object["parent"]?.reference
        }
        guard let datacenter, let folder = datacenter["vmFolder"]?.reference,
            let pool = cluster["resourcePool"]?.reference
        else {
            throw .driver(.failed("cluster '\(name)' of vCenter \(client.endpoint.authority) is in no datacenter"))
        }
        return Cluster(
            reference: cluster.reference, name: name, resourcePool: pool, datacenter: datacenter.reference,
            datacenterPath: path.joined(separator: "/"), machineFolder: folder)
    }

    /// Inventory names carry slashes, backslashes and percent signs escaped.
    private static func readable(_ name: String) -> String {
        var text = name
        for (escaped, plain) in [("%2f", "/"), ("%2F", "/"), ("%5c", "\\"), ("%5C", "\\"), ("%25", "%")] {
            text = text.split(separator: escaped, omittingEmptySubsequences: false).joined(separator: plain)
        }
        return text
    }
}

/// A network that machines of the cluster can join.
struct ClusterNetwork: Hashable, Sendable {
    let name: String
    /// The element that connects a network card to it.
    let backing: XMLElement

    /// Looks for a network by any of the names, the first that is there.
    static func find(
        _ names: [String], in cluster: Cluster, _ client: VCenterClient
    ) async throws(VimFailure) -> ClusterNetwork? {
        let query = PropertyQuery(
            paths: [
                "Network": ["name"], "DistributedVirtualPortgroup": ["name", "key", "config.distributedVirtualSwitch"],
                "OpaqueNetwork": ["name", "summary"],
            ],
            roots: [cluster.reference],
            steps: [.init(name: "networks", type: "ComputeResource", path: "network", next: [])])
        let found = try await client.retrieve(query)
        for name in names {
            guard let network = found.first(where: { $0.string("name") == name }) else { continue }
            return ClusterNetwork(name: name, backing: try await backing(network, name, client))
        }
        return nil
    }

    private static func backing(
        _ network: ObjectProperties, _ name: String, _ client: VCenterClient
    ) async throws(VimFailure) -> XMLElement {
        switch network.reference.type {
        case "DistributedVirtualPortgroup":
            guard let key = network.string("key"),
                let dvs = network["config.distributedVirtualSwitch"]?.reference,
                let uuid = try await client.properties(["uuid"], of: dvs).string("uuid")
            else { throw .driver(.failed("the switch of the distributed port group \(name) cannot be read")) }
            return XMLElement(
                "backing", type: "VirtualEthernetCardDistributedVirtualPortBackingInfo",
                [XMLElement("port", [XMLElement("switchUuid", uuid), XMLElement("portgroupKey", key)])])
        case "OpaqueNetwork":
            let summary = network["summary"]
            return XMLElement(
                "backing", type: "VirtualEthernetCardOpaqueNetworkBackingInfo",
                [
                    XMLElement("opaqueNetworkId", summary?.string("opaqueNetworkId") ?? ""),
                    XMLElement("opaqueNetworkType", summary?.string("opaqueNetworkType") ?? ""),
                ])
        default:
            return XMLElement(
                "backing", type: "VirtualEthernetCardNetworkBackingInfo", [XMLElement("deviceName", name)])
        }
    }
}
