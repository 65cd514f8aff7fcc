/// [DEFAULT], what a compute node reads.
package struct ComputeOptions: OptionGroup {
    package static let group = "DEFAULT"
    package static let help = ""

    @Option(
        "compute_driver",
        help: """
            The hypervisor driver of this node: the name of a plugin (libvirt, fake), or nova's name of the driver
            (libvirt.LibvirtDriver, fake.FakeDriver).
            """)
    package var computeDriver = "libvirt.LibvirtDriver"

    @Option(
        "driver_plugin_dir", .path,
        help: """
            The folder that holds driver plugins. This option is Kilonova's own. Unset: the folder of the executable,
            and lib/drivers beside it.
            """)
    package var pluginDirectory: String?

    @Option(
        "max_concurrent_builds", .integer(0...),
        help: "How many instances a node builds at the same time; 0: any number.")
    package var concurrentBuildsMax = 10

    @Option(
        "shutdown_timeout",
        help: """
            How long a guest may take to shut down when it is asked to, before it is switched off. An image's
            os_shutdown_timeout takes precedence. 0: switched off at once.
            """)
    package var shutdownTimeout = Duration.seconds(60)

    @Option(
        "sync_power_state_interval",
        help: "How often the power states of guests are compared with what is recorded; 0: only at the start.")
    package var powerStateInterval = Duration.seconds(600)

    @Option(
        "update_resources_interval",
        help: "How often a node reports its resources; 0: every minute.")
    package var resourceInterval = Duration.zero

    package init() {}
}

/// [DEFAULT], config drives.
package struct ConfigDriveOptions: OptionGroup {
    package static let group = "DEFAULT"
    package static let help = ""

    /// The file system of a config drive.
    package enum Format: String, OptionChoice { case iso9660 }

    @Option("config_drive_format", help: "The file system of a config drive.")
    package var format = Format.iso9660

    @Option("force_config_drive", help: "Give every server a config drive, asked for or not.")
    package var isForced = false

    package init() {}
}
