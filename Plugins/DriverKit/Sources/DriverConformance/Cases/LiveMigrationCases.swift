import ComputeModel
import DriverAPI

extension CallProbe {
    private static let liveNeeds = [ConformanceNeed.capability(.liveMigration)]

    static let prepareArrival = CallProbe(
        id: "live-migration.prepare", deed: "preparing for a guest that comes running", feature: .liveMigrate,
        needs: liveNeeds, parts: [.secondNode], rehearsal: "prepare_arrival", isQuick: false,
        aspects: [.does, .repeated, .fails, .cancelled, .killed],
        make: { bench, metadata in try await bench.checked(metadata) },
        perform: { bench, arranged, call in _ = try await bench.prepare(arranged, call) },
        verify: { bench, arranged in
            try await bench.expectPower([.running], of: arranged.id, "with the destination prepared")
            let there = try await bench.power(of: arranged.id, on: arranged.node)
            try check(there != .running, "with the destination prepared the guest runs there too")
        })

    static let migrate = CallProbe(
        id: "live-migration.migrate", deed: "migrating a running guest", feature: .liveMigrate, needs: liveNeeds,
        parts: [.secondNode], rehearsal: "migrate", isQuick: false,
        aspects: [.does, .repeated, .stale, .cancelled, .restarted],
        make: { bench, metadata in
            var arranged = try await bench.prepared(metadata)
            arranged.node = bench.node
            return arranged
        },
        perform: { bench, arranged, call in
            let end = try await bench.migrate(arranged, call)
            try check(end == .moved, "the migration ended with the guest where it was")
        },
        verify: { bench, arranged in
            try await bench.expectPower([.running], of: arranged.id, "after migration", on: bench.second())
            let here = try await bench.power(of: arranged.id)
            try check(here != .running, "after migration the guest runs at the source too")
        })

    static let finishArrival = CallProbe(
        id: "live-migration.finish-arrival", deed: "finishing a guest's arrival", feature: .liveMigrate,
        needs: liveNeeds, parts: [.secondNode], rehearsal: "finish_arrival", isQuick: false,
        aspects: [.does, .repeated, .fails, .killed, .restarted],
        make: { bench, metadata in
            var arranged = try await bench.migrated(metadata)
            arranged.node = try bench.second()
            return arranged
        },
        perform: { bench, arranged, call in try await bench.finishArrival(arranged, call) },
        verify: { bench, arranged in
            try await bench.expectPower([.running], of: arranged.id, "after arrival", on: arranged.node)
        })

    static let finishDeparture = CallProbe(
        id: "live-migration.finish-departure", deed: "finishing a guest's departure", feature: .liveMigrate,
        needs: liveNeeds, parts: [.secondNode], rehearsal: "finish_departure", isQuick: false,
        aspects: [.does, .repeated, .killed, .restarted],
        make: { bench, metadata in
            var arranged = try await bench.migrated(metadata)
            arranged.node = try bench.second()
            try await bench.finishArrival(arranged, bench.call())
            arranged.node = bench.node
            return arranged
        },
        perform: { bench, arranged, call in
            guard let package = arranged.package else { return }
            try await arranged.capabilities.liveMigration?.finishDeparture(of: arranged.id, package, call)
            arranged.node.keep(nil, of: arranged.id)
        },
        verify: { bench, arranged in
            try await bench.expectAbsent(arranged.id, "after its departure was finished")
            try await bench.expectPower([.running], of: arranged.id, "after the source was done", on: bench.second())
        })

    static let abandonLiveArrival = CallProbe(
        id: "live-migration.abandon", deed: "abandoning the arrival of a guest that stays", feature: .liveMigrate,
        needs: liveNeeds, parts: [.secondNode], rehearsal: "abandon_live_arrival", isQuick: false,
        aspects: [.does, .repeated, .fails, .killed, .restarted],
        make: { bench, metadata in try await bench.prepared(metadata) },
        perform: { _, arranged, call in
            guard let package = arranged.package else { return }
            try await arranged.capabilities.liveMigration?.abandonArrival(of: arranged.id, package, call)
        },
        verify: { bench, arranged in
            try await bench.expectAbsent(arranged.id, "after its arrival was abandoned", on: arranged.node)
            try await bench.expectPower([.running], of: arranged.id, "after its arrival was abandoned")
        })
}

