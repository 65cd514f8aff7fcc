import ComputeStore
import ServiceOptions

/// Which limits hold and what is in use. -1 is no limit.
struct QuotaSets {
    private let store: ComputeStore
    private let options: QuotaOptions

    init(_ call: ComputeCall) { (store, options) = (call.services.store, call.services.options.quota) }

    /// The limits of a project without limits of its own: the default class's before the configured ones.
    func defaults() async throws -> [QuotaResource: Int] { try await limits(ofClass: "default") }

    /// The limits of a class; the configured ones where it says nothing.
    func limits(ofClass name: String) async throws -> [QuotaResource: Int] {
        var limits = configured
        Self.apply(try await store.quotaClass(name), to: &limits)
        return limits
    }

    /// The limits in force for a project, or for one of its users: the user's own before the project's.
    func limits(ofProject project: String, user: String? = nil) async throws -> [QuotaResource: Int] {
        var limits = try await defaults()
        Self.apply(try await store.quotas(ofProject: project), to: &limits)
        if let user { Self.apply(try await store.quotas(ofProject: project, user: user), to: &limits) }
        return limits
    }

    /// What a project or one of its users uses, as far as it is counted by project: key pairs and members of groups
    /// belong to other things and count as 0.
    func usage(ofProject project: String, user: String? = nil) async throws -> [QuotaResource: Int] {
        let counted: ProjectUsage =
            if let user {
                try await store.usage(ofProject: project, user: user)
            } else {
                try await store.usage(ofProject: project)
            }
        return [.instances: counted.instances, .cores: counted.cores, .ram: counted.memoryMiB]
    }

    /// Between what and what a limit can be set without force: not below what is in use or promised to users, and a
    /// user's not above what the project has left. An upper end of -1 is none.
    func settable(ofProject project: String, user: String?) async throws -> [QuotaResource: (least: Int, most: Int)] {
        let used = try await usage(ofProject: project, user: user)
        let ofProject = try await limits(ofProject: project)
        let promised = try await store.userQuotaSums(ofProject: project)
        let own = if let user { try await store.quotas(ofProject: project, user: user) } else { [String: Int]() }
        var ranges: [QuotaResource: (least: Int, most: Int)] = [:]
        for resource in QuotaResource.allCases {
            let name = resource.rawValue
            let (inUse, sum) = (used[resource] ?? 0, promised[name] ?? 0)
            guard user != nil else {
                ranges[resource] = (max(inUse, sum), -1)
                continue
            }
            let limit = ofProject[resource] ?? -1
            ranges[resource] = (inUse, limit < 0 ? -1 : limit - sum + max(0, own[name] ?? 0))
        }
        return ranges
    }

    private var configured: [QuotaResource: Int] {
        Dictionary(uniqueKeysWithValues: QuotaResource.allCases.map { ($0, $0.configured(options)) })
    }

    private static func apply(_ stored: [String: Int], to limits: inout [QuotaResource: Int]) {
        for (name, limit) in stored {
            if let resource = QuotaResource(rawValue: name) { limits[resource] = limit }
        }
    }
}
