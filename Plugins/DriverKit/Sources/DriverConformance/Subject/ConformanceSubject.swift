public import ComputeModel
public import DriverAPI

/// A driver over a hypervisor, as the suite needs it: a way to start it, and what the suite may use.
///
/// Only the first five requirements must be given. Each of the others opens further cases; a case that needs what a
/// subject does not give is skipped by name, with the reason. Made for one run: the suite starts the driver, restarts
/// it, and at the end shuts it down and calls ``close()``.
public protocol ConformanceSubject: Sendable {
    /// The column of the support matrix: `fake`, `libvirt-qemu`. One word.
    var name: String { get }

    /// The host that the driver is given, with the images below known to it.
    var host: ScratchHost { get }

    /// How much can be asked of the hypervisor, and how fast it is.
    var limits: ConformanceLimits { get }

    /// The images that guests are made of, offered by ``host``.
    var images: ConformanceImages { get }

    /// Makes and starts a driver over the hypervisor, with the same state each time. The suite has shut the former one
    /// down before.
    func start() async throws(DriverError) -> any ComputeDriver

    /// What exists on the hypervisor and is not shared by guests: a line for each guest, disk, device or temporary
    /// file, found without the driver's help. A line that belongs to a guest contains its UUID; it stays the same while
    /// the guest is only stopped and started. What a driver may keep (cached images, logs, records of removed guests)
    /// is left out. `nil` when that cannot be seen: leaks are then not looked for.
    func world() async throws -> [String]?

    /// Stops and starts the hypervisor itself.
    var hypervisor: (any HypervisorControl)? { get }

    /// Makes volumes that guests of this hypervisor can be given.
    var volumes: (any ConformanceVolumes)? { get }

    /// Makes guests that are not the driver's.
    var foreignGuests: (any ForeignGuests)? { get }

    /// Lets guests turn themselves off.
    var accidents: (any GuestAccidents)? { get }

    /// Makes calls slow or lets them fail.
    var rehearsal: (any CallRehearsal)? { get }

    /// Looks into guests.
    var insight: (any GuestInsight)? { get }

    /// An interface that is prepared on the host for one guest; `nil` when there is no network. Called for each
    /// interface; drivers with ``PortBinding/unbound`` among their bindings get one of that kind by default.
    func makeInterface(for driver: any ComputeDriver) async throws -> NetworkInterfaceSpec?

    /// Removes what was prepared for an interface.
    func remove(_ interface: NetworkInterfaceSpec) async throws

    /// Whether the suite may turn the node off, and on again through the driver.
    var mayTurnHostOff: Bool { get }

    /// Another node of the same kind, with which the first one exchanges guests; `nil` when there is none. Called
    /// once. The suite makes the first node's images known to its host.
    func secondNode() async throws -> (any ConformanceSubject)?

    /// Facts for the report: versions, how the hypervisor was made.
    var facts: [String: String] { get }

    /// Ends what the subject started. Called last.
    func close() async
}

extension ConformanceSubject {
    public func world() async throws -> [String]? { nil }
    public var hypervisor: (any HypervisorControl)? { nil }
    public var volumes: (any ConformanceVolumes)? { nil }
    public var foreignGuests: (any ForeignGuests)? { nil }
    public var accidents: (any GuestAccidents)? { nil }
    public var rehearsal: (any CallRehearsal)? { nil }
    public var insight: (any GuestInsight)? { nil }
    public func makeInterface(for driver: any ComputeDriver) async throws -> NetworkInterfaceSpec? {
        driver.capabilities.bindings.contains(.unbound) ? .unboundForConformance() : nil
    }
    public func remove(_ interface: NetworkInterfaceSpec) async throws {}
    public var mayTurnHostOff: Bool { false }
    public func secondNode() async throws -> (any ConformanceSubject)? { nil }
    public var facts: [String: String] { [:] }
    public func close() async {}
}

