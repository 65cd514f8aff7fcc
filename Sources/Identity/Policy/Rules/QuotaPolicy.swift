/// What may be done with quotas and limits.
package enum QuotaPolicy {
    package static let show = PolicyRule(
        "os_compute_api:os-quota-sets:show", PolicyDefault.reader,
        "Show a project's quotas.",
        [.get("/os-quota-sets/{tenant_id}")])
    package static let detail = PolicyRule(
        "os_compute_api:os-quota-sets:detail", PolicyDefault.reader,
        "Show a project's quotas with what is in use.",
        [.get("/os-quota-sets/{tenant_id}/detail")])
    package static let defaults = PolicyRule(
        "os_compute_api:os-quota-sets:defaults", PolicyDefault.anybody,
        "Show the quotas of projects without quotas of their own.",
        [.get("/os-quota-sets/{tenant_id}/defaults")])
    package static let update = PolicyRule(
        "os_compute_api:os-quota-sets:update", PolicyDefault.admin,
        "Set a project's quotas.",
        [.put("/os-quota-sets/{tenant_id}")])
    package static let delete = PolicyRule(
        "os_compute_api:os-quota-sets:delete", PolicyDefault.admin,
        "Put a project's quotas back to the defaults.",
        [.delete("/os-quota-sets/{tenant_id}")])
    package static let classShow = PolicyRule(
        "os_compute_api:os-quota-class-sets:show", PolicyDefault.admin,
        "Show the quotas of a class.",
        [.get("/os-quota-class-sets/{quota_class}")])
    package static let classUpdate = PolicyRule(
        "os_compute_api:os-quota-class-sets:update", PolicyDefault.admin,
        "Set the quotas of a class.",
        [.put("/os-quota-class-sets/{quota_class}")])
    package static let limits = PolicyRule(
        "os_compute_api:limits", PolicyDefault.anybody,
        "Show one's own project's limits and use.",
        [.get("/limits")])
    package static let limitsOfOtherProject = PolicyRule(
        "os_compute_api:limits:other_project", PolicyDefault.admin,
        "Show another project's limits and use.",
        [.get("/limits")])

    package static let all = [
        show, detail, defaults, update, delete, classShow, classUpdate, limits, limitsOfOtherProject,
    ]
}
