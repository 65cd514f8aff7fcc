/// Every option of every service, read once when the process starts.
///
///     let source = try ConfigurationSource(files: ["/etc/kilonova/kilonova.conf"], environment: environment)
///     let options = try KilonovaOptions(source)
///     for warning in source.warnings(known: KilonovaOptions.schemas + pluginSchemas) { … }
///
/// A new group is one struct and one line here; the sample file and the reference follow.
package struct KilonovaOptions: Sendable {
    package var node = NodeOptions.read()
    package var transport = TransportOptions.read()
    package var apiService = APIServiceOptions.read()
    package var compute = ComputeOptions.read()
    package var driverCalls = DriverCallOptions.read()
    package var imageCache = ImageCacheOptions.read()
    package var configDrive = ConfigDriveOptions.read()
    package var zones = AvailabilityZoneOptions.read()
    package var kilonova = KilonovaGroupOptions.read()
    package var api = APIOptions.read()
    package var database = DatabaseOptions.read()
    package var placementDatabase = PlacementDatabaseOptions.read()
    package var rabbit = RabbitOptions.read()
    package var conductor = ConductorOptions.read()
    package var scheduler = SchedulerOptions.read()
    package var filterScheduler = FilterSchedulerOptions.read()
    package var quota = QuotaOptions.read()
    package var policy = PolicyOptions.read()
    package var tokens = TokenOptions.read()
    package var placement = PlacementOptions.read()
    package var image = ImageOptions.read()
    package var network = NetworkOptions.read()
    package var networkAgent = NetworkAgentOptions.read()
    package var driverVerify = DriverVerifyOptions.read()

    /// The defaults.
    package init() {}

    /// - Throws: `ConfigurationErrors` with every value that is refused.
    package init(_ source: ConfigurationSource) throws(ConfigurationErrors) {
        self = try source.read { KilonovaOptions() }
    }

    /// The declarations of all groups, one per group name.
    package static let schemas = GroupSchema.merged(OptionReader.describe { _ = KilonovaOptions() })
}