/// The images that guests are made of, each known to the subject's host.
public struct ConformanceImages: Sendable {
    /// Boots, and stays up.
    public var boot: ImageSpec
    /// Boots as a rescue system; the same as ``boot`` unless said otherwise.
    public var rescue: ImageSpec
    /// Boots with UEFI firmware; `nil` when there is none.
    public var uefi: ImageSpec?
    /// A file that is no disk of the format that its image claims; `nil` for a driver that looks into no image.
    public var broken: ImageSpec?
    /// Boots and runs the agent through which passwords are set and file systems frozen; `nil` when there is none.
    public var agent: ImageSpec?

    /// Images.
    public init(
        boot: ImageSpec, rescue: ImageSpec? = nil, uefi: ImageSpec? = nil, broken: ImageSpec? = nil,
        agent: ImageSpec? = nil
    ) {
        self.boot = boot
        self.rescue = rescue ?? boot
        self.uefi = uefi
        self.broken = broken
        self.agent = agent
    }
}

/// How much can be asked of a hypervisor, and how fast it is.
public struct ConformanceLimits: Sendable {
    /// Multiplies every deadline of the suite: 1 for a simulator, 10 or more for guests that boot under emulation.
    public var timeScale: Double
    /// Guests that may exist at once. A case that needs more is skipped; random calls use at most 32.
    public var guestsMax: Int
    /// Calls that each guest gets under random calls.
    public var randomCalls: Int
    /// Changes of power that the flood of events may make; 0 leaves it out.
    public var floodChanges: Int
    /// How long guests are asked to shut down by themselves before the plug is pulled.
    public var grace: Duration
    /// How long the driver lets file systems be frozen before it thaws them by itself; a minute by the contract.
    public var quiesceLimit: Duration
    /// The sizes of guests.
    public var flavor: FlavorSpec
    /// Sizes that a guest can be resized to: at least as large in everything.
    public var largerFlavor: FlavorSpec
    /// A flavor with a smaller root disk than ``flavor``; `nil` when that one is as small as can be.
    public var smallerFlavor: FlavorSpec?

    /// Limits; by default those of a fast simulator.
    public init(
        timeScale: Double = 1, guestsMax: Int = 32, randomCalls: Int = 20, floodChanges: Int = 2_000,
        grace: Duration = .zero, quiesceLimit: Duration = .seconds(60), flavor: FlavorSpec? = nil,
        largerFlavor: FlavorSpec? = nil,
        smallerFlavor: FlavorSpec? = nil
    ) {
        self.timeScale = timeScale
        self.guestsMax = guestsMax
        self.randomCalls = randomCalls
        self.floodChanges = floodChanges
        self.grace = grace
        self.quiesceLimit = quiesceLimit
        self.flavor =
            flavor ?? FlavorSpec(flavorID: "conformance", name: "conformance", vcpus: 1, memoryMiB: 128, rootGiB: 1)
        self.largerFlavor =
            largerFlavor
            ?? FlavorSpec(
                flavorID: "conformance-large", name: "conformance-large", vcpus: 2, memoryMiB: 256, rootGiB: 2)
        self.smallerFlavor = smallerFlavor
    }

    /// A deadline, scaled.
    public func scaled(_ duration: Duration) -> Duration { duration * timeScale }
}

extension NetworkInterfaceSpec {
    /// An interface that is wired to nothing, with a hardware address of its own.
    public static func unboundForConformance() -> NetworkInterfaceSpec {
        let digits = UUIDValue.random().compact.suffix(6)
        var address = "fa:16:3e"
        for (index, digit) in digits.enumerated() { address += index.isMultiple(of: 2) ? ":\(digit)" : "\(digit)" }
        return NetworkInterfaceSpec(
            portID: .random(), networkID: .random(), networkName: "conformance", macAddress: address, mtu: 1500,
            binding: .unbound, addresses: [])
    }
}
