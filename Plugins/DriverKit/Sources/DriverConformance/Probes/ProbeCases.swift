import ComputeModel
import DriverAPI

extension CallProbe {
    /// The cases that follow from the call.
    var cases: [ConformanceCase] {
        var list = CaseList()
        for aspect in Aspect.allCases where aspects.contains(aspect) { add(aspect, to: &list) }
        return list.cases
    }

    private func add(_ aspect: Aspect, to list: inout CaseList) {
        switch aspect {
        case .does:
            list.add(
                id, feature, capitalized(tell("does what it promises, and nothing to other guests")), needs: needs,
                parts: parts, guests: guests, shared: .watches, quick: isQuick, does)
        case .repeated:
            list.add(
                id + ".repeated", feature, capitalized(tell("twice by one number ends as the first did")), needs: needs,
                parts: parts, guests: guests, repeated)
        case .stale:
            list.add(
                id + ".stale", feature, capitalized(tell("by a lower number is refused and changes nothing")),
                needs: needs, parts: parts, guests: guests, stale)
        case .absent:
            let end = onAbsent == .succeeds ? "that is absent succeeds" : "that is absent says so"
            list.add(
                id + ".absent-guest", feature, capitalized(tell(end)), needs: needs, parts: parts, guests: 0, absent)
        case .foreign:
            list.add(
                id + ".foreign-guest", feature, capitalized(tell("that is not ours is refused and harmless")),
                needs: needs, parts: parts.union([.foreignGuests]), guests: 0, foreign)
        case .fails:
            list.add(
                id + ".fails", feature, capitalized(tell("that fails leaves everything as it was and can be repeated")),
                needs: needs, parts: parts.union([.rehearsal]), guests: guests, fails)
        case .cancelled:
            list.add(
                id + ".cancelled", feature,
                capitalized(tell("answers cancellation in time and leaves nothing half done")),
                needs: needs, parts: parts, guests: guests, cancelled)
        case .killed:
            list.add(
                id + ".hypervisor-killed", feature,
                capitalized(tell("on a hypervisor that dies before or amid it says so and can be repeated")),
                needs: needs, parts: parts.union([.hypervisorControl]), guests: guests, deadline: .seconds(60), killed)
        case .restarted:
            list.add(
                id + ".driver-restarted", feature, capitalized(tell("lasts when the driver is restarted")),
                needs: needs,
                parts: parts, guests: guests, restarted)
        }
    }

    private func capitalized(_ text: String) -> String { text.prefix(1).uppercased() + text.dropFirst() }

    // MARK: The proofs

    private func does(_ bench: Bench) async throws {
        let arranged = try await arrange(bench)
        var before: Observation?
        if let bystander = bench.bystander { before = try await bench.observe(bystander.id) }
        let others = try await bench.others(than: arranged.id, on: arranged.node)
        try await perform(bench, arranged)
        try await verify(bench, arranged)
        let othersNow = try await bench.others(than: arranged.id, on: arranged.node)
        try check(others == othersNow, "\(deed) changed the power state of another guest")
        if let bystander = bench.bystander, let before {
            try await bench.expectUnchanged(bystander.id, since: before, "beside \(deed)")
        }
    }

    private func perform(_ bench: Bench, _ arranged: Arranged) async throws {
        let call = bench.call()
        try await doing(deed) { try await perform(bench, arranged, call) }
    }

    private func repeated(_ bench: Bench) async throws {
        let arranged = try await arrange(bench)
        let call = bench.call()
        try await doing(deed) { try await perform(bench, arranged, call) }
        let first = try await bench.observe(arranged.id, on: arranged.node)
        try await doing(deed + " again by the same number") { try await perform(bench, arranged, call) }
        try await bench.expectUnchanged(
            arranged.id, since: first, "after \(deed) again by the same number", on: arranged.node)
        try await verify(bench, arranged)
    }

    private func stale(_ bench: Bench) async throws {
        let arranged = try await arrange(bench)
        let before = try await bench.observe(arranged.id, on: arranged.node)
        let late = DriverCall(operation: 1, requestID: "req-conformance-late")
        try await expectError([.stale], from: "\(deed) by a lower number") { try await perform(bench, arranged, late) }
        try await bench.expectUnchanged(
            arranged.id, since: before, "after \(deed) by a lower number", on: arranged.node)
    }

    private func absent(_ bench: Bench) async throws {
        let guest = GuestID.random()
        let arranged = try await arrange(bench, absent: guest)
        bench.track(guest)
        let call = bench.call()
        switch onAbsent {
        case .succeeds:
            try await doing("\(deed) that is absent") { try await perform(bench, arranged, call) }
        case .throwsNoSuchGuest:
            let error = try await expectError([.noSuchGuest], from: "\(deed) that is absent") {
                try await perform(bench, arranged, call)
            }
            try check(error == .noSuchGuest(guest), "\(deed) that is absent names another guest")
        }
        try await bench.expectAbsent(guest, "after \(deed) that is absent")
    }

