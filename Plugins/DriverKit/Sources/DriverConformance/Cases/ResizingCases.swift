import ComputeModel
import DriverAPI

extension CallProbe {
    private static let moveNeeds = [ConformanceNeed.capability(.resizing)]
    /// What a call has on a node that has not seen the guest before.
    private static let atDestination: Set<Aspect> = [.does, .repeated, .fails, .cancelled, .killed, .restarted]

    static let depart = CallProbe(
        id: "resizing.depart", deed: "sending a guest off", feature: .resize, needs: moveNeeds, parts: [.secondNode],
        rehearsal: "depart", isQuick: false, mayEndOff: true,
        equip: { bench, arranged in arranged.coldMove = try bench.coldMove() },
        perform: { bench, arranged, call in
            guard let resizing = arranged.capabilities.resizing, let move = arranged.coldMove else { return }
            let package = try await resizing.depart(arranged.id, move, call)
            bench.track(departureOf: arranged.guest, package, to: try bench.second())
        },
        verify: { bench, arranged in
            let power = try await bench.power(of: arranged.id)
            try check(power != .running, "after it departed the guest runs at the source")
        })

    static let arrive = CallProbe(
        id: "resizing.arrive", deed: "receiving a guest", feature: .resize, needs: moveNeeds, parts: [.secondNode],
        rehearsal: "arrive", isQuick: false, aspects: atDestination,
        make: { bench, metadata in try await bench.departed(metadata) },
        perform: { bench, arranged, call in try await bench.arrive(arranged, call) },
        verify: { bench, arranged in
            try await bench.expectPower([.running], of: arranged.id, "after arrival", on: arranged.node)
            try await bench.expectRoot(bench.limits.largerFlavor.rootGiB, of: arranged.id, on: arranged.node)
        })

    static let confirmDeparture = CallProbe(
        id: "resizing.confirm", deed: "confirming a guest's departure", feature: .resize, needs: moveNeeds,
        parts: [.secondNode], rehearsal: "confirm_departure", isQuick: false,
        aspects: [.does, .repeated, .stale, .fails, .restarted],
        make: { bench, metadata in try await bench.arrived(metadata) },
        position: { bench, arranged in arranged.node = bench.node },
        perform: { _, arranged, call in
            guard let package = arranged.package else { return }
            try await arranged.capabilities.resizing?.confirmDeparture(of: arranged.id, package, call)
        },
        verify: { bench, arranged in
            try await bench.expectAbsent(arranged.id, "after its departure was confirmed")
            try await bench.expectPower([.running], of: arranged.id, "after confirmation", on: bench.second())
        })

    static let abandonArrival = CallProbe(
        id: "resizing.abandon", deed: "abandoning a guest's arrival", feature: .resize, needs: moveNeeds,
        parts: [.secondNode], rehearsal: "abandon_arrival", isQuick: false,
        aspects: [.does, .repeated, .stale, .fails, .cancelled, .killed, .restarted],
        make: { bench, metadata in try await bench.arrived(metadata) },
        perform: { _, arranged, call in
            guard let package = arranged.package else { return }
            try await arranged.capabilities.resizing?.abandonArrival(of: arranged.id, package, call)
        },
        verify: { bench, arranged in
            try await bench.expectAbsent(arranged.id, "after its arrival was abandoned", on: arranged.node)
        })

    static let takeBack = CallProbe(
        id: "resizing.take-back", deed: "taking a guest back", feature: .resize, needs: moveNeeds,
        parts: [.secondNode], rehearsal: "take_back", isQuick: false,
        aspects: [.does, .repeated, .stale, .fails, .cancelled, .restarted],
        mayEndOff: true,
        make: { bench, metadata in try await bench.abandoned(metadata) },
        perform: { _, arranged, call in
            guard let resizing = arranged.capabilities.resizing, let package = arranged.package else { return }
            let handle = try await resizing.takeBack(arranged.guest.spec, package, call)
            arranged.node.keep(handle, of: arranged.id)
        },
        verify: { bench, arranged in
            try await bench.expectPower([.running], of: arranged.id, "after it was taken back")
            try await bench.expectRoot(bench.limits.flavor.rootGiB, of: arranged.id)
        })
}

