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

    @Option("instances_path", .path, help: "Where instances' disks and files live on this node.")
    package var instancesPath = "$state_path/instances"

    @Option(
        "cpu_allocation_ratio", .double(0...),
        help: """
            How many virtual CPUs a host offers per processor. Set here it is enforced on the resource provider at
            every report. Unset: initial_cpu_allocation_ratio at first, afterwards what placement says.
            """)
    package var cpuAllocationRatio: Double?

    @Option("ram_allocation_ratio", .double(0...), help: "The same for memory.")
    package var ramAllocationRatio: Double?

    @Option("disk_allocation_ratio", .double(0...), help: "The same for disk.")
    package var diskAllocationRatio: Double?

    @Option("initial_cpu_allocation_ratio", .double(0...), help: "The ratio of a host that reports for the first time.")
    package var initialCPUAllocationRatio = 4.0

    @Option("initial_ram_allocation_ratio", .double(0...), help: "The same for memory.")
    package var initialRAMAllocationRatio = 1.0

    @Option("initial_disk_allocation_ratio", .double(0...), help: "The same for disk.")
    package var initialDiskAllocationRatio = 1.0

    @Option("reserved_host_cpus", .integer(0...), help: "Processors that guests do not get.")
    package var reservedCPUs = 0

    @Option("reserved_host_memory_mb", .integer(0...), help: "Memory in MiB that guests do not get.")
    package var reservedMemoryMiB = 512

    @Option("reserved_host_disk_mb", .integer(0...), help: "Disk space in MiB that guests do not get.")
    package var reservedDiskMiB = 0

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
        "reboot_timeout",
        help: "A soft reboot that takes longer becomes a hard one; 0: it may take any time.")
    package var rebootTimeout = Duration.zero

    @Option(
        "instance_build_timeout",
        help: "A build that takes longer is put into error; 0: it may take any time.")
    package var buildTimeout = Duration.zero

    @Option(
        "sync_power_state_interval",
        help: "How often the power states of guests are compared with what is recorded; 0: only at the start.")
    package var powerStateInterval = Duration.seconds(600)

    @Option(
        "update_resources_interval",
        help: "How often a node reports its resources; 0: every minute.")
    package var resourceInterval = Duration.zero

    @Option(
        "resume_guests_state_on_host_boot",
        help: "Start the guests that ran before the host went down.")
    package var resumesGuests = false

    @Option(
        "default_ephemeral_format",
        help: "The file system on ephemeral disks whose request names none, such as ext4. Unset: ext4.")
    package var ephemeralFormat: String?

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

    @Option(
        "mkisofs_cmd",
        help: "The program that makes the ISO 9660 image, a name or a path; genisoimage, mkisofs and xorrisofs fit.")
    package var isoCommand = "genisoimage"

    package init() {}
}