extension ConformanceCase {
    /// Moves of guests that run.
    static let liveMigrationCases: [ConformanceCase] = {
        var list = CaseList()
        addRoundCases(&list)
        addCheckCases(&list)
        addControlCases(&list)
        return CallProbe.prepareArrival.cases + CallProbe.migrate.cases + CallProbe.finishArrival.cases
            + CallProbe.finishDeparture.cases + CallProbe.abandonLiveArrival.cases + list.cases
    }()

    private static let needs = [ConformanceNeed.capability(.liveMigration)]

    private static func addRoundCases(_ list: inout CaseList) {
        list.add(
            "live-migration.round", .liveMigrate, "A guest moves while it runs, with its disk, and back", needs: needs,
            parts: [.secondNode], quick: true, deadline: .seconds(60)
        ) { bench in
            let guest = try await bench.spawn()
            let content = try await bench.subject.insight?.rootContent(of: guest.id)
            try await bench.moveLive(guest, from: bench.node, to: bench.second())
            let moved = try await bench.second().subject.insight?.rootContent(of: guest.id)
            try check(content == moved, "the guest moved to another root disk")
            try await bench.moveLive(guest, from: bench.second(), to: bench.node)
            let back = try await bench.subject.insight?.rootContent(of: guest.id)
            try check(content == back, "the guest came back to another root disk")
            try await bench.expectBoots(1, of: guest.id, "after moving there and back")
        }
        list.add(
            "live-migration.devices", .liveMigrate, "A guest moves with its interfaces", needs: needs,
            parts: [.secondNode, .interfaces]
        ) { bench in
            let interface = try await bench.interface()
            let guest = try await bench.spawn { $0.interfaces = [interface] }
            let other = try bench.second()
            try await bench.moveLive(guest, from: bench.node, to: other)
            guard let interfaces = other.driver.capabilities.interfaces else { return }
            let found = try await interfaces.interfaces(of: guest.id)
            try check(found == [interface.macAddress], "after migration the guest has the interfaces \(found.sorted())")
        }
        list.add(
            "live-migration.recovered", .liveMigrate, "A guest that moved is found again at the destination",
            needs: needs, parts: [.secondNode]
        ) { bench in
            let guest = try await bench.spawn()
            let other = try bench.second()
            try await bench.moveLive(guest, from: bench.node, to: other)
            let found = try await other.restart()
            try check(found[guest.id] != nil, "after a restart the destination does not find the guest")
            try await bench.expectPower([.running], of: guest.id, "after a restart of the destination", on: other)
        }
    }

    private static func addCheckCases(_ list: inout CaseList) {
        list.add(
            "live-migration.check.changes-nothing", .liveMigrate, "Offering and checking change nothing", needs: needs,
            parts: [.secondNode]
        ) { bench in
            let guest = try await bench.spawn()
            let (other, before) = (try bench.second(), try await bench.observe(guest.id))
            let there = try await other.subject.world()?.sorted()
            _ = try await bench.checked(guest, from: bench.node, to: other)
            try await bench.expectUnchanged(guest.id, since: before, "after offer and check")
            let thereNow = try await other.subject.world()?.sorted()
            try check(there == thereNow, "offer and check changed something at the destination")
            try await bench.expectAbsent(guest.id, "after offer and check", on: other)
        }
        list.add(
            "live-migration.check.absent-guest", .liveMigrate, "Checking an absent guest is an error that says so",
            needs: needs, parts: [.secondNode], guests: 0
        ) { bench in
            let spec = bench.makeSpec()
            let move = try bench.liveMove()
            let destination = try bench.liveMigrating(on: bench.second())
            let (source, offer) = (try bench.liveMigrating(), try await destination.offer(for: spec, move))
            try await expectError([.noSuchGuest], from: "checking an absent guest") {
                _ = try await source.check(spec.id, move, offer)
            }
        }
        list.add(
            "live-migration.check.stopped", .liveMigrate, "A stopped guest is refused", needs: needs,
            parts: [.secondNode]
        ) { bench in
            let guest = try await bench.spawn()
            try await bench.driver.powerOff(guest.id, within: .zero, bench.call())
            let move = try bench.liveMove()
            let destination = try bench.liveMigrating(on: bench.second())
            let (source, offer) = (try bench.liveMigrating(), try await destination.offer(for: guest.spec, move))
            try await expectError([.refused], from: "checking a stopped guest") {
                _ = try await source.check(guest.id, move, offer)
            }
        }
    }

