import ComputeStore
import HTTPService
import WireJSON

/// Which projects may use a private flavor.
enum FlavorAccessController {
    static func list(_ call: ComputeCall) async throws -> HTTPResponse {
        let flavor = try await call.flavor()
        guard !flavor.isPublic else {
            throw ComputeFault.notFound("Access list not available for public flavors.")
        }
        return try await answer(call, flavor)
    }

    static func add(_ call: ComputeCall) async throws -> HTTPResponse {
        let project = call.body["addTenantAccess"]?["tenant"]?.string ?? ""
        try await call.requireProject(project)
        let flavor = try await call.flavor()
        if call.has(7), flavor.isPublic {
            throw ComputeFault.conflict("Can not add access to a public flavor.")
        }
        try await call.services.store.setFlavorAccess(flavor.flavorID, project: project, granted: true)
        return try await answer(call, flavor)
    }

    static func remove(_ call: ComputeCall) async throws -> HTTPResponse {
        let flavor = try await call.flavor()
        try await call.services.store.setFlavorAccess(
            flavor.flavorID, project: call.body["removeTenantAccess"]?["tenant"]?.string ?? "", granted: false)
        return try await answer(call, flavor)
    }

    private static func answer(_ call: ComputeCall, _ flavor: FlavorRecord) async throws -> HTTPResponse {
        let projects = try await call.services.store.flavorAccess(flavor.flavorID)
        return call.answer { w in
            w.array("flavor_access") { w in
                for project in projects {
                    w.object { w in
                        w.field("flavor_id", flavor.flavorID)
                        w.field("tenant_id", project)
                    }
                }
            }
        }
    }
}
