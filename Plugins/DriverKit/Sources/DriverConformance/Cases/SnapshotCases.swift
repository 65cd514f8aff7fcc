import ComputeModel
import DriverAPI

extension CallProbe {
    static let snapshot = CallProbe(
        id: "snapshots.snapshot", deed: "taking a snapshot of a guest", feature: .snapshot,
        needs: [.capability(.snapshots)], rehearsal: "snapshot",
        perform: { _, arranged, call in
            guard let snapshots = arranged.capabilities.snapshots, let format = snapshots.formats.first else { return }
            let target = SnapshotTarget(image: arranged.image, diskFormat: format)
            try await snapshots.snapshot(arranged.id, to: target, call)
        },
        verify: { bench, arranged in
            try bench.expectStored(arranged.image, "after a snapshot")
            try await bench.expectPower([.running], of: arranged.id, "after a snapshot")
            try await bench.expectBoots(1, of: arranged.id, "after a snapshot")
        })
}

extension ConformanceCase {
    /// Images of root disks.
    static let snapshotCases: [ConformanceCase] = {
        var list = CaseList()
        let needs = [ConformanceNeed.capability(.snapshots)]
        list.add("snapshots.stopped", .snapshot, "A snapshot of a stopped guest leaves it off", needs: needs) { bench in
            let guest = try await bench.spawn()
            try await bench.driver.powerOff(guest.id, within: .zero, bench.call())
            let before = try await bench.observe(guest.id)
            let image = try await bench.snapshot(guest.id)
            try bench.expectStored(image, "after a snapshot")
            try await bench.expectUnchanged(guest.id, since: before, "after a snapshot")
        }
        list.add(
            "snapshots.paused", .snapshot, "A snapshot of a paused guest leaves it paused",
            needs: needs + [.capability(.pausing)]
        ) { bench in
            let guest = try await bench.spawn()
            try await bench.pausing().pause(guest.id, bench.call())
            let image = try await bench.snapshot(guest.id)
            try bench.expectStored(image, "after a snapshot")
            try await bench.expectPower([.paused], of: guest.id, "after a snapshot")
        }
        list.add("snapshots.formats", .snapshot, "A snapshot is made in every format that is declared", needs: needs) {
            bench in
            let guest = try await bench.spawn()
            for format in try bench.snapshots().formats {
                let image = try await bench.snapshot(guest.id, format: format)
                try bench.expectStored(image, "after a snapshot as \(format)")
            }
        }
        list.add(
            "snapshots.unknown-format", .snapshot, "A format that is not declared is not supported", needs: needs
        ) { bench in
            let guest = try await bench.spawn()
            let before = try await bench.observe(guest.id)
            let (snapshots, call, image) = (try bench.snapshots(), bench.call(), ImageID.random())
            try await expectError([.notSupported], from: "a snapshot in an unknown format") {
                let target = SnapshotTarget(image: image, diskFormat: "conformance")
                try await snapshots.snapshot(guest.id, to: target, call)
            }
            try check(bench.subject.host.stored(image) == nil, "a snapshot in an unknown format was uploaded")
            try await bench.expectUnchanged(guest.id, since: before, "after a refused snapshot")
        }
        list.add(
            "snapshots.refused", .snapshot, "When the image service refuses the data nothing of the snapshot remains",
            needs: needs
        ) { bench in
            let guest = try await bench.spawn()
            let before = try await bench.observe(guest.id)
            let (snapshots, call) = (try bench.snapshots(), bench.call())
            bench.subject.host.failStores(with: .refused("the image was deleted meanwhile"))
            defer { bench.subject.host.failStores(with: nil) }
            try await expectError([.refused], from: "a snapshot that the image service refuses") {
                let target = SnapshotTarget(image: .random(), diskFormat: snapshots.formats.first ?? "raw")
                try await snapshots.snapshot(guest.id, to: target, call)
            }
            try await bench.expectUnchanged(guest.id, since: before, "after a refused snapshot")
        }
        list.add("snapshots.twice", .snapshot, "Two snapshots of a guest are two images", needs: needs) { bench in
            let guest = try await bench.spawn()
            let (first, second) = (try await bench.snapshot(guest.id), try await bench.snapshot(guest.id))
            try bench.expectStored(first, "after two snapshots")
            try bench.expectStored(second, "after two snapshots")
        }
        list.add(
            "snapshots.boots", .snapshot, "A guest is spawned from the snapshot of another", needs: needs, guests: 2
        ) { bench in
            let guest = try await bench.spawn()
            let format = try unwrap(bench.snapshots().formats.first, "snapshots in no format")
            let image = try await bench.snapshot(guest.id, format: format)
            let path = try unwrap(bench.subject.host.stored(image), "the snapshot was not uploaded")
            guard bench.capabilities.imageFormats.contains(format) else {
                throw CaseSkip.notShown("the driver boots no images of its first snapshot format \(format)")
            }
            var spec = bench.makeSpec()
            spec.image = bench.subject.host.offer(image: path, format: format)
            let copy = try await bench.spawn(spec)
            try await bench.expectPower([.running], of: copy.id, "after spawn from a snapshot")
        }
        list.add(
            "snapshots.quiesced", .snapshot, "A snapshot that must be quiet is taken through the guest's agent",
            needs: needs + [.capability(.quiescing)], parts: [.agent]
        ) { bench in
            let guest = try await bench.spawnWithAgent()
            let (snapshots, image) = (try bench.snapshots(), ImageID.random())
            let format = try unwrap(snapshots.formats.first, "snapshots in no format")
            try await snapshots.snapshot(
                guest.id, to: SnapshotTarget(image: image, diskFormat: format, mustQuiesce: true), bench.call())
            try bench.expectStored(image, "after a quiet snapshot")
            let isQuiet = try await bench.subject.insight?.isQuiet(guest.id)
            try check(isQuiet != true, "after a quiet snapshot the file systems are still frozen")
        }
        return CallProbe.snapshot.cases + list.cases
    }()
}

extension Bench {
    func snapshots() throws -> any SnapshottingGuests { try unwrap(capabilities.snapshots, "no snapshots") }

    /// Takes a snapshot.
    ///
    /// - Returns: the image that it went into.
    func snapshot(_ guest: GuestID, format: String? = nil) async throws -> ImageID {
        let (snapshots, call, image) = (try snapshots(), call(), ImageID.random())
        let chosen = try unwrap(format ?? snapshots.formats.first, "snapshots in no format")
        try await doing("a snapshot") {
            try await snapshots.snapshot(guest, to: SnapshotTarget(image: image, diskFormat: chosen), call)
        }
        return image
    }

    /// Fails the case unless the image has data.
    func expectStored(_ image: ImageID, _ when: String) throws {
        let path = try unwrap(subject.host.stored(image), "\(when) the image has no data")
        try check(subject.host.storedBytes(image) > 0, "\(when) the image's data \(path) is empty")
    }
}
