import ComputeModel
package import ServiceInterfaces

/// Why no host was chosen: how many hosts each stage left, and why each of the others was refused.
package struct SchedulingExplanation: Sendable {
    /// A stage and how many hosts passed it.
    package var stages: [(name: String, passed: Int)] = []
    /// First refusal by host.
    package var refusals: [(host: String, stage: String, reason: String)] = []
    /// What placement was asked, and the nodes that it did not name: reasons are looked for only when they are needed.
    var wishes: PlacementWishes?
    var passedOver: [PassedOver] = []

    package init() {}

    /// One sentence for the fault of the server.
    package var summary: String {
        var text = "No valid host was found. "
        if stages.first?.passed == 0 {
            text += "There are not enough hosts available: no compute node is known."
            return text
        }
        text += stages.map { "\($0.name): \($0.passed)" }.joined(separator: ", ") + " passed."
        let listed = refusals.prefix(10).map { "\($0.host): \($0.reason)" }
        if !listed.isEmpty { text += " " + listed.joined(separator: "; ") + "." }
        return text
    }
}

/// Chooses hosts for a request among those that placement named: filter, weigh, take the best. Pure.
package struct DestinationSelector: Sendable {
    package var filters: [HostFilter]
    package var weighers: [HostWeigher]
    /// The choice falls at random among this many of the best.
    package var subsetSize: Int
    /// Choose at random among equally good hosts.
    package var shufflesEquals: Bool

    package init(filters: [HostFilter], weighers: [HostWeigher], subsetSize: Int = 1, shufflesEquals: Bool = false) {
        self.filters = filters
        self.weighers = weighers
        self.subsetSize = subsetSize
        self.shufflesEquals = shufflesEquals
    }

    /// The hosts that may take the request.
    package func filter(
        _ hosts: [HostState], _ spec: RequestSpec, explaining explanation: inout SchedulingExplanation
    ) -> [HostState] {
        var left = hosts
        for filter in filters {
            left = left.filter { host in
                guard let reason = filter.refusal(host, spec) else { return true }
                explanation.refusals.append((host.host, filter.name, reason))
                return false
            }
            explanation.stages.append((filter.name, left.count))
            if left.isEmpty { break }
        }
        return left
    }

    /// The hosts in the order in which they are to be tried.
    package func order(_ hosts: [HostState], using random: inout some RandomNumberGenerator) -> [HostState] {
        var ordered = HostWeigher.order(hosts, by: weighers)
        if shufflesEquals, let best = ordered.first?.weight {
            let equals = ordered.prefix { $0.weight == best }.count
            ordered[..<equals].shuffle(using: &random)
        }
        if subsetSize > 1, ordered.count > 1 {
            let chosen = Int.random(in: 0..<min(subsetSize, ordered.count), using: &random)
            ordered.swapAt(0, chosen)
        }
        return ordered.map(\.host)
    }
}
