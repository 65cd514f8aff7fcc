import APIVersioning
import HTTPService

/// The operations of the placement API: 36 on 16 paths.
enum PlacementEndpoints {
    /// The operations by path.
    static let router: PathRouter<EndpointRoute<PlacementAction>> = {
        do {
            var router = PathRouter<EndpointRoute<PlacementAction>>(headIsGet: false)
            for route in try EndpointTable(all).routes { try router.register(anyMethod: route.path, route) }
            return router
        } catch {
            preconditionFailure("the table of placement's operations is wrong: \(error)")
        }
    }()

    static let all = others + providers + partsOfProviders + allocations

    private typealias Row = Endpoint<PlacementAction>

    private static func since(_ version: Microversion) -> VersionSpan { .since(version) }
    private static let always = VersionSpan.since(PlacementVersions.minimum)

    private static let others: [Endpoint<PlacementAction>] = [
        Row("GET", "/", always, policy: nil, run: .effect(RootController.show)),
        Row(
            "GET", "/resource_classes", since(PlacementVersions.resourceClasses),
            policy: "placement:resource_classes:list", run: .document(ResourceClassController.list)),
        Row(
            "POST", "/resource_classes", since(PlacementVersions.resourceClasses),
            policy: "placement:resource_classes:create", body: PlacementSchemas.createResourceClass,
            run: .effect(ResourceClassController.create)),
        Row(
            "GET", "/resource_classes/{name}", since(PlacementVersions.resourceClasses),
            policy: "placement:resource_classes:show", run: .document(ResourceClassController.show)),
        Row(
            "PUT", "/resource_classes/{name}",
            since(PlacementVersions.resourceClasses).until(PlacementVersions.ensureResourceClass),
            policy: "placement:resource_classes:update", body: PlacementSchemas.createResourceClass,
            run: .effect(ResourceClassController.rename)),
        Row(
            "PUT", "/resource_classes/{name}", since(PlacementVersions.ensureResourceClass),
            policy: "placement:resource_classes:update", run: .effect(ResourceClassController.ensure)),
        Row(
            "DELETE", "/resource_classes/{name}", since(PlacementVersions.resourceClasses),
            policy: "placement:resource_classes:delete", run: .effect(ResourceClassController.delete)),
        Row(
            "GET", "/traits", since(PlacementVersions.traits), policy: "placement:traits:list",
            query: PlacementSchemas.listTraits, run: .document(TraitController.list)),
        Row(
            "GET", "/traits/{name}", since(PlacementVersions.traits), policy: "placement:traits:show",
            run: .effect(TraitController.show)),
        Row(
            "PUT", "/traits/{name}", since(PlacementVersions.traits), policy: "placement:traits:update",
            run: .effect(TraitController.ensure)),
        Row(
            "DELETE", "/traits/{name}", since(PlacementVersions.traits), policy: "placement:traits:delete",
            run: .effect(TraitController.delete)),
        Row(
            "GET", "/usages", since(PlacementVersions.totalUsages), policy: "placement:usages",
            query: PlacementSchemas.totalUsages, run: .document(UsageController.total)),
        Row(
            "GET", "/allocation_candidates", since(PlacementVersions.candidates),
            policy: "placement:allocation_candidates:list", query: PlacementSchemas.candidates,
            run: .document(CandidateController.list)),
        Row(
            "POST", "/reshaper", since(PlacementVersions.reshaper), policy: "placement:reshaper:reshape",
            body: PlacementSchemas.reshape, run: .effect(ReshaperController.reshape)),
    ]

    private static let providers: [Endpoint<PlacementAction>] = [
        Row(
            "GET", "/resource_providers", always, policy: "placement:resource_providers:list",
            query: PlacementSchemas.listProviders, run: .document(ProviderController.list)),
        Row(
            "POST", "/resource_providers", always, policy: "placement:resource_providers:create",
            body: PlacementSchemas.createProvider, run: .effect(ProviderController.create)),
        Row(
            "GET", "/resource_providers/{uuid}", always, policy: "placement:resource_providers:show",
            run: .document(ProviderController.show)),
        Row(
            "PUT", "/resource_providers/{uuid}", always, policy: "placement:resource_providers:update",
            body: PlacementSchemas.updateProvider, run: .effect(ProviderController.update)),
        Row(
            "DELETE", "/resource_providers/{uuid}", always, policy: "placement:resource_providers:delete",
            run: .effect(ProviderController.delete)),
    ]

