import ComputeModel
import DriverAPI
import DriverSupport
import Glibc

/// Gives volumes to guests.
struct Volumes: AttachingVolumes {
    let driver: LibvirtDriver

    func connector() async throws(DriverError) -> VolumeConnector {
        VolumeConnector(
            host: driver.host.nodeName, ip: driver.options.myAddress, initiator: await driver.initiator(),
            kinds: driver.facts.volumeKinds)
    }

    func attach(_ volume: VolumeSpec, to guest: GuestID, _ call: DriverCall) async throws(DriverError) {
        try driver.checkVolume(volume)
        try await driver.changing(guest, call) { held async throws(DriverError) in
            guard !held.isSaved else { throw .refused("guest \(guest) is suspended; resume it first") }
            let kept = try await driver.keptDocument(guest)
            let bus = volume.bus ?? kept.diskBus
            if held.isActive, !["virtio", "scsi", "usb"].contains(bus) {
                throw .notSupported("attaching a volume to a running guest on the bus \(bus)")
            }
            let live = held.isActive ? try await driver.document(of: guest, .live) : nil
            let there = kept.disk(of: volume.id) ?? live?.liveDisk(of: volume.id, kept: kept)
            let name: String
            if let given = there?.child("target")?["dev"] {
                name = given
            } else {
                var names = DeviceNames(used: try await driver.namesInUse(guest, live))
                name = try names.take(volume.deviceName, on: bus, insists: true)
            }
            var device = try await driver.volumeElement(volume, device: name, bus: bus)
            try await withRollback { (rollback: inout Rollback) async throws(DriverError) in
                if kept.disk(of: volume.id) == nil {
                    rollback.onFailure { await driver.forgetSecrets(of: [volume.id]) }
                }
                try await driver.keepSecrets(of: [volume])
                if let live {
                    if bus == "scsi", !live.hasSCSIController {
                        _ = try await driver.plug(Self.controller, into: guest) {
                            $0.hasSCSIController ? Self.controller : nil
                        }
                    }
                    let isNew = live.liveDisk(of: volume.id, kept: kept) == nil
                    let plugged = isNew ? try await driver.plug(device, into: guest) { $0.disk(of: volume.id) } : device
                    if isNew {
                        rollback.onFailure { await driver.takeBack(plugged, from: guest) }
                        if let place = plugged.child("address") { device.add(place) }
                    }
                }
                if kept.disk(of: volume.id) != nil { return }
                let new = device
                try await driver.changeKept(guest) { document throws(DriverError) in
                    if bus == "scsi", !document.hasSCSIController { document.add(Self.controller) }
                    document.add(new)
                }
            }
        }
    }

    private static let controller = XMLElement(
        "controller", ["type": "scsi", "index": "0", "model": "virtio-scsi"])

    func detach(_ volume: VolumeID, from guest: GuestID, _ call: DriverCall) async throws(DriverError) {
        try await driver.changing(guest, call) { held async throws(DriverError) in
            guard !held.isSaved else { throw .refused("guest \(guest) is suspended; resume it first") }
            let kept = try await driver.keptDocument(guest)
            if held.isActive {
                try await driver.unplug("the volume \(volume)", from: guest) { $0.liveDisk(of: volume, kept: kept) }
            }
            if kept.disk(of: volume) != nil {
                try await driver.changeKept(guest) { document throws(DriverError) in
                    document.remove { $0.name == "disk" && GuestDocument.volume(of: $0) == volume }
                }
            }
            await driver.forgetSecrets(of: [volume])
        }
    }

    func volumes(of guest: GuestID) async throws(DriverError) -> Set<VolumeID> {
        guard case .ours = try await driver.presence(of: guest) else { throw .noSuchGuest(guest) }
        let kept = try await driver.keptDocument(guest)
        return try await driver.document(of: guest, .live).liveVolumes(kept: kept)
    }
}

/// Tells guests that volumes have grown.
struct VolumeExtending: ExtendingVolumes {
    let driver: LibvirtDriver

