/// Where an agent works and how often it reports.
package struct ComputeAgentOptions: Sendable {
    /// `[DEFAULT] host`: the name under which conductors reach it.
    package var host: String
    /// Name of the driver, for records.
    package var driverName: String
    /// The address at which other hosts reach this one.
    package var hostIP: String
    /// A directory of its own, absolute, existing.
    package var stateDirectory: String
    /// Between signs of life (`report_interval`).
    package var reportInterval: Duration = .seconds(10)
    /// Between full reports of all guests (`sync_power_state_interval`).
    package var syncInterval: Duration = .seconds(600)
    /// Between repeated descriptions of the node (`update_resources_interval`).
    package var inventoryInterval: Duration = .seconds(60)
    /// `max_concurrent_builds`; 0 for no limit.
    package var buildsMax = 10
    /// How often a call is repeated when the driver says that repeating may help.
    package var retriesMax = 5
    /// The pause before the first repetition; it doubles.
    package var firstRetryPause: Duration = .milliseconds(400)
    /// How long the driver's calls may take.
    package var deadlines = CallDeadlines()
    /// How much the driver's streams may say.
    package var limits = StreamLimits()
    /// What the operator says of the node's resources, over its driver's word.
    package var adjustment = InventoryAdjustment()
    /// The hypervisors' names of the nodes in this process.
    package var nodeNames = NodeNames()

    package init(host: String, driverName: String, hostIP: String, stateDirectory: String) {
        self.host = host
        self.driverName = driverName
        self.hostIP = hostIP
        self.stateDirectory = stateDirectory
    }
}

/// How much of what a driver's streams say is passed on.
package struct StreamLimits: Hashable, Sendable {
    /// Between two reports on the node or its state that the driver caused.
    package var pace: Duration = .milliseconds(500)
    /// Between two looks at guests that events spoke of.
    package var eventPace: Duration = .milliseconds(50)
    /// More changes between usable and not within ``healthWindow`` make a node count as down.
    package var healthChangesMax = 6
    package var healthWindow: Duration = .seconds(60)
    /// More events within ``eventWindow`` make a node count as down.
    package var eventsMax = 20_000
    package var eventWindow: Duration = .seconds(10)
    /// How long a driver may take to say for the first time whether its hypervisor can be used.
    package var firstWord: Duration = .seconds(30)
    /// Before a stream that ended is opened again; it doubles up to 30 s.
    package var reopenPause: Duration = .seconds(1)

    package init() {}
}
