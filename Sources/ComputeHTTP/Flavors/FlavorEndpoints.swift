import APIVersioning
import Identity

/// The operations on flavors, their extra specs and who may use them.
enum FlavorEndpoints {
    static let all: [ComputeEndpoint] = flavors + extraSpecs + access

    private static let flavors: [ComputeEndpoint] = [
        ComputeEndpoint(
            "GET", "/flavors", always, policy: nil, errors: [400], query: FlavorSchemas.listQuery,
            run: .asCaller(FlavorController.list)),
        ComputeEndpoint(
            "GET", "/flavors/detail", always, policy: nil, errors: [400], query: FlavorSchemas.listQuery,
            run: .asCaller(FlavorController.detail)),
        ComputeEndpoint(
            "GET", "/flavors/{flavor_id}", always, policy: nil, errors: [404], query: ComputeEndpoints.noQuery,
            run: .asCaller(FlavorController.show)),
        ComputeEndpoint(
            "POST", "/flavors", always, policy: FlavorPolicy.create.name, errors: [400, 409],
            body: FlavorSchemas.create, run: .asCaller(FlavorController.create)),
        ComputeEndpoint(
            "PUT", "/flavors/{flavor_id}", .since(v(55)), policy: FlavorPolicy.update.name, errors: [400, 404],
            body: FlavorSchemas.update, run: .asCaller(FlavorController.update)),
        ComputeEndpoint(
            "DELETE", "/flavors/{flavor_id}", always, policy: FlavorPolicy.delete.name, errors: [404],
            success: Versioned(since: v(1), 202), run: .asCaller(FlavorController.delete)),
    ]

    private static let extraSpecs: [ComputeEndpoint] = [
        ComputeEndpoint(
            "GET", "/flavors/{flavor_id}/os-extra_specs", always, policy: FlavorPolicy.extraSpecList.name,
            errors: [404], query: ComputeEndpoints.noQuery, run: .asCaller(ExtraSpecController.list)),
        ComputeEndpoint(
            "POST", "/flavors/{flavor_id}/os-extra_specs", always, policy: FlavorPolicy.extraSpecCreate.name,
            errors: [400, 404, 409], body: FlavorSchemas.extraSpecs, run: .asCaller(ExtraSpecController.create)),
        ComputeEndpoint(
            "GET", "/flavors/{flavor_id}/os-extra_specs/{key}", always, policy: FlavorPolicy.extraSpecShow.name,
            errors: [404], query: ComputeEndpoints.noQuery, run: .asCaller(ExtraSpecController.show)),
        ComputeEndpoint(
            "PUT", "/flavors/{flavor_id}/os-extra_specs/{key}", always, policy: FlavorPolicy.extraSpecUpdate.name,
            errors: [400, 404, 409], body: FlavorSchemas.extraSpec, run: .asCaller(ExtraSpecController.update)),
        ComputeEndpoint(
            "DELETE", "/flavors/{flavor_id}/os-extra_specs/{key}", always,
            policy: FlavorPolicy.extraSpecDelete.name, errors: [404], run: .asCaller(ExtraSpecController.delete)),
    ]

    private static let access: [ComputeEndpoint] = [
        ComputeEndpoint(
            "GET", "/flavors/{flavor_id}/os-flavor-access", always, policy: FlavorPolicy.accessList.name,
            errors: [404], query: ComputeEndpoints.noQuery, run: .asCaller(FlavorAccessController.list)),
        ComputeEndpoint(
            "POST", "/flavors/{flavor_id}/action", always, action: "addTenantAccess",
            policy: FlavorPolicy.accessAdd.name, errors: [400, 403, 404, 409],
            body: FlavorSchemas.access("addTenantAccess"), run: .asCaller(FlavorAccessController.add)),
        ComputeEndpoint(
            "POST", "/flavors/{flavor_id}/action", always, action: "removeTenantAccess",
            policy: FlavorPolicy.accessRemove.name, errors: [400, 403, 404],
            body: FlavorSchemas.access("removeTenantAccess"), run: .asCaller(FlavorAccessController.remove)),
    ]
}
