/// What may be done with flavors. Listing and showing public ones needs no rule.
package enum FlavorPolicy {
    package static let create = PolicyRule(
        "os_compute_api:os-flavor-manage:create", PolicyDefault.admin,
        "Create a flavor.",
        [.post("/flavors")])
    package static let update = PolicyRule(
        "os_compute_api:os-flavor-manage:update", PolicyDefault.admin,
        "Change a flavor's description.",
        [.put("/flavors/{flavor_id}")])
    package static let delete = PolicyRule(
        "os_compute_api:os-flavor-manage:delete", PolicyDefault.admin,
        "Delete a flavor.",
        [.delete("/flavors/{flavor_id}")])
    package static let extraSpecList = PolicyRule(
        "os_compute_api:os-flavor-extra-specs:index", PolicyDefault.reader,
        "List a flavor's extra specs, and see them in answers about flavors from microversion 2.61.",
        [
            .get("/flavors/{flavor_id}/os-extra_specs"),
            .get("/flavors/detail"),
            .get("/flavors/{flavor_id}"),
            .post("/flavors"),
            .put("/flavors/{flavor_id}"),
        ])
    package static let extraSpecShow = PolicyRule(
        "os_compute_api:os-flavor-extra-specs:show", PolicyDefault.reader,
        "Show one extra spec of a flavor.",
        [.get("/flavors/{flavor_id}/os-extra_specs/{key}")])
    package static let extraSpecCreate = PolicyRule(
        "os_compute_api:os-flavor-extra-specs:create", PolicyDefault.admin,
        "Add extra specs to a flavor.",
        [.post("/flavors/{flavor_id}/os-extra_specs")])
    package static let extraSpecUpdate = PolicyRule(
        "os_compute_api:os-flavor-extra-specs:update", PolicyDefault.admin,
        "Set one extra spec of a flavor.",
        [.put("/flavors/{flavor_id}/os-extra_specs/{key}")])
    package static let extraSpecDelete = PolicyRule(
        "os_compute_api:os-flavor-extra-specs:delete", PolicyDefault.admin,
        "Remove one extra spec of a flavor.",
        [.delete("/flavors/{flavor_id}/os-extra_specs/{key}")])
    package static let accessList = PolicyRule(
        "os_compute_api:os-flavor-access", PolicyDefault.admin,
        "List the projects that may use a private flavor.",
        [.get("/flavors/{flavor_id}/os-flavor-access")])
    package static let accessAdd = PolicyRule(
        "os_compute_api:os-flavor-access:add_tenant_access", PolicyDefault.admin,
        "Let a project use a private flavor.",
        [.post("/flavors/{flavor_id}/action (addTenantAccess)")])
    package static let accessRemove = PolicyRule(
        "os_compute_api:os-flavor-access:remove_tenant_access", PolicyDefault.admin,
        "Stop a project from using a private flavor.",
        [.post("/flavors/{flavor_id}/action (removeTenantAccess)")])

    package static let all = [
        create, update, delete, extraSpecList, extraSpecShow, extraSpecCreate, extraSpecUpdate, extraSpecDelete,
        accessList, accessAdd, accessRemove,
    ]
}
