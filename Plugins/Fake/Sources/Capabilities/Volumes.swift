import ComputeModel
import DriverAPI

/// Gives volumes to guests.
struct Volumes: AttachingVolumes {
    let hypervisor: Hypervisor

    func connector() async throws(DriverError) -> VolumeConnector {
        try await hypervisor.enter(.connector)
        let node = hypervisor.host.nodeName
        return VolumeConnector(
            host: node, ip: hypervisor.options.consoleAddress, initiator: "iqn.2026-11.org.kilonova:\(node)",
            kinds: Set(VolumeConnection.Kind.allCases).subtracting([.vmdk]))
    }

    func attach(_ volume: VolumeSpec, to guest: GuestID, _ call: DriverCall) async throws(DriverError) {
        let hypervisor = hypervisor
        let subject = volume.id.description
        _ = try await hypervisor.carryOut(.attachVolume, guest, call, about: subject) { (known) throws(DriverError) in
            let known = try hypervisor.own(known, guest)
            try await hypervisor.rehearse(.attachVolume, "guest \(guest)", known.metadata)
            try hypervisor.commit(.attachVolume, guest, call, about: subject) { (guest, state) throws(DriverError) in
                try hypervisor.rules.check(volume, state, for: guest.id)
                try guest.attach(volume, twice: hypervisor.mutation == .attachVolumeTwice)
            }
            return ""
        }
    }

    func detach(_ volume: VolumeID, from guest: GuestID, _ call: DriverCall) async throws(DriverError) {
        let mutation = hypervisor.mutation
        let subject = volume.description
        try await hypervisor.change(.detachVolume, guest, call, about: subject) { (guest) throws(DriverError) in
            guard let index = guest.volumes.firstIndex(where: { $0.id == volume }) else {
                if mutation == .detachThrowsAbsent { throw .refused("volume \(volume) is not attached") }
                return
            }
            if mutation != .detachNoop { guest.volumes.remove(at: index) }
        }
    }

    func volumes(of guest: GuestID) async throws(DriverError) -> Set<VolumeID> {
        let found = try await hypervisor.look(.volumes, guest) { Set($0.volumes.map(\.id)) }
        guard hypervisor.mutation == .volumesOfOtherGuest else { return found }
        return hypervisor.world.read { Set($0.guests.values.flatMap { $0.volumes.map(\.id) }) }
    }
}

/// Tells guests that volumes have grown.
struct VolumeExtending: ExtendingVolumes {
    let hypervisor: Hypervisor

    func extend(_ volume: VolumeID, of guest: GuestID, toGiB sizeGiB: Int, _ call: DriverCall)
        async throws(DriverError)
    {
        let mutation = hypervisor.mutation
        let subject = "\(volume)/\(sizeGiB)"
        try await hypervisor.change(.extendVolume, guest, call, about: subject) { (guest) throws(DriverError) in
            guard let index = guest.volumes.firstIndex(where: { $0.id == volume }) else {
                throw .refused("guest \(guest.id) does not hold volume \(volume)")
            }
            let size = guest.volumes[index].sizeGiB
            guard sizeGiB >= size || mutation == .extendShrinks else {
                throw .refused("volume \(volume) has \(size) GiB: it cannot shrink to \(sizeGiB)")
            }
            guest.volumes[index].sizeGiB = sizeGiB
        }
    }
}

extension FakeGuest {
    /// Attaches a volume; nothing for one that is attached.
    fileprivate mutating func attach(_ volume: VolumeSpec, twice: Bool) throws(DriverError) {
        if volumes.contains(where: { $0.id == volume.id }), !twice { return }
        guard volumes.count < GuestRules.volumesMax else {
            throw .insufficientResources("guest \(id) has \(volumes.count) volumes and no room for another")
        }
        if let name = volume.deviceName {
            let other = volumes.first { $0.deviceName == name && $0.id != volume.id }
            if let other { throw .refused("device name \(name) of guest \(id) is in use by volume \(other.id)") }
        }
        var attached = AttachedVolume(volume)
        attached.deviceName = volume.deviceName ?? freeDeviceName
        volumes.append(attached)
    }

    /// The first name that no volume has; the root disk is `/dev/vda`.
    var freeDeviceName: String? {
        let names = Set(volumes.compactMap(\.deviceName))
        let letters = "bcdefghijklmnopqrstuvwxyz"
        let short = letters.map { "/dev/vd\($0)" }
        let long = "abc".flatMap { first in letters.map { "/dev/vd\(first)\($0)" } }
        return (short + long).first { !names.contains($0) }
    }
}
