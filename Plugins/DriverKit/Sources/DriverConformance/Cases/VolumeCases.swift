import ComputeModel
import DriverAPI

extension CallProbe {
    static let attachVolume = CallProbe(
        id: "volumes.attach", deed: "attaching a volume to a guest", feature: .attachVolume,
        needs: [.capability(.volumes)], parts: [.volumes], rehearsal: "attach_volume",
        equip: { bench, arranged in arranged.volume = try await bench.volume() },
        perform: { bench, arranged, call in
            guard let volume = arranged.volume else { return }
            try await arranged.capabilities.volumes?.attach(volume, to: arranged.id, call)
        },
        verify: { bench, arranged in
            guard let volume = arranged.volume else { return }
            try await bench.expectVolumes([volume.id], of: arranged.id, "after attach")
        })

    static let detachVolume = CallProbe(
        id: "volumes.detach", deed: "detaching a volume from a guest", feature: .detachVolume,
        needs: [.capability(.volumes)], parts: [.volumes], rehearsal: "detach_volume",
        equip: { bench, arranged in arranged.volume = try await bench.volume() },
        position: { bench, arranged in
            guard let volume = arranged.volume else { return }
            try await arranged.capabilities.volumes?.attach(volume, to: arranged.id, bench.call())
        },
        perform: { bench, arranged, call in
            guard let volume = arranged.volume else { return }
            try await arranged.capabilities.volumes?.detach(volume.id, from: arranged.id, call)
        },
        verify: { bench, arranged in try await bench.expectVolumes([], of: arranged.id, "after detach") })

    static let extendVolume = CallProbe(
        id: "volume-extending.extend", deed: "extending a guest's volume", feature: .extendVolume,
        needs: [.capability(.volumes), .capability(.volumeExtending)], parts: [.volumes], rehearsal: "extend_volume",
        equip: { bench, arranged in arranged.volume = try await bench.volume() },
        position: { bench, arranged in
            guard let volume = arranged.volume else { return }
            try await arranged.capabilities.volumes?.attach(volume, to: arranged.id, bench.call())
            try await bench.subject.volumes?.grow(volume, toGiB: 2)
        },
        perform: { bench, arranged, call in
            guard let volume = arranged.volume else { return }
            try await arranged.capabilities.volumeExtending?.extend(volume.id, of: arranged.id, toGiB: 2, call)
        },
        verify: { bench, arranged in
            guard let volume = arranged.volume else { return }
            try await bench.expectVolumes([volume.id], of: arranged.id, "after extend")
            let size = try await bench.subject.insight?.sizeGiB(of: volume.id, in: arranged.id)
            try check(size == nil || size == 2, "after extend to 2 GiB the guest sees \(size ?? 0) GiB")
        })

    static let swapVolume = CallProbe(
        id: "volume-swapping.swap", deed: "swapping a guest's volume", feature: .swapVolume,
        needs: [.capability(.volumes), .capability(.volumeSwapping)], parts: [.volumes], rehearsal: "swap_volume",
        equip: { bench, arranged in
            arranged.volume = try await bench.volume()
            arranged.otherVolume = try await bench.volume()
        },
        position: { bench, arranged in
            guard let volume = arranged.volume else { return }
            try await arranged.capabilities.volumes?.attach(volume, to: arranged.id, bench.call())
        },
        perform: { bench, arranged, call in
            guard let old = arranged.volume, let new = arranged.otherVolume else { return }
            try await arranged.capabilities.volumeSwapping?.swap(old.id, for: new, of: arranged.id, call)
        },
        verify: { bench, arranged in
            guard let new = arranged.otherVolume else { return }
            try await bench.expectVolumes([new.id], of: arranged.id, "after swap")
        })
}

extension ConformanceCase {
    /// Volumes.
    static let volumeCases: [ConformanceCase] = {
        var list = CaseList()
        addConnectorCases(&list)
        addVolumeCases(&list)
        addVolumeErrorCases(&list)
        addExtendAndSwapCases(&list)
        addVolumeFactCases(&list)
        for (kind, feature) in [
            (VolumeConnection.Kind.iscsi, FeatureKey.iscsi), (.rbd, .blockStorage), (.nfs, .blockStorage),
            (.nbd, .blockStorage), (.block, .blockStorage), (.vmdk, .blockStorage), (.file, .blockStorage),
        ] {
            addConnectionCase(kind, feature, &list)
        }
        return CallProbe.attachVolume.cases + CallProbe.detachVolume.cases + CallProbe.extendVolume.cases
            + CallProbe.swapVolume.cases + list.cases
    }()

