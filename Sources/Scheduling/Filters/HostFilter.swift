import ComputeModel
package import ServiceInterfaces

/// Decides whether a host may take a request. Pure: the same host and request give the same verdict.
package struct HostFilter: Sendable {
    /// The name in `enabled_filters`.
    package let name: String
    /// `nil` when the host passes, else why not: what it has and what is needed.
    package let refusal: @Sendable (HostState, RequestSpec) -> String?

    package init(_ name: String, _ refusal: @escaping @Sendable (HostState, RequestSpec) -> String?) {
        self.name = name
        self.refusal = refusal
    }
}

extension HostFilter {
    /// Every filter that can be enabled, by name.
    package static func known(_ limits: FilterLimits) -> [String: HostFilter] {
        let filters = [
            allHosts, compute, availabilityZone, computeCapabilities, imageProperties,
            ioOperations(max: limits.ioOperationsMax), numInstances(max: limits.instancesMax),
        ]
        return Dictionary(uniqueKeysWithValues: filters.map { ($0.name, $0) })
    }

    /// Filters of other releases whose work placement does now: accepted with a warning.
    package static let replacedByPlacement: Set<String> = [
        "RamFilter", "DiskFilter", "CoreFilter", "RetryFilter",
    ]

    static let allHosts = HostFilter("AllHostsFilter") { _, _ in nil }

    static let compute = HostFilter("ComputeFilter") { host, _ in
        if host.isDisabled {
            return "its service is disabled" + (host.disabledReason.map { " (\($0))" } ?? "")
        }
        return host.isUp ? nil : "its service is down" + (host.trouble.map { " (\($0))" } ?? "")
    }

    static let availabilityZone = HostFilter("AvailabilityZoneFilter") { host, spec in
        guard let wanted = spec.availabilityZone, wanted != host.availabilityZone else { return nil }
        return "it is in availability zone \(host.availabilityZone); \(wanted) is asked for"
    }

    static func ioOperations(max: Int) -> HostFilter {
        HostFilter("IoOpsFilter") { host, _ in
            host.ioOperations < max ? nil : "\(host.ioOperations) builds and moves are under way; at most \(max) may be"
        }
    }

    static func numInstances(max: Int) -> HostFilter {
        HostFilter("NumInstancesFilter") { host, _ in
            host.instances < max ? nil : "it has \(host.instances) instances; at most \(max) are allowed"
        }
    }
}

/// Numbers that filters compare with.
package struct FilterLimits: Sendable {
    package var ioOperationsMax: Int
    package var instancesMax: Int

    package init(ioOperationsMax: Int = 8, instancesMax: Int = 50) {
        self.ioOperationsMax = ioOperationsMax
        self.instancesMax = instancesMax
    }
}