extension ConformanceCase {
    /// Moves of guests that are off.
    static let resizingCases: [ConformanceCase] = {
        var list = CaseList()
        let needs = [ConformanceNeed.capability(.resizing)]
        list.add(
            "resizing.move", .resize, "A guest moves to another node with its disk, and the source forgets it",
            needs: needs, parts: [.secondNode], quick: true
        ) { bench in
            let guest = try await bench.spawn()
            let content = try await bench.subject.insight?.rootContent(of: guest.id)
            let arrived = try await bench.arrived(guest)
            let moved = try await arrived.node.subject.insight?.rootContent(of: guest.id)
            try check(content == moved, "the guest arrived with another root disk")
            let package = try unwrap(arrived.package, "there is no package")
            try await bench.resizing().confirmDeparture(of: guest.id, package, bench.call())
            bench.node.keep(nil, of: guest.id)
            try await bench.expectAbsent(guest.id, "after its departure was confirmed")
            try await bench.expectPower([.running], of: guest.id, "after confirmation", on: arrived.node)
            let kept = try await arrived.node.subject.insight?.rootContent(of: guest.id)
            try check(content == kept, "after confirmation the guest has another root disk")
        }
        list.add(
            "resizing.revert", .resize, "A guest that moved is taken back as it was", needs: needs,
            parts: [.secondNode]
        ) { bench in
            let guest = try await bench.spawn()
            let before = try await bench.observe(guest.id)
            let content = try await bench.subject.insight?.rootContent(of: guest.id)
            let arrived = try await bench.arrived(guest)
            try await bench.revert(arrived)
            try await bench.expectUnchanged(guest.id, since: before, "after it was taken back", ignoringPower: true)
            try await bench.expectPower([.running], of: guest.id, "after it was taken back")
            let contentNow = try await bench.subject.insight?.rootContent(of: guest.id)
            try check(content == contentNow, "after it was taken back the guest has another root disk")
        }
        list.add(
            "resizing.depart.same-package", .resize, "A repeated departure answers with the same package", needs: needs,
            parts: [.secondNode]
        ) { bench in
            let guest = try await bench.spawn()
            let (resizing, move, call) = (try bench.resizing(), try bench.coldMove(), bench.call())
            let first = try await resizing.depart(guest.id, move, call)
            bench.track(departureOf: guest, first, to: try bench.second())
            let second = try await resizing.depart(guest.id, move, call)
            try check(first == second, "the repeated departure answered with another package")
        }
        list.add(
            "resizing.arrive.off", .resize, "A guest that was off arrives off", needs: needs, parts: [.secondNode]
        ) { bench in
            let guest = try await bench.spawn()
            try await bench.driver.powerOff(guest.id, within: .zero, bench.call())
            let arrived = try await bench.arrived(guest) { $0.isRunning = false }
            try await bench.expectPower([.shutdown], of: guest.id, "after arrival", on: arrived.node)
        }
        list.add(
            "resizing.depart.taken-back-at-once", .resize, "A guest that departed and arrived nowhere is taken back",
            needs: needs, parts: [.secondNode]
        ) { bench in
            let guest = try await bench.spawn()
            let before = try await bench.observe(guest.id)
            let departed = try await bench.departed(guest)
            let package = try unwrap(departed.package, "there is no package")
            let handle = try await bench.resizing().takeBack(guest.spec, package, bench.call())
            bench.node.keep(handle, of: guest.id)
            try await bench.expectUnchanged(guest.id, since: before, "after it was taken back", ignoringPower: true)
            try await bench.expectPower([.running], of: guest.id, "after it was taken back")
        }
        list.add(
            "resizing.depart.smaller-disk", .resize, "A disk that would have to shrink is refused, and the guest stays",
            needs: needs
        ) { bench in
            let guest = try await bench.spawn { [larger = bench.limits.largerFlavor] in $0.flavor = larger }
            // A root disk of 0 GiB is as large as its image, and asks for no size.
            let (small, large) = (bench.limits.flavor.rootGiB, bench.limits.largerFlavor.rootGiB)
            guard small > 0, small < large else {
                throw CaseSkip.notShown("there is no flavor with a smaller disk")
            }
            let before = try await bench.observe(guest.id)
            let resizing = try bench.resizing()
            let move = ColdMove(
                destination: bench.subject.host.nodeName, staysOnNode: true, flavor: bench.limits.flavor, grace: .zero)
            let call = bench.call()
            try await expectError([.refused], from: "a departure to a smaller disk") {
                _ = try await resizing.depart(guest.id, move, call)
            }
            try await bench.expectUnchanged(guest.id, since: before, "after a refused departure", ignoringPower: true)
        }
        addInPlaceCases(&list)
        return CallProbe.depart.cases + CallProbe.arrive.cases + CallProbe.confirmDeparture.cases
            + CallProbe.abandonArrival.cases + CallProbe.takeBack.cases + list.cases
    }()