    private static let needs = [ConformanceNeed.capability(.volumes)]

    private static func addConnectorCases(_ list: inout CaseList) {
        list.add(
            "volumes.connector", .blockStorage, "The connector names the host and the kinds of connection it takes",
            needs: needs, guests: 0, quick: true
        ) { bench in
            let connector = try await bench.volumes().connector()
            try check(!connector.host.isEmpty, "the connector does not name the host")
            try check(!connector.kinds.isEmpty, "the connector takes no kind of connection")
            let needsInitiator = connector.kinds.contains(.iscsi)
            try check(!needsInitiator || connector.initiator?.isEmpty == false, "iSCSI is taken without an initiator")
        }
        list.add(
            "volumes.connector.ip", .hostIP, "The connector names the host's address", needs: needs, guests: 0
        ) { bench in
            let address = try await bench.volumes().connector().ip
            let isAddress = address.contains(".") || address.contains(":")
            try check(isAddress, "the host's address is '\(address)'")
        }
    }

    private static func addVolumeCases(_ list: inout CaseList) {
        list.add(
            "volumes.attach.stopped", .attachVolume, "A volume attached to a stopped guest is there when it runs",
            needs: needs, parts: [.volumes]
        ) { bench in
            let (guest, volume) = (try await bench.spawn(), try await bench.volume())
            try await bench.driver.powerOff(guest.id, within: .zero, bench.call())
            try await bench.volumes().attach(volume, to: guest.id, bench.call())
            try await bench.expectVolumes([volume.id], of: guest.id, "after attach to a stopped guest")
            try await bench.driver.powerOn(guest.id, bench.call())
            try await bench.expectVolumes([volume.id], of: guest.id, "after powerOn")
        }
        list.add(
            "volumes.detach.stopped", .detachVolume, "A volume is detached from a stopped guest and stays away",
            needs: needs, parts: [.volumes]
        ) { bench in
            let (guest, volume) = (try await bench.spawn(), try await bench.volume())
            try await bench.volumes().attach(volume, to: guest.id, bench.call())
            try await bench.driver.powerOff(guest.id, within: .zero, bench.call())
            try await bench.volumes().detach(volume.id, from: guest.id, bench.call())
            try await bench.driver.powerOn(guest.id, bench.call())
            try await bench.expectVolumes([], of: guest.id, "after detach and powerOn")
        }
        list.add(
            "volumes.attach.attached", .attachVolume, "Attaching an attached volume succeeds and adds no second device",
            needs: needs, parts: [.volumes]
        ) { bench in
            let (guest, volume) = (try await bench.spawn(), try await bench.volume())
            try await bench.volumes().attach(volume, to: guest.id, bench.call())
            let before = try await bench.observe(guest.id)
            try await bench.volumes().attach(volume, to: guest.id, bench.call())
            try await bench.expectUnchanged(guest.id, since: before, "after attach of an attached volume")
        }
        list.add(
            "volumes.detach.not-attached", .detachVolume, "Detaching a volume that is not attached succeeds",
            needs: needs, parts: [.volumes]
        ) { bench in
            let (guest, volume) = (try await bench.spawn(), try await bench.volume())
            try await bench.volumes().attach(volume, to: guest.id, bench.call())
            let (volumes, call) = (try bench.volumes(), bench.call())
            try await doing("detach of a volume that is not attached") {
                try await volumes.detach(.random(), from: guest.id, call)
            }
            try await bench.expectVolumes([volume.id], of: guest.id, "after detach of another volume")
        }
        list.add(
            "volumes.attach.two", .attachVolume, "Two volumes come and go one by one", needs: needs, parts: [.volumes]
        ) { bench in
            let (guest, first, second) = (
                try await bench.spawn(), try await bench.volume(), try await bench.volume(),
            )
            let volumes = try bench.volumes()
            try await volumes.attach(first, to: guest.id, bench.call())
            try await volumes.attach(second, to: guest.id, bench.call())
            try await bench.expectVolumes([first.id, second.id], of: guest.id, "after two attaches")
            try await volumes.detach(first.id, from: guest.id, bench.call())
            try await bench.expectVolumes([second.id], of: guest.id, "after detach of one of two")
        }
        list.add(
            "volumes.attach.lasts", .attachVolume, "A volume stays attached through a reboot and a power cycle",
            needs: needs, parts: [.volumes]
        ) { bench in
            let (guest, volume) = (try await bench.spawn(), try await bench.volume())
            try await bench.volumes().attach(volume, to: guest.id, bench.call())
            try await bench.driver.reboot(guest.id, .hard, within: .zero, bench.call())
            try await bench.expectVolumes([volume.id], of: guest.id, "after a reboot")
            try await bench.driver.powerOff(guest.id, within: .zero, bench.call())
            try await bench.driver.powerOn(guest.id, bench.call())
            try await bench.expectVolumes([volume.id], of: guest.id, "after a power cycle")
        }
        list.add(
            "volumes.of-two-guests", .blockStorage, "Each of two guests has its own volumes", needs: needs,
            parts: [.volumes], guests: 2
        ) { bench in
            let (first, second) = (try await bench.spawn(), try await bench.spawn())
            let (one, other) = (try await bench.volume(), try await bench.volume())
            try await bench.volumes().attach(one, to: first.id, bench.call())
            try await bench.volumes().attach(other, to: second.id, bench.call())
            try await bench.expectVolumes([one.id], of: first.id, "with another guest beside it")
            try await bench.expectVolumes([other.id], of: second.id, "with another guest beside it")
        }
        list.add(
            "volumes.spawn", .blockStorage, "A guest is spawned with a volume beside its root disk", needs: needs,
            parts: [.volumes]
        ) { bench in
            let volume = try await bench.volume()
            let guest = try await bench.spawn { $0.volumes = [volume] }
            try await bench.expectVolumes([volume.id], of: guest.id, "after spawn")
            try await bench.volumes().detach(volume.id, from: guest.id, bench.call())
            try await bench.expectVolumes([], of: guest.id, "after detach")
        }
        list.add(
            "volumes.destroy-keeps", .blockStorage, "Destroying a guest leaves its volumes' content", needs: needs,
            parts: [.volumes]
        ) { bench in
            let volume = try await bench.volume()
            let bytes = Array("kilonova-conformance".utf8)
            try await bench.subject.volumes?.write(bytes, to: volume)
            let guest = try await bench.spawn { $0.volumes = [volume] }
            try await bench.driver.destroy(guest.id, bench.call())
            let found = try await bench.subject.volumes?.read(bytes.count, from: volume)
            try check(found == nil || found == bytes, "after destroy the volume has another content")
        }
    }

