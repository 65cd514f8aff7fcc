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

    @Option(
        "cpu_allocation_ratio", .double(0.01...),
        help: "How many virtual processors a node offers for each of its own. Unset: what its driver's options say.")
    package var processorRatio: Double?

    @Option(
        "ram_allocation_ratio", .double(0.01...),
        help: "How much memory a node offers for what it has. Unset: what its driver's options say.")
    package var memoryRatio: Double?

    @Option(
        "disk_allocation_ratio", .double(0.01...),
        help: "How much disk a node offers for what it has. Unset: what its driver's options say.")
    package var diskRatio: Double?

    @Option(
        "reserved_host_cpus", .integer(0...),
        help: "Processors that a node keeps for itself. Unset: what its driver's options say.")
    package var reservedProcessors: Int?

    @Option(
        "reserved_host_memory_mb", .integer(0...),
        help: "Memory in MiB that a node keeps for itself. Unset: what its driver's options say.")
    package var reservedMemoryMiB: Int?

    @Option(
        "reserved_host_disk_mb", .integer(0...),
        help: "Disk in MiB that a node keeps for itself. Unset: what its driver's options say.")
    package var reservedDiskMiB: Int?

    package init() {}
}

/// [compute]
package struct DriverCallOptions: OptionGroup {
    package static let group = "compute"
    package static let help = """
        How long a node waits for its hypervisor driver. A call that takes longer is cancelled; one that does not answer
        that within 5 seconds is given up: its operation fails, and the node is down until the call comes back. These
        options are Kilonova's own.
        """

    @Option("driver_call_timeout", .duration(.seconds(1)...),
        help: """
            How long a driver's call may take unless it has an option of its own here. What a guest is given to shut
            down by itself comes on top.
            """)
    package var ordinary = Duration.seconds(120)

    @Option("driver_start_timeout", .duration(.seconds(1)...),
        help: "How long a driver may take to start, and to find the guests of earlier runs again.")
    package var start = Duration.seconds(300)

    @Option("driver_spawn_timeout", .duration(.seconds(1)...),
        help: "How long a driver may take for what may fetch an image: building, rescuing, filling its image cache.")
    package var spawn = Duration.seconds(3600)

    @Option("driver_snapshot_timeout", .duration(.seconds(1)...),
        help: "How long a driver may take for a snapshot, or to swap a volume.")
    package var snapshot = Duration.seconds(7200)

    @Option("driver_move_timeout", .duration(.seconds(1)...),
        help: "How long each step of a move of a guest between nodes may take, a live migration in all.")
    package var move = Duration.seconds(21600)

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