    private static func addInPlaceCases(_ list: inout CaseList) {
        let needs = [ConformanceNeed.capability(.resizing)]
        list.add(
            "resizing.in-place", .resize, "A guest is resized on its node with its disk, and confirming leaves it",
            needs: needs, quick: true
        ) { bench in
            try bench.expectInPlace()
            let guest = try await bench.spawn()
            let content = try await bench.subject.insight?.rootContent(of: guest.id)
            let arrived = try await bench.arrived(guest, inPlace: true)
            try await bench.expectPower([.running], of: guest.id, "after arrival in place")
            try await bench.expectRoot(bench.limits.largerFlavor.rootGiB, of: guest.id)
            try await bench.expectMemory(bench.limits.largerFlavor.memoryMiB, of: guest.id)
            let package = try unwrap(arrived.package, "there is no package")
            let before = try await bench.observe(guest.id)
            try await bench.resizing().confirmDeparture(of: guest.id, package, bench.call())
            try await bench.expectPower([.running], of: guest.id, "after confirmation")
            let after = try await bench.observe(guest.id)
            try check(after.listings == before.listings, "after confirmation the guest is listed otherwise")
            let kept = try await bench.subject.insight?.rootContent(of: guest.id)
            try check(content == kept, "after a resize in place the guest has another root disk")
        }
        list.add(
            "resizing.in-place.revert", .resize, "A guest that was resized on its node is taken back as it was",
            needs: needs
        ) { bench in
            try bench.expectInPlace()
            let guest = try await bench.spawn()
            let before = try await bench.observe(guest.id)
            let content = try await bench.subject.insight?.rootContent(of: guest.id)
            let arrived = try await bench.arrived(guest, inPlace: true)
            try await bench.revert(arrived)
            try await bench.expectUnchanged(guest.id, since: before, "after it was taken back", ignoringPower: true)
            try await bench.expectPower([.running], of: guest.id, "after it was taken back")
            try await bench.expectMemory(bench.limits.flavor.memoryMiB, of: guest.id)
            let kept = try await bench.subject.insight?.rootContent(of: guest.id)
            try check(content == kept, "after it was taken back the guest has another root disk")
        }
        list.add(
            "resizing.in-place.volumes", .resize, "A guest keeps its volumes and interfaces through a resize in place",
            needs: needs + [.capability(.volumes)], parts: [.volumes, .interfaces]
        ) { bench in
            try bench.expectInPlace()
            let (volume, interface) = (try await bench.volume(), try await bench.interface())
            let guest = try await bench.spawn { spec in
                spec.volumes = [volume]
                spec.interfaces = [interface]
            }
            let arrived = try await bench.arrived(guest, inPlace: true)
            try await bench.expectVolumes([volume.id], of: guest.id, "after arrival in place")
            let package = try unwrap(arrived.package, "there is no package")
            try await bench.resizing().confirmDeparture(of: guest.id, package, bench.call())
            try await bench.expectVolumes([volume.id], of: guest.id, "after confirmation")
        }
        list.add(
            "resizing.in-place.destroy", .resize, "A guest amid a resize in place is destroyed with everything",
            needs: needs
        ) { bench in
            try bench.expectInPlace()
            let guest = try await bench.spawn()
            _ = try await bench.arrived(guest, inPlace: true)
            try await bench.driver.destroy(guest.id, bench.call())
            try await bench.expectAbsent(guest.id, "after destroy amid a resize")
        }
    }
}

extension Bench {
    func resizing() throws -> any ResizingGuests { try unwrap(capabilities.resizing, "the driver does not resize") }

    /// Skips the case where guests cannot be resized on their node.
    func expectInPlace() throws {
        guard try resizing().canStayOnNode else {
            throw CaseSkip.notShown("guests cannot be resized on the node that they are on")
        }
    }

