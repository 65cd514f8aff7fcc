import ComputeModel
import Testing
import WireJSON

@testable import NetworkAgent

/// Rules that are changed in place must end up as if they had been put there as a whole.
@Suite(
    .serialized, .timeLimit(.minutes(5)),
    .enabled(if: ThrowAwayHost.obstacle == nil, Comment(rawValue: ThrowAwayHost.obstacle ?? "")))
struct RuleChangeTests {
    @Test(arguments: 1...3)
    func changesInPlaceAreAsGoodAsAReplacement(_ seed: UInt64) async throws {
        var dice = Dice(state: seed)
        let changing = try ThrowAwayHost()
        let replacing = try ThrowAwayHost()
        var numbers = NumberBook()
        func tables(_ plan: NetworkPlan) -> [NftTable] {
            HostLayoutBuilder.layout(of: plan, options: changing.options, numbers: &numbers).hostRules
        }
        var old = tables(NetworkPlan())
        try await changing.command.run(["nft", "-f", "-"], input: old.map(\.replacement).joined())
        for step in 0..<12 {
            let new = tables(Self.plan(&dice))
            let text = zip(old, new).map { $1.changes(from: $0) }.joined()
            try await changing.command.run(["nft", "-f", "-"], input: text)
            try await replacing.command.run(["nft", "-f", "-"], input: new.map(\.replacement).joined())
            for family in ["bridge", "inet"] {
                let one = try await Self.contents(family, of: changing)
                let other = try await Self.contents(family, of: replacing)
                #expect(one == other, "seed \(seed), step \(step), \(family)")
            }
            old = new
        }
        #expect(zip(old, old).allSatisfy { $1.changes(from: $0).isEmpty })
    }

    @Test func rulesChangedInPlaceAreKnownToTheNextProcessOnceTheyWereLookedAt() async throws {
        let host = try ThrowAwayHost()
        let worker = host.network()
        try await worker.apply(NetworkPlan(networks: [Sample.network(1)]))
        let plan = NetworkPlan(networks: [Sample.network(1, ports: [Sample.port(1, "10.0.0.5")])])
        let report = try await worker.apply(plan)
        #expect(report.changes.map(\.kind).contains(.changed))
        #expect(try await worker.verify().changes == [])
        #expect(try await host.network().apply(plan).changes == [])
    }

    @Test func whoeverChangesARuleIsNoticedBeforeTheNextPort() async throws {
        let host = try ThrowAwayHost()
        let port = Sample.port(1, "10.0.0.5")
        let network = Sample.network(1, ports: [port])
        let worker = host.network()
        try await worker.apply(NetworkPlan(networks: [network]))
        #expect(try await worker.ensurePort(port.id, on: network.id).changedNothing)
        _ = await host.run("nft", "add", "table", "inet", "other")
        #expect(try await worker.ensurePort(port.id, on: network.id).changedNothing, "not our table")
        _ = await host.run("nft", "flush", "chain", "inet", "kilonova", "into-host")
        let report = try await worker.ensurePort(port.id, on: network.id)
        #expect(report.changes.contains(HostChange(.changed, "table inet kilonova")))
    }

    /// Some networks with some ports of every kind.
    private static func plan(_ dice: inout Dice) -> NetworkPlan {
        var plan = NetworkPlan(externalNetworks: dice.roll(2) == 0 ? [Sample.external] : [])
        for number in 1...3 where dice.roll(4) > 0 {
            var ports: [PlannedPort] = []
            for index in 0..<5 where dice.roll(3) > 0 {
                let remotes: [PlannedRemote] = [
                    .any, .block(AddressPrefix("192.0.2.0/24")!),
                    .members(Set((0..<dice.roll(4)).map { AddressPrefix("10.0.0.\($0 + 20)/32")! })),
                    .members([AddressPrefix("10.1.0.0/16")!, AddressPrefix("10.1.2.0/24")!]),
                ]
                let rules = (0..<dice.roll(4)).map { _ in
                    PlannedRule(
                        dice.roll(2) == 0 ? .ingress : .egress, .v4, Sample.tcp(UInt16(80 + dice.roll(3))),
                        remote: remotes[dice.roll(remotes.count)])
                }
                let pair = PlannedAddressPair(block: AddressPrefix("10.0.0.\(64 * dice.roll(3))/26")!)
                let protections: [PortProtection] = [
                    .open, .addressesOnly(pairs: []), .filtered(rules: rules, pairs: []),
                    .filtered(rules: rules, pairs: [pair]),
                ]
                ports.append(
                    Sample.port(number * 10 + index, "10.0.0.\(index + 5)", protections[dice.roll(protections.count)]))
            }
            plan.networks.append(Sample.network(number, ports: ports))
        }
        return plan
    }

    /// What a table contains, whatever the order of chains, sets and elements; rules stay in their order.
    private static func contents(_ family: String, of host: ThrowAwayHost) async throws -> [String: [String]] {
        let text = await host.run("nft", "-j", "-s", "list", "table", family, "kilonova")
        var contents: [String: [String]] = [:]
        for entry in try #require(try JSONParser.parse(text)["nftables"]?.array) {
            if let chain = entry["chain"] {
                let hook = [chain["hook"], chain["prio"], chain["policy"], chain["type"]].map { $0?.text ?? "" }
                contents["chain \(chain["name"]?.string ?? "")", default: []].insert("\(hook)", at: 0)
            } else if let rule = entry["rule"] {
                contents["chain \(rule["chain"]?.string ?? "")", default: []].append(rule["expr"]?.text ?? "")
            } else if let set = entry["set"] ?? entry["map"] {
                let elements = (set["elem"]?.array ?? []).map(\.text).sorted()
                contents["set \(set["name"]?.string ?? "")"] = [set["type"]?.text ?? ""] + elements
            }
        }
        return contents
    }
}

/// Numbers that look random and are the same in every run.
private struct Dice {
    var state: UInt64

    mutating func roll(_ sides: Int) -> Int {
        state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
        return Int((state >> 33) % UInt64(sides))
    }
}
