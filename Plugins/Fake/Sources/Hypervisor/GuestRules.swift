import ComputeModel
import DriverAPI

/// What a guest may have on this node.
struct GuestRules: Sendable {
    static let imageFormats: Set<String> = [
        "raw", "qcow2", "vmdk", "vdi", "vhd", "vhdx", "iso", "ami", "aki", "ari", "ploop",
    ]
    static let buses: Set<String> = ["virtio", "scsi", "sata", "ide", "usb"]
    static let volumesMax = 64
    static let interfacesMax = 32

    let options: FakeOptions

    /// Whether a guest of that specification can be made here.
    func check(_ spec: GuestSpec, _ state: WorldState) throws(DriverError) {
        if state.node.isInMaintenance {
            throw .insufficientResources("the node is in maintenance and takes no guests")
        }
        if let image = spec.image {
            try check(image)
            try checkSizes(of: image, spec.flavor)
        }
        if spec.image == nil, spec.bootVolume == nil, !spec.volumes.isEmpty {
            throw .refused("guest \(spec.id) has neither an image nor a volume to boot from")
        }
        guard spec.interfaces.count <= Self.interfacesMax, spec.volumes.count <= Self.volumesMax else {
            throw .refused("a guest has at most \(Self.interfacesMax) interfaces and \(Self.volumesMax) volumes")
        }
        for interface in spec.interfaces {
            guard interface.binding.kind == .unbound else {
                throw .refused("port \(interface.portID) is bound as \(interface.binding.kind.rawValue), not unbound")
            }
        }
        var names: Set<String> = []
        for volume in spec.volumes {
            try check(volume, state, for: spec.id)
            if let name = volume.deviceName, !names.insert(name).inserted {
                throw .refused("two volumes of guest \(spec.id) want to be \(name)")
            }
        }
        try check(spec.pciDevices, state, for: spec.id)
        if let topology = spec.topology { try check(topology) }
    }

    /// Whether an image can be booted at all.
    func check(_ image: ImageSpec) throws(DriverError) {
        guard Self.imageFormats.contains(image.diskFormat) else {
            throw .imageUnacceptable("image \(image.id) is in the format \(image.diskFormat), which is not known here")
        }
    }

    private func checkSizes(of image: ImageSpec, _ flavor: FlavorSpec) throws(DriverError) {
        if flavor.rootGiB > 0, image.minDiskGiB > flavor.rootGiB {
            throw .imageUnacceptable(
                "image \(image.id) needs a root disk of \(image.minDiskGiB) GiB, the flavor has \(flavor.rootGiB)")
        }
        if flavor.rootGiB > 0, image.sizeBytes > Int64(flavor.rootGiB) << 30 {
            throw .imageUnacceptable(
                "image \(image.id) has \(image.sizeBytes) bytes, more than the flavor's \(flavor.rootGiB) GiB")
        }
        if image.minMemoryMiB > flavor.memoryMiB {
            throw .imageUnacceptable(
                "image \(image.id) needs \(image.minMemoryMiB) MiB of memory, the flavor has \(flavor.memoryMiB)")
        }
    }

    /// Whether a guest can hold a volume.
    func check(_ volume: VolumeSpec, _ state: WorldState, for guest: GuestID) throws(DriverError) {
        if let bus = volume.bus, !Self.buses.contains(bus) {
            throw .notSupported("volume \(volume.id) wants the bus \(bus), which is not known here")
        }
        if let encryption = volume.encryption, !["luks", "plain"].contains(encryption.provider) {
            throw .notSupported("volume \(volume.id) is encrypted by \(encryption.provider), which is not known here")
        }
        if volume.connection.kind == .vmdk {
            throw .notSupported("volume \(volume.id) is a disk of VMware, which the fake driver cannot read")
        }
        let other = state.guests.values.first { other in
            other.id != guest && !other.isSetAside
                && other.volumes.contains { $0.id == volume.id && !($0.isShared && volume.isShared) }
        }
        if let other { throw .refused("volume \(volume.id) is held by guest \(other.id) and is not shared") }
    }

    private func check(_ devices: [String], _ state: WorldState, for guest: GuestID) throws(DriverError) {
        for address in devices {
            guard options.topology?.pciDevices.contains(where: { $0.address == address }) == true else {
                throw .refused("the node has no device \(address)")
            }
            if let other = state.guests.values.first(where: { $0.id != guest && $0.pciDevices.contains(address) }) {
                throw .insufficientResources("device \(address) belongs to guest \(other.id)")
            }
        }
    }

    private func check(_ topology: GuestTopology) throws(DriverError) {
        for cell in topology.cells {
            guard let host = options.topology?.cells.first(where: { $0.id == cell.hostCell }) else {
                throw .refused("the node has no NUMA cell \(cell.hostCell)")
            }
            guard host.cpus.isSuperset(of: cell.pinned.values) else {
                let wanted = cell.pinned.values.sorted()
                throw .refused("NUMA cell \(cell.hostCell) has not all of the processors \(wanted)")
            }
            if let page = cell.pageKiB, page != 4, host.pages[page] == nil {
                throw .refused("NUMA cell \(cell.hostCell) has no pages of \(page) KiB")
            }
        }
    }
}