    /// A move to the second node, or in place, to the larger flavor.
    func coldMove(inPlace: Bool = false) throws -> ColdMove {
        let destination = inPlace ? node : try second()
        return ColdMove(
            destination: destination.subject.host.nodeName, staysOnNode: inPlace, flavor: limits.largerFlavor,
            grace: .zero)
    }

    /// A guest that is on its way; the node is the destination.
    func departed(_ metadata: [String: String]) async throws -> Arranged {
        try await departed(try await spawn(metadata: metadata))
    }

    func departed(_ guest: TestGuest, inPlace: Bool = false) async throws -> Arranged {
        var arranged = Arranged(node: inPlace ? node : try second(), guest: guest)
        track(guest.id, on: arranged.node)
        let (resizing, move, call) = (try resizing(), try coldMove(inPlace: inPlace), call())
        arranged.coldMove = move
        let package = try await doing("depart") { try await resizing.depart(guest.id, move, call) }
        track(departureOf: guest, package, to: arranged.node)
        arranged.package = package
        return arranged
    }

    /// Lets a guest arrive that is on its way.
    func arrive(
        _ arranged: Arranged, _ call: DriverCall, _ change: @Sendable (inout GuestSpec) -> Void = { _ in }
    ) async throws {
        let resizing = try unwrap(arranged.capabilities.resizing, "the second node does not resize")
        let package = try unwrap(arranged.package, "there is no package")
        var spec = arranged.guest.spec
        spec.flavor = limits.largerFlavor
        change(&spec)
        let handle = try await resizing.arrive(spec, with: package, call)
        arranged.node.keep(handle, of: arranged.id)
    }

    /// A guest that has arrived; the node is the destination.
    func arrived(_ metadata: [String: String]) async throws -> Arranged {
        try await arrived(try await spawn(metadata: metadata))
    }

    func arrived(
        _ guest: TestGuest, inPlace: Bool = false, _ change: @Sendable (inout GuestSpec) -> Void = { _ in }
    ) async throws -> Arranged {
        let arranged = try await departed(guest, inPlace: inPlace)
        let call = call()
        try await doing("arrive") { try await arrive(arranged, call, change) }
        return arranged
    }

    /// A guest whose arrival was abandoned; the node is the source.
    func abandoned(_ metadata: [String: String]) async throws -> Arranged {
        var arranged = try await arrived(metadata)
        try await abandon(arranged)
        arranged.node = node
        return arranged
    }

    private func abandon(_ arranged: Arranged) async throws {
        let resizing = try unwrap(arranged.capabilities.resizing, "the second node does not resize")
        let (package, call) = (try unwrap(arranged.package, "there is no package"), call())
        try await doing("abandonArrival") {
            try await resizing.abandonArrival(of: arranged.id, package, call)
        }
        if arranged.node !== node { arranged.node.keep(nil, of: arranged.id) }
    }

    /// Undoes a move.
    func revert(_ arranged: Arranged) async throws {
        try await abandon(arranged)
        if arranged.node !== node { try await expectAbsent(arranged.id, "after abandonArrival", on: arranged.node) }
        let (resizing, call) = (try resizing(), call())
        let package = try unwrap(arranged.package, "there is no package")
        let handle = try await doing("takeBack") {
            try await resizing.takeBack(arranged.guest.spec, package, call)
        }
        node.keep(handle, of: arranged.id)
    }

    /// Fails the case unless the root disk has that size, where that can be seen.
    func expectRoot(_ sizeGiB: Int, of guest: GuestID, on node: Node? = nil) async throws {
        guard let found = try await (node ?? self.node).subject.insight?.rootGiB(of: guest) else { return }
        try check(found == sizeGiB, "the root disk has \(found) GiB, not \(sizeGiB)")
    }

    /// Fails the case unless the guest may use that much memory, where that can be seen.
    func expectMemory(_ memoryMiB: Int, of guest: GuestID) async throws {
        guard let diagnostics = capabilities.diagnostics else { return }
        guard let found = try await diagnostics.diagnostics(of: guest).memoryMaximumMiB else { return }
        try check(found == UInt64(memoryMiB), "the guest has \(found) MiB of memory, not \(memoryMiB)")
    }
}
