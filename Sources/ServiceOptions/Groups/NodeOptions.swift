/// [DEFAULT], what every service on a node reads.
package struct NodeOptions: OptionGroup {
    package static let group = "DEFAULT"
    package static let help = ""

    @Option(
        "state_path", .path,
        help: """
            The folder below which services keep what must survive a restart. Other options refer to it as
            $state_path.
            """)
    package var statePath = "/var/lib/kilonova"

    @Option(
        "host", .host,
        help: """
            The name under which the services of this node are known: in the list of services, in message topics and
            as the host of an instance. It must stay the same over restarts. Unset: the machine's host name.
            """)
    package var host: String?

    @Option(
        "my_ip", .host,
        help: """
            The address of this node that other nodes and guests can reach. Unset: the address from which the default
            route leaves, else 127.0.0.1.
            """)
    package var myIP: String?

    @Option(
        "rpc_response_timeout", .duration(.seconds(1)...),
        help: "How long a call to another service waits for its answer unless the call says otherwise.")
    package var rpcResponseTimeout = Duration.seconds(60)

    @Option(
        "report_interval", .duration(.seconds(1)...),
        help: "How often a service writes down that it is alive. Must be well below service_down_time.")
    package var reportInterval = Duration.seconds(10)

    @Option(
        "service_down_time", .duration(.seconds(1)...),
        help: "A service that has not reported for this long counts as down.")
    package var serviceDownTime = Duration.seconds(60)

    @Option(
        "log_file", .path,
        help: "Where to write the log. Unset: standard error. A relative path begins in the working directory.",
        deprecated: ["logfile"])
    package var logFile: String?

    @Option("debug", help: "Log at debug level instead of info.")
    package var debug = false

    package init() {}
}

/// [DEFAULT], zones.
package struct AvailabilityZoneOptions: OptionGroup {
    package static let group = "DEFAULT"
    package static let help = ""

    @Option(
        "default_availability_zone",
        help: """
            The zone of compute hosts that no aggregate puts into another one. Users must not name it when they create
            servers, so leave it as it is unless you know why.
            """)
    package var computeZone = "nova"

    @Option("internal_service_availability_zone", help: "The zone in which all services but nova-compute appear.")
    package var internalZone = "internal"

    @Option(
        "default_schedule_zone",
        help: "The zone for servers created without one. Unset: any zone will do.")
    package var scheduleZone: String?

    package init() {}
}