    private static func addVolumeErrorCases(_ list: inout CaseList) {
        list.add(
            "volumes.of.absent-guest", .blockStorage, "The volumes of an absent guest are an error that says so",
            needs: needs, guests: 0
        ) { bench in
            let (volumes, guest) = (try bench.volumes(), GuestID.random())
            try await expectError([.noSuchGuest], from: "listing the volumes of an absent guest") {
                _ = try await volumes.volumes(of: guest)
            }
        }
        list.add(
            "volumes.attach.unknown-connection", .blockStorage,
            "A connection of a kind that is not declared is not supported", needs: needs
        ) { bench in
            let (guest, volumes) = (try await bench.spawn(), try bench.volumes())
            let kinds = try await volumes.connector().kinds
            let before = try await bench.observe(guest.id)
            for connection in strangeConnections where !kinds.contains(connection.kind) {
                let volume = VolumeSpec(id: .random(), connection: connection, sizeGiB: 1)
                let call = bench.call()
                try await expectError([.notSupported], from: "attaching by \(connection.kind.rawValue)") {
                    try await volumes.attach(volume, to: guest.id, call)
                }
            }
            try await bench.expectUnchanged(guest.id, since: before, "after refused attaches")
        }
        list.add(
            "volumes.attach.unknown-bus", .attachVolume, "A bus that nobody knows is not supported", needs: needs,
            parts: [.volumes]
        ) { bench in
            var volume = try await bench.volume()
            volume.bus = "conformance"
            try await refused(bench, volume, [.notSupported], "attaching on an unknown bus")
        }
        list.add(
            "volumes.attach.name-in-use", .attachVolume, "A device name that is in use is refused", needs: needs,
            parts: [.volumes]
        ) { bench in
            let guest = try await bench.spawn()
            var (first, second) = (try await bench.volume(), try await bench.volume())
            (first.deviceName, second.deviceName) = ("/dev/vdq", "/dev/vdq")
            let volumes = try bench.volumes()
            try await volumes.attach(first, to: guest.id, bench.call())
            let call = bench.call()
            do {
                try await volumes.attach(second, to: guest.id, call)
            } catch {
                let isTyped = ErrorKind.of(error) == .refused
                try check(isTyped, "a device name in use made attach throw \(told(error))")
                return try await bench.expectVolumes([first.id], of: guest.id, "after a refused attach")
            }
            // The name is a wish where the hypervisor names devices by itself.
            try await bench.expectVolumes([first.id, second.id], of: guest.id, "after both attaches")
        }
        list.add(
            "volumes.attach.missing", .attachVolume, "A volume that is not there is an error and is not attached",
            needs: needs + [.connection(.file)], parts: [.volumes]
        ) { bench in
            let volume = VolumeSpec(
                id: .random(), connection: .file(path: "/nonexistent/conformance.raw", format: "raw"), sizeGiB: 1)
            let guest = try await bench.spawn()
            let before = try await bench.observe(guest.id)
            do {
                try await bench.volumes().attach(volume, to: guest.id, bench.call())
            } catch {
                try check(ErrorKind.of(error) != nil, "attaching a missing file threw \(told(error))")
                return try await bench.expectUnchanged(guest.id, since: before, "after attach of a missing file")
            }
            throw CaseSkip.notShown("the hypervisor does not look at a volume before the guest does")
        }
    }

