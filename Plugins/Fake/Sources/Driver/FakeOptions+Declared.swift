import DriverAPI

extension FakeOptions {
    private static let failures = [""] + FailureKind.allCases.map(\.rawValue)

    /// What the host reads for the driver and prints in samples.
    static let declared: [DriverOption] = node + rehearsed + behaviour

    private static let node: [DriverOption] = [
        DriverOption("vcpus", .integer(min: 1, max: nil), default: "1000", help: "Processors that the node offers."),
        DriverOption("memory_mb", .integer(min: 1, max: nil), default: "800000", help: "Memory in MiB that it offers."),
        DriverOption("disk_gb", .integer(min: 1, max: nil), default: "600000", help: "Disk in GiB that it offers."),
        DriverOption(
            "cpu_allocation_ratio", .number(min: 0.1, max: nil), default: "4.0",
            help: "Over-commitment of processors."),
        DriverOption(
            "ram_allocation_ratio", .number(min: 0.1, max: nil), default: "1.0", help: "Over-commitment of memory."),
        DriverOption(
            "cpu_model", .string, default: "fake",
            help: "Name of the processor. A live migration between nodes with different ones is refused."),
        DriverOption(
            "cpu_traits", .list, default: "",
            help: "Traits of the processor, by placement's names: HW_CPU_X86_AVX2."),
        DriverOption(
            "numa_cells", .integer(min: 0, max: 64), default: "0",
            help: "Into how many NUMA cells processors and memory are divided; 0 for a node that cannot pin."),
        DriverOption(
            "huge_pages", .integer(min: 0, max: nil), default: "0", help: "Pages of 2 MiB in each NUMA cell."),
        DriverOption(
            "pci_devices", .list, default: "",
            help: """
                Devices that guests can have for themselves, each as ADDRESS VENDOR PRODUCT KIND [CELL], for example \
                0000:81:00.1 8086 1520 type-VF 0.
                """),
        DriverOption(
            "foreign_guests", .list, default: "",
            help: "UUIDs of guests that the hypervisor holds and the driver did not make."),
    ]

    private static let rehearsed: [DriverOption] = [
        DriverOption("spawn_delay", .seconds, default: "0", help: "Seconds that every spawn takes."),
        DriverOption("destroy_delay", .seconds, default: "0", help: "Seconds that every destroy takes."),
        DriverOption("power_delay", .seconds, default: "0", help: "Seconds that every change of power takes."),
        DriverOption(
            "spawn_failure", .choice(failures), default: "",
            help: "How every spawn fails; empty for success. Server metadata fake:spawn:fail does the same for one."),
        DriverOption(
            "destroy_failure", .choice(failures), default: "", help: "How every destroy fails; empty for success."),
        DriverOption(
            "rehearse", .list, default: "",
            help: """
                Delays and failures of any call, for every guest: CALL:delay=SECONDS, CALL:fail=KIND, \
                CALL:fail_first=COUNT. Server metadata fake:CALL:delay and so on do the same for one.
                """),
    ]

    private static let behaviour: [DriverOption] = [
        DriverOption(
            "persistent", .boolean, default: "true",
            help: "Keep guests in a journal in the state directory, so that they outlive the process."),
        DriverOption(
            "fetch_images", .boolean, default: "false",
            help: "Fetch the images of guests into the node's cache, as real hypervisors do."),
        DriverOption(
            "shared_storage", .string, default: "",
            help: "Folder for root disks that several nodes see; empty keeps each node's to itself."),
        DriverOption(
            "live_migration_duration", .seconds, default: "0", help: "Seconds that a live migration takes."),
        DriverOption(
            "quiesce_limit", .seconds, default: "60", help: "Seconds after which frozen file systems thaw."),
        DriverOption(
            "console_address", .string, default: "127.0.0.1",
            help: "IPv4 address at which consoles and arriving guests are served, on ports of the system's choice."),
        DriverOption(
            "spice_console", .string, default: "",
            help: "HOST:PORT that is given as SPICE console of every guest; empty for none."),
        DriverOption(
            "mutation", .choice([""] + Mutation.allCases.map(\.rawValue)), default: "",
            help: "A deliberate bug, for proving the conformance suite only. Leave it empty."),
    ]
}
