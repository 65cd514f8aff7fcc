import ComputeModel
import ComputeStore
import HTTPService
import Testing
import WireJSON

extension APIFixture {
    /// A flavor, an image and a network, so that servers can be made.
    struct Ground {
        var flavor = "1"
        var image: ImageID
        var network: NetworkID
    }

    /// Lays the ground for servers of the usual project.
    func ground() async throws -> Ground {
        _ = try await store.create(
            FlavorRecord(
                flavorID: "1", name: "m1.tiny", vcpus: 1, memoryMiB: 512, rootGiB: 1,
                extraSpecs: ["hw:cpu_policy": "shared"]))
        return Ground(
            image: try images.add(["hw_disk_bus": "virtio", "color": "blue"]),
            network: try networks.addNetwork(project: Self.project))
    }

    /// Makes a server; what is not given is usual.
    func create(
        _ ground: Ground, _ version: String = "2.1", _ caller: Caller = .member, _ members: JSONObject = [:],
        without absent: [String] = [], around: JSONObject = [:]
    ) async -> InMemoryResponse {
        var server: JSONObject = [
            "name": "web", "flavorRef": .string(ground.flavor), "imageRef": .string(ground.image.description),
            "networks": [["uuid": .string(ground.network.description)]],
        ]
        for (key, value) in members { server.set(key, value) }
        for name in absent { server.remove(name) }
        var body: JSONObject = ["server": .object(server)]
        for (key, value) in around { body.set(key, value) }
        return await send(.POST, "/servers", version, as: caller, json: .object(body))
    }

    /// A server that was built: active, on a host, with an address.
    @discardableResult
    func builtServer(
        _ ground: Ground, _ version: String = "2.52", _ caller: Caller = .member, _ members: JSONObject = [:]
    ) async throws -> InstanceID {
        let response = await create(ground, version, caller, members)
        let id = try #require((try response.json())["server"]?["id"]?.string.flatMap { InstanceID($0) })
        try await build(id)
        return id
    }

    /// What conductors and agents would do to a new server.
    func build(_ id: InstanceID) async throws {
        try await store.place(id, host: "node1", node: "node1.local", nodeID: .random(), availabilityZone: "nova")
        let interface = NetworkInterfaceSpec(
            portID: .random(), networkID: .random(), networkName: "private", macAddress: "fa:16:3e:00:00:01",
            mtu: 1500, binding: .unbound,
            addresses: [FixedAddress(address: "10.0.0.5", subnetID: .random(), cidr: "10.0.0.0/24", gateway: nil)])
        try await store.wire(
            id, interfaces: [interface],
            addressesJSON: """
                {"private":[{"version":4,"addr":"10.0.0.5","OS-EXT-IPS:type":"fixed",\
                "OS-EXT-IPS-MAC:mac_addr":"fa:16:3e:00:00:01"}]}
                """, securityGroupsJSON: #"[{"name":"default"}]"#)
        try await store.finishOperation(on: id, vm: .active, power: .running, expecting: nil, launched: true)
    }
}