    private static func refused(
        _ bench: Bench, _ volume: VolumeSpec, _ kinds: Set<ErrorKind>, _ what: String
    ) async throws {
        let guest = try await bench.spawn()
        let before = try await bench.observe(guest.id)
        let (volumes, call) = (try bench.volumes(), bench.call())
        try await expectError(kinds, from: what) { try await volumes.attach(volume, to: guest.id, call) }
        try await bench.expectUnchanged(guest.id, since: before, "after " + what)
    }

    private static let strangeConnections: [VolumeConnection] = [
        .file(path: "/nonexistent/conformance", format: "raw"), .block(path: "/nonexistent/conformance"),
        .iscsi(ISCSITarget(portal: "192.0.2.1:3260", name: "iqn.2010-10.org.openstack:conformance", lun: 1)),
        .rbd(RBDImage(pool: "conformance", image: "conformance", monitors: ["192.0.2.1:6789"], user: "conformance")),
        .nfs(export: "192.0.2.1:/conformance", file: "conformance", format: "raw"),
        .nbd(host: "192.0.2.1", port: 10809, export: "conformance"), .vmdk(machine: "conformance", datastore: nil),
    ]

    private static func addExtendAndSwapCases(_ list: inout CaseList) {
        let extends = needs + [.capability(.volumeExtending)]
        let swaps = needs + [.capability(.volumeSwapping)]
        list.add(
            "volume-extending.not-attached", .extendVolume,
            "Extending a volume that the guest does not hold is refused",
            needs: extends
        ) { bench in
            let guest = try await bench.spawn()
            let extending = try unwrap(bench.capabilities.volumeExtending, "no extending")
            let call = bench.call()
            try await expectError([.refused], from: "extending a volume that is not attached") {
                try await extending.extend(.random(), of: guest.id, toGiB: 2, call)
            }
        }
        list.add(
            "volume-extending.smaller", .extendVolume, "A volume that is extended to less keeps its size",
            needs: extends, parts: [.volumes]
        ) { bench in
            let (guest, volume) = (try await bench.spawn(), try await bench.volume(sizeGiB: 2))
            try await bench.volumes().attach(volume, to: guest.id, bench.call())
            let before = try await bench.observe(guest.id)
            let extending = try unwrap(bench.capabilities.volumeExtending, "no extending")
            do {
                try await extending.extend(volume.id, of: guest.id, toGiB: 1, bench.call())
            } catch {
                try check(ErrorKind.of(error) == .refused, "extending to less threw \(told(error))")
            }
            try await bench.expectUnchanged(guest.id, since: before, "after it was extended to less")
            let size = try await bench.subject.insight?.sizeGiB(of: volume.id, in: guest.id)
            try check(size == nil || size == 2, "after it was extended to less the guest sees \(size ?? 0) GiB")
        }
        list.add(
            "volume-swapping.content", .swapVolume, "After a swap the new volume has the old one's content",
            needs: swaps, parts: [.volumes], quick: true
        ) { bench in
            let (old, new) = (try await bench.volume(), try await bench.volume())
            let bytes = Array("kilonova-conformance-\(UUIDValue.random())".utf8)
            try await bench.subject.volumes?.write(bytes, to: old)
            let guest = try await bench.spawn()
            try await bench.volumes().attach(old, to: guest.id, bench.call())
            let swapping = try unwrap(bench.capabilities.volumeSwapping, "no swapping")
            try await swapping.swap(old.id, for: new, of: guest.id, bench.call())
            try await bench.expectVolumes([new.id], of: guest.id, "after swap")
            try await bench.volumes().detach(new.id, from: guest.id, bench.call())
            guard let found = try await bench.subject.volumes?.read(bytes.count, from: new) else { return }
            try check(found == bytes, "after swap the new volume has another content")
        }
        list.add(
            "volume-swapping.not-attached", .swapVolume, "Swapping a volume that the guest does not hold is refused",
            needs: swaps, parts: [.volumes]
        ) { bench in
            let (guest, new) = (try await bench.spawn(), try await bench.volume())
            let swapping = try unwrap(bench.capabilities.volumeSwapping, "no swapping")
            let call = bench.call()
            try await expectError([.refused], from: "swapping a volume that is not attached") {
                try await swapping.swap(.random(), for: new, of: guest.id, call)
            }
            try await bench.expectVolumes([], of: guest.id, "after a refused swap")
        }
        list.add(
            "volume-swapping.smaller", .swapVolume, "Swapping for a smaller volume is refused and keeps the old one",
            needs: swaps, parts: [.volumes]
        ) { bench in
            let (guest, old, new) = (
                try await bench.spawn(), try await bench.volume(sizeGiB: 2), try await bench.volume(sizeGiB: 1),
            )
            try await bench.volumes().attach(old, to: guest.id, bench.call())
            let swapping = try unwrap(bench.capabilities.volumeSwapping, "no swapping")
            let call = bench.call()
            try await expectError([.refused], from: "swapping for a smaller volume") {
                try await swapping.swap(old.id, for: new, of: guest.id, call)
            }
            try await bench.expectVolumes([old.id], of: guest.id, "after a refused swap")
        }
    }

