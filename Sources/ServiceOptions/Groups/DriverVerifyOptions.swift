/// [driver_verify]
package struct DriverVerifyOptions: OptionGroup {
    package static let group = "driver_verify"
    package static let help = """
        What kilonovad driver verify may use to examine a driver. What is not given leaves out the cases that need it,
        by name and with the reason. Commands are run by /bin/sh, with the driver's state directory in the variable
        KILONOVA_DRIVER_STATE; one that ends with another status than 0 has failed. All options are Kilonova's own.
        """

    @Option("hypervisor",
        help: "What the driver is examined on, for the report: name and version, and what about it is not as in life.")
    package var hypervisor: String?

    @Option("image", .path,
        help: """
            A disk image from which guests boot and stay up. Unset: an empty one of 1 MiB, for drivers that start guests
            from anything.
            """)
    package var image: String?

    @Option("image_format", help: "The disk format of image, and of the other images here.")
    package var imageFormat = "raw"

    @Option("rescue_image", .path, help: "A disk image that guests boot from in rescue. Unset: image.")
    package var rescueImage: String?

    @Option("uefi_image", .path, help: "A disk image that boots with UEFI firmware.")
    package var uefiImage: String?

    @Option("broken_image", .path,
        help: "A file that is no disk of the format image_format, which the driver must find.")
    package var brokenImage: String?

    @Option("agent_image", .path, help: "A disk image whose guest runs the agent for passwords and file systems.")
    package var agentImage: String?

    @Option("image_properties", .list, help: "Properties of image, as key=value.")
    package var imageProperties: [String] = []

    @Option("agent_image_properties", .list,
        help: "Properties of agent_image, as key=value, such as hw_qemu_guest_agent=yes.")
    package var agentImageProperties: [String] = []

    @Option("time_scale", .double(0.05...1000),
        help: "Multiplies every deadline: 1 for a simulator, 10 and more for guests that boot under emulation.")
    package var timeScale = 1.0

    @Option("guests_max", .integer(1...1000), help: "How many guests may exist at once.")
    package var guestsMax = 8

    @Option("random_calls", .integer(0...100_000), help: "How many random calls each guest gets.")
    package var randomCalls = 20

    @Option("flood_changes", .integer(0...1_000_000),
        help: "How many changes of power the flood of events may make; 0 leaves it out.")
    package var floodChanges = 200

    @Option("grace", help: "How long guests are asked to shut down by themselves before the plug is pulled.")
    package var grace = Duration.zero

    @Option("memory_mb", .integer(1...), help: "The memory of each guest, in MiB.")
    package var memoryMiB = 128

    @Option("root_gb", .integer(0...), help: "The root disk of each guest, in GiB.")
    package var rootGiB = 1

    @Option("stop_command", help: "Stops the hypervisor as a crash does, and returns when no call reaches it.")
    package var stopCommand: String?

    @Option("start_command",
        help: "Starts the hypervisor again, and returns when it can be reached; succeeds when it runs.")
    package var startCommand: String?

    @Option("hang_command", help: "Lets the hypervisor take calls and not answer them, until start_command.")
    package var hangCommand: String?

    @Option("guests_end_with_hypervisor", help: "Whether guests end when the hypervisor is stopped.")
    package var endsGuests = false

    @Option("world_command",
        help: """
            Prints what exists on the hypervisor, a line for each guest, disk, device or temporary file, found without
            the driver's help. A line that belongs to a guest contains its UUID. What a driver may keep (cached images,
            logs) is left out.
            """)
    package var worldCommand: String?

    @Option("slow_metadata", .list,
        help: """
            Server metadata, as key=value, with which a call on the guest takes longer; {call} stands for the call's
            name, {seconds} for how long. What begins with a call's name and | is for that call alone, instead of the
            others. The fake driver understands fake:{call}:delay={seconds}, migrate|fake:migrate:duration={seconds}.
            """)
    package var slowMetadata: [String] = []

    @Option("fail_metadata", .list,
        help: """
            Server metadata with which the first attempt at a call on the guest fails after it has begun. The fake
            driver understands fake:{call}:fail=failed, fake:{call}:fail_first=1.
            """)
    package var failMetadata: [String] = []

    @Option("deaf_metadata", .list,
        help: "Server metadata with which a guest ignores requests to shut down; fake:deaf=true for the fake driver.")
    package var deafMetadata: [String] = []

    @Option("quiesce_limit",
        help: "How long the driver lets file systems be frozen before it thaws them by itself.")
    package var quiesceLimit = Duration.seconds(60)

    @Option("may_turn_host_off", help: "Whether the node may be turned off, and on again through the driver.")
    package var mayTurnHostOff = false

    @Option("second_config", .path,
        help: "A configuration file for a second node of the same driver, with which the first exchanges guests.")
    package var secondConfig: String?

    @Option("helper_command",
        help: """
            Does what the suite cannot do by itself: it is run with a verb and words appended, and prints its answer.
            What each verb means stands in the documentation of the conformance suite. Used for helper_parts.
            """)
    package var helperCommand: String?

    @Option("helper_parts", .list,
        help: "What helper_command can do: volumes, foreign_guests, accidents.")
    package var helperParts: [String] = []

    @Option("bridge",
        help: """
            A Linux bridge of this host that interfaces of guests are joined to. Unset: interfaces are joined to nothing
            where the driver knows that, and else left out.
            """)
    package var bridge: String?

    package init() {}
}
