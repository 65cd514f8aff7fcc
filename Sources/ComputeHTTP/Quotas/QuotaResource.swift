import APIVersioning
import ServiceOptions

/// What quotas limit, by the names that bodies and the store use.
enum QuotaResource: String, CaseIterable, Sendable {
    case instances
    case cores
    case ram
    case fixedIPs = "fixed_ips"
    case floatingIPs = "floating_ips"
    case securityGroups = "security_groups"
    case securityGroupRules = "security_group_rules"
    case metadataItems = "metadata_items"
    case injectedFiles = "injected_files"
    case injectedFileContentBytes = "injected_file_content_bytes"
    case injectedFilePathBytes = "injected_file_path_bytes"
    case keyPairs = "key_pairs"
    case serverGroups = "server_groups"
    case serverGroupMembers = "server_group_members"

    /// The versions whose quota sets have it.
    var spanInSets: VersionSpan {
        if isOfNetworks { return always.until(v(36)) }
        return isOfInjectedFiles ? always.until(v(57)) : always
    }

    /// The versions whose quota classes show it.
    var spanInClasses: VersionSpan {
        switch self {
        case .serverGroups, .serverGroupMembers: .since(v(50))
        default: spanAcceptedInClasses
        }
    }

    /// The versions whose quota classes can be given it.
    var spanAcceptedInClasses: VersionSpan {
        if isOfNetworks { return always.until(v(50)) }
        return isOfInjectedFiles ? always.until(v(57)) : always
    }

    /// What the network service limits since long.
    private var isOfNetworks: Bool {
        switch self {
        case .fixedIPs, .floatingIPs, .securityGroups, .securityGroupRules: true
        default: false
        }
    }

    private var isOfInjectedFiles: Bool {
        switch self {
        case .injectedFiles, .injectedFileContentBytes, .injectedFilePathBytes: true
        default: false
        }
    }

    /// What holds where nobody has set anything; -1 is no limit.
    func configured(_ options: QuotaOptions) -> Int {
        switch self {
        case .instances: options.instances
        case .cores: options.cores
        case .ram: options.ramMiB
        case .fixedIPs, .floatingIPs, .securityGroups, .securityGroupRules: -1
        case .metadataItems: options.metadataItems
        case .injectedFiles: options.injectedFiles
        case .injectedFileContentBytes: options.injectedFileBytes
        case .injectedFilePathBytes: options.injectedFilePathLength
        case .keyPairs: options.keyPairs
        case .serverGroups: options.serverGroups
        case .serverGroupMembers: options.serverGroupMembers
        }
    }
}
