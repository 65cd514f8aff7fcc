import ComputeModel
import DriverAPI

/// The options of the group `[fake]`.
struct FakeOptions: Sendable {
    let persistent: Bool
    private let vcpus: Int
    private let memoryMiB: Int
    private let diskGiB: Int
    private let cpuRatio: Double
    private let memoryRatio: Double
    private let delays: [String: Double]
    private let failures: [String: String]

    private static let failureKinds = [
        "", "insufficient_resources", "image_unacceptable", "image_unavailable", "refused", "not_supported",
        "unreachable", "busy", "timed_out", "failed",
    ]

    static let declared: [DriverOption] = [
        DriverOption("vcpus", .integer(min: 1, max: nil), default: "1000", help: "Processors that the node offers."),
        DriverOption("memory_mb", .integer(min: 1, max: nil), default: "800000", help: "Memory in MiB that it offers."),
        DriverOption("disk_gb", .integer(min: 1, max: nil), default: "600000", help: "Disk in GiB that it offers."),
        DriverOption(
            "cpu_allocation_ratio", .number(min: 0.1, max: nil), default: "4.0",
            help: "Over-commitment of processors."),
        DriverOption(
            "ram_allocation_ratio", .number(min: 0.1, max: nil), default: "1.0", help: "Over-commitment of memory."),
        DriverOption(
            "persistent", .boolean, default: "true",
            help: "Keep guests in a journal in the state directory, so that they outlive the process."),
        DriverOption("spawn_delay", .seconds, default: "0", help: "Seconds that every spawn takes."),
        DriverOption("destroy_delay", .seconds, default: "0", help: "Seconds that every destroy takes."),
        DriverOption("power_delay", .seconds, default: "0", help: "Seconds that every change of power takes."),
        DriverOption(
            "spawn_failure", .choice(failureKinds), default: "",
            help: "How every spawn fails; empty for success. Server metadata fake:spawn:fail does the same for one."),
        DriverOption(
            "destroy_failure", .choice(failureKinds), default: "", help: "How every destroy fails; empty for success."),
    ]

    init(_ configuration: DriverConfiguration) {
        persistent = configuration.boolean("persistent")
        vcpus = configuration.integer("vcpus") ?? 1000
        memoryMiB = configuration.integer("memory_mb") ?? 800_000
        diskGiB = configuration.integer("disk_gb") ?? 600_000
        cpuRatio = configuration.number("cpu_allocation_ratio") ?? 4
        memoryRatio = configuration.number("ram_allocation_ratio") ?? 1
        let power = configuration.number("power_delay") ?? 0
        delays = [
            "spawn": configuration.number("spawn_delay") ?? 0, "destroy": configuration.number("destroy_delay") ?? 0,
            "power_on": power, "power_off": power, "reboot": power,
        ]
        var failures: [String: String] = [:]
        for operation in ["spawn", "destroy"] {
            if let kind = configuration.string("\(operation)_failure"), !kind.isEmpty { failures[operation] = kind }
        }
        self.failures = failures
    }

    func delaySeconds(_ operation: Rehearsal.Operation) -> Double { delays[operation.rawValue] ?? 0 }
    func failure(_ operation: Rehearsal.Operation) -> String? { failures[operation.rawValue] }

    func inventory(nodeName: String) -> NodeInventory {
        NodeInventory(
            hypervisorType: "fake", hypervisorVersion: 1_000, hypervisorHostname: nodeName,
            cpu: CPUDescription(arch: "x86_64", vendor: "Fake", model: "fake", sockets: 1, cores: vcpus, threads: 1),
            supportedGuests: [
                SupportedGuest(architecture: "x86_64", hypervisorType: "fake", machineMode: "hvm"),
                SupportedGuest(architecture: "aarch64", hypervisorType: "fake", machineMode: "hvm"),
            ],
            resources: [
                .vcpu: ResourceInventory(total: vcpus, allocationRatio: cpuRatio),
                .memoryMiB: ResourceInventory(total: memoryMiB, allocationRatio: memoryRatio),
                .diskGiB: ResourceInventory(total: diskGiB),
            ],
            traits: [], diskFreeGiB: diskGiB)
    }
}