    private static let partsOfProviders: [Endpoint<PlacementAction>] = [
        Row(
            "GET", "/resource_providers/{uuid}/inventories", always,
            policy: "placement:resource_providers:inventories:list", run: .document(InventoryController.list)),
        Row(
            "POST", "/resource_providers/{uuid}/inventories", always,
            policy: "placement:resource_providers:inventories:create", body: PlacementSchemas.createInventory,
            run: .effect(InventoryController.create)),
        Row(
            "PUT", "/resource_providers/{uuid}/inventories", always,
            policy: "placement:resource_providers:inventories:update", body: PlacementSchemas.setInventories,
            run: .effect(InventoryController.replace)),
        Row(
            "DELETE", "/resource_providers/{uuid}/inventories", since(PlacementVersions.deleteInventories),
            policy: "placement:resource_providers:inventories:delete", run: .effect(InventoryController.clear)),
        Row(
            "GET", "/resource_providers/{uuid}/inventories/{resource_class}", always,
            policy: "placement:resource_providers:inventories:show", run: .document(InventoryController.show)),
        Row(
            "PUT", "/resource_providers/{uuid}/inventories/{resource_class}", always,
            policy: "placement:resource_providers:inventories:update", body: PlacementSchemas.updateInventory,
            run: .effect(InventoryController.update)),
        Row(
            "DELETE", "/resource_providers/{uuid}/inventories/{resource_class}", always,
            policy: "placement:resource_providers:inventories:delete", run: .effect(InventoryController.delete)),
        Row(
            "GET", "/resource_providers/{uuid}/usages", always, policy: "placement:resource_providers:usages",
            run: .document(UsageController.ofProvider)),
        Row(
            "GET", "/resource_providers/{uuid}/aggregates", since(PlacementVersions.aggregates),
            policy: "placement:resource_providers:aggregates:list", run: .document(AggregateController.list)),
        Row(
            "PUT", "/resource_providers/{uuid}/aggregates", since(PlacementVersions.aggregates),
            policy: "placement:resource_providers:aggregates:update", body: PlacementSchemas.setAggregates,
            run: .effect(AggregateController.replace)),
        Row(
            "GET", "/resource_providers/{uuid}/allocations", always,
            policy: "placement:resource_providers:allocations:list", run: .document(AllocationController.ofProvider)),
        Row(
            "GET", "/resource_providers/{uuid}/traits", since(PlacementVersions.traits),
            policy: "placement:resource_providers:traits:list", run: .document(TraitController.ofProvider)),
        Row(
            "PUT", "/resource_providers/{uuid}/traits", since(PlacementVersions.traits),
            policy: "placement:resource_providers:traits:update", body: PlacementSchemas.setTraits,
            run: .effect(TraitController.replace)),
        Row(
            "DELETE", "/resource_providers/{uuid}/traits", since(PlacementVersions.traits),
            policy: "placement:resource_providers:traits:delete", run: .effect(TraitController.clear)),
    ]

    private static let allocations: [Endpoint<PlacementAction>] = [
        Row(
            "POST", "/allocations", since(PlacementVersions.manyConsumers), policy: "placement:allocations:manage",
            body: PlacementSchemas.manageAllocations, run: .effect(AllocationController.manage)),
        Row(
            "GET", "/allocations/{consumer_uuid}", always, policy: "placement:allocations:list",
            run: .document(AllocationController.ofConsumer)),
        Row(
            "PUT", "/allocations/{consumer_uuid}", always, policy: "placement:allocations:update",
            body: PlacementSchemas.setAllocations, run: .effect(AllocationController.replace)),
        Row(
            "DELETE", "/allocations/{consumer_uuid}", always, policy: "placement:allocations:delete",
            run: .effect(AllocationController.delete)),
    ]
}
