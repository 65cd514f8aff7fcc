import ComputeModel


/// Says how good a host is. Values are brought to 0…1 over the hosts compared, then multiplied.
package struct HostWeigher: Sendable {
    package let name: String
    package let multiplier: Double
    package let value: @Sendable (HostState) -> Double

    package init(_ name: String, multiplier: Double, _ value: @escaping @Sendable (HostState) -> Double) {
        self.name = name
        self.multiplier = multiplier
        self.value = value
    }
}

extension HostWeigher {
    /// The weighers, with their multipliers.
    package static func standard(_ multipliers: WeigherMultipliers) -> [HostWeigher] {
        [
            HostWeigher("RAMWeigher", multiplier: multipliers.memory) { $0.free(.memoryMiB) },
            HostWeigher("CPUWeigher", multiplier: multipliers.processors) { $0.free(.vcpu) },
            HostWeigher("DiskWeigher", multiplier: multipliers.disk) { $0.free(.diskGiB) },
            HostWeigher("IoOpsWeigher", multiplier: multipliers.ioOperations) { Double($0.ioOperations) },
            HostWeigher("NumInstancesWeigher", multiplier: multipliers.instances) { Double($0.instances) },
        ]
    }

    /// The hosts, best first; equal ones by name, so that the order is always the same.
    package static func order(_ hosts: [HostState], by weighers: [HostWeigher]) -> [(host: HostState, weight: Double)] {
        var weights = [Double](repeating: 0, count: hosts.count)
        for weigher in weighers where weigher.multiplier != 0 {
            let values = hosts.map(weigher.value)
            guard let least = values.min(), let most = values.max(), most > least else { continue }
            for index in hosts.indices {
                weights[index] += weigher.multiplier * (values[index] - least) / (most - least)
            }
        }
        return zip(hosts, weights).map { (host: $0, weight: $1) }.sorted { left, right in
            left.weight == right.weight ? left.host.node < right.host.node : left.weight > right.weight
        }
    }
}

/// How much each weigher counts: options of `[filter_scheduler]`.
package struct WeigherMultipliers: Sendable {
    package var memory = 1.0
    package var processors = 1.0
    package var disk = 1.0
    package var ioOperations = -1.0
    package var instances = 0.0

    package init() {}
}
