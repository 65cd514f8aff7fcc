/// [driver_verify]
package struct DriverVerifyOptions: OptionGroup {
    package static let group = "driver_verify"
    package static let help = """
        What kilonovad driver verify may use to examine a driver. What is not given leaves out the cases that need it,
        by name and with the reason. Commands are run by /bin/sh, with the driver's state directory in the variable
        KILONOVA_DRIVER_STATE; one that ends with another status than 0 has failed. All options are Kilonova's own.
        """

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
            name, {seconds} for how long. The fake driver understands fake:{call}:delay={seconds}.
            """)
    package var slowMetadata: [String] = []

    @Option("fail_metadata", .list,
        help: """
            Server metadata with which the first attempt at a call on the guest fails after it has begun. The fake
            driver understands fake:{call}:fail=failed, fake:{call}:fail_first=1.
            """)
    package var failMetadata: [String] = []

    @Option("second_config", .path,
        help: "A configuration file for a second node of the same driver, with which the first exchanges guests.")
    package var secondConfig: String?

    package init() {}
}