    func extend(
        _ volume: VolumeID, of guest: GuestID, toGiB sizeGiB: Int, _ call: DriverCall
    ) async throws(DriverError) {
        try await driver.changing(guest, call) { held async throws(DriverError) in
            let kept = try await driver.keptDocument(guest)
            guard held.isActive else {
                // A guest that is off sees the size when it starts.
                guard kept.disk(of: volume) != nil else { throw Self.notHeld(volume, guest) }
                return
            }
            guard let disk = try await driver.document(of: guest, .live).liveDisk(of: volume, kept: kept),
                let target = disk.child("target")?["dev"]
            else { throw Self.notHeld(volume, guest) }
            var bytes = UInt64(clamping: sizeGiB) << 30
            let source = disk.child("source")
            if source?.child("encryption") != nil || disk.child("encryption") != nil {
                guard let path = source?["file"] ?? source?["dev"] else {
                    throw .notSupported("extending an encrypted volume that QEMU reaches over the network")
                }
                guard let offset = await driver.threads.run({ DiskHeader.payloadOffset(ofLUKS: path) }) else {
                    throw .failed("\(path) of the volume \(volume) bears no LUKS header")
                }
                bytes -= min(bytes, offset)
            }
            let wanted = bytes
            try await driver.session.change(guest) { connection throws(LibvirtFailure) in
                guard let domain = try connection.domain(guest) else { throw .noDomain("look up the guest") }
                guard try domain.diskBytes(target) < wanted else { return }
                try domain.resizeDisk(target, bytes: wanted)
            }
        }
    }

    static func notHeld(_ volume: VolumeID, _ guest: GuestID) -> DriverError {
        .refused("guest \(guest) does not hold the volume \(volume)")
    }
}

/// Swaps volumes under running guests.
struct VolumeSwapping: SwappingVolumes {
    let driver: LibvirtDriver

    func swap(
        _ old: VolumeID, for new: VolumeSpec, of guest: GuestID, _ call: DriverCall
    ) async throws(DriverError) {
        try driver.checkVolume(new)
        try await driver.changing(guest, call) { held async throws(DriverError) in
            let kept = try await driver.keptDocument(guest)
            if let there = kept.disk(of: new.id) {
                let wanted = try await driver.volumeElement(new, device: "vda", bus: "virtio")
                if GuestDocument.haveSameSource(there, wanted) { return }
                guard old == new.id else { throw .refused("guest \(guest) holds the volume \(new.id) elsewhere") }
            }
            guard held.isActive else {
                throw .refused("guest \(guest) does not run: a volume is swapped under a running guest")
            }
            let live = try await driver.document(of: guest, .live)
            guard let disk = live.liveDisk(of: old, kept: kept), let target = disk.child("target"),
                let name = target["dev"], let bus = target["bus"]
            else { throw VolumeExtending.notHeld(old, guest) }
            let size = try await driver.session.read(guest) { connection throws(LibvirtFailure) in
                try connection.domain(guest)?.diskBytes(name) ?? 0
            }
            guard UInt64(clamping: new.sizeGiB) << 30 >= size else {
                throw .refused("volume \(new.id) of \(new.sizeGiB) GiB is smaller than the \(size) bytes of \(old)")
            }
            var device = try await driver.volumeElement(new, device: name, bus: bus)
            let copy = device
            try await withRollback { (rollback: inout Rollback) async throws(DriverError) in
                if old != new.id { rollback.onFailure { await driver.forgetSecrets(of: [new.id]) } }
                try await driver.keepSecrets(of: [new])
                let isThere = GuestDocument.haveSameSource(disk, copy)
                if !isThere { try await mirror(name, to: copy, guest) }
                if let boot = kept.disk(of: old)?.child("boot") { device.add(boot) }
                if let place = kept.disk(of: old)?.child("address") { device.add(place) }
                let replacement = device
                // The guest runs on the new volume now: what is kept must say so, however often it takes.
                try await driver.changeKept(guest) { document throws(DriverError) in
                    document.editDevices { element in
                        if element.name == "disk", GuestDocument.volume(of: element) == old { element = replacement }
                    }
                }
            }
            if old != new.id { await driver.forgetSecrets(of: [old]) }
        }
    }

