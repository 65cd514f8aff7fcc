import ComputeHTTP
import ComputeModel
import ComputeStore
import Conductor
import HTTPService
import Identity
import IdentityStandIn
import ImageStandIn
import Logging
import Messaging
import Placement
import PlacementHTTP
import Sagas
import Scheduling
import ServiceInterfaces
import ServiceOptions

extension Deployment {
    /// The services of the catalog and where they stand below the listener.
    static let catalog = [
        CatalogService(type: "compute", name: "nova", location: "/compute/v2.1"),
        CatalogService(type: "identity", name: "keystone", location: "/identity/v3"),
        CatalogService(type: "image", name: "glance", location: "/image"),
        CatalogService(type: "network", name: "neutron", location: "/network"),
        CatalogService(type: "placement", name: "placement", location: "/placement"),
    ]

    /// The identity stand-in with the accounts of this deployment.
    func makeIdentity(_ accounts: Accounts, _ tokens: CachingTokenValidator) async throws -> IdentityAPI {
        let kilonova = up.options.kilonova
        let store = try await IdentityStore.open(
            databases.identity, now: Timestamp.now, passwordCost: kilonova.passwordHashCost)
        try await store.bootstrap([
            BootstrapAccount(
                name: kilonova.adminUser, password: accounts.adminPassword, project: kilonova.adminProject,
                roles: ["admin"], systemAdmin: true),
            BootstrapAccount(
                name: "nova", password: accounts.servicePassword, project: "service", roles: ["admin", "service"]),
            BootstrapAccount(name: "demo", password: accounts.demoPassword, project: "demo", roles: ["member"]),
        ])
        var options = IdentityStandInOptions(services: Self.catalog)
        options.tokenLifetime = kilonova.tokenLifetime
        options.region = kilonova.region
        options.publicURL = kilonova.publicURL
        return try await IdentityAPI.make(options, store: store, logger: logger("keystone")) { change in
            switch change {
            case .user(let id): tokens.invalidate(userID: id)
            case .project(let id): tokens.invalidate(projectID: id)
            case .token(let token): tokens.invalidate(token: token)
            case .everything: tokens.invalidateAll()
            }
        }
    }

    /// The compute API.
    func makeCompute(_ store: ComputeStore, _ bus: MessageBus, _ peers: Peers) throws -> ComputeAPI {
        let policy = try PolicyEnforcer(overridePath: policyPath)
        let services = ComputeServices(
            store: store, policy: policy, images: peers.images, networks: peers.networks,
            projects: peers.identity, bus: bus, options: ComputeAPIOptions(up.options), logger: logger("nova-api"))
        return ComputeAPI(
            services: services, tokens: peers.tokens, tokenOptions: up.options.tokens,
            bodyBytesMax: Int(up.options.kilonova.requestBodyLimit.bytes))
    }

    /// The placement API.
    func makePlacement(_ service: PlacementService, _ peers: Peers) throws -> PlacementAPI {
        PlacementAPI(
            service: service, authentication: .tokens(peers.tokens),
            policy: try PolicyEnforcer(PlacementPolicy.rules(newDefaultsOnly: false), overridePath: nil),
            logger: logger("placement"))
    }

    private var policyPath: String? {
        guard let path = up.options.policy.file, !path.isEmpty else { return nil }
        return path
    }

    /// The scheduler, with the filters that the configuration enables.
    func makeScheduler(_ store: ComputeStore, _ bus: MessageBus) throws(DeploymentError) -> SchedulerService {
        let options = up.options.filterScheduler
        let known = HostFilter.known(
            FilterLimits(ioOperationsMax: options.ioOperationsMax, instancesMax: options.instancesMax))
        var filters = [known["AvailabilityZoneFilter"]].compactMap { $0 }
        for name in options.enabledFilters where name != "AvailabilityZoneFilter" {
            if let filter = known[name] {
                filters.append(filter)
            } else if HostFilter.replacedByPlacement.contains(name) {
                logger("nova-scheduler").warning(
                    "placement does the work of this filter", metadata: ["filter": "\(name)"])
            } else {
                throw DeploymentError(
                    .configuration,
                    "[filter_scheduler] enabled_filters names '\(name)'; known filters: "
                        + known.keys.sorted().joined(separator: ", "))
            }
        }
        var multipliers = WeigherMultipliers()
        multipliers.memory = options.ramWeight
        multipliers.processors = options.cpuWeight
        multipliers.disk = options.diskWeight
        multipliers.ioOperations = options.ioOperationsWeight
        multipliers.instances = options.instancesWeight
        var service = SchedulerServiceOptions(
            selector: DestinationSelector(
                filters: filters, weighers: HostWeigher.standard(multipliers), subsetSize: options.hostSubsetSize,
                shufflesEquals: options.shufflesEquals))
        service.candidatesMax = up.options.scheduler.placementResultsMax
        service.serviceDownAfter = up.options.node.serviceDownTime
        service.defaultZone = up.options.zones.computeZone
        service.prefilters.asksForImageFormat = up.options.scheduler.asksForImageFormat
        service.prefilters.asksForImageProperties = up.options.scheduler.asksForImageProperties
        return SchedulerService(service, store: store, bus: bus, logger: logger("nova-scheduler"))
    }

    /// The conductor.
    func makeConductor(_ store: ComputeStore, _ bus: MessageBus, _ peers: Peers) throws(DeploymentError)
        -> ConductorService
    {
        var options = Conductor.ConductorOptions()
        options.attemptsMax = up.options.scheduler.attemptsMax
        options.serviceDownAfter = up.options.node.serviceDownTime
        options.shutdownGrace = up.options.compute.shutdownTimeout
        var sagas = SagaExecutorOptions()
        sagas.runningMax = up.options.conductor.sagaLimit
        sagas.adoptionInterval = up.options.conductor.sagaRecoveryInterval
        sagas.logger = logger("nova-conductor")
        sagas.eventHook = SagaFaultInjection.hook
        return ConductorService(
            host: host, options, store: store, bus: bus, network: peers.networks,
            configDriveFiles: try makeConfigDriveFiles(),
            owner: SagaOwner(place: "conductor@\(host)", incarnation: UUIDValue.random().description),
            sagaOptions: sagas, logger: logger("nova-conductor"))
    }
}