    private static func addConnectionCase(
        _ kind: VolumeConnection.Kind, _ feature: FeatureKey, _ list: inout CaseList
    ) {
        list.add(
            "volumes.connection.\(kind.rawValue)", feature, "A \(kind.rawValue) volume is attached and detached",
            needs: needs + [.connection(kind)], parts: [.volumes]
        ) { bench in
            let (guest, volume) = (try await bench.spawn(), try await bench.volume(kind))
            try await bench.volumes().attach(volume, to: guest.id, bench.call())
            try await bench.expectVolumes([volume.id], of: guest.id, "after attach")
            try await bench.volumes().detach(volume.id, from: guest.id, bench.call())
            try await bench.expectVolumes([], of: guest.id, "after detach")
        }
    }
}

extension Bench {
    func volumes() throws -> any AttachingVolumes { try unwrap(capabilities.volumes, "the driver attaches no volumes") }

    /// Fails the case unless the guest holds exactly these volumes.
    func expectVolumes(_ wanted: Set<VolumeID>, of guest: GuestID, _ when: String, on node: Node? = nil) async throws {
        let volumes = (node ?? self.node).driver.capabilities.volumes
        let attaching = try unwrap(volumes, "the driver attaches no volumes")
        let found = try await doing("listing volumes") { try await attaching.volumes(of: guest) }
        guard found != wanted else { return }
        let (missing, extra) = (wanted.subtracting(found).count, found.subtracting(wanted).count)
        throw CaseFailure(description: "\(when) the guest lacks \(missing) of its volumes and has \(extra) others")
    }
}