    /// Copies the disk and lets the guest go on with the copy.
    private func mirror(_ name: String, to copy: XMLElement, _ guest: GuestID) async throws(DriverError) {
        let session = driver.session
        do throws(DriverError) {
            let running = try await session.read(guest) { connection throws(LibvirtFailure) in
                try connection.domain(guest)?.diskJob(name) != nil
            }
            if running {
                // Left by an interrupted call, whose copy nobody has watched.
                try await end(name, guest, pivoting: false)
            }
            try await session.change(guest) { connection throws(LibvirtFailure) in
                try connection.domain(guest)?.mirror(name, to: copy)
            }
            while true {
                let progress = try await session.read(guest) { connection throws(LibvirtFailure) in
                    try connection.domain(guest)?.diskJob(name)
                }
                guard let progress else {
                    throw .failed("the copy of disk \(name) of guest \(guest) ended before it was complete")
                }
                let percent = progress.total > 0 ? Int(progress.done * 100 / progress.total) : 0
                driver.host.report(DriverProgress(guest: guest, phase: "copying volume", percent: percent))
                let live = try await driver.document(of: guest, .live)
                if live.disk(named: name)?.child("mirror")?["ready"] == "yes" { break }
                try await driver.pause()
            }
            try await end(name, guest, pivoting: true)
        } catch {
            let reason = error
            await Task { try? await end(name, guest, pivoting: false) }.value
            throw reason
        }
    }

    private func end(_ name: String, _ guest: GuestID, pivoting: Bool) async throws(DriverError) {
        try await driver.session.change(guest) { connection throws(LibvirtFailure) in
            try connection.domain(guest)?.endDiskJob(name, pivoting: pivoting)
        }
    }
}

extension LibvirtDriver {
    /// Refuses volumes that could never be attached.
    func checkVolume(_ volume: VolumeSpec) throws(DriverError) {
        guard facts.volumeKinds.contains(volume.connection.kind) else {
            throw .notSupported("volumes of kind \(volume.connection.kind.rawValue) with this host's QEMU")
        }
        if let bus = volume.bus, !VolumeDisk.buses.contains(bus) { throw .notSupported("volumes on the bus \(bus)") }
    }

    /// The `<disk>` element of a volume, for this host.
    func volumeElement(
        _ volume: VolumeSpec, device: String, bus: String, bootOrder: Int? = nil
    ) async throws(DriverError) -> XMLElement {
        var hasDirectAccess = true
        if case .file(let path, _) = volume.connection {
            hasDirectAccess = await threads.run { opensDirectly(path) }
        }
        return try VolumeDisk.element(
            volume, device: device, bus: bus, bootOrder: bootOrder, hasDirectAccess: hasDirectAccess,
            initiator: volume.connection.kind == .iscsi ? await initiator() : nil)
    }

    /// The name under which QEMU asks iSCSI targets, which the volume service lets in: the host's, where it has one,
    /// else one that is made from the node's, as QEMU's own choice would differ from guest to guest.
    func initiator() async -> String {
        let known: String? = await threads.run {
            (try? readText("/etc/iscsi/initiatorname.iscsi", bytesMax: 4096))?.split(separator: "\n")
                .first { $0.hasPrefix("InitiatorName=") }.map { String($0.dropFirst("InitiatorName=".count)) }
        }
        let node = host.nodeName.lowercased().filter { $0.isASCII && ($0.isLetter || $0.isNumber || "-.".contains($0)) }
        return known ?? "iqn.2008-11.org.linux-kvm:\(node)"
    }

    /// Device names that the guest has anywhere: as it is kept, in rescue, and now.
    func namesInUse(_ guest: GuestID, _ live: GuestDocument?) async throws(DriverError) -> Set<String> {
        var names = try await keptDocument(guest).deviceNames.union(live?.deviceNames ?? [])
        let rescue = directory(of: guest).rescueDefinition
        let text: String? = await threads.run { try? readText(rescue, bytesMax: 1 << 20) }
        if let text, let root = try? XMLReader.parse(text) { names.formUnion(GuestDocument(root).deviceNames) }
        return names
    }

    /// Lets libvirt keep what volumes need and a definition may not hold.
    func keepSecrets(of volumes: [VolumeSpec]) async throws(DriverError) {
        for volume in volumes {
            for (use, value) in VolumeDisk.secrets(volume) {
                try await session.change { connection throws(LibvirtFailure) in
                    try connection.keepSecret(use, of: volume.id, value)
                }
            }
        }
    }

    /// Lets libvirt forget that; a failure leaves a secret that nobody can read.
    func forgetSecrets(of volumes: some Sequence<VolumeID>) async {
        for volume in volumes {
            do throws(DriverError) {
                try await session.change { connection throws(LibvirtFailure) in
                    try connection.forgetSecrets(of: volume)
                }
            } catch {
                host.log(.warning, "a volume's secret stays", ["volume.id": volume.description, "error": error.message])
            }
        }
    }
}
