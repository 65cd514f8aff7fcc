/// The rules that others refer to. Names and checks are nova's; an override of one changes every rule built on it.
package enum BasePolicy {
    package static let contextIsAdmin = PolicyRule(
        "context_is_admin", "role:admin", "Who counts as an administrator of the cloud.", scopes: [])
    package static let adminOrOwner = PolicyRule(
        "admin_or_owner", "is_admin:True or project_id:%(project_id)s",
        "An administrator, or anybody in the project that owns the thing. Kept for older policy files.", scopes: [])
    package static let adminAPI = PolicyRule(
        "admin_api", "is_admin:True", "An administrator. Kept for older policy files.", scopes: [])
    package static let projectManager = PolicyRule(
        "project_manager_api", "role:manager and project_id:%(project_id)s", "A manager of the owning project.",
        scopes: [])
    package static let projectMember = PolicyRule(
        "project_member_api", "role:member and project_id:%(project_id)s", "A member of the owning project.",
        scopes: [])
    package static let projectReader = PolicyRule(
        "project_reader_api", "role:reader and project_id:%(project_id)s",
        "Somebody who may look at what the owning project has.", scopes: [])
    package static let service = PolicyRule(
        "service_api", "role:service", "Another service of the cloud.", scopes: [])
    package static let projectManagerOrAdmin = PolicyRule(
        "project_manager_or_admin", "rule:project_manager_api or rule:context_is_admin",
        "A manager of the owning project, or an administrator.", scopes: [])
    package static let projectMemberOrAdmin = PolicyRule(
        "project_member_or_admin", "rule:project_member_api or rule:context_is_admin",
        "A member of the owning project, or an administrator.", scopes: [])
    package static let projectReaderOrAdmin = PolicyRule(
        "project_reader_or_admin", "rule:project_reader_api or rule:context_is_admin",
        "Somebody who may look at what the owning project has, or an administrator.", scopes: [])
    package static let serviceOrAdmin = PolicyRule(
        "service_or_admin", "rule:service_api or rule:context_is_admin",
        "Another service of the cloud, or an administrator.", scopes: [])

    package static let all = [
        contextIsAdmin, adminOrOwner, adminAPI, projectManager, projectMember, projectReader, service,
        projectManagerOrAdmin, projectMemberOrAdmin, projectReaderOrAdmin, serviceOrAdmin,
    ]
}

/// The default checks of operations.
enum PolicyDefault {
    static let admin = "rule:context_is_admin"
    static let manager = "rule:project_manager_or_admin"
    static let member = "rule:project_member_or_admin"
    static let reader = "rule:project_reader_or_admin"
    static let service = "rule:service_or_admin"
    static let anybody = "@"
}

extension PolicyRule {
    /// Every declared rule. Operations that do not exist yet have none, so that the list says what can be done.
    package static let all =
        BasePolicy.all + ServerPolicy.all + ServerDetailPolicy.all + ServerConnectionPolicy.all + FlavorPolicy.all
        + KeypairPolicy.all + CloudPolicy.all + QuotaPolicy.all
}
