package import Identity

/// Placement's policy rules with the reference's names and defaults.
package enum PlacementPolicy {
    /// - Parameter newDefaultsOnly: without the older rule beside the new one (`enforce_new_defaults`): then only a
    ///   service may reshape, not an administrator.
    package static func rules(newDefaultsOnly: Bool = false) -> [PolicyRule] {
        let bases = [
            PolicyRule("admin_api", "role:admin", "Default rule for most placement APIs."),
            PolicyRule(
                "service_api", newDefaultsOnly ? "role:service" : "role:service or role:admin",
                "Default rule for service-to-service placement APIs."),
            PolicyRule("admin_or_service_api", "role:admin or role:service", "Default rule for most placement APIs."),
            PolicyRule(
                "project_reader_api", "role:reader and project_id:%(project_id)s",
                "Default rule for Project level reader APIs.", scopes: []),
            PolicyRule(
                "admin_or_project_reader_or_service_api", "role:admin or rule:project_reader_api or role:service",
                "Default rule for project level reader APIs."),
        ]
        return bases
            + operations.map { name, check, description, operation in
                PolicyRule(name, "rule:\(check)", description, [operation])
            }
    }

    private static let usual = "admin_or_service_api"

    private static let operations: [(String, String, String, PolicyOperation)] = [
        ("placement:resource_providers:list", usual, "List resource providers.", .get("/resource_providers")),
        ("placement:resource_providers:create", usual, "Create a resource provider.", .post("/resource_providers")),
        ("placement:resource_providers:show", usual, "Show resource provider.", .get("/resource_providers/{uuid}")),
        (
            "placement:resource_providers:update", usual, "Update a resource provider.",
            .put("/resource_providers/{uuid}")
        ),
        (
            "placement:resource_providers:delete", usual, "Delete a resource provider.",
            .delete("/resource_providers/{uuid}")
        ),
        ("placement:resource_classes:list", usual, "List resource classes.", .get("/resource_classes")),
        ("placement:resource_classes:create", usual, "Create resource class.", .post("/resource_classes")),
        ("placement:resource_classes:show", usual, "Show resource class.", .get("/resource_classes/{name}")),
        ("placement:resource_classes:update", usual, "Update resource class.", .put("/resource_classes/{name}")),
        ("placement:resource_classes:delete", usual, "Delete resource class.", .delete("/resource_classes/{name}")),
        (
            "placement:resource_providers:inventories:list", usual, "List resource provider inventories.",
            .get("/resource_providers/{uuid}/inventories")
        ),
        (
            "placement:resource_providers:inventories:create", usual, "Create one resource provider inventory.",
            .post("/resource_providers/{uuid}/inventories")
        ),
        (
            "placement:resource_providers:inventories:show", usual, "Show resource provider inventory.",
            .get("/resource_providers/{uuid}/inventories/{resource_class}")
        ),
        (
            "placement:resource_providers:inventories:update", usual, "Update resource provider inventory.",
            .put("/resource_providers/{uuid}/inventories")
        ),
        (
            "placement:resource_providers:inventories:delete", usual, "Delete resource provider inventory.",
            .delete("/resource_providers/{uuid}/inventories")
        ),
        (
            "placement:resource_providers:aggregates:list", usual, "List resource provider aggregates.",
            .get("/resource_providers/{uuid}/aggregates")
        ),
        (
            "placement:resource_providers:aggregates:update", usual, "Update resource provider aggregates.",
            .put("/resource_providers/{uuid}/aggregates")
        ),
        (
            "placement:resource_providers:usages", usual, "List resource provider usages.",
            .get("/resource_providers/{uuid}/usages")
        ),
        (
            "placement:usages", "admin_or_project_reader_or_service_api",
            "List total resource usages for a given project.", .get("/usages")
        ),
        ("placement:traits:list", usual, "List traits.", .get("/traits")),
        ("placement:traits:show", usual, "Show trait.", .get("/traits/{name}")),
        ("placement:traits:update", usual, "Update trait.", .put("/traits/{name}")),
        ("placement:traits:delete", usual, "Delete trait.", .delete("/traits/{name}")),
        (
            "placement:resource_providers:traits:list", usual, "List resource provider traits.",
            .get("/resource_providers/{uuid}/traits")
        ),
        (
            "placement:resource_providers:traits:update", usual, "Update resource provider traits.",
            .put("/resource_providers/{uuid}/traits")
        ),
        (
            "placement:resource_providers:traits:delete", usual, "Delete resource provider traits.",
            .delete("/resource_providers/{uuid}/traits")
        ),
        ("placement:allocations:manage", usual, "Manage allocations.", .post("/allocations")),
        ("placement:allocations:list", usual, "List allocations.", .get("/allocations/{consumer_uuid}")),
        ("placement:allocations:update", usual, "Update allocations.", .put("/allocations/{consumer_uuid}")),
        ("placement:allocations:delete", usual, "Delete allocations.", .delete("/allocations/{consumer_uuid}")),
        (
            "placement:resource_providers:allocations:list", usual, "List resource provider allocations.",
            .get("/resource_providers/{uuid}/allocations")
        ),
        ("placement:allocation_candidates:list", usual, "List allocation candidates.", .get("/allocation_candidates")),
        ("placement:reshaper:reshape", "service_api", "Reshape Inventory and Allocations.", .post("/reshaper")),
    ]
}
