import Foundation
import Placement
import Testing

@Suite struct CandidateSearchTests {
    /// Set PLACEMENT_FORESTS to try more of them.
    private static let forests = ProcessInfo.processInfo.environment["PLACEMENT_FORESTS"].flatMap(UInt64.init) ?? 400

    @Test func theSearchAgreesWithBruteForceOnRandomForests() throws {
        var answered = 0
        for seed in 1...Self.forests {
            var forest = RandomForest(seed: seed)
            let mirror = ProviderMirror(forest.providers, RandomForest.catalog)
            for _ in 0..<3 {
                let request = forest.request()
                let wanted = BruteForce(forest.providers, RandomForest.catalog).answer(request)
                let found = try CandidateSearch.run(request, in: mirror).texts
                #expect(Set(found) == wanted, "seed \(seed): \(request)")
                #expect(Set(found).count == found.count, "seed \(seed): a result is there twice")
                if !wanted.isEmpty { answered += 1 }
            }
        }
        #expect(answered > Int(Self.forests) / 4)
    }

    @Test func aLimitTakesTheFirstResultsOfTheUnlimitedAnswer() throws {
        for seed in 1...100 as ClosedRange<UInt64> {
            var forest = RandomForest(seed: seed)
            let mirror = ProviderMirror(forest.providers, RandomForest.catalog)
            var request = forest.request()
            let all = try CandidateSearch.run(request, in: mirror).texts
            request.limit = 3
            #expect(try CandidateSearch.run(request, in: mirror).texts == Array(all.prefix(3)), "seed \(seed)")
        }
    }

    @Test func aMirrorChangedStepByStepEqualsOneMadeAtOnce() throws {
        for seed in 1...100 as ClosedRange<UInt64> {
            var forest = RandomForest(seed: seed)
            var mirror = ProviderMirror([], RandomForest.catalog)
            var sequence: Int64 = 1
            func apply(_ build: (inout MirrorChange) -> Void) {
                sequence += 1
                var change = MirrorChange(sequence: sequence)
                build(&change)
                mirror.apply(change)
            }
            for provider in RandomForest(seed: seed + 1000).providers {
                var other = provider
                other.uuid += "-old"
                apply { $0.providers = [other] }
            }
            for id in RandomForest(seed: seed + 1000).providers.map(\.id).reversed() { apply { $0.removed = [id] } }
            for provider in forest.providers {
                var bare = provider
                bare.inventories = []
                bare.traits = []
                apply { $0.providers = [bare] }
            }
            for provider in forest.providers.reversed() { apply { $0.providers = [provider] } }
            #expect(mirror.slots.map(mirror.image).map(\.uuid) == forest.providers.map(\.uuid))
            let whole = ProviderMirror(forest.providers, RandomForest.catalog)
            for _ in 0..<3 {
                let request = forest.request()
                #expect(
                    try CandidateSearch.run(request, in: mirror).texts == CandidateSearch.run(request, in: whole).texts,
                    "seed \(seed)")
            }
        }
    }

    @Test func unknownNamesAreRefused() {
        let mirror = ProviderMirror([], RandomForest.catalog)
        let unknownClass = CandidateRequest(groups: [.init(resources: [.init("NOTHING", 1)])])
        #expect(throws: CandidateRequestError.unknownResourceClass("NOTHING")) {
            try CandidateSearch.run(unknownClass, in: mirror)
        }
        let unknownTrait = CandidateRequest(groups: [.init(resources: [.init("VCPU", 1)], required: [["Z"], ["Y"]])])
        #expect(throws: CandidateRequestError.unknownTraits(["Z"])) {
            try CandidateSearch.run(unknownTrait, in: mirror)
        }
    }

    @Test func eightIsolatedGroupsOnAThousandHostsWithEightDevicesEachAreQuick() throws {
        let mirror = ProviderMirror(Self.deviceHosts(1000, devices: 8), RandomForest.catalog)
        let groups = (1...8).map { CandidateRequest.Group(suffix: "\($0)", resources: [.init("CUSTOM_GPU", 1)]) }
        let clock = ContinuousClock()
        var found: CandidateSet?
        let time = try clock.measure {
            found = try CandidateSearch.run(.init(groups: groups, isolated: true), in: mirror)
        }
        #expect(found?.count == 10_000 && found?.cut == .candidates)
        #expect(Set(found?.anchors ?? []).count == 1000)
        #expect(time < .seconds(10))
    }

    @Test func moreIsolatedGroupsThanDevicesAreRefusedWithoutTryingAllOrders() throws {
        let mirror = ProviderMirror(Self.deviceHosts(100, devices: 11), RandomForest.catalog)
        let groups = (1...12).map { CandidateRequest.Group(suffix: "\($0)", resources: [.init("CUSTOM_GPU", 1)]) }
        let found = try CandidateSearch.run(.init(groups: groups, isolated: true), in: mirror)
        #expect(found.count == 0 && found.cut == nil)
    }

    @Test func theCapStarvesNoHost() throws {
        let mirror = ProviderMirror(Self.deviceHosts(50, devices: 4), RandomForest.catalog)
        let groups = (1...3).map { CandidateRequest.Group(suffix: "\($0)", resources: [.init("CUSTOM_GPU", 1)]) }
        let found = try CandidateSearch.run(
            .init(groups: groups, isolated: true), in: mirror, limits: CandidateLimits(candidatesMax: 10))
        #expect(found.count == 50 && found.cut == .candidates)
        #expect(Set(found.anchors).count == 50)
    }

    @Test func aSeedDecidesAShuffledOrder() throws {
        let mirror = ProviderMirror(Self.deviceHosts(50, devices: 1), RandomForest.catalog)
        func order(_ order: CandidateRequest.Order) throws -> [String] {
            try CandidateSearch.run(
                .init(groups: [.init(resources: [.init("VCPU", 1)])], order: order), in: mirror
            ).texts
        }
        #expect(try order(.shuffled(seed: 1)) == order(.shuffled(seed: 1)))
        #expect(try order(.shuffled(seed: 1)) != order(.byName))
        #expect(try Set(order(.shuffled(seed: 1))) == Set(order(.byName)))
    }

    static func deviceHosts(_ hosts: Int, devices: Int) -> [ProviderImage] {
        var providers: [ProviderImage] = []
        for host in 0..<hosts {
            let root = Int64(providers.count + 1)
            providers.append(
                ProviderImage(
                    id: root, uuid: "host-\(host)", name: "host-\(host)", rootID: root,
                    inventories: [InventoryImage(classID: 0, total: 16), InventoryImage(classID: 1, total: 65536)]))
            for device in 0..<devices {
                providers.append(
                    ProviderImage(
                        id: Int64(providers.count + 1), uuid: "gpu-\(host)-\(device)", name: "gpu-\(host)-\(device)",
                        parentID: root, rootID: root, inventories: [InventoryImage(classID: 3, total: 1)]))
            }
        }
        return providers
    }
}
