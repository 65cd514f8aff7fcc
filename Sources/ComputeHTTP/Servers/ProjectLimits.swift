import ComputeStore
import ServiceOptions

/// What a project may have: its own limits before those of the default class before the configured ones; -1 is no
/// limit.
struct ProjectLimits: Sendable {
    let creation: CreationLimits
    /// Metadata items of one server.
    let metadataItems: Int

    /// - Parameters:
    ///   - own: limits that were set for the project, by resource.
    ///   - usual: those of the default class.
    init(own: [String: Int], usual: [String: Int], configured: QuotaOptions) {
        func limit(_ name: String, _ configured: Int) -> Int { own[name] ?? usual[name] ?? configured }
        creation = CreationLimits(
            instances: limit("instances", configured.instances), cores: limit("cores", configured.cores),
            memoryMiB: limit("ram", configured.ramMiB))
        metadataItems = limit("metadata_items", configured.metadataItems)
    }
}

extension ComputeCall {
    /// The limits in force for a project.
    func limits(of project: String) async throws -> ProjectLimits {
        let store = services.store
        return ProjectLimits(
            own: try await store.quotas(ofProject: project), usual: try await store.quotaClass("default"),
            configured: services.options.quota)
    }
}
