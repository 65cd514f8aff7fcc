package import ComputeModel
package import ComputeStore
package import Identity
package import Logging
package import Messaging
package import PeerClients
package import ServiceOptions

/// What the operations of the compute API use.
package struct ComputeServices: Sendable {
    /// The compute database.
    package let store: ComputeStore
    /// Who may do what.
    package let policy: PolicyEnforcer
    /// The image service.
    package let images: any ImageCatalog
    /// The network service.
    package let networks: any NetworkCatalog
    /// The identity service.
    package let projects: any ProjectDirectory
    /// The way to conductors and agents.
    package let bus: MessageBus
    /// What the operator configured.
    package let options: ComputeAPIOptions
    /// Servers as lists have shown them before.
    let rendered: RenderedServers
    package let logger: Logger

    package init(
        store: ComputeStore, policy: PolicyEnforcer, images: any ImageCatalog, networks: any NetworkCatalog,
        projects: any ProjectDirectory, bus: MessageBus, options: ComputeAPIOptions, logger: Logger
    ) {
        (self.store, self.policy) = (store, policy)
        (self.images, self.networks, self.projects) = (images, networks, projects)
        (self.bus, self.options, self.logger) = (bus, options, logger)
        rendered = RenderedServers(bytesMax: Int(options.kilonova.serverListCache.bytes))
    }

    /// The store's clock is the API's.
    var now: Timestamp { store.now() }
}

/// The option groups that the compute API reads.
package struct ComputeAPIOptions: Sendable {
    package var api: APIOptions
    package var service: APIServiceOptions
    package var quota: QuotaOptions
    package var zones: AvailabilityZoneOptions
    package var configDrive: ConfigDriveOptions
    package var node: NodeOptions
    package var kilonova: KilonovaGroupOptions

    /// Taken from the options of the whole process.
    package init(_ options: KilonovaOptions) {
        (api, service, quota) = (options.api, options.apiService, options.quota)
        (zones, configDrive, node, kilonova) = (options.zones, options.configDrive, options.node, options.kilonova)
    }
}

/// What the API asks the image service.
package protocol ImageCatalog: Sendable {
    /// One image, as the owner of the token may see it.
    func image(_ id: ImageID, token: String?, requestID: String?) async throws(PeerError) -> Image
}

extension ImageClient: ImageCatalog {}

/// What the API asks the identity service.
package protocol ProjectDirectory: Sendable {
    /// Whether there is a project of that identifier.
    func projectExists(_ project: String) async throws(PeerError) -> Bool
}

extension IdentityClient: ProjectDirectory {}

/// What the API asks the network service.
package protocol NetworkCatalog: Sendable {
    /// Networks that match all filters, as the owner of the token may see them.
    func networks(_ filters: [(String, String)], token: String?) async throws(PeerError) -> [Network]
    /// One port.
    func port(_ id: PortID, token: String?) async throws(PeerError) -> Port
    /// Ports that match all filters.
    func ports(_ filters: [(String, String)], token: String?) async throws(PeerError) -> [Port]
    /// Groups that match all filters, with their rules.
    func securityGroups(_ filters: [(String, String)], token: String?) async throws(PeerError) -> [SecurityGroup]
}

extension NetworkClient: NetworkCatalog {}
