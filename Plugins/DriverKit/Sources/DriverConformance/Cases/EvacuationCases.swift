import ComputeModel
import DriverAPI

extension CallProbe {
    static let adopt = CallProbe(
        id: "evacuation.adopt", deed: "adopting the guest of a dead node", feature: .evacuate,
        needs: [.capability(.evacuation)], parts: [.secondNode], rehearsal: "adopt", isQuick: false,
        aspects: [.does, .repeated, .fails, .cancelled, .killed, .restarted],
        make: { bench, metadata in try await bench.orphan(metadata) },
        perform: { bench, arranged, call in
            guard let evacuation = arranged.capabilities.evacuation else { return }
            let handle = try await evacuation.adopt(arranged.guest.spec, call)
            arranged.node.keep(handle, of: arranged.id)
        },
        verify: { bench, arranged in
            try await bench.expectPower([.running], of: arranged.id, "after it was adopted", on: arranged.node)
        })

    static let forget = CallProbe(
        id: "evacuation.forget", deed: "forgetting a guest that runs elsewhere", feature: .evacuate,
        needs: [.capability(.evacuation)], parts: [.secondNode], rehearsal: "forget", isQuick: false,
        aspects: [.does, .repeated, .absent, .stale, .fails, .cancelled, .killed, .restarted], onAbsent: .succeeds,
        make: { bench, metadata in
            var arranged = try await bench.adopted(metadata)
            try await bench.node.start()
            arranged.node = bench.node
            return arranged
        },
        perform: { _, arranged, call in
            try await arranged.capabilities.evacuation?.forget(arranged.id, call)
            arranged.node.keep(nil, of: arranged.id)
        },
        verify: { bench, arranged in
            try await bench.expectAbsent(arranged.id, "after it was forgotten")
        })
}

extension ConformanceCase {
    /// Guests of dead nodes.
    static let evacuationCases: [ConformanceCase] = {
        var list = CaseList()
        let needs = [ConformanceNeed.capability(.evacuation)]
        list.add(
            "evacuation.round", .evacuate, "A guest goes on elsewhere with its disks, and the old node forgets it",
            needs: needs, parts: [.secondNode], quick: true
        ) { bench in
            let orphan = try await bench.orphan([:])
            let content = try await bench.subject.insight?.rootContent(of: orphan.id)
            try await bench.adopt(orphan)
            let adopted = try await orphan.node.subject.insight?.rootContent(of: orphan.id)
            try check(content == adopted, "the guest was adopted with another root disk")
            try await bench.node.start()
            try await unwrap(bench.capabilities.evacuation, "no evacuation").forget(orphan.id, bench.call())
            bench.node.keep(nil, of: orphan.id)
            try await bench.expectAbsent(orphan.id, "after it was forgotten")
            try await bench.expectPower([.running], of: orphan.id, "after the old node forgot it", on: orphan.node)
            let kept = try await orphan.node.subject.insight?.rootContent(of: orphan.id)
            try check(content == kept, "after the old node forgot it the guest has another root disk")
        }
        list.add(
            "evacuation.no-disks", .evacuate, "A guest whose disks are not there is refused, and nothing of it remains",
            needs: needs, guests: 0
        ) { bench in
            let spec = bench.makeSpec()
            bench.track(spec.id)
            let evacuation = try unwrap(bench.capabilities.evacuation, "no evacuation")
            let holds = try await evacuation.holdsDisks(of: spec.id)
            try check(!holds, "the node says that it reaches disks that never were")
            let call = bench.call()
            try await expectError([.refused], from: "adopting a guest without disks") {
                _ = try await evacuation.adopt(spec, call)
            }
            try await bench.expectAbsent(spec.id, "after a refused adoption")
        }
        list.add(
            "evacuation.adopt.disks-survive", .evacuate, "An adoption that fails leaves the disks untouched",
            needs: needs, parts: [.secondNode, .rehearsal]
        ) { bench in
            guard let metadata = bench.subject.rehearsal?.failing("adopt") else {
                throw CaseSkip.notShown("this call cannot be made to fail")
            }
            let orphan = try await bench.orphan(metadata)
            let content = try await bench.subject.insight?.rootContent(of: orphan.id)
            let (evacuation, call) = (
                try unwrap(orphan.capabilities.evacuation, "the second node does not evacuate"), bench.call(),
            )
            try await expectError([.failed], from: "an adoption that was made to fail") {
                _ = try await evacuation.adopt(orphan.guest.spec, call)
            }
            let holds = try await evacuation.holdsDisks(of: orphan.id)
            try check(holds, "after an adoption that failed the disks are gone")
            let kept = try await bench.subject.insight?.rootContent(of: orphan.id)
            try check(content == kept, "after an adoption that failed the root disk is another")
        }
        return CallProbe.adopt.cases + CallProbe.forget.cases + list.cases
    }()
}

extension Bench {
    /// A guest whose node is dead; the node is the one that shall adopt it.
    func orphan(_ metadata: [String: String]) async throws -> Arranged {
        let guest = try await spawn(metadata: metadata)
        let other = try second()
        let evacuation = try unwrap(other.driver.capabilities.evacuation, "the second node does not evacuate")
        guard try await evacuation.holdsDisks(of: guest.id) else {
            throw CaseSkip.notShown("the second node does not reach the first one's disks")
        }
        track(guest.id, on: other)
        // A node that is dead runs nothing.
        try await driver.powerOff(guest.id, within: .zero, call())
        await node.shutDown()
        return Arranged(node: other, guest: guest)
    }

    /// Brings the guest of a dead node up.
    func adopt(_ orphan: Arranged) async throws {
        let evacuation = try unwrap(orphan.capabilities.evacuation, "the second node does not evacuate")
        let call = call()
        let handle = try await doing("adopt") { try await evacuation.adopt(orphan.guest.spec, call) }
        orphan.node.keep(handle, of: orphan.id)
    }

    /// A guest that was adopted; the node is the one that has it.
    func adopted(_ metadata: [String: String]) async throws -> Arranged {
        let orphan = try await orphan(metadata)
        try await adopt(orphan)
        return orphan
    }
}
