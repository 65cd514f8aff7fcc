import ComputeModel

/// Values for tests.
enum Make {
    static func interface(
        _ port: PortID = .random(), mac: String = "fa:16:3e:00:00:07", binding: PortBinding = .unbound
    ) -> NetworkInterfaceSpec {
        NetworkInterfaceSpec(
            portID: port, networkID: .random(), networkName: "net", macAddress: mac, mtu: 1500, binding: binding,
            addresses: [])
    }

    static func volume(
        _ id: VolumeID = .random(), path: String? = nil, sizeGiB: Int = 1, name: String? = nil, bootIndex: Int? = nil,
        isShared: Bool = false
    ) -> VolumeSpec {
        VolumeSpec(
            id: id,
            connection: path.map { .file(path: $0, format: "raw") }
                ?? .rbd(RBDImage(pool: "volumes", image: "volume-\(id)", monitors: ["192.0.2.1:6789"], user: "cinder")),
            sizeGiB: sizeGiB, deviceName: name, bootIndex: bootIndex, isShared: isShared)
    }
}