    private static func addControlCases(_ list: inout CaseList) {
        list.add(
            "live-migration.abort", .abortLiveMigration, "An aborted migration leaves the guest where it was",
            needs: needs, parts: [.secondNode, .rehearsal], quick: true, deadline: .seconds(60)
        ) { bench in
            let arranged = try await bench.slowMigration()
            let before = try await bench.observe(arranged.id)
            let live = try bench.liveMigrating()
            let call = bench.call()
            let work = Task { try await bench.migrate(arranged, call) }
            defer { work.cancel() }
            try await bench.untilAccepted("abort") { try await live.abort(arranged.id) }
            let end = try await bench.within(.seconds(10), "an aborted migration") { try await work.value }
            try check(end == .stayed, "an aborted migration ended with the guest moved")
            try await bench.expectUnchanged(arranged.id, since: before, "after an aborted migration")
            try await bench.abandonLive(arranged)
            try await bench.expectAbsent(arranged.id, "after an aborted migration", on: bench.second())
        }
        list.add(
            "live-migration.force-complete", .forceLiveMigration,
            "A migration that is forced ends soon, with the guest moved",
            needs: needs, parts: [.secondNode, .rehearsal], quick: true, deadline: .seconds(60)
        ) { bench in
            let arranged = try await bench.slowMigration()
            let live = try bench.liveMigrating()
            let call = bench.call()
            let work = Task { try await bench.migrate(arranged, call) }
            defer { work.cancel() }
            try await bench.untilAccepted("forceComplete") { try await live.forceComplete(arranged.id) }
            let end = try await bench.within(.seconds(10), "a forced migration") { try await work.value }
            try check(end == .moved, "a forced migration ended with the guest where it was")
            try await bench.expectPower([.running], of: arranged.id, "after a forced migration", on: bench.second())
        }
        list.add(
            "live-migration.abort.not-migrating", .abortLiveMigration,
            "Aborting the migration of a guest that does not migrate is refused", needs: needs, guests: 0,
            shared: .reads
        ) { bench in
            let (live, guest) = (try bench.liveMigrating(), try bench.sharedGuest())
            try await bench.refusedOrMissing("abort") { try await live.abort(guest.id) }
        }
        list.add(
            "live-migration.force-complete.not-migrating", .forceLiveMigration,
            "Forcing the migration of a guest that does not migrate is refused", needs: needs, guests: 0, shared: .reads
        ) { bench in
            let (live, guest) = (try bench.liveMigrating(), try bench.sharedGuest())
            try await bench.refusedOrMissing("forceComplete") { try await live.forceComplete(guest.id) }
        }
        list.add(
            "live-migration.destination-dead", .liveMigrate,
            "When the destination dies amid a migration the guest runs on at one side, and the answer says at which",
            needs: needs,
            parts: [.secondNode, .rehearsal, .hypervisorControl], deadline: .seconds(60)
        ) { bench in
            let arranged = try await bench.slowMigration(by: .milliseconds(1500))
            let before = try await bench.observe(arranged.id)
            let other = try bench.second()
            let call = bench.call()
            let work = Task { try await bench.migrate(arranged, call) }
            try await Task.sleep(for: bench.limits.scaled(.milliseconds(100)))
            try await bench.kill(other)
            let outcome = await bounded(bench.limits.scaled(.seconds(30))) { try await work.value }
            var hasMoved = false
            switch outcome {
            case .value(let end): hasMoved = end == .moved
            case .failure(let error):
                try check(ErrorKind.of(error) == .unreachable, "migrating to a dead node threw \(told(error))")
            case .late: throw CaseFailure(description: "migrating to a dead node did not end")
            }
            try await bench.revive(other)
            if hasMoved {
                // It was over before the destination died.
                try await bench.expectPower([.running], of: arranged.id, "after it moved,", on: other)
                let here = try await bench.power(of: arranged.id)
                return try check(here != .running, "the guest is said to have moved, and runs at the source")
            }
            try await bench.expectUnchanged(arranged.id, since: before, "after the destination died")
            try await bench.abandonLive(arranged)
        }
    }
}