    private func foreign(_ bench: Bench) async throws {
        let guest = try await bench.foreignGuest()
        let arranged = try await arrange(bench, absent: guest)
        let call = bench.call()
        // Whether a driver sees a foreign guest by its UUID differs; only for destroy the answer is fixed.
        let kinds: Set<ErrorKind> = rehearsal == "destroy" ? [.refused] : [.refused, .noSuchGuest]
        try await expectError(kinds, from: "\(deed) that is not ours") { try await perform(bench, arranged, call) }
        let power = try await bench.subject.foreignGuests?.power(of: guest)
        try check(power == .running, "after \(deed) that is not ours that guest no longer runs")
    }

    private func fails(_ bench: Bench) async throws {
        guard let metadata = bench.subject.rehearsal?.failing(rehearsal) else {
            throw CaseSkip.notShown("this call cannot be made to fail")
        }
        let arranged = try await arrange(bench, metadata: metadata)
        let before = try await bench.observe(arranged.id, on: arranged.node)
        let call = bench.call()
        try await expectError([.failed], from: "\(deed) that was made to fail") {
            try await perform(bench, arranged, call)
        }
        try await bench.expectUnchanged(
            arranged.id, since: before, "after \(deed) failed", ignoringPower: mayEndOff, on: arranged.node)
        try await doing(deed + " again after it failed") { try await perform(bench, arranged, call) }
        try await verify(bench, arranged)
    }

    private func cancelled(_ bench: Bench) async throws {
        // The contract's five seconds, scaled like every deadline.
        let limit = bench.limits.scaled(.seconds(5))
        let slowing = bench.subject.rehearsal?.slowing(rehearsal, by: limit * 1.3)
        let arranged = try await arrange(bench, metadata: slowing ?? [:])
        let before = try await bench.observe(arranged.id, on: arranged.node)
        let call = bench.call()
        let work = Task { try await perform(bench, arranged, call) }
        try await Task.sleep(for: slowing == nil ? .milliseconds(5) : bench.limits.scaled(.milliseconds(50)))
        work.cancel()
        switch await bounded(limit, { try await work.value }) {
        case .late: throw CaseFailure(description: "\(deed) did not answer cancellation within \(limit)")
        case .value:
            try check(slowing == nil, "\(deed) went on after it was cancelled")
            try await verify(bench, arranged)
        case .failure(let error):
            let kind = ErrorKind.of(error)
            try check(kind == .cancelled, "\(deed) that was cancelled threw \(told(error))")
            try await bench.expectUnchanged(
                arranged.id, since: before, "after \(deed) was cancelled", ignoringPower: mayEndOff, on: arranged.node)
        }
    }

    private func killed(_ bench: Bench) async throws {
        let delay = bench.limits.scaled(.milliseconds(200))
        let slowing = bench.subject.rehearsal?.slowing(rehearsal, by: delay)
        let arranged = try await arrange(bench, metadata: slowing ?? [:])
        let before = try await bench.observe(arranged.id, on: arranged.node)
        let survives = arranged.node.subject.hypervisor?.endsGuests == false
        let call = bench.call()
        try await bench.kill(arranged.node)
        _ = try await bench.within(.seconds(30), "\(deed) on a dead hypervisor") {
            try await expectError([.unreachable], from: "\(deed) on a dead hypervisor") {
                try await perform(bench, arranged, call)
            }
        }
        try await bench.revive(arranged.node)
        if survives {
            try await bench.expectUnchanged(
                arranged.id, since: before, "after \(deed) on a dead hypervisor", on: arranged.node)
        }
        let work = Task { try await perform(bench, arranged, call) }
        try await Task.sleep(for: delay / 4)
        try await bench.kill(arranged.node)
        switch await bounded(bench.limits.scaled(.seconds(30)), { try await work.value }) {
        case .value: break
        case .failure(let error):
            let kind = ErrorKind.of(error)
            let isTyped = kind.map { [.unreachable, .failed, .timedOut].contains($0) } ?? false
            try check(isTyped, "\(deed) amid which the hypervisor died threw \(told(error))")
        case .late: throw CaseFailure(description: "\(deed) amid which the hypervisor died did not end")
        }
        try await bench.revive(arranged.node)
        guard survives else { return }
        try await doing(deed + " again after the hypervisor came back") { try await perform(bench, arranged, call) }
        try await verify(bench, arranged)
    }

    private func restarted(_ bench: Bench) async throws {
        let arranged = try await arrange(bench)
        let call = bench.call()
        try await doing(deed) { try await perform(bench, arranged, call) }
        let before = try await bench.observe(arranged.id, on: arranged.node)
        try await arranged.node.restart()
        try await bench.expectUnchanged(arranged.id, since: before, "after a restart of the driver", on: arranged.node)
        try await doing(deed + " again by the same number after a restart") {
            try await perform(bench, arranged, call)
        }
        try await bench.expectUnchanged(
            arranged.id, since: before, "after \(deed) again by the same number after a restart", on: arranged.node)
        try await verify(bench, arranged)
    }
}
