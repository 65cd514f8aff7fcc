import APIVersioning
import HTTPService
import Identity
import WireJSON

/// A project's limits together with what it uses.
enum LimitsController {
    static func show(_ call: ComputeCall) async throws -> HTTPResponse {
        var project = call.context.projectID ?? ""
        if let other = call.query.values("tenant_id").last {
            try call.require(QuotaPolicy.limitsOfOtherProject, PolicyTarget(call.context))
            project = other
        }
        let numbers = LimitNumbers(
            limits: try await QuotaSets(call).limits(ofProject: project),
            used: try await QuotaSets(call).usage(ofProject: project))
        return call.answer { w in
            w.object("limits") { w in
                w.array("rate") { _ in }
                w.key("absolute")
                LimitsView.absolute.write(numbers, at: call.version, to: &w)
            }
        }
    }
}

/// What the view shows.
struct LimitNumbers: Sendable {
    let limits: [QuotaResource: Int]
    let used: [QuotaResource: Int]
}

/// The members of the absolute limits, by microversion.
enum LimitsView {
    private typealias Field = ViewField<LimitNumbers>

    static let absolute = View<LimitNumbers>([
        limit("maxServerMeta", .metadataItems),
        limit("maxImageMeta", .metadataItems, until: 39),
        limit("maxPersonality", .injectedFiles, until: 57),
        limit("maxPersonalitySize", .injectedFileContentBytes, until: 57),
        limit("maxTotalKeypairs", .keyPairs),
        limit("maxServerGroups", .serverGroups),
        limit("maxServerGroupMembers", .serverGroupMembers),
        limit("maxTotalCores", .cores),
        limit("maxTotalInstances", .instances),
        limit("maxTotalRAMSize", .ram),
        limit("maxTotalFloatingIps", .floatingIPs, until: 36),
        limit("maxSecurityGroups", .securityGroups, until: 36),
        limit("maxSecurityGroupRules", .securityGroupRules, until: 36),
        use("totalCoresUsed", .cores),
        use("totalInstancesUsed", .instances),
        use("totalRAMUsed", .ram),
        use("totalServerGroupsUsed", .serverGroups),
        use("totalFloatingIpsUsed", .floatingIPs, until: 36),
        use("totalSecurityGroupsUsed", .securityGroups, until: 36),
    ])

    private static func limit(_ name: String, _ resource: QuotaResource, until minor: Int? = nil) -> Field {
        Field(name, span(minor)) { $1.int($0.limits[resource] ?? -1) }
    }

    private static func use(_ name: String, _ resource: QuotaResource, until minor: Int? = nil) -> Field {
        Field(name, span(minor)) { $1.int($0.used[resource] ?? 0) }
    }

    private static func span(_ until: Int?) -> VersionSpan { until.map { always.until(v($0)) } ?? always }
}
