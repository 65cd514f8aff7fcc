import ComputeModel
import DriverAPI
import Glibc

/// The options of the group `[fake]`.
struct FakeOptions: Sendable {
    let persistent: Bool
    let fetchImages: Bool
    /// A folder; `nil` keeps root disks in the world.
    let sharedStorage: String?
    let liveMigrationSeconds: Double
    let quiesceLimit: Duration
    let consoleAddress: String
    let spiceConsole: ConsoleAddress?
    let foreignGuests: [GuestID]
    let plans: [Call: RehearsalPlan]
    let mutation: Mutation?
    let cpuModel: String
    private let traits: Set<Trait>
    private static let traitLetters = Set("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_")
    /// `nil` for a node that can neither pin nor pass devices through.
    let topology: HostTopology?
    private let vcpus: Int
    private let memoryMiB: Int
    private let diskGiB: Int
    private let cpuRatio: Double
    private let memoryRatio: Double

    /// - Throws: ``DriverError/badConfiguration(_:)`` for what the declared kinds of option do not catch.
    init(_ configuration: DriverConfiguration) throws(DriverError) {
        persistent = configuration.boolean("persistent")
        fetchImages = configuration.boolean("fetch_images")
        sharedStorage = Self.text(configuration, "shared_storage")
        liveMigrationSeconds = configuration.number("live_migration_duration") ?? 0
        quiesceLimit = .seconds(configuration.number("quiesce_limit") ?? 60)
        consoleAddress = Self.text(configuration, "console_address") ?? "127.0.0.1"
        guard sockaddr_in(consoleAddress, 0) != nil, consoleAddress != "0.0.0.0" else {
            throw .badConfiguration(
                "[fake] console_address = \(consoleAddress) is not an IPv4 address in numbers; name the one at which "
                    + "proxies and other nodes reach this node")
        }
        traits = Set(configuration.list("cpu_traits").map { Trait($0) })
        if let odd = traits.first(where: { !$0.rawValue.allSatisfy(Self.traitLetters.contains) }) {
            throw .badConfiguration(
                "[fake] cpu_traits: '\(odd)' is not the name of a trait, capital letters, digits and underscores")
        }
        spiceConsole = try Self.text(configuration, "spice_console").map { text throws(DriverError) in
            let parts = text.split(separator: ":").map(String.init)
            guard parts.count == 2, let port = Int(parts[1]), (1...65535).contains(port) else {
                throw .badConfiguration("[fake] spice_console = \(text) is not HOST:PORT")
            }
            return ConsoleAddress(host: parts[0], port: port)
        }
        var foreign: [GuestID] = []
        for text in configuration.list("foreign_guests") {
            guard let id = GuestID(text) else {
                throw .badConfiguration("[fake] foreign_guests: '\(text)' is not a UUID")
            }
            foreign.append(id)
        }
        foreignGuests = foreign
        plans = try Self.plans(configuration)
        mutation = try Self.text(configuration, "mutation").map { name throws(DriverError) in
            guard let mutation = Mutation(rawValue: name) else {
                throw .badConfiguration("[fake] mutation = \(name) is unknown; leave it empty")
            }
            return mutation
        }
        cpuModel = Self.text(configuration, "cpu_model") ?? "fake"
        vcpus = configuration.integer("vcpus") ?? 1000
        memoryMiB = configuration.integer("memory_mb") ?? 800_000
        diskGiB = configuration.integer("disk_gb") ?? 600_000
        cpuRatio = configuration.number("cpu_allocation_ratio") ?? 4
        memoryRatio = configuration.number("ram_allocation_ratio") ?? 1
        topology = try Self.topology(configuration, vcpus: vcpus, memoryMiB: memoryMiB)
    }

    private static func text(_ configuration: DriverConfiguration, _ name: String) -> String? {
        configuration.string(name).flatMap { $0.isEmpty ? nil : $0 }
    }

    private static func plans(_ configuration: DriverConfiguration) throws(DriverError) -> [Call: RehearsalPlan] {
        var plans: [Call: RehearsalPlan] = [:]
        plans[.spawn, default: RehearsalPlan()].delaySeconds = configuration.number("spawn_delay") ?? 0
        plans[.destroy, default: RehearsalPlan()].delaySeconds = configuration.number("destroy_delay") ?? 0
        for call in [Call.powerOn, .powerOff, .reboot] {
            plans[call, default: RehearsalPlan()].delaySeconds = configuration.number("power_delay") ?? 0
        }
        for (call, option) in [(Call.spawn, "spawn_failure"), (.destroy, "destroy_failure")] {
            guard let name = text(configuration, option) else { continue }
            guard let kind = FailureKind(rawValue: name) else {
                throw .badConfiguration("[fake] \(option) = \(name) is not a failure that can be rehearsed")
            }
            plans[call, default: RehearsalPlan()].failure = kind
        }
        for word in configuration.list("rehearse") { try RehearsalPlan.add(word, to: &plans) }
        return plans
    }

    private static func topology(
        _ configuration: DriverConfiguration, vcpus: Int, memoryMiB: Int
    ) throws(DriverError) -> HostTopology? {
        let count = configuration.integer("numa_cells") ?? 0
        guard count <= vcpus else {
            throw .badConfiguration("[fake] numa_cells = \(count) is more than vcpus = \(vcpus)")
        }
        var cells: [HostCell] = []
        let pages = configuration.integer("huge_pages") ?? 0
        for index in 0..<count {
            let cpus = Set(vcpus * index / count..<vcpus * (index + 1) / count)
            cells.append(
                HostCell(
                    id: index, cpus: cpus, siblings: cpus.sorted().map { [$0] }, memoryMiB: memoryMiB / count,
                    pages: pages > 0 ? [2048: pages] : [:]))
        }
        var devices: [PCIDevice] = []
        for text in configuration.list("pci_devices") {
            let words = text.split(separator: " ").map(String.init)
            let cell = words.count == 5 ? Int(words[4]) : nil
            guard words.count == 4 || cell != nil, ["type-PCI", "type-PF", "type-VF"].contains(words[3]) else {
                throw .badConfiguration(
                    "[fake] pci_devices: '\(text)' is not ADDRESS VENDOR PRODUCT KIND [CELL] with a kind of type-PCI, "
                        + "type-PF or type-VF")
            }
            devices.append(
                PCIDevice(address: words[0], vendorID: words[1], productID: words[2], kind: words[3], cell: cell))
        }
        return cells.isEmpty && devices.isEmpty ? nil : HostTopology(cells: cells, pciDevices: devices)
    }

    /// What the node tells of itself.
    func inventory(nodeName: String) -> NodeInventory {
        let offered = mutation == .inventoryNegative ? -memoryMiB : memoryMiB
        return NodeInventory(
            hypervisorType: "fake", hypervisorVersion: 1_000, hypervisorHostname: nodeName,
            cpu: CPUDescription(arch: "x86_64", vendor: "Fake", model: cpuModel, sockets: 1, cores: vcpus, threads: 1),
            supportedGuests: [
                SupportedGuest(architecture: "x86_64", hypervisorType: "fake", machineMode: "hvm"),
                SupportedGuest(architecture: "aarch64", hypervisorType: "fake", machineMode: "hvm"),
            ],
            resources: [
                .vcpu: ResourceInventory(total: vcpus, allocationRatio: cpuRatio),
                .memoryMiB: ResourceInventory(total: offered, allocationRatio: memoryRatio),
                .diskGiB: ResourceInventory(total: diskGiB),
            ],
            traits: traits, diskFreeGiB: diskGiB, topology: topology)
    }
}
