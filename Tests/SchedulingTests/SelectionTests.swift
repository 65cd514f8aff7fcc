import ComputeModel
import ServiceInterfaces
import Testing

@testable import Scheduling

struct SelectionTests {
    private func order(_ hosts: [HostState], _ change: (inout WeigherMultipliers) -> Void = { _ in }) -> [String] {
        var multipliers = WeigherMultipliers()
        change(&multipliers)
        return HostWeigher.order(hosts, by: HostWeigher.standard(multipliers)).map(\.host.host)
    }

    @Test func eachWeigherPrefersWhatItsMultiplierSays() {
        func only(_ change: @escaping (inout WeigherMultipliers) -> Void) -> (inout WeigherMultipliers) -> Void {
            return { multipliers in
                (multipliers.memory, multipliers.processors, multipliers.disk) = (0, 0, 0)
                (multipliers.ioOperations, multipliers.instances) = (0, 0)
                change(&multipliers)
            }
        }
        let hosts = [
            Scene.host("a", usedVCPUs: 1, usedMemoryMiB: 900, instances: 1, ioOperations: 2),
            Scene.host("b", usedVCPUs: 3, usedMemoryMiB: 100, instances: 2, ioOperations: 1),
        ]
        #expect(order(hosts, only { $0.memory = 1 }) == ["b", "a"])
        #expect(order(hosts, only { $0.memory = -1 }) == ["a", "b"])
        #expect(order(hosts, only { $0.processors = 1 }) == ["a", "b"])
        #expect(order(hosts, only { $0.ioOperations = -1 }) == ["b", "a"])
        #expect(order(hosts, only { $0.instances = 1 }) == ["b", "a"])
        #expect(order(hosts, only { _ in }) == ["a", "b"])
    }

    @Test func weightsAreNormalizedBeforeTheyAreAdded() {
        // 3000 MiB more memory is worth no more than one processor more: both span the whole range.
        let hosts = [Scene.host("a", usedVCPUs: 1), Scene.host("b", usedMemoryMiB: 3000)]
        let weighed = HostWeigher.order(hosts, by: HostWeigher.standard(WeigherMultipliers()))
        #expect(weighed.map(\.weight) == [1, 1] && weighed.map(\.host.host) == ["a", "b"])
    }

    @Test func equalHostsComeByNameWhateverTheirOrderWas() {
        let hosts = ["c", "a", "b"].map { Scene.host($0) }
        #expect(order(hosts) == ["a", "b", "c"])
        #expect(order(hosts.reversed()) == ["a", "b", "c"])
    }

    @Test func theSubsetAndTheShuffleChooseAmongTheBestOnly() {
        let hosts = [Scene.host("a"), Scene.host("b"), Scene.host("c", usedMemoryMiB: 2000)]
        let weighers = HostWeigher.standard(WeigherMultipliers())
        var random = SystemRandomNumberGenerator()
        let shuffled = DestinationSelector(filters: [], weighers: weighers, shufflesEquals: true)
        let subset = DestinationSelector(filters: [], weighers: weighers, subsetSize: 2)
        var firsts: [Set<String>] = [[], []]
        for _ in 0..<100 {
            firsts[0].insert(shuffled.order(hosts, using: &random)[0].host)
            firsts[1].insert(subset.order(hosts, using: &random)[0].host)
        }
        #expect(firsts == [["a", "b"], ["a", "b"]])
        #expect(Set(subset.order(hosts, using: &random).map(\.host)) == ["a", "b", "c"])
    }

    @Test func theExplanationSaysHowManyPassedAndWhyOthersDidNot() {
        let known = HostFilter.known(FilterLimits())
        let filters = ["ComputeFilter", "AvailabilityZoneFilter"].compactMap { known[$0] }
        let selector = DestinationSelector(filters: filters, weighers: [])
        var explanation = SchedulingExplanation()
        explanation.stages.append(("nodes", 2))
        let hosts = [Scene.host("a", isUp: false), Scene.host("b", zone: "z")]
        #expect(selector.filter(hosts, Scene.spec(zone: "nova"), explaining: &explanation).isEmpty)
        #expect(
            explanation.summary == """
                No valid host was found. nodes: 2, ComputeFilter: 1, AvailabilityZoneFilter: 0 passed. \
                a: its service is down; b: it is in availability zone z; nova is asked for.
                """)
        var empty = SchedulingExplanation()
        empty.stages.append(("nodes", 0))
        #expect(empty.summary.hasSuffix("no compute node is known."))
    }

    @Test func whatIsPlacedIsNoLongerFree() {
        var host = Scene.host("a")
        #expect((host.free(.vcpu), host.free(.memoryMiB)) == (16, 4000))
        host.consume(Scene.spec().flavor)
        #expect((host.free(.vcpu), host.free(.memoryMiB), host.free(.diskGiB)) == (14, 2976, 99))
        #expect((host.instances, host.ioOperations) == (1, 1))
        #expect(host.free(ResourceClass("CUSTOM_X")) == 0)
    }
}
